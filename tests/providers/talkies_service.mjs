// A talkies with its whole contract but no model in it: residency, admission, five transcript
// formats, diarization of stereo files, the files API, speech and voices, FastAPI's errors.
//
//   const talkies = await TalkiesService.start(t, { device: 'cuda', loadMs: 50 });
//   talkies.base                        for `api_base`; talkies.url is the same without /v1
//   talkies.resident                    the slug that is loaded, or undefined
//   talkies.loads, talkies.unloads      [{slug, at}], in order, each when it was complete
//   talkies.calls                       every request: {method, path, kind, slug, body, file, status, at, endedAt, headers, closedEarly}
//   talkies.hold()                      requests stay at work until the function that it gives is called
//   talkies.say('Hello there.', '…')    what recordings say, one segment each
//   talkies.reset()                     forgets calls, loads and unloads
// What may be changed at any time, on `talkies.options`:
//   version 0.14                        below 0.14 everybody waits in one line: no 409, no 429
//   device 'cpu'                        which slugs there are; models: a list replaces them
//   concurrency 1                       requests at once on one model (429 beyond it, from 0.14)
//   loadMs 0, workMs 0, unloadMs 0      how long each takes; a model that leaves is listed until then
//   unloadLater false                   DELETE answers at once, the model leaves unloadMs later
//   unloadFails false                   true: 500; 'silently': 200, and it stays
//   missing new Set()                   slugs without weights: 503
//   onLoad(slug), onUnload(slug)        to keep a device's books; a text from onLoad fails the load (500)
//   betweenMs 0, streamCutAt            between the four pieces of streamed pcm; breaks off before that one
//   token                               what `Authorization: Bearer` must say
//   uploadBytes 104857600               more is 413
import http from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { sha256 } from './fake.mjs';
import { decode, SAMPLE_RATE, SPEECH_TYPES, speechOf, transcribe, VOICES } from './talkies_audio.mjs';
import { CATALOG, refusal, Residency, slugsOf } from './talkies_models.mjs';

const ROUTES = [
  ['GET', /^\/healthz$/, 'health'], ['GET', /^\/v1\/models$/, 'models'], ['GET', /^\/v1\/audio\/voices$/, 'voices'],
  ['POST', /^\/v1\/audio\/transcriptions$/, 'transcribe'], ['POST', /^\/v1\/audio\/speech$/, 'speak'],
  ['GET', /^\/api\/ps$/, 'loaded'], ['DELETE', /^\/api\/ps\/(.+)$/, 'drop'], ['POST', /^\/unload$/, 'dropAll'],
  ['GET', /^\/v1\/files$/, 'listFiles'], ['GET', /^\/v1\/files\/(.+)$/, 'getFile'],
  ['PUT', /^\/v1\/files\/(.+)$/, 'putFile'], ['DELETE', /^\/v1\/files\/(.+)$/, 'deleteFile'],
];

const truthy = (text) => ['true', '1', 'yes', 'on'].includes(String(text ?? '').toLowerCase());
const missing = (...loc) => ({ status: 422, json: { detail: [{ type: 'missing', loc, msg: 'Field required', input: null }] } });
const outOfRange = (loc, msg, input) => ({ status: 422, json: { detail: [{ type: 'value_error', loc: ['body', loc], msg, input }] } });

export class TalkiesService {
  static async start(t, options = {}) {
    const service = new TalkiesService(options);
    await new Promise((resolve) => service.server.listen(0, '127.0.0.1', resolve));
    service.url = `http://127.0.0.1:${service.server.address().port}`;
    service.base = `${service.url}/v1`;
    t?.after(() => service.close());
    return service;
  }

  constructor(options) {
    this.options = {
      version: 0.14, device: 'cpu', concurrency: 1, loadMs: 0, workMs: 0, unloadMs: 0, unloadLater: false, unloadFails: false,
      missing: new Set(), uploadBytes: 104_857_600, ...options,
    };
    this.residency = new Residency(this.options);
    this.files = new Map();
    this.calls = [];
    this.said = ['Hello there.', 'How are you?'];
    this.holds = new Set();
    this.server = http.createServer({ keepAliveTimeout: 60_000 }, (req, res) => this.#serve(req, res).catch((error) => this.#crash(res, error)));
    this.server.requestTimeout = 0;
  }

  get slugs() { return this.options.models ?? slugsOf(this.options.device); }
  get resident() { return this.residency.resident; }
  get loads() { return this.residency.loads; }
  get unloads() { return this.residency.unloads; }

  say(...sentences) { this.said = sentences; return this; }

  hold() {
    let release;
    const held = new Promise((resolve) => { release = resolve; });
    this.holds.add(held);
    held.then(() => this.holds.delete(held));
    return release;
  }

  reset() { for (const list of [this.calls, this.loads, this.unloads]) list.length = 0; }

  async close() {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  #crash(res, error) {
    if (error.name === 'AbortError' || res.destroyed) return;
    console.error('talkies:', error);
    res.destroy();
  }

  async #serve(req, res) {
    const call = this.#record(req, res);
    const answer = await this.#answer(call, req, res);
    if (!answer || res.destroyed) return;
    const { status = 200, json, text, bytes, type, headers } = answer;
    const body = bytes ?? text ?? JSON.stringify(json);
    call.status = status;
    res.writeHead(status, { 'content-type': type ?? 'application/json', 'content-length': Buffer.byteLength(body), ...headers });
    res.end(body);
  }

  #record(req, res) {
    const path = req.url.split('?')[0];
    const call = { method: req.method, path, headers: req.headers, at: performance.now(), closedEarly: false };
    const left = new AbortController();
    call.signal = left.signal;
    res.on('close', () => {
      call.endedAt = performance.now();
      call.closedEarly = !res.writableFinished;
      left.abort();
    });
    const route = ROUTES.find(([method, pattern]) => method === req.method && pattern.test(path));
    call.kind = route?.[2];
    call.rest = route && decodeURIComponent(route[1].exec(path)[1] ?? '');
    call.pathKnown = ROUTES.some(([, pattern]) => pattern.test(path));
    this.calls.push(call);
    return call;
  }

  async #answer(call, req, res) {
    const parts = [];
    for await (const part of req) parts.push(part);
    call.bytes = Buffer.concat(parts);
    if (!call.kind) return call.pathKnown ? refusal(405, 'Method Not Allowed') : refusal(404, 'Not Found');
    const { token } = this.options;
    if (token && call.kind !== 'health' && req.headers.authorization !== `Bearer ${token}`) return refusal(401, 'Invalid or missing bearer token', { 'www-authenticate': 'Bearer' });
    return HANDLERS[call.kind](this, call, res);
  }

  /** Runs `work` with the model resident, for `workMs` and as long as it is held. */
  use(call, slug, work) {
    return this.residency.use(slug, call.signal, async () => {
      if (this.options.workMs) await sleep(this.options.workMs, undefined, { signal: call.signal });
      const gone = new Promise((resolve) => { call.signal.addEventListener('abort', resolve); });
      await Promise.race([Promise.all(this.holds), gone]);
      return call.signal.aborted ? undefined : work();
    });
  }
}

/** The model of a request, or why it can't be used for this. */
function modelOf(service, name, modality) {
  if (!service.slugs.includes(name)) return refusal(404, `model '${name}' not found`);
  return CATALOG[name].modality === modality ? undefined : refusal(400, `model '${name}' is not ${modality === 'asr' ? 'an ASR' : 'a TTS'} model`);
}

async function readForm(call) {
  const form = await new Response(call.bytes, { headers: { 'content-type': call.headers['content-type'] } }).formData();
  call.body = {};
  call.order = [];
  for (const [name, value] of form) {
    call.order.push(name);
    if (typeof value === 'string') call.body[name] = name in call.body ? [call.body[name], value].flat() : value;
    else call.file = { field: name, name: value.name, type: value.type, size: value.size, bytes: Buffer.from(await value.arrayBuffer()) };
  }
  if (call.file) call.file.sha256 = sha256(call.file.bytes);
}

/** The bytes to transcribe: sent along, or staged by the files API. */
function recordingOf(service, { body, file }) {
  if ((file?.field === 'file') === (body.file_path !== undefined)) return refusal(400, "exactly one of 'file' or 'file_path' must be provided");
  if (file) return file.size > service.options.uploadBytes ? refusal(413, `upload exceeds ${service.options.uploadBytes} bytes`) : file.bytes;
  const path = safePath(body.file_path);
  if (!path) return refusal(400, `invalid path '${body.file_path}'`);
  return service.files.get(path)?.bytes ?? refusal(404, `file '${path}' not found`);
}

async function transcribed(service, call) {
  if (!call.headers['content-type']?.startsWith('multipart/form-data')) return missing('body', 'model');
  await readForm(call);
  const { body } = call;
  if (!body.model) return missing('body', 'model');
  call.slug = body.model;
  const wrong = modelOf(service, body.model, 'asr');
  const recording = wrong ?? recordingOf(service, call);
  if (recording.status) return recording;
  const sound = decode(recording);
  if (!sound) return refusal(400, 'could not decode audio: ffmpeg exited with code 1');
  const diarized = truthy(body.diarization);
  if (diarized && sound.channels !== 2) return refusal(400, 'diarization requires stereo audio (channel = speaker)');
  return service.use(call, body.model, () => transcribe({
    said: service.said, seconds: sound.seconds, diarized, times: CATALOG[body.model].times, format: body.response_format, language: body.language,
  }));
}

/** What is wrong with a request for speech; undefined when nothing is. */
function speechProblem(service, body) {
  if (!body?.model) return missing('body', 'model');
  const wrong = modelOf(service, body.model, 'tts');
  if (wrong) return wrong;
  if (typeof body.input !== 'string') return missing('body', 'input');
  if (!body.input.trim()) return refusal(400, 'input must not be empty');
  if (!Object.hasOwn(SPEECH_TYPES, body.response_format ?? 'mp3')) return refusal(400, `unsupported response_format '${body.response_format}'`);
  if (body.speed !== undefined && !(body.speed >= 0.25 && body.speed <= 4)) return outOfRange('speed', 'Input should be between 0.25 and 4', body.speed);
  const voices = VOICES[body.model];
  return voices.includes(body.voice ?? voices[0]) ? undefined : refusal(400, `voice '${body.voice}' not found for model '${body.model}'`);
}

async function spoken(service, call, res) {
  try { call.body = JSON.parse(call.bytes); } catch { return { status: 422, json: { detail: [{ type: 'json_invalid', loc: ['body', 0], msg: 'JSON decode error', input: {} }] } }; }
  const problem = speechProblem(service, call.body);
  if (problem) return problem;
  const { model, input, response_format: format = 'mp3' } = call.body;
  call.slug = model;
  const streams = format === 'pcm' && CATALOG[model].streams;
  return service.use(call, model, () => (streams ? stream(service, call, res, speechOf(input, 'pcm')) : { bytes: speechOf(input, format), type: SPEECH_TYPES[format] }));
}

/** Samples as they are made; `streamCutAt` breaks the stream off, without any sign, as talkies does. */
async function stream(service, call, res, samples) {
  call.status = 200;
  call.pieces = [];
  res.writeHead(200, { 'content-type': 'application/octet-stream', 'x-sample-rate': String(SAMPLE_RATE) });
  const pieces = 4;
  for (let at = 0; at < pieces && !call.signal.aborted; at += 1) {
    if (service.options.streamCutAt === at) break;
    if (service.options.betweenMs) await sleep(service.options.betweenMs, undefined, { signal: call.signal });
    call.pieces.push(performance.now());
    res.write(samples.subarray(samples.length / pieces * at, samples.length / pieces * (at + 1)));
  }
  res.end();
  return undefined;
}

const safePath = (path) => (path.startsWith('/') || path.split('/').some((part) => part === '..' || part === '') ? undefined : path);

/** A handler of `/v1/files/PATH`: the path is checked first. */
const atPath = (handle) => (service, call) => {
  const path = safePath(call.rest);
  return path ? handle(service, path, call) : refusal(400, `invalid path '${call.rest}'`);
};
const found = (handle) => atPath((service, path) => (service.files.has(path) ? handle(service, path) : refusal(404, `file '${path}' not found`)));

const HANDLERS = {
  health: (service) => ({ json: { ok: true, device: service.options.device, models: service.slugs } }),
  models: (service) => ({ json: { object: 'list', data: service.slugs.map((id) => ({
    id, object: 'model', owned_by: 'talkies', modality: CATALOG[id].modality, ...(service.residency.admits && { max_concurrency: service.options.concurrency }) })) } }),
  voices: (service) => ({ json: { voices: service.slugs.flatMap((model) => (VOICES[model] ?? []).map((voice, at) => ({ voice, model, default: at === 0, origin: 'builtin' }))) } }),
  transcribe: transcribed,
  speak: spoken,
  loaded: (service) => ({ json: { models: service.residency.list() } }),
  drop: (service, call) => service.residency.drop(call.rest),
  dropAll: (service) => service.residency.dropAll(),
  listFiles: (service) => ({ json: { files: [...service.files].map(([path, { bytes, mtime }]) => ({ path, size: bytes.length, mtime })) } }),
  getFile: found((service, path) => ({ bytes: service.files.get(path).bytes, type: 'application/octet-stream' })),
  putFile: atPath((service, path, { bytes }) => {
    if (bytes.length > service.options.uploadBytes) return refusal(413, `upload exceeds ${service.options.uploadBytes} bytes`);
    service.files.set(path, { bytes, mtime: Date.now() / 1000 });
    return { status: 201, json: { path, size: bytes.length } };
  }),
  deleteFile: found((service, path) => {
    service.files.delete(path);
    return { json: { deleted: path } };
  }),
};
