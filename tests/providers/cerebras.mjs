// Cerebras: flat error bodies, 429 without rate headers, unknown properties refused at any depth.
import { openaiWire } from './openai_shape.mjs';

const flat = (status, message, type, param, code, headers = {}) =>
  ({ status, headers, json: { message, type, param, code } });

const TOP = new Set(['model', 'messages', 'max_tokens', 'max_completion_tokens', 'min_tokens',
  'min_completion_tokens', 'temperature', 'top_p', 'stop', 'stream', 'stream_options', 'seed', 'n',
  'tools', 'tool_choice', 'parallel_tool_calls', 'response_format', 'user', 'logprobs',
  'top_logprobs', 'logit_bias', 'reasoning_effort', 'reasoning_format', 'clear_thinking',
  'prompt', 'frequency_penalty', 'presence_penalty', 'prediction', 'service_tier']);
const MESSAGE = new Set(['role', 'content', 'name', 'tool_calls', 'tool_call_id', 'reasoning']);

const errors = {
  rpm: flat(429, 'Requests per minute limit exceeded - too many requests sent.', 'too_many_requests_error', 'quota', 'request_quota_exceeded', { 'retry-after': '57' }),
  tpm: flat(429, 'Tokens per minute limit exceeded - too many tokens processed.', 'too_many_tokens_error', 'quota', 'token_quota_exceeded', { 'retry-after': '60' }),
  queue: flat(429, "We're experiencing high traffic right now! Please try again soon.", 'too_many_requests_error', 'queue', 'queue_exceeded', { 'x-should-retry': 'false' }),
  context: flat(400, 'Please reduce the length of the messages or completion. Current length is 9000 while limit is 8192', 'invalid_request_error', 'messages', 'context_length_exceeded'),
  payment: flat(402, 'Payment required: your free trial is over.', 'payment_required_error', 'quota', 'payment_required'),
  cloudflare_403: { status: 403, headers: { 'content-type': 'text/html' }, text: '<!DOCTYPE html><html><head><title>Attention Required! | Cloudflare</title></head><body>blocked</body></html>' },
  gone: flat(404, 'Model llama3.1-8b does not exist or you do not have access to it.', 'not_found_error', 'model', 'model_not_found'),
  unauthorized: flat(401, 'Wrong API Key', 'invalid_request_error', 'api_key', 'wrong_api_key'),
  unavailable: flat(503, 'Service Unavailable', 'server_error', '', 'service_unavailable'),
};

function validate(call) {
  const bad = Object.keys(call.body ?? {}).find((key) => !TOP.has(key))
    ?? (call.body?.messages ?? []).flatMap(Object.keys).find((key) => !MESSAGE.has(key));
  return bad && flat(400, `body.${bad}: property '${bad}' is unsupported`, 'invalid_request_error', 'validation_error', 'wrong_api_format');
}

const TIME = { queue_time: 0.0001, prompt_time: 0.001, completion_time: 0.002, total_time: 0.004, created: 1_780_000_000 };

export const cerebras = openaiWire({
  name: 'cerebras', base: '/v1', model: 'cerebras/llama3.1-8b', keyName: 'CEREBRAS_API_KEY',
  usageInStream: 'last',
  headers: () => ({
    'x-ratelimit-limit-requests-day': '14400', 'x-ratelimit-remaining-requests-day': '14390',
    'x-ratelimit-reset-requests-day': '33011.382867097855', 'x-ratelimit-limit-tokens-minute': '30000',
    'x-ratelimit-remaining-tokens-minute': '29000', 'x-ratelimit-reset-tokens-minute': '11.382867097855',
  }),
  errors, validate,
  lastChunk: (chunk) => ({ ...chunk, time_info: TIME }),
  dressed: (body) => ({ ...body, time_info: TIME }),
});
