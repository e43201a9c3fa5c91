// Which model of a talkies is resident, who uses it and who has to wait or is turned away. One
// model at a time, across speech and transcription; the rules changed with version 0.14.
import { setTimeout as sleep } from 'node:timers/promises';

const asr = (repo, more) => ({ modality: 'asr', repo, gpu: true, times: true, ...more });
const tts = (repo, more) => ({ modality: 'tts', repo, gpu: true, ...more });

/** Every slug of the CUDA image; `gpu`: takes the GPU there (Kokoro does not). */
export const CATALOG = {
  'whisper-large-v3': asr('Systran/faster-whisper-large-v3'),
  'whisper-large-v3-turbo': asr('deepdml/faster-whisper-large-v3-turbo-ct2'),
  'parakeet-tdt-0.6b-v3': asr('nvidia/parakeet-tdt-0.6b-v3'),
  'canary-180m-flash': asr('nvidia/canary-180m-flash'),
  'canary-1b-flash': asr('nvidia/canary-1b-flash'),
  'canary-qwen-2.5b': asr('nvidia/canary-qwen-2.5b', { times: false }),
  'kokoro-82m': tts('hexgrad/Kokoro-82M', { gpu: false }),
  'qwen3-tts-0.6b': tts('Qwen/Qwen3-TTS-12Hz-0.6B-Base', { streams: true }),
};

const ON_CPU = ['whisper-large-v3', 'whisper-large-v3-turbo', 'canary-180m-flash', 'kokoro-82m'];
export const slugsOf = (device) => (device === 'cuda' ? Object.keys(CATALOG) : ON_CPU);

export const refusal = (status, detail, headers) => ({ status, json: { detail }, headers });

export class Residency {
  #line = Promise.resolve();

  constructor(options) {
    this.options = options;
    this.resident = undefined;
    this.active = new Map();
    this.usedAt = Date.now();
    this.leaving = new Set();
    this.loads = [];
    this.unloads = [];
  }

  get admits() { return this.options.version >= 0.14; }
  activeOf(slug) { return this.active.get(slug) ?? 0; }
  get busy() { return [...this.active.values()].some((count) => count > 0); }

  /** What `GET /api/ps` lists: an unload that is under way is still there. */
  list() {
    const loaded = this.resident === undefined ? [] : [this.resident];
    return [...loaded, ...this.leaving].map((slug) => ({
      id: slug, repo: CATALOG[slug].repo, loaded: true, idle_seconds: this.activeOf(slug) > 0 ? 0 : (Date.now() - this.usedAt) / 1000,
      active_requests: this.activeOf(slug), ...(this.admits && { max_concurrency: this.options.concurrency }),
    }));
  }

  /** Runs `work` with the model loaded, or gives the refusal that the caller gets instead. */
  async use(slug, signal, work) {
    if (!this.admits) return this.#inLine(() => this.#run(slug, signal, work));
    const refused = this.#turnedAway(slug);
    if (refused) return refused;
    return this.#run(slug, signal, work);
  }

  /** From 0.14: no place left on the model, or another one is at work and can't be evicted. */
  #turnedAway(slug) {
    const other = [...this.active].find(([name, count]) => name !== slug && count > 0);
    if (other) return refusal(409, `model '${other[0]}' is active; cannot load '${slug}' until it is idle`);
    if (this.activeOf(slug) >= this.options.concurrency) return refusal(429, `model '${slug}' is at capacity (${this.options.concurrency} concurrent requests)`, { 'retry-after': '1' });
    return undefined;
  }

  /** Before 0.14: one after the other, whoever waits longest first. */
  async #inLine(job) {
    const before = this.#line;
    let done;
    this.#line = new Promise((resolve) => { done = resolve; });
    await before;
    try { return await job(); } finally { done(); }
  }

  async #run(slug, signal, work) {
    if (signal.aborted) return undefined;
    this.active.set(slug, this.activeOf(slug) + 1);
    try {
      const failed = await this.#load(slug);
      return failed ?? (await work());
    } finally {
      this.active.set(slug, this.activeOf(slug) - 1);
      this.usedAt = Date.now();
    }
  }

  async #load(slug) {
    if (this.options.missing.has(slug)) return refusal(503, `weights of '${slug}' are missing: not found in /data/models/${slug}`);
    if (this.loading) await this.loading;
    if (this.resident === slug) return undefined;
    this.loading = this.#swap(slug).finally(() => { this.loading = undefined; });
    return this.loading;
  }

  async #swap(slug) {
    if (this.resident !== undefined) await this.unload(this.resident);
    const failed = this.options.onLoad?.(slug);
    if (failed) return refusal(500, failed);
    await sleep(this.options.loadMs);
    this.resident = slug;
    this.loads.push({ slug, at: performance.now() });
    return undefined;
  }

  /** Drops the model; it leaves the list `unloadMs` later. */
  async unload(slug) {
    if (this.resident !== slug) return;
    this.resident = undefined;
    this.leaving.add(slug);
    await sleep(this.options.unloadMs);
    this.leaving.delete(slug);
    this.options.onUnload?.(slug);
    this.unloads.push({ slug, at: performance.now() });
  }

  /** `DELETE /api/ps/SLUG`. */
  async drop(slug) {
    if (!this.list().some(({ id }) => id === slug)) return refusal(404, CATALOG[slug] ? `model '${slug}' is not loaded` : `unknown model '${slug}'`);
    if (this.options.unloadFails === 'silently') return { status: 200, json: { unloaded: slug } };
    if (this.options.unloadFails) return refusal(500, `unload of '${slug}' failed`);
    if (this.activeOf(slug) > 0 && this.admits) return refusal(409, `model '${slug}' has ${this.activeOf(slug)} active requests`);
    const leaves = this.admits ? this.unload(slug) : this.#inLine(() => this.unload(slug));
    if (!this.options.unloadLater) await leaves;
    return { status: 200, json: { unloaded: slug } };
  }

  /** `POST /unload`. */
  async dropAll() {
    if (this.busy && this.admits) return refusal(409, 'a model is active');
    const slug = this.resident;
    if (slug === undefined) return { status: 200, json: { unloaded: [] } };
    const { status, json } = await this.drop(slug);
    return status === 200 ? { status, json: { unloaded: [slug] } } : { status, json };
  }
}
