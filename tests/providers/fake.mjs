// A fake upstream: an HTTP(S) server that speaks one provider's wire (see the other files of this
// folder), does what a script tells it, and records what it saw.
//
// A script is an object; without one the provider answers with success. All times are milliseconds.
//   status, headers, json | text | bytes                this answer instead of success (`provider.errors.*` are such)
//   reply, toolCalls, reasoning, finish, usage, extra     what a success says
//   delay                               before the headers
//   silence | reset                     never answer | reset before headers
//   raw, hold                           these bytes, then close | then nothing
//   firstTokenDelay, between            before the first token, between tokens
//   cutAt | endAt                       after that many tokens: break the connection | end cleanly
//   stallAt, stallFor                   after that many tokens: pause (for ever without stallFor)
//   insertAt, insert, goOn              before that token: this raw text, then end unless goOn
//   malformedAt                         that token's frame is broken JSON
//   noDone | noFinish | empty | zeroBytes                 what the stream leaves out
//   bytewise | splitAt                  one byte a write | two writes, parted at that byte
//   closeIdle                           close the connection after the answer, unannounced
import { createHash } from 'node:crypto';
import http from 'node:http';
import https from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../lib/until.mjs';

const FOR_EVER = 2 ** 31 - 1;
/** Where a gateway looks what is loaded: no calls of a client's, and no script is for them. */
const LOOKS = ['/api/ps', '/sdcpp/v1/status'];

export class Fake {
  /** Starts a provider on a free loopback port. `key`: what it demands, else 401. */
  static async start(wire, { key, tls, strict = true } = {}) {
    const fake = new Fake(wire, key, strict);
    await fake.#listen(tls);
    return fake;
  }

  constructor(wire, key, strict) {
    this.wire = wire;
    this.key = key;
    this.strict = strict;
    this.calls = [];
    this.looks = [];
    this.connections = 0;
    this.queue = [];
    this.standing = {};
    this.byModel = new Map();
  }

  /** The value for `api_base`. */
  get base() { return this.url + this.wire.base; }

  /** Scripts for the next requests, one each. */
  next(...scripts) { this.queue.push(...scripts); return this; }
  /** The script for every request that has no other. */
  always(script) { this.standing = script; return this; }
  /** The script for requests that name this upstream model. */
  forModel(model, script) { this.byModel.set(model, script); return this; }

  get last() { return this.calls.at(-1); }
  async called(count = 1, within = 3000) {
    await until(() => this.calls.length >= count, within, `${this.wire.name} called ${count} times`);
    return this.calls[count - 1];
  }

  async close() {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  async #listen(tls) {
    const serve = (req, res) => this.#serve(req, res).catch((error) => this.#crash(res, error));
    this.server = tls ? https.createServer(tls, serve) : http.createServer(serve);
    this.server.keepAliveTimeout = 60_000;
    this.server.requestTimeout = 0;
    this.server.on(tls ? 'secureConnection' : 'connection', (socket) => {
      socket.number = ++this.connections;
    });
    await new Promise((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    this.port = this.server.address().port;
    this.url = `${tls ? 'https' : 'http'}://127.0.0.1:${this.port}`;
  }

  #crash(res, error) {
    if (error.name === 'AbortError') return;
    console.error(`fake ${this.wire.name}:`, error);
    res.socket?.destroy();
  }

  async #serve(req, res) {
    const call = record(req, res);
    const parts = [];
    for await (const part of req) parts.push(part);
    call.bytes = Buffer.concat(parts);
    call.raw = call.bytes.toString();
    if (req.headers['content-type']?.startsWith('multipart/form-data')) Object.assign(call, await readForm(req, call.bytes));
    else try { call.body = JSON.parse(call.raw); } catch { call.body = undefined; }
    call.model = call.body?.model;
    call.kind = this.wire.kind(call);
    call.stream = this.wire.streams(call);
    const look = req.method === 'GET' && LOOKS.includes(call.path);
    (look ? this.looks : this.calls).push(call);
    const script = this.#refusal(call) || (look ? {} : this.#script(call));
    call.script = script;
    await play(this.wire, call, res, script);
  }

  #script(call) {
    const script = this.queue.shift() ?? this.byModel.get(call.model) ?? this.standing;
    return typeof script === 'function' ? script(call) : script;
  }

  #refusal(call) {
    if (!call.kind) return { status: 404, json: { error: { message: `no route ${call.path}` } } };
    if (this.key && this.wire.keyOf(call) !== this.key) return this.wire.errors.unauthorized;
    return this.strict ? this.wire.validate?.(call) : undefined;
  }
}

/** A form: `body` has its fields (lists where a name comes twice), `file` is told by its digest. */
async function readForm(req, bytes) {
  const form = await new Response(bytes, { headers: { 'content-type': req.headers['content-type'] } }).formData();
  const seen = { body: {}, order: [] };
  for (const [name, value] of form) {
    seen.order.push(name);
    if (typeof value === 'string') seen.body[name] = name in seen.body ? [seen.body[name], value].flat() : value;
    else seen.file = { field: name, name: value.name, type: value.type, size: value.size, sha256: sha256(Buffer.from(await value.arrayBuffer())) };
  }
  return seen;
}

export const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');

function record(req, res) {
  const ended = new AbortController();
  const call = {
    at: performance.now(), method: req.method, path: req.url, headers: req.headers,
    rawHeaders: req.rawHeaders, connection: req.socket.number, servername: req.socket.servername,
    writes: [], sent: '', finished: false, closedEarlyAt: undefined, signal: ended.signal,
  };
  res.on('close', () => {
    call.finished = res.writableFinished;
    if (!call.finished && !call.brokenByScript) call.closedEarlyAt = performance.now();
    ended.abort();
  });
  /** Waits until the caller has hung up before the answer was complete. */
  call.hungUp = (within = 3000) =>
    until(() => call.closedEarlyAt !== undefined, within, 'the caller hangs up');
  return call;
}

const pause = (ms, call) => sleep(ms, undefined, { signal: call.signal, ref: false });

async function play(wire, call, res, script) {
  if (script.silence) return;
  if (script.delay) await pause(script.delay, call);
  if (script.reset || script.raw !== undefined) return breakOff(call, res, script);
  call.answeredAt = performance.now();
  if (script.closeIdle) res.on('finish', () => setTimeout(() => res.socket?.destroy(), 20));
  if (isWhole(script)) return sendWhole(call, res, script);
  if (wire.answer) return wire.answer(call, res, script);
  if (call.stream) return sendStream(wire, call, res, script);
  const answer = wire.whole?.(call, script) ?? { json: wire.plain(call, script) };
  const headers = { ...wire.headers?.(call), ...answer.headers, ...script.headers };
  sendWhole(call, res, { status: 200, ...answer, headers, cutAt: script.cutAt });
}

const isWhole = (script) =>
  (script.status ?? 200) !== 200 || [script.json, script.text, script.bytes].some((body) => body !== undefined);

function breakOff(call, res, script) {
  call.brokenByScript = true;
  if (script.reset) return res.socket.resetAndDestroy();
  if (script.hold) return res.socket.write(script.raw);
  res.socket.end(script.raw);
}

function sendWhole(call, res, script) {
  const body = script.bytes ?? script.text ?? JSON.stringify(script.json) ?? '';
  const type = script.text === undefined ? 'application/json' : 'text/plain';
  res.writeHead(script.status ?? 200, {
    'content-type': type, 'content-length': Buffer.byteLength(body), ...script.headers,
  });
  call.sent = String(body);
  call.writes.push(performance.now());
  if (script.cutAt === undefined) return res.end(body);
  call.brokenByScript = true;
  res.write(body.slice(0, body.length / 2), () => res.socket.destroy());
}

async function sendStream(wire, call, res, script) {
  res.writeHead(200, { 'content-type': wire.streamType, ...wire.headers?.(call), ...script.headers });
  res.flushHeaders();
  if (script.zeroBytes) return res.end();
  const frames = select(wire.frames(call, script), script);
  if (script.bytewise || script.splitAt !== undefined) return sendBytes(call, res, frames, script);
  let tokens = 0;
  for (const frame of frames) {
    if (frame.kind === 'token' && (await beforeToken(call, res, script, tokens)) === 'ended') return;
    write(call, res, broken(frame, script, tokens) ?? frame.text);
    if (frame.kind === 'token') tokens += 1;
  }
  if ((await atToken(call, res, script, tokens)) === 'ended') return;
  res.end();
}

const select = (frames, script) => frames.filter(({ kind }) =>
  !(script.noDone && kind === 'done') &&
  !(script.noFinish && ['finish', 'usage', 'done'].includes(kind)) &&
  !(script.empty && kind === 'token'));

const broken = (frame, script, tokens) =>
  frame.kind === 'token' && script.malformedAt === tokens
    ? frame.text.replace(/\}[\s\S]*$/, '\n\n') : undefined;

async function beforeToken(call, res, script, tokens) {
  if (tokens === 0 && script.firstTokenDelay) await pause(script.firstTokenDelay, call);
  if (tokens > 0 && script.between) await pause(script.between, call);
  return atToken(call, res, script, tokens);
}

async function atToken(call, res, script, tokens) {
  if (script.stallAt === tokens) await pause(script.stallFor ?? FOR_EVER, call);
  if (script.cutAt === tokens) {
    call.brokenByScript = true;
    await new Promise((resolve) => res.write('', resolve));
    setTimeout(() => res.socket?.destroy(), 10);
    return 'ended';
  }
  if (script.endAt === tokens) { res.end(); return 'ended'; }
  if (script.insertAt !== tokens) return 'going';
  write(call, res, script.insert);
  if (script.goOn) return 'going';
  res.end();
  return 'ended';
}

async function sendBytes(call, res, frames, script) {
  const bytes = Buffer.from(frames.map(({ text }) => text).join(''));
  call.sent = bytes.toString();
  const cuts = script.bytewise ? [...bytes.keys()].slice(1) : [script.splitAt];
  let from = 0;
  for (const cut of [...cuts, bytes.length]) {
    await new Promise((resolve) => res.write(bytes.subarray(from, cut), resolve));
    if (!script.bytewise && cut !== bytes.length) await pause(2, call);
    from = cut;
  }
  res.end();
}

function write(call, res, text) {
  call.writes.push(performance.now());
  call.sent += text;
  res.write(text);
}
