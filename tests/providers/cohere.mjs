// Cohere v2: its own bodies and events, flat errors, trial limits told apart by words only.
import { bearerOf, replyOf, tokensOf } from './openai_shape.mjs';

const flat = (status, message, headers = {}) => ({ status, headers, json: { id: '7a3f0000-0000-4000-8000-000000000001', message } });
const TRIAL = 'You are using a Trial key, which is limited to';
const ADVICE = "You can continue to use the Trial key for free or upgrade to a Production key with higher rate limits at 'https://dashboard.cohere.com/api-keys'.";

const errors = {
  minute: flat(429, `${TRIAL} 20 API calls / minute. ${ADVICE}`),
  month: flat(429, `${TRIAL} 1000 API calls / month. ${ADVICE}`),
  minute_tokens: flat(429, 'trial token rate limit exceeded, limit is 100000 tokens per minute'),
  context: flat(400, 'too many tokens: total number of tokens in the prompt cannot exceed 128000 - received 130001. Try using a shorter prompt.'),
  filtered_498: flat(498, 'blocked input: please adjust your request'),
  unauthorized: flat(401, 'invalid api token'),
  gone: flat(404, "model 'command-gone' not found, make sure the correct model ID was used and that you have access to the model."),
  internal: flat(500, 'internal server error'),
};

const ALLOWED = new Set(['model', 'messages', 'stream', 'tools', 'strict_tools', 'tool_choice', 'documents',
  'citation_options', 'response_format', 'safety_mode', 'max_tokens', 'stop_sequences', 'temperature',
  'seed', 'frequency_penalty', 'presence_penalty', 'k', 'p', 'logprobs', 'thinking', 'priority']);

function validate(call) {
  const key = Object.keys(call.body ?? {}).find((name) => !ALLOWED.has(name));
  return key && flat(422, `unknown field: parameter '${key}' is not a valid field`);
}

const FINISH = { stop: 'COMPLETE', length: 'MAX_TOKENS', content_filter: 'ERROR_TOXIC', error: 'ERROR' };
const finishOf = (script) => FINISH[script.finish ?? 'stop'];
const usageOf = (script) => script.usage ?? {
  billed_units: { input_tokens: 3, output_tokens: 7 }, tokens: { input_tokens: 11, output_tokens: 7 },
};

function plain(call, script) {
  const content = script.empty ? [] : [{ type: 'text', text: replyOf(cohere, script) }];
  const usage = script.usage === null ? {} : { usage: usageOf(script) };
  return { id: 'co-1', finish_reason: finishOf(script), message: { role: 'assistant', content }, ...usage };
}

const event = (kind, value) => ({ kind, text: `event: ${value.type}\ndata: ${JSON.stringify(value)}\n\n` });

function frames(call, script) {
  const usage = script.usage === null ? {} : { usage: usageOf(script) };
  return [
    event('head', { id: 'co-1', type: 'message-start', delta: { message: { role: 'assistant', content: [], tool_plan: '', tool_calls: [], citations: [] } } }),
    event('head', { type: 'content-start', index: 0, delta: { message: { content: { type: 'text', text: '' } } } }),
    ...tokensOf(replyOf(cohere, script)).map((text) => event('token', { type: 'content-delta', index: 0, delta: { message: { content: { text } } } })),
    event('finish', { type: 'content-end', index: 0 }),
    event('finish', { type: 'message-end', delta: { finish_reason: finishOf(script), ...usage } }),
  ];
}

export const cohere = {
  name: 'cohere', base: '', model: 'cohere_chat/command-r7b-12-2024', keyName: 'COHERE_API_KEY',
  streamType: 'text/event-stream',
  kind: (call) => (call.path === '/v2/chat' ? 'chat' : undefined),
  streams: (call) => call.body?.stream === true,
  keyOf: bearerOf,
  headers: () => ({ 'x-trial-endpoint-call-limit': '20', 'x-trial-endpoint-call-remaining': '19' }),
  errors, validate, plain, frames,
};

/** The end of a stream that failed after the first tokens. */
export const cohereMidstream = event('finish', { type: 'message-end', delta: { finish_reason: 'ERROR', error: 'generation failed' } }).text;
