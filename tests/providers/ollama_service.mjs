// A whole fake Ollama: models on a disk, models in memory, pulling, loading, unloading, a queue.
// (ollama.mjs beside it plays scripted answers; this one keeps state as the real service does.)
//
//   const memory = new Memory(8 * GB);                     one GPU or RAM; several services may share it
//   const service = await OllamaService.start(t, { models: { 'qwen3:8b': { size: 5 * GB } }, memory });
//   t                 the test it ends with (or undefined: call service.close())
//   models            {tag: Model} on the disk at the start; without a tag it is `:latest`, as in Ollama
//   library           {tag: Model} that /api/pull finds; all else is "file does not exist"
//   disk              a Disk, to let two services share one store of blobs (default: its own)
//   memory            a Memory (default: without an end)
//   device            'cuda' (default: size_vram = size) or 'cpu' (size_vram = 0)
//   maxLoaded (0: any number), numParallel (1), maxQueue (512)     as OLLAMA_MAX_LOADED_MODELS, …
//   loadMs (5), tokenMs (1), unloadMs (5)                  how long things take
//   memoryLeaves      'after' (default): its name leaves /api/ps first, its memory is free `settleMs`
//                     (20) later | 'before': memory is free first, the name goes `settleMs` later
//   omitCached        true: a prompt asked twice in a row has no prompt_eval_count (full cache hit)
// Model: { size (bytes on disk), bytes (in memory; default size), family ('llama'), context (8192),
//          capabilities (['completion']), reply ('answer from MODEL'), dimensions (4) }
//
// What it shows:
//   service.url, service.calls [{at, method, path, kind, body, model, status, aborted, endedAt}], service.asked(kind)
//   service.events [{at, what: load|reload|loaded|unload|gone|freed|pull|pulled, model, options?}], service.happened(what)
//   service.loaded (names as in /api/ps), service.running (requests at work), service.pulling (names)
//   memory.used, memory.peak, memory.total, memory.take(name, bytes) / memory.free(name) for other programs
// What it can be told:
//   service.next(kind, answer) / always(kind, answer | null): kind is tags|ps|show|version|pull|chat|generate|
//     embed|load|unload; answer {status, json|text|raw}, {silence: true}, {reset: true}, for pull also {errorAt: bytes,
//     error: 'text'} (an {error} line, status 200), {cutAt: bytes} (the connection breaks), for chat and
//     generate {errorAt: tokens, error} and any of {reply, thinking, tools: [{name, arguments}], usage: {…}}
//   service.gate(tag, bytes): a pull stops there until service.open(tag)
//   service.stall(): requests that were let in wait at their first token until service.proceed()
//   service.stuck = true: unloading is promised and never done
//   service.remove(tag), service.down() / await service.up(): the model, the whole service
//   await service.die(): as down(), and all that it held or was loading is gone with its process
import http from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { vectorOf } from './vectors.mjs';

export const GB = 1_000_000_000;
const AT = '2026-11-22T12:00:00.000000000Z';
const LOAD_OPTIONS = ['num_ctx', 'num_batch', 'main_gpu', 'use_mmap', 'num_thread'];
const MINUTES_5 = 300_000;

/** Ollama's full name of a model. */
export const fullName = (name) => (/:[^/]*$/.test(name) ? name : `${name}:latest`);

/** Memory of one device; `peak` is the most that was ever taken at once. */
export class Memory {
  constructor(total = Infinity) { Object.assign(this, { total, peak: 0, held: new Map() }); }
  get used() { return [...this.held.values()].reduce((sum, bytes) => sum + bytes, 0); }
  get left() { return this.total - this.used; }
  take(name, bytes) { this.held.set(name, bytes); this.peak = Math.max(this.peak, this.used); }
  free(name) { this.held.delete(name); }
}

/** Models on a disk and parts of those that are being pulled. */
export class Disk {
  models = new Map();
  parts = new Map();
}

const sameLoad = (a, b) => LOAD_OPTIONS.every((key) => a[key] === b[key]) &&
  (a.num_gpu === b.num_gpu || [undefined, -1].includes(b.num_gpu));

export class OllamaService {
  static async start(t, options = {}) {
    const service = new OllamaService(options);
    await service.up();
    t?.after(() => service.close());
    return service;
  }

  constructor({ models = {}, library = {}, disk = new Disk(), memory = new Memory(), ...rest } = {}) {
    Object.assign(this, { disk, memory, device: 'cuda', maxLoaded: 0, numParallel: 1, maxQueue: 512, loadMs: 5, tokenMs: 1, unloadMs: 5, settleMs: 20, memoryLeaves: 'after', omitCached: false, ...rest });
    this.library = new Map(Object.entries(library).map(([tag, model]) => [fullName(tag), model]));
    for (const [tag, model] of Object.entries(models)) disk.models.set(fullName(tag), model);
    Object.assign(this, { calls: [], events: [], queue: [], slots: new Map(), scripts: new Map(), standing: new Map(), gates: new Map(), pulls: new Set(), running: 0, stuck: false, number: ++OllamaService.count });
  }
  static count = 0;

  get url() { return `http://127.0.0.1:${this.port}`; }
  get loaded() { return [...this.slots.values()].filter((slot) => slot.listed).map((slot) => slot.name); }
  get pulling() { return [...this.pulls]; }
  asked(kind) { return this.calls.filter((call) => call.kind === kind); }
  happened(what) { return this.events.filter((event) => event.what === what); }

  next(kind, ...answers) { this.scripts.set(kind, [...(this.scripts.get(kind) ?? []), ...answers]); return this; }
  always(kind, answer) { this.standing.set(kind, answer); return this; }
  gate(tag, bytes) { this.gates.set(fullName(tag), bytes); }
  open(tag) { this.gates.delete(fullName(tag)); }
  stall() { this.stalled = true; }
  proceed() { this.stalled = false; }
  remove(tag) { this.disk.models.delete(fullName(tag)); }

  async up() {
    this.server = http.createServer({ keepAliveTimeout: 60_000 }, (req, res) => this.#serve(req, res).catch((error) => {
      if (error.name !== 'AbortError' && error.name !== 'Gone') console.error('fake ollama service:', error);
      res.socket?.destroy();
    }));
    this.server.requestTimeout = 0;
    await new Promise((resolve, reject) => this.server.once('error', reject).listen(this.port ?? 0, '127.0.0.1', resolve));
    this.port = this.server.address().port;
  }
  async down() {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
  async die() {
    await this.down();
    for (const name of this.slots.keys()) this.memory.free(this.#holder(name));
    this.slots.clear();
    this.loading = false;
  }
  async close() { this.closed = true; if (this.server.listening) await this.down(); }

  async #serve(req, res) {
    const parts = [];
    for await (const part of req) parts.push(part);
    const call = { at: performance.now(), method: req.method, path: req.url, headers: req.headers };
    try { call.body = JSON.parse(Buffer.concat(parts)); } catch { call.body = undefined; }
    call.model = call.body?.model && fullName(call.body.model);
    call.kind = kindOf(call);
    res.on('close', () => { call.endedAt = performance.now(); call.status = res.statusCode; call.aborted = !res.writableFinished; });
    this.calls.push(call);
    const script = this.scripts.get(call.kind)?.shift() ?? this.standing.get(call.kind) ?? {};
    if (script.silence) return undefined;
    if (script.reset) return res.socket.resetAndDestroy();
    if (script.raw !== undefined) return res.writeHead(script.status ?? 200).end(script.raw);
    if (script.status || script.json) return answer(res, script.status ?? 200, script.json ?? script.text);
    const route = this[`on_${call.kind}`];
    return route ? route.call(this, call, res, script) : answer(res, 404, { error: 'not found' });
  }

  // What is on the disk
  on_root(call, res) { res.end('Ollama is running'); }
  on_version(call, res) { answer(res, 200, { version: '0.20.7' }); }
  on_tags(call, res) {
    const models = [...this.disk.models].map(([name, model]) => ({ name, model: name, modified_at: AT, size: model.size ?? 0, digest: digestOf(name), details: details(model) }));
    answer(res, 200, { models });
  }
  on_show(call, res) {
    const model = this.disk.models.get(call.model);
    if (!model) return answer(res, 404, { error: `model '${call.body?.model}' not found` });
    const family = model.family ?? 'llama';
    return answer(res, 200, { details: details(model), template: '', parameters: '', capabilities: model.capabilities ?? ['completion'], model_info: { 'general.architecture': family, [`${family}.context_length`]: model.context ?? 8192, [`${family}.embedding_length`]: model.dimensions ?? 4 } });
  }
  on_delete(call, res) {
    if (!this.disk.models.delete(call.model)) return answer(res, 404, { error: `model '${call.body?.model}' not found` });
    return res.end();
  }

  async on_pull(call, res, script) {
    const say = (line) => res.write(`${JSON.stringify(line)}\n`);
    res.writeHead(200, { 'content-type': 'application/x-ndjson' });
    say({ status: 'pulling manifest' });
    const model = this.library.get(call.model) ?? this.disk.models.get(call.model);
    if (!model) { say({ error: 'pull model manifest: file does not exist' }); return res.end(); }
    this.#note('pull', call.model);
    this.pulls.add(call.model);
    try {
      const ended = await this.#download(call, res, script, model, say);
      if (ended) return undefined;
    } finally { this.pulls.delete(call.model); }
    for (const status of ['verifying sha256 digest', 'writing manifest']) say({ status });
    this.disk.models.set(call.model, model);
    this.#note('pulled', call.model);
    say({ status: 'success' });
    return res.end();
  }

  /** True: it ended before the last byte. What has come stays for the next try. */
  async #download(call, res, script, model, say) {
    const total = model.size ?? 100;
    const digest = digestOf(call.model);
    const status = `pulling ${digest.slice(7, 19)}`;
    for (;;) {
      const done = this.disk.parts.get(digest) ?? 0;
      say({ status, digest, total, ...(done > 0 && { completed: done }) });
      if (done >= total) return false;
      if (script.errorAt !== undefined && done >= script.errorAt) { say({ error: script.error }); res.end(); return true; }
      if (script.cutAt !== undefined && done >= script.cutAt) { res.socket?.destroy(); return true; }
      await sleep(5);
      if (res.destroyed || this.closed) return true;
      const stop = Math.min(total, ...[this.gates.get(call.model), script.errorAt, script.cutAt].filter((at) => at !== undefined));
      const before = this.disk.parts.get(digest) ?? 0;
      this.disk.parts.set(digest, Math.max(before, Math.min(stop, before + Math.ceil(total / 20))));
    }
  }

  // What is in memory
  on_ps(call, res) {
    const models = [...this.slots.values()].filter((slot) => slot.listed).map((slot) => ({
      name: slot.name, model: slot.name, size: slot.bytes, digest: digestOf(slot.name), details: details(slot.model),
      expires_at: new Date(Math.min(slot.expires, Date.now() + 1e12)).toISOString(), size_vram: this.device === 'cuda' ? slot.bytes : 0, context_length: slot.options.num_ctx ?? 4096,
    }));
    answer(res, 200, { models });
  }

  on_load(call, res) { return this.#used(call, res, () => answer(res, 200, { ...this.#head(call), done: true, done_reason: 'load' })); }
  on_unload(call, res) {
    const slot = this.slots.get(call.model);
    if (!this.disk.models.has(call.model)) return answer(res, 404, { error: `model '${call.body?.model}' not found` });
    answer(res, 200, { ...this.#head(call), done: true, done_reason: 'unload' });
    if (slot) this.#unload(slot);
    return undefined;
  }
  on_chat(call, res, script) { return this.#generates(call, res, script); }
  on_generate(call, res, script) { return this.#generates(call, res, script); }
  on_embed(call, res) {
    return this.#used(call, res, (slot, cold) => {
      const inputs = [call.body.input].flat();
      answer(res, 200, { model: call.body.model, embeddings: inputs.map((one) => vectorOf(one, call.body.dimensions)), total_duration: 14_000_000, load_duration: this.#loadTime(cold), prompt_eval_count: 3 * inputs.length });
    });
  }

  #generates(call, res, script) {
    const able = this.disk.models.get(call.model)?.capabilities ?? ['completion'];
    const lacks = (wanted, what) => wanted && !able.includes(what) && { error: `"${call.body.model}" does not support ${what}` };
    const refusal = lacks(call.body.tools?.length > 0, 'tools') || lacks(call.body.think && call.body.think !== 'false', 'thinking');
    if (this.disk.models.has(call.model) && refusal) return answer(res, 400, refusal);
    return this.#used(call, res, (slot, cold) => this.#say(call, res, script, slot, cold));
  }

  async #say(call, res, script, slot, cold) {
    while (this.stalled && !res.destroyed && !this.closed) await sleep(2);
    const thinks = (slot.model.capabilities ?? []).includes('thinking') && call.body.think !== false;
    const thinking = script.thinking ?? (thinks ? 'let me see' : '');
    const reply = script.reply ?? slot.model.reply ?? `answer from ${slot.name}`;
    const part = (content, more) => ({ ...this.#head(call), ...said(call, content), ...more });
    const prompt = JSON.stringify(call.body.messages ?? call.body.prompt);
    const counted = this.omitCached && slot.prompt === prompt ? {} : { prompt_eval_count: 11 };
    slot.prompt = prompt;
    const end = { done: true, done_reason: 'stop', total_duration: 50_000_000, load_duration: this.#loadTime(cold), ...counted, eval_count: 7, eval_duration: 30_000_000, ...script.usage };
    const tools = script.tools?.map(({ name, arguments: args }, index) => ({ function: { index, name, arguments: args } }));
    if (call.body.stream === false) return answer(res, 200, part({ content: reply, thinking, tools }, end));
    res.writeHead(200, { 'content-type': 'application/x-ndjson' });
    const pieces = [...(thinking ? [{ content: '', thinking }] : []), ...(reply.match(/\S+\s*/g) ?? []).map((content) => ({ content })), ...(tools ? [{ content: '', tools }] : [])];
    for (const [i, piece] of pieces.entries()) {
      if (script.errorAt === i) { res.end(`${JSON.stringify({ error: script.error })}\n`); return undefined; }
      res.write(`${JSON.stringify(part(piece, { done: false }))}\n`);
      await sleep(this.tokenMs);
      if (res.destroyed) return undefined;
    }
    return res.end(`${JSON.stringify(part({ content: '' }, end))}\n`);
  }

  /** Queue, load, then `work` in one of the model's places; afterwards keep_alive counts. */
  async #used(call, res, work) {
    const model = this.disk.models.get(call.model);
    if (!model) return answer(res, 404, { error: `model '${call.body?.model}' not found` });
    if (this.queue.length >= this.maxQueue) return answer(res, 503, { error: 'server busy, please try again.  maximum pending requests exceeded' });
    const ticket = { res };
    this.queue.push(ticket);
    let got;
    try { got = await this.#place(call, res, model, ticket); } finally { this.queue.splice(this.queue.indexOf(ticket), 1); }
    if (!got) return undefined;
    if (got.error) return answer(res, 500, { error: got.error });
    const { slot, cold } = got;
    try { return await work(slot, cold); } finally {
      slot.busy -= 1;
      this.running -= 1;
      this.#keep(slot, call.body.keep_alive);
    }
  }

  /** Waits its turn: one load at a time, and only who needs none may pass it. */
  async #place(call, res, model, ticket) {
    const options = call.body.options ?? {};
    for (;;) {
      if (res.destroyed || this.closed) return undefined;
      let slot = this.slots.get(call.model);
      if (slot?.ready && !slot.leaving && sameLoad(slot.options, options)) {
        if (slot.busy < this.numParallel) {
          slot.busy += 1; this.running += 1; slot.expires = Infinity;
          return { slot, cold: ticket.loaded };
        }
      } else if (slot?.ready && !slot.leaving && slot.busy === 0) {
        this.#note('reload', call.model, options);
        this.#unload(slot);
      } else if (!slot && !this.loading) {
        const error = this.#room(model.bytes ?? model.size ?? 0);
        if (error === '') await this.#load(call.model, model, options, ticket);
        else if (error) return { error };
      }
      await sleep(2);
    }
  }

  /** '' where a model of so many bytes may load now, undefined: wait (an idle one goes), else why it never can. */
  #room(bytes) {
    const full = this.maxLoaded > 0 && this.slots.size >= this.maxLoaded;
    if (!full && bytes <= this.memory.left) return '';
    if ([...this.slots.values()].some((slot) => slot.leaving)) return undefined;
    const idle = [...this.slots.values()].filter((slot) => slot.ready && slot.busy === 0).sort((a, b) => a.used - b.used)[0];
    if (idle) { this.#unload(idle); return undefined; }
    if (this.slots.size > 0) return undefined;
    return `model requires more system memory (${gib(bytes)} GiB) than is available (${gib(this.memory.left)} GiB)`;
  }

  async #load(name, model, options, ticket) {
    this.loading = true;
    const slot = { name, model, options, bytes: model.bytes ?? model.size ?? 0, busy: 0, ready: false, listed: true, expires: Infinity, used: performance.now() };
    this.slots.set(name, slot);
    this.memory.take(this.#holder(name), slot.bytes);
    this.#note('load', name, options);
    await sleep(this.loadMs);
    slot.ready = true;
    ticket.loaded = true;
    this.loading = false;
    this.#note('loaded', name);
    this.#keep(slot, undefined);
  }

  /** Asynchronous, as in the original: it waits for requests at work, then name and memory go apart. */
  async #unload(slot) {
    if (slot.leaving || this.stuck) return;
    slot.leaving = true;
    this.#note('unload', slot.name);
    while (slot.busy > 0 && !this.closed) await sleep(2);
    await sleep(this.unloadMs);
    const forget = () => { slot.listed = false; this.#note('gone', slot.name); };
    const free = () => { this.memory.free(this.#holder(slot.name)); this.#note('freed', slot.name); };
    const steps = this.memoryLeaves === 'after' ? [forget, free] : [free, forget];
    steps[0]();
    await sleep(this.settleMs);
    steps[1]();
    this.slots.delete(slot.name);
  }

  #keep(slot, keepAlive) {
    slot.used = performance.now();
    const ms = durationOf(keepAlive);
    if (ms === 0) { this.#unload(slot); return; }
    slot.expires = Date.now() + ms;
    if (Number.isFinite(ms)) setTimeout(() => { if (slot.busy === 0 && Date.now() >= slot.expires - 1) this.#unload(slot); }, Math.min(ms, 2 ** 31 - 1)).unref();
  }

  #holder(name) { return `ollama ${this.number} ${name}`; }
  #head(call) { return { model: call.body.model, created_at: AT }; }
  #loadTime(cold) { return cold ? this.loadMs * 1_000_000 : 1_000; }
  #note(what, model, options) { this.events.push({ at: performance.now(), what, model, ...(options && { options }) }); }
}

const ROUTES = { '/': 'root', '/api/version': 'version', '/api/tags': 'tags', '/api/show': 'show', '/api/delete': 'delete', '/api/pull': 'pull', '/api/ps': 'ps', '/api/embed': 'embed', '/api/chat': 'chat', '/api/generate': 'generate' };

/** A call of nothing loads a model, or lets it go with keep_alive 0. */
function kindOf({ path, body }) {
  const kind = ROUTES[path];
  const nothing = (kind === 'generate' && !body?.prompt) || (kind === 'chat' && !(body?.messages?.length > 0));
  if (!nothing) return kind;
  return durationOf(body?.keep_alive) === 0 ? 'unload' : 'load';
}

function durationOf(keep) {
  if (keep === undefined || keep === null) return MINUTES_5;
  const [, number, unit] = /^(-?[\d.]+)(ms|s|m|h)?$/.exec(String(keep)) ?? [];
  const ms = Number(number) * { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }[unit ?? 's'];
  return ms < 0 ? Infinity : ms;
}

function answer(res, status, body) {
  res.writeHead(status, { 'content-type': 'application/json; charset=utf-8' });
  res.end(typeof body === 'string' ? body : JSON.stringify(body));
}

/** A part of an answer where chat and generate have it. */
function said(call, { content, thinking, tools }) {
  const more = thinking ? { thinking } : {};
  if (call.path === '/api/generate') return { response: content, ...more };
  return { message: { role: 'assistant', content, ...more, ...(tools && { tool_calls: tools }) } };
}

const gib = (bytes) => (bytes / 2 ** 30).toFixed(1);
const details = (model) => ({ parent_model: '', format: 'gguf', family: model.family ?? 'llama', families: [model.family ?? 'llama'], parameter_size: '', quantization_level: 'Q4_K_M' });
const digestOf = (name) => `sha256:${Buffer.from(name).toString('hex').padEnd(64, '0').slice(0, 64)}`;
