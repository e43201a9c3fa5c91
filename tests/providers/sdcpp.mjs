// The wrapper of stable-diffusion.cpp: one picture at a time, 503 while busy and after a failed
// load, base64 only, sizes as asked or 512x512.
import { PICTURE } from './pictures.mjs';

const PREFIX = 'local-sdcpp-cpu-';
const KEYS = ['sd-turbo', 'sdxl-turbo'];
const inner = (status, message) => ({ status, json: { error: { message } } });

const errors = {
  busy: inner(503, 'another load or generation is in progress, try again later'),
  load_failed: { status: 503, json: { error: 'load failed: sd-server exited with code 1 while loading sd-turbo' } },
  dead: { status: 502, headers: { 'content-type': 'text/plain' }, text: 'Bad Gateway' },
  internal: { status: 500, json: { error: 'server_error', message: 'generate_image returned no images' } },
  bad: { status: 400, json: { error: 'prompt required' } },
};

const KINDS = {
  'GET /health': 'health', 'GET /v1/models': 'models', 'GET /sdcpp/v1/status': 'status',
  'POST /v1/images/generations': 'image',
};
const TAG = /<sd_cpp_extra_args>(.*?)<\/sd_cpp_extra_args>/s;
const drawing = new Set();

/** Takes the lock for the length of the call, as the wrapper does. */
function locked(call) {
  if (drawing.has(call.headers.host)) return errors.busy;
  drawing.add(call.headers.host);
  call.signal.addEventListener('abort', () => drawing.delete(call.headers.host));
  return undefined;
}

function validate(call) {
  if (call.kind !== 'image') return undefined;
  const { model, prompt, n = 1, size } = call.body ?? {};
  const key = model?.replace(/^openai\//, '').replace(PREFIX, '');
  if (!KEYS.includes(key)) return inner(400, `unknown model: ${model}`);
  if (!prompt) return errors.bad;
  if (!Number.isInteger(n) || n < 1) return { status: 400, json: { error: 'n must be at least 1' } };
  if (size !== undefined && !/^\d+x\d+$/.test(size)) return { status: 400, json: { error: 'bad size' } };
  return locked(call);
}

export const sdcpp = {
  name: 'sdcpp', base: '/v1', model: `openai/${PREFIX}sd-turbo`, errors,
  kind: (call) => KINDS[`${call.method} ${call.path}`],
  streams: () => false,
  keyOf: () => undefined,
  validate,
  /** What sd-server finds in the prompt's tag. */
  extraOf: (call) => JSON.parse(TAG.exec(call.body.prompt)?.[1] ?? 'null'),
  plain: (call, script) => {
    if (call.kind === 'health') return { status: 'ok' };
    if (call.kind === 'models') return { object: 'list', data: KEYS.map((key) => ({ id: PREFIX + key, object: 'model', created: 1, owned_by: 'local' })) };
    if (call.kind === 'status') return { loaded: true, loading: false, current_model: 'sd-turbo', generating: false, process_running: true, supports_img: false, models: KEYS };
    const count = call.body.n ?? 1;
    return { created: 1_780_000_000, output_format: call.body.output_format ?? 'png', data: Array.from({ length: count }, () => ({ b64_json: (script.picture ?? PICTURE).toString('base64') })) };
  },
};
