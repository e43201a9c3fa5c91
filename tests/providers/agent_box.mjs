// What claudebox and pibox share: an agent behind an OpenAI adapter, with workspaces in which one
// run at a time is allowed, files, and runs that end when their caller hangs up.
//
// A script says what the next chat does:
//   text | texts        the answer, as one message or several
//   before, between     milliseconds before the first message, between two
//   gate                a promise to wait for before the first message
//   silence             it works until it is cancelled
//   status, json        this answer instead
//   finish              the finish reason (null: the stream ends without one)
//   usage               of a plain answer; null: none
//   headLate            the head comes with the first message
//   reset               the run begins and its connection breaks before a head
//   deaf                it does not notice that its caller hung up
import http from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../lib/until.mjs';
import { sse } from './openai_shape.mjs';

const CREATED = 1_780_000_000;

export class AgentBox {
  static async start(kind, { token = 'box-token', prefix = '' } = {}) {
    const box = new AgentBox();
    Object.assign(box, { kind, token, prefix, calls: [], runs: [], most: new Map(), files: new Map(), queue: [], standing: {} });
    box.server = http.createServer({ keepAliveTimeout: 60_000 }, (req, res) => box.#serve(req, res).catch((error) => { console.error('fake box:', error); res.destroy(); }));
    await new Promise((resolve) => box.server.listen(0, '127.0.0.1', resolve));
    box.url = `http://127.0.0.1:${box.server.address().port}${prefix}`;
    box.base = `${box.url}/openai/v1`;
    return box;
  }

  next(...scripts) { this.queue.push(...scripts); return this; }
  always(script) { this.standing = script; return this; }
  /** The chats among the calls. */
  get chats() { return this.calls.filter(({ path }) => path === '/openai/v1/chat/completions'); }
  asked(method, path) { return this.calls.filter((call) => call.method === method && call.path === path); }
  async chatted(count = 1) {
    await until(() => this.chats.length >= count, 5000, `${count} chats at the box`);
    return this.chats[count - 1];
  }
  running() { return this.runs.filter(({ status }) => status === 'running'); }
  /** Somebody else's run, which keeps its workspace busy until `end()`. */
  occupy(workspace) {
    const run = { runId: `run-${this.runs.length + 1}`, workspace, status: 'running' };
    this.runs.push(run);
    return { run, end: () => { run.status = 'completed'; } };
  }
  folder(name) { return [...this.files.keys()].some((file) => file.startsWith(`${name}/`)); }

  async close() {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  async #serve(req, res) {
    const parts = [];
    for await (const part of req) parts.push(part);
    const bytes = Buffer.concat(parts);
    const whole = req.url.slice(this.prefix.length);
    const path = whole.split('?')[0];
    const call = { at: performance.now(), method: req.method, path, url: whole, headers: req.headers, bytes, text: bytes.toString() };
    try { call.body = JSON.parse(call.text); } catch { call.body = undefined; }
    this.calls.push(call);
    const answer = (status, json) => res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(json));
    if (path === this.kind.health) return answer(200, this.kind.healthy);
    if (req.headers.authorization !== `Bearer ${this.token}`) return answer(401, { detail: this.kind.unauthorized });
    if (path === '/status') return answer(200, { busyWorkspaces: this.running().map(({ workspace }) => this.kind.shown(workspace)), runs: this.runs });
    if (path.startsWith('/files')) return this.#file(call, res, answer);
    if (path === '/openai/v1/chat/completions') return this.#chat(call, res, answer);
    const cancelled = this.kind.cancelled(call);
    if (cancelled) return this.#cancel(cancelled, answer);
    if (path === '/run') return this.#run(call, res, answer);
    return answer(404, { detail: 'Not Found' });
  }

  #file(call, res, answer) {
    const name = decodeURIComponent(call.path.slice('/files'.length)).replace(/^\//, '');
    if (name.split('/').includes('..')) return answer(400, { detail: 'path escapes the workspace root' });
    if (call.method === 'PUT') {
      this.files.set(name, call.bytes);
      return answer(200, { status: 'ok', path: name, size: call.bytes.length });
    }
    if (call.method === 'DELETE') return answer(this.files.delete(name) ? 200 : 404, { status: 'ok' });
    if (this.files.has(name)) return res.writeHead(200, { 'content-type': 'application/octet-stream', 'x-box': 'yes', connection: 'x-hop', 'x-hop': '1' }).end(this.files.get(name));
    if (name !== '' && !this.folder(name)) return answer(404, { detail: 'not found' });
    return answer(200, { path: name, entries: [...this.files].map(([file, content]) => ({ name: file, type: 'file', size: content.length })) });
  }

  #cancel(which, answer) {
    const run = this.running().find(which);
    if (!run) return answer(404, { detail: 'no such run' });
    run.status = 'cancelled';
    run.stop?.();
    return answer(200, { runId: run.runId, status: 'cancelled' });
  }

  /** Takes the workspace, or says why not. */
  #begin(workspace, res, script, answer) {
    if (this.kind.mustExist && workspace !== '' && !this.folder(workspace)) return answer(400, { detail: `workspace ${workspace} does not exist` }) && undefined;
    if (this.running().some((run) => run.workspace === workspace)) return answer(409, { detail: 'workspace busy, retry later' }) && undefined;
    const ended = new AbortController();
    const run = { runId: `run-${this.runs.length + 1}`, workspace, status: 'running', stop: () => { ended.abort(); res.destroy(); } };
    Object.defineProperty(run, 'stop', { enumerable: false });
    this.runs.push(run);
    this.most.set(workspace, Math.max(this.most.get(workspace) ?? 0, this.running().filter((one) => one.workspace === workspace).length));
    res.on('close', () => {
      if (res.writableFinished || script.deaf || run.status !== 'running') return;
      run.status = 'cancelled';
      run.hungUpAt = performance.now();
      ended.abort();
    });
    return { run, signal: ended.signal };
  }

  async #run(call, res, answer) {
    const script = this.queue.shift() ?? this.standing;
    const begun = this.#begin(call.body?.workspace ?? '', res, script, answer);
    if (!begun) return;
    await sleep(script.before ?? 0);
    begun.run.status = 'completed';
    answer(200, { runId: begun.run.runId, workspace: begun.run.workspace, result: script.text ?? 'done' });
  }

  async #chat(call, res, answer) {
    const script = this.queue.shift() ?? this.standing;
    call.workspace = this.kind.workspace(call.headers);
    if (script.status) return answer(script.status, script.json ?? { detail: 'failed' });
    const begun = this.#begin(call.workspace, res, script, answer);
    if (!begun) return;
    call.run = begun.run;
    if (script.reset) { begun.run.status = 'completed'; return res.destroy(); }
    const pause = (ms) => sleep(ms, undefined, { signal: begun.signal, ref: false }).catch(() => {});
    const texts = script.texts ?? [script.text ?? `answer from ${this.kind.name}`];
    if (call.body.stream && !script.headLate) {
      res.writeHead(200, { 'content-type': 'text/event-stream' });
      res.flushHeaders();
    }
    if (script.before) await pause(script.before);
    if (script.gate) await script.gate;
    if (script.silence) await pause(2 ** 31 - 1);
    if (begun.signal.aborted || res.destroyed) return;
    if (!call.body.stream) {
      begun.run.status = 'completed';
      return answer(200, this.kind.plain(call, script, texts.join('\n\n'), CREATED));
    }
    if (script.headLate) res.writeHead(200, { 'content-type': 'text/event-stream' });
    const chunk = (delta, finish_reason = null) => sse({ id: 'chatcmpl-box', object: 'chat.completion.chunk', created: CREATED, model: call.body.model, choices: [{ index: 0, delta, finish_reason }] });
    if (this.kind.roleFirst) res.write(chunk({ role: 'assistant' }));
    for (const [at, text] of texts.entries()) {
      if (at > 0 && script.between) await pause(script.between);
      if (begun.signal.aborted) return;
      res.write(chunk(this.kind.roleFirst ? { content: text } : { role: 'assistant', content: text }));
    }
    begun.run.status = 'completed';
    if (script.cut) return res.write('', () => setTimeout(() => res.destroy(), 20));
    if (script.finish !== null) res.write(chunk({}, script.finish ?? this.kind.finish));
    res.end('data: [DONE]\n\n');
  }
}
