// HuggingFace router: errors are often a plain string, repeated in x-error-message.
import { randomUUID } from 'node:crypto';
import { openaiWire } from './openai_shape.mjs';
import { PICTURE, dataOf, isPicture, picture, pictureUrl } from './pictures.mjs';

const plain = (status, text) => ({ status, headers: { 'x-error-message': text }, json: { error: text } });

const errors = {
  credits: plain(402, 'You have depleted your monthly included credits. Purchase pre-paid credits to continue using Inference Providers. Alternatively, subscribe to PRO to get 20x more included usage.'),
  credits_old: plain(402, 'You have exceeded your monthly included credits for Inference Providers. Subscribe to PRO to get 20x more monthly included credits.'),
  not_supported: plain(400, 'Model not supported by provider hf-inference'),
  permission: plain(403, 'This authentication method does not have sufficient permissions to call Inference Providers on behalf of user secretuser'),
  busy: { status: 429, json: { error: 'Too Many Requests' } },
  loading: { status: 503, json: { error: 'Model meta-llama/Llama-3.1-8B-Instruct is currently loading', estimated_time: 20.0 } },
  html_502: { status: 502, headers: { 'content-type': 'text/html' }, text: '<html><body><h1>502 Bad Gateway</h1></body></html>' },
  unauthorized: plain(401, 'Invalid username or password.'),
};

const text = openaiWire({
  name: 'huggingface', base: '/v1', model: 'huggingface/meta-llama/Llama-3.1-8B-Instruct', keyName: 'HF_TOKEN',
  headers: () => ({ 'x-inference-provider': 'novita' }),
  errors,
  reasoningField: 'reasoning_content',
});

/** The backends' own routes for images, beside `/v1`. */
const ROUTES = [
  ['picture', isPicture],
  ['hf-inference', ({ path }) => path.startsWith('/hf-inference/models/')],
  ['together', ({ path }) => path === '/together/v1/images/generations'],
  ['nscale', ({ path }) => path === '/nscale/v1/images/generations'],
  ['fal-state', ({ method, path }) => method === 'GET' && /^\/fal-ai\/.*\/requests\/[^/]+\/status\?_subdomain=queue$/.test(path)],
  ['fal-result', ({ method, path }) => method === 'GET' && /^\/fal-ai\/.*\/requests\/[^/]+\?_subdomain=queue$/.test(path)],
  ['fal-ai', ({ method, path }) => method === 'POST' && /^\/fal-ai\/.*\?_subdomain=queue$/.test(path)],
  ['replicate', ({ path }) => /^\/replicate\/v1\/models\/.*\/predictions$/.test(path)],
  ['replicate-state', ({ path }) => path.startsWith('/replicate/v1/predictions/')],
  ['wavespeed', ({ method, path }) => method === 'POST' && path.startsWith('/wavespeed/api/v3/')],
  ['wavespeed-state', ({ path }) => path.startsWith('/wavespeed/api/v3/predictions/')],
];

const queued = new Map();
/** Counts the looks at one job: true once it is done. */
function looked(id, looks) {
  queued.set(id, (queued.get(id) ?? 0) + 1);
  return queued.get(id) > looks;
}
const lastOf = (path) => path.split('?')[0].replace(/\/(status|result)$/, '').split('/').at(-1);

/** `script.looks`: how often a job is not ready yet; `script.failed`: it ends in failure. */
const ANSWERS = {
  picture: (call, script) => picture(script.picture, script.pictureType),
  'hf-inference': (call, script) => picture(script.picture ?? PICTURE, 'image/jpeg'),
  together: (call, script) => ({ json: { id: 'o1', model: call.model, object: 'list', data: dataOf(call, script, { url: call.body.response_format === 'url', count: call.body.n }) } }),
  nscale: (call, script) => ({ json: { created: 1, data: dataOf(call, script, { count: call.body.n }) } }),
  'fal-ai': (call) => {
    const id = randomUUID();
    const url = `https://queue.fal.run${call.path.split('?')[0].replace(/^\/fal-ai/, '')}/requests/${id}`;
    return { json: { status: 'IN_QUEUE', request_id: id, response_url: url, status_url: `${url}/status`, queue_position: 0 } };
  },
  'fal-state': (call, script) => ({ json: { status: looked(lastOf(call.path), script.looks ?? 1) ? 'COMPLETED' : 'IN_PROGRESS', request_id: lastOf(call.path) } }),
  'fal-result': (call, script) => ({ json: { images: [{ url: script.url ?? pictureUrl(call), width: 2, height: 2, content_type: 'image/png' }], seed: 7, prompt: 'x' } }),
  replicate: (call, script) => replicated(call, script, randomUUID()),
  'replicate-state': (call, script) => replicated(call, script, lastOf(call.path)),
  wavespeed: (call) => waved(call, {}, randomUUID(), 'created'),
  'wavespeed-state': (call, script) => waved(call, script, call.path.split('/').at(-2), looked(call.path, script.looks ?? 1) ? 'completed' : 'processing'),
};

function replicated(call, script, id) {
  const urls = { get: `https://api.replicate.com/v1/predictions/${id}` };
  if (script.failed) return { json: { id, status: 'failed', error: script.failed, output: null, urls } };
  const done = looked(id, script.looks ?? 0);
  return { status: 201, json: { id, status: done ? 'succeeded' : 'processing', error: null, output: done ? [pictureUrl(call)] : null, urls } };
}

const waved = (call, script, id, status) => ({ json: { code: 200, message: 'success', data: {
  id, status: script.failed ? 'failed' : status, error: script.failed ?? '',
  outputs: status === 'completed' ? [pictureUrl(call)] : [], urls: { get: `https://api.wavespeed.ai/api/v3/predictions/${id}/result` },
} } });

export const huggingface = {
  ...text,
  kind: (call) => text.kind(call) ?? ROUTES.find(([, fits]) => fits(call))?.[0],
  whole: (call, script) => ANSWERS[call.kind]?.(call, script),
};
