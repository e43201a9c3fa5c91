// The HTTP face that the engines of the tests share: `--host H --port P` as freeway's supervisor
// appends them, GET /health, bounded bodies, errors of OpenAI's shape.
import http from 'node:http';
import { parseArgs } from 'node:util';

const LARGEST = 25 << 20;

/** A failure that the caller is told as it is. */
export class Refusal extends Error {
  constructor(status, message, param = null) {
    super(message);
    this.status = status;
    this.param = param;
  }
}

/**
 * Serves `{'POST /path': handler}` until it is ended; a handler gets `{bytes, headers, url}` and gives
 * `{json | text | bytes, type, headers}`.
 */
export function serve(routes) {
  const { values } = parseArgs({ options: { host: { type: 'string', default: '127.0.0.1' }, port: { type: 'string' } } });
  const all = { 'GET /health': () => ({ json: { status: 'ok' } }), ...routes };
  http.createServer({ keepAliveTimeout: 60_000 }, (req, res) => answer(all, req, res)).listen(Number(values.port), values.host);
}

async function answer(routes, req, res) {
  try {
    const path = req.url.split('?')[0];
    const handler = routes[`${req.method} ${path}`];
    if (!handler) throw new Refusal(404, `no route ${req.method} ${path}`);
    reply(res, 200, await handler({ bytes: await read(req), headers: req.headers, url: req.url }));
  } catch (error) {
    const status = error.status ?? 500;
    if (status === 500) console.error(error);
    reply(res, status, { json: { error: { message: error.message, type: status < 500 ? 'invalid_request_error' : 'server_error', param: error.param ?? null, code: null } } });
  }
}

function reply(res, status, { json, text, bytes, type, headers }) {
  const body = bytes ?? text ?? JSON.stringify(json);
  const standard = json ? 'application/json' : 'text/plain; charset=utf-8';
  res.writeHead(status, { 'content-type': type ?? standard, 'content-length': Buffer.byteLength(body), ...headers });
  res.end(body);
}

async function read(req) {
  const parts = [];
  let size = 0;
  for await (const part of req) {
    size += part.length;
    if (size > LARGEST) throw new Refusal(413, `the body is larger than ${LARGEST} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts);
}
