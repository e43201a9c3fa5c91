// A gateway that draws with sd-servers of its own: what the scenarios of the image service need.
import fs from 'node:fs';
import path from 'node:path';
import { Gateway, ROOT, scratch } from './gateway.mjs';
import { until } from './until.mjs';

export const SD_SERVER = path.join(ROOT, 'tests/engines/sd_server.mjs');
export const PREFIX = 'local-sdcpp-cpu-';

/** Ends within a moment, or is a zombie that nobody here reaps. */
export function dead(pid) {
  try { return /\) [ZX] /.test(fs.readFileSync(`/proc/${pid}/stat`, 'utf8')); } catch { return true; }
}

export class Studio {
  /**
   * `models`: `{key: {args, size, engine, info}}`, each an alias `local-sdcpp-cpu-KEY`. `more`: further
   * entries of the model list; `chains`: fallbacks.
   */
  static async start(t, { models = { 'sd-turbo': {}, 'sdxl-turbo': {} }, more = [], chains = [], ...start } = {}) {
    const studio = new Studio();
    studio.folder = scratch();
    for (const name of ['notes', 'gate', 'broken']) studio[name] = path.join(studio.folder, name);
    const entries = Object.entries(models).map(([key, model]) => studio.#entry(key, model));
    studio.gateway = await Gateway.start(t, { config: { model_list: [...entries, ...more], router_settings: { fallbacks: chains } }, ...start });
    return studio;
  }

  #entry(key, { args = [], size = '512x512', engine, info } = {}) {
    const command = [process.execPath, SD_SERVER, '--listen-ip', '{host}', '--listen-port', '{port}', '--model', `${key}.gguf`,
      '--notes', this.notes, '--gate', this.gate, '--fail-load-if', this.broken, ...args];
    return {
      model_name: PREFIX + key,
      litellm_params: { model: `openai/${PREFIX}${key}`, api_key: 'unused', timeout: 600, size },
      model_info: {
        mode: 'image_generation', tier: 'local', capabilities: [], ...info,
        engine: { command, ready: '/v1/models', exclusive: 'sdcpp', on_hangup: 'kill', ttl: '5m', ...engine },
      },
    };
  }

  /** What the engines noted so far. */
  events(event) {
    const lines = fs.existsSync(this.notes) ? fs.readFileSync(this.notes, 'utf8').split('\n').filter(Boolean) : [];
    const all = lines.map((line) => JSON.parse(line));
    return event === undefined ? all : all.filter((one) => one.event === event);
  }
  starts() { return this.events('start').map(({ args }) => args[args.indexOf('--model') + 1].replace('.gguf', '')); }

  draw(key, more = {}, options = {}) {
    return this.gateway.send('/v1/images/generations', { body: { model: PREFIX + key, prompt: 'a red square', response_format: 'b64_json', ...more }, ...options });
  }
  /** A picture that is drawn only once open() was called; returns when it is being drawn. */
  async hold(key, options = {}) {
    const before = this.events('draw').length;
    const answer = this.draw(key, { prompt: 'held' }, options);
    answer.catch(() => {});
    await until(() => this.events('draw').length > before, 20_000, 'the engine begins to draw');
    return { answer };
  }
  open() { fs.writeFileSync(this.gate, ''); }

  post(what, query = '') { return this.gateway.send(`/sdcpp/v1/${what}${query}`, {}); }
  async load(key) { return this.post('load', key === undefined ? '' : `?model=${key}`); }
  async status() { return (await this.gateway.get('/sdcpp/v1/status')).json; }
  /** Waits until the status shows all of `wanted`. */
  async shows(wanted, within = 20_000) {
    let seen;
    await until(async () => {
      seen = await this.status();
      return Object.entries(wanted).every(([name, value]) => seen[name] === value);
    }, within, `the status shows ${JSON.stringify(wanted)}`).catch((error) => { throw new Error(`${error.message}; it shows ${JSON.stringify(seen)}`); });
    return seen;
  }
}
