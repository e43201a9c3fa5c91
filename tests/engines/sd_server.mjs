// sd-server of stable-diffusion.cpp as its callers see it: it loads before it listens, draws one
// picture at a time, goes on drawing when a caller leaves, and speaks base64 only.
//
//   --listen-ip IP --listen-port N   as the real one takes them; all else it is given is noted
//   --notes FILE                     a JSON line for each event: start, draw, drawn
//   --load-ms T                      loading takes so long
//   --fail-load-if FILE              loading fails while the file exists
//   --gate FILE                      a prompt with the word `held` is drawn once the file exists
//
// Words in a prompt: `held` (see above), `crash` (the process dies), `fault` (500).
import fs from 'node:fs';
import http from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { png } from '../providers/pictures.mjs';

const args = process.argv.slice(2);
const option = (name, otherwise) => (args.includes(name) ? args[args.indexOf(name) + 1] : otherwise);
const note = (event, more = {}) => option('--notes') && fs.appendFileSync(option('--notes'), `${JSON.stringify({ event, pid: process.pid, ...more })}\n`);

note('start', { args, at: Date.now() });
if (option('--fail-load-if') && fs.existsSync(option('--fail-load-if'))) {
  console.error('[ERROR] load tensors from model file failed');
  process.exit(1);
}
await sleep(Number(option('--load-ms', 0)));

let turn = Promise.resolve();

const refuse = (response, status, body) => response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));

/** What is wrong with a request, or its measures. */
function read(text) {
  let body;
  try { body = JSON.parse(text); } catch { return { error: 'invalid json' }; }
  const { prompt, n = 1, size = '512x512', output_format = 'png', output_compression = 100 } = body;
  if (!prompt) return { error: 'prompt required' };
  if (!Number.isInteger(n) || n < 1) return { error: 'n must be at least 1' };
  if (!['png', 'jpeg', 'webp'].includes(output_format)) return { error: 'invalid output_format' };
  if (output_compression < 0 || output_compression > 100) return { error: 'invalid output_compression' };
  const [, width, height] = /^(\d+)x(\d+)$/.exec(size) ?? [];
  return width ? { body, prompt, n, width: Number(width), height: Number(height), output_format } : { error: 'invalid size' };
}

async function draw(response, asked) {
  note('draw', { body: asked.body });
  if (asked.prompt.includes('crash')) process.exit(139);
  while (asked.prompt.includes('held') && !fs.existsSync(option('--gate'))) await sleep(10);
  if (asked.prompt.includes('fault')) return refuse(response, 500, { error: 'server_error', message: 'generate_image returned no images' });
  const picture = png(asked).toString('base64');
  note('drawn', { prompt: asked.prompt });
  return refuse(response, 200, { created: 1_780_000_000, output_format: asked.output_format, data: Array.from({ length: asked.n }, () => ({ b64_json: picture })) });
}

http.createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
  let text = '';
  request.setEncoding('utf8').on('data', (part) => { text += part; }).on('end', () => {
    if (request.method === 'GET' && request.url === '/v1/models') return refuse(response, 200, { object: 'list', data: [{ id: 'sd-cpp-local', object: 'model' }] });
    if (request.method !== 'POST' || request.url !== '/v1/images/generations') return refuse(response, 404, { error: 'not found' });
    const asked = read(text);
    if (asked.error) return refuse(response, 400, { error: asked.error });
    turn = turn.then(() => draw(response, asked));
    return undefined;
  });
}).listen(Number(option('--listen-port', 1234)), option('--listen-ip', '127.0.0.1'));
