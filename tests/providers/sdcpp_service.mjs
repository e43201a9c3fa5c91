// A stand-in for the wrapper around stable-diffusion.cpp: one model, one picture at a time, 503 at
// once while busy, an unload that says yes while it works on, a cancel that kills. (sdcpp.mjs beside it
// plays scripted answers; this one keeps state as the real service does.)
//
//   const draws = await SdcppService.start(t, { memory, sizes: { 'sd-turbo': 2e9 } });
//   draws.base           for `api_base`; draws.loaded is the key of the model, or undefined
//   draws.calls          [{method, path, status, at, closedEarly}]; draws.asked(path)
//   draws.hold()         drawing stops until the function that it gives is called, or until a cancel
//   draws.refusesCancel = true
//   POST /sdcpp/v1/cancel kills its process: what is under way is answered with 502
//   options              loadMs 0, drawMs 0, loadFails false, prefix 'local-sdcpp-cuda-', usual: the first of sizes
import http from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

const PNG = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

export class SdcppService {
  static async start(t, options = {}) {
    const service = new SdcppService(options);
    await new Promise((resolve) => service.server.listen(0, '127.0.0.1', resolve));
    service.url = `http://127.0.0.1:${service.server.address().port}`;
    service.base = `${service.url}/v1`;
    t?.after(() => service.close());
    return service;
  }

  constructor(options) {
    this.options = { loadMs: 0, drawMs: 0, loadFails: false, prefix: 'local-sdcpp-cuda-', sizes: {}, ...options };
    Object.assign(this, { calls: [], loaded: undefined, busy: undefined, held: undefined });
    this.server = http.createServer({ keepAliveTimeout: 60_000 }, (req, res) => this.#serve(req, res).catch(() => res.destroy()));
  }

  asked(path) { return this.calls.filter((call) => call.path === path); }

  hold() {
    let open;
    this.held = new Promise((resolve) => { open = resolve; });
    return () => { this.held = undefined; open(); };
  }

  close() {
    this.server.closeAllConnections();
    return new Promise((resolve) => this.server.close(resolve));
  }

  async #serve(req, res) {
    const parts = [];
    for await (const part of req) parts.push(part);
    const [path] = req.url.split('?');
    const call = { method: req.method, path, query: req.url.slice(path.length), headers: req.headers, at: performance.now(), closedEarly: false };
    this.calls.push(call);
    res.on('close', () => { call.closedEarly = !res.writableFinished; });
    call.body = Buffer.concat(parts).toString();
    const { status, json } = await this.#answer(req.method, path, call.body, req.url);
    call.status = status;
    if (res.destroyed) return;
    res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(json));
  }

  async #answer(method, path, body, url) {
    if (path === '/health') return { status: 200, json: { status: 'ok' } };
    if (path === '/sdcpp/v1/status') return { status: 200, json: this.#status() };
    if (method !== 'POST') return { status: 405, json: { error: 'method not allowed' } };
    if (path === '/sdcpp/v1/unload') return { status: 200, json: this.#unload() };
    if (path === '/sdcpp/v1/cancel') return { status: 200, json: this.#cancel() };
    if (path === '/sdcpp/v1/load') return this.#alone('load', () => this.#load(new URL(url, 'http://x').searchParams.get('model')));
    if (path === '/v1/images/generations') return this.#alone('draw', () => this.#draw(JSON.parse(body)));
    return { status: 404, json: { error: 'not found' } };
  }

  #status() {
    return {
      loaded: this.loaded !== undefined, loading: this.busy === 'load', generating: this.busy === 'draw', current_model: this.loaded ?? '',
      process_running: this.loaded !== undefined, process_pid: 1, idle_timeout: 300, supports_img: false, models: Object.keys(this.options.sizes),
    };
  }

  #unload() {
    if (this.busy || this.loaded === undefined) return { already_unloaded: true };
    const model = this.loaded;
    this.#drop();
    return { unloaded: true, model };
  }

  /** Kills what it works with: the model is gone, whoever waits for it gets an error. */
  #cancel() {
    if (!this.busy || this.refusesCancel) return { cancelled: false, reason: 'no load or generation in progress' };
    this.turn.kill();
    this.turn = undefined;
    if (this.loaded !== undefined) this.#drop();
    return { cancelled: true };
  }

  #drop() {
    this.options.memory?.free(`sdcpp ${this.loaded}`);
    this.loaded = undefined;
  }

  async #alone(what, work) {
    if (this.busy) return { status: 503, json: { error: { message: 'another load or generation is in progress' } } };
    this.busy = what;
    const killed = new Promise((resolve) => { this.turn = { kill: () => resolve({ status: 502, json: { error: { message: 'backend died' } } }) }; });
    try { return await Promise.race([work(), killed]); } finally { this.busy = undefined; }
  }

  async #load(name) {
    const known = Object.keys(this.options.sizes);
    const key = name ?? this.options.usual ?? known[0];
    if (known.length > 0 && !known.includes(key)) return { status: 400, json: { error: `unknown model: ${key}` } };
    if (this.loaded === key) return { status: 200, json: { already_loaded: true, model: key } };
    if (this.loaded !== undefined) this.#drop();
    const { turn } = this;
    await sleep(this.options.loadMs);
    if (turn !== this.turn) return undefined;
    if (this.options.loadFails) return { status: 503, json: { error: { message: 'load failed: exit status 1' } } };
    this.loaded = key;
    this.options.memory?.take(`sdcpp ${key}`, this.options.sizes[key] ?? 0);
    return { status: 200, json: { loaded: true, model: key } };
  }

  async #draw({ model, size }) {
    const { prefix } = this.options;
    const loaded = await this.#load(model.startsWith(prefix) ? model.slice(prefix.length) : model);
    if (loaded?.status !== 200) return loaded;
    await this.held;
    await sleep(this.options.drawMs);
    return { status: 200, json: { created: 1, output_format: 'png', size, data: [{ b64_json: PNG }] } };
  }
}
