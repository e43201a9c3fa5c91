// Real pictures for fakes that draw, and what their image answers share.
import zlib from 'node:zlib';

const TABLE = Array.from({ length: 256 }, (_, n) => {
  for (let bit = 0; bit < 8; bit += 1) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n >>> 0;
});
const crc = (bytes) => ~bytes.reduce((sum, byte) => TABLE[(sum ^ byte) & 255] ^ (sum >>> 8), 0xffffffff) >>> 0;

function chunk(type, data) {
  const body = Buffer.concat([Buffer.from(type), data]);
  const out = Buffer.alloc(body.length + 8);
  out.writeUInt32BE(data.length, 0);
  body.copy(out, 4);
  out.writeUInt32BE(crc(body), body.length + 4);
  return out;
}

/** A PNG of one colour; with `noise` every pixel differs and nothing is compressed. */
export function png({ width = 2, height = 2, colour = [200, 30, 30], noise = false } = {}) {
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, 2], 8);
  const rows = Buffer.alloc((width * 3 + 1) * height);
  for (let i = 0; i < rows.length; i += 1) {
    const column = i % (width * 3 + 1);
    if (column > 0) rows[i] = noise ? (Math.imul(i, 2654435761) >>> 13) & 255 : colour[(column - 1) % 3];
  }
  const pixels = zlib.deflateSync(rows, { level: noise ? 0 : 9 });
  return Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), chunk('IHDR', head), chunk('IDAT', pixels), chunk('IEND', Buffer.alloc(0))]);
}

/** Width and height that a PNG states; fails for what is none. */
export function pngSize(bytes) {
  if (!bytes.subarray(0, 8).equals(Buffer.from('89504e470d0a1a0a', 'hex'))) throw new Error('no PNG');
  return [bytes.readUInt32BE(16), bytes.readUInt32BE(20)];
}

export const PICTURE = png();
export const pictureUrl = (call, name = 'a.png') => `http://${call.headers.host}/pictures/${name}`;
export const isPicture = (call) => call.method === 'GET' && call.path.startsWith('/pictures/');
export const picture = (bytes = PICTURE, type = 'image/png') => ({ bytes, headers: { 'content-type': type } });

/** `count` elements of OpenAI's `data`, as addresses or in base64. */
export const dataOf = (call, script, { url, count = 1, revised } = {}) => Array.from({ length: count }, () => ({
  ...(url ? { url: script.url ?? pictureUrl(call) } : { b64_json: (script.picture ?? PICTURE).toString('base64') }),
  ...(revised && { revised_prompt: revised }),
}));

/** The parts of a multipart body: `{name, filename, type, bytes}`. */
export function partsOf(call) {
  const boundary = /boundary="?([^";]+)/.exec(call.headers['content-type'] ?? '')?.[1];
  if (!boundary) return [];
  return call.bytes.toString('latin1').split(`--${boundary}`).slice(1, -1).map((part) => {
    const at = part.indexOf('\r\n\r\n');
    const head = part.slice(0, at);
    return {
      name: /name="([^"]*)"/.exec(head)?.[1], filename: /filename="([^"]*)"/.exec(head)?.[1],
      type: /content-type: *([^\r\n]+)/i.exec(head)?.[1], bytes: Buffer.from(part.slice(at + 4, -2), 'latin1'),
    };
  });
}
