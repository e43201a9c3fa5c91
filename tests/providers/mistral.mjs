// Mistral: a closed request schema (422), 9-character tool ids, strict turn order, rate headers on
// whole answers and refusals only, content that may be an array.
import { openaiWire } from './openai_shape.mjs';

const TOP = new Set(['model', 'messages', 'temperature', 'top_p', 'max_tokens', 'stream', 'stop',
  'random_seed', 'metadata', 'response_format', 'tools', 'tool_choice', 'presence_penalty',
  'frequency_penalty', 'n', 'prediction', 'parallel_tool_calls', 'prompt_mode', 'reasoning_effort',
  'guardrails', 'prompt_cache_key', 'safe_prompt']);
const EMBEDDINGS = new Set(['model', 'input', 'metadata', 'output_dimension', 'output_dtype', 'encoding_format']);
const MESSAGE = {
  system: ['role', 'content'], user: ['role', 'content'],
  assistant: ['role', 'content', 'tool_calls', 'prefix'],
  tool: ['role', 'content', 'tool_call_id', 'name'],
};

const rates = (month, minute = '750') => ({
  'x-ratelimit-limit-req-minute': minute, 'x-ratelimit-remaining-req-minute': minute === '0' ? '0' : '700',
  'x-ratelimit-limit-tokens-minute': '500000', 'x-ratelimit-remaining-tokens-minute': '490000',
  'x-ratelimit-limit-tokens-month': '1000000000', 'x-ratelimit-remaining-tokens-month': month,
  'x-ratelimit-tokens-query-cost': '32',
});
const refusal = (status, message, type, code, headers = {}) =>
  ({ status, headers, json: { object: 'error', message, type, param: null, code, raw_status_code: status } });
const extra = (loc) => ({ type: 'extra_forbidden', loc: ['body', ...loc], msg: 'Extra inputs are not permitted', input: true });

const errors = {
  rate: refusal(429, 'Rate limit exceeded', 'rate_limited', '1300', rates('900000000')),
  rate_old: { status: 429, json: { message: 'Requests rate limit exceeded' } },
  no_allowance: refusal(429, 'Rate limit exceeded', 'rate_limited', '1300', rates('900000000', '0')),
  month: refusal(429, 'Rate limit exceeded', 'rate_limited', '1300', rates('0')),
  capacity: refusal(429, 'Service tier capacity exceeded for this model.', 'service_tier_capacity_exceeded', '3505'),
  extra_detail: { status: 422, json: { detail: [extra(['store'])] } },
  extra_object: { status: 422, json: { object: 'error', message: { detail: [extra(['store'])] }, type: 'invalid_request_error', param: null, code: 3001 } },
  extra_array: { status: 422, json: { object: 'error', message: [extra(['store'])], type: 'invalid_request_error', param: null, code: 3001 } },
  order: refusal(400, "Expected last role User or Tool (or Assistant with prefix True) for serving but got assistant", 'invalid_request_message_order', '3230'),
  tool_id: refusal(400, "Tool call id was call_abc but must be a-z, A-Z, 0-9, with a length of 9.", 'invalid_function_call', '3280'),
  model: refusal(400, 'Invalid model: mistral-gone', 'invalid_model', '1500'),
  inputs: refusal(400, 'Too many inputs in request, split into more batches.', 'invalid_request_prompt', '3210'),
  unauthorized: { status: 401, json: { detail: 'Unauthorized' } },
  internal: refusal(500, 'Internal server error', 'internal_server_error', '1000'),
};

const NINE = /^[a-zA-Z0-9]{9}$/;
const idsOf = (message) => [...(message.tool_calls ?? []).map(({ id }) => id), ...(message.tool_call_id ? [message.tool_call_id] : [])];

function validate(call) {
  const body = call.body ?? {};
  const known = call.kind === 'embeddings' ? EMBEDDINGS : TOP;
  const key = Object.keys(body).find((name) => !known.has(name));
  if (key) return { status: 422, json: { detail: [extra([key])] } };
  if (call.kind === 'embeddings') return body.input.length > 512 ? errors.inputs : undefined;
  const messages = body.messages ?? [];
  for (const [index, message] of messages.entries()) {
    const field = Object.keys(message).find((name) => !MESSAGE[message.role]?.includes(name));
    if (field) return { status: 422, json: { detail: [extra(['messages', index, message.role, field])] } };
  }
  const bad = messages.flatMap(idsOf).find((id) => !NINE.test(id));
  if (bad) return errors.tool_id;
  return orderProblem(messages) && errors.order;
}

function orderProblem(messages) {
  const last = messages.at(-1);
  if (!['user', 'tool'].includes(last?.role) && !last?.prefix) return true;
  return messages.some((message, at) => message.role === 'user' && messages[at - 1]?.role === 'tool');
}

export const mistral = openaiWire({
  name: 'mistral', base: '/v1', model: 'mistral/mistral-small-2603', keyName: 'MISTRAL_API_KEY',
  usageInStream: 'last', base64: true, wholeCalls: true,
  dressed: (body, call) => (call.kind === 'embeddings' ? { id: 'embd-0001', ...body } : body),
  headers: (call) => ({ 'mistral-correlation-id': 'corr-1', ...(call.stream ? {} : rates('900000000')) }),
  errors, validate,
});
