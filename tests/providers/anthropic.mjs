// Anthropic Messages: named events, no [DONE], usage in two places, credit problems as 400.
import { replyOf, tokensOf } from './openai_shape.mjs';

const refusal = (status, type, message, headers = {}) =>
  ({ status, headers, json: { type: 'error', error: { type, message }, request_id: 'req_01anthropic' } });

const errors = {
  credit_400: refusal(400, 'invalid_request_error', 'Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits.'),
  rate_429: refusal(429, 'rate_limit_error', 'This request would exceed the rate limit for your organization of 20,000 input tokens per minute. For details, refer to: https://docs.anthropic.com.', { 'retry-after': '23' }),
  overloaded_529: refusal(529, 'overloaded_error', 'Overloaded'),
  too_long: refusal(400, 'invalid_request_error', 'prompt is too long: 210000 tokens > 200000 maximum'),
  too_large_413: refusal(413, 'request_too_large', 'Request exceeds the maximum size'),
  gone: refusal(404, 'not_found_error', 'model: claude-gone'),
  unauthorized: refusal(401, 'authentication_error', 'invalid x-api-key'),
  internal: refusal(500, 'api_error', 'Internal server error'),
};

const ALLOWED = new Set(['model', 'max_tokens', 'messages', 'system', 'temperature', 'top_p', 'top_k',
  'stop_sequences', 'stream', 'tools', 'tool_choice', 'thinking', 'output_config', 'metadata',
  'service_tier', 'cache_control', 'container', 'inference_geo']);

function validate(call) {
  const body = call.body ?? {};
  const invalid = (message) => refusal(400, 'invalid_request_error', message);
  if (!call.headers['anthropic-version']) return invalid('anthropic-version: header is required');
  const key = Object.keys(body).find((name) => !ALLOWED.has(name));
  if (key) return invalid(`${key}: Extra inputs are not permitted`);
  if (!Number.isInteger(body.max_tokens)) return invalid('max_tokens: Field required');
  const role = body.messages?.find((message) => !['user', 'assistant'].includes(message.role))?.role;
  if (role) return invalid(`messages: Unexpected role "${role}". The Messages API accepts a top-level \`system\` parameter`);
  if (body.messages?.[0]?.role !== 'user') return invalid('messages: first message must use the "user" role');
  return undefined;
}

const STOPS = { stop: 'end_turn', length: 'max_tokens', content_filter: 'refusal' };
const stopOf = (script) => (script.toolCalls ? 'tool_use' : STOPS[script.finish ?? 'stop']);
const SIGNATURE = 'c2lnbmVk';
const usageOf = (script) => script.usage ?? {
  input_tokens: 5, cache_creation_input_tokens: 2, cache_read_input_tokens: 4, output_tokens: 7, service_tier: 'standard',
};

const toolUse = ({ id, name, arguments: args }) => ({ type: 'tool_use', id, name, input: JSON.parse(args) });

function contentOf(script) {
  if (script.empty) return [];
  const thinking = script.reasoning ? [{ type: 'thinking', thinking: script.reasoning, signature: SIGNATURE }] : [];
  return [...thinking, ...(script.toolCalls?.map(toolUse) ?? [{ type: 'text', text: replyOf(anthropic, script) }])];
}

function plain(call, script) {
  const usage = script.usage === null ? {} : { usage: usageOf(script) };
  return {
    id: 'msg_01', type: 'message', role: 'assistant', model: call.model,
    content: contentOf(script),
    stop_reason: stopOf(script), stop_sequence: null, ...usage, ...script.extra,
  };
}

const event = (kind, value) => ({ kind, text: `event: ${value.type}\ndata: ${JSON.stringify(value)}\n\n` });

/** The block as it begins, and the deltas that make it whole. */
function partsOf(block) {
  switch (block.type) {
    case 'thinking': return [{ ...block, thinking: '', signature: '' }, [
      ...tokensOf(block.thinking).map((thinking) => ({ type: 'thinking_delta', thinking })),
      { type: 'signature_delta', signature: block.signature },
    ]];
    case 'tool_use': return [{ ...block, input: {} }, ['', ...JSON.stringify(block.input).match(/.{1,7}/gs)].map((partial_json) => ({ type: 'input_json_delta', partial_json }))];
    default: return [{ ...block, text: '' }, tokensOf(block.text).map((text) => ({ type: 'text_delta', text }))];
  }
}

function blockFrames(block, index) {
  const [content_block, deltas] = partsOf(block);
  return [
    event('head', { type: 'content_block_start', index, content_block }),
    ...(index === 0 ? [event('head', { type: 'ping' })] : []),
    ...deltas.map((delta) => event('token', { type: 'content_block_delta', index, delta })),
    event('finish', { type: 'content_block_stop', index }),
  ];
}

function frames(call, script) {
  const { output_tokens, ...input } = usageOf(script);
  const message = { id: 'msg_01', type: 'message', role: 'assistant', model: call.model, content: [], stop_reason: null, stop_sequence: null, usage: { ...input, output_tokens: 1 } };
  return [
    event('head', { type: 'message_start', message }),
    ...contentOf({ ...script, empty: false }).flatMap(blockFrames),
    event('finish', { type: 'message_delta', delta: { stop_reason: stopOf(script), stop_sequence: null }, usage: { output_tokens } }),
    event('finish', { type: 'message_stop' }),
  ];
}

export const anthropic = {
  name: 'anthropic', base: '', model: 'anthropic/claude-haiku-4-5', keyName: 'ANTHROPIC_API_KEY',
  streamType: 'text/event-stream; charset=utf-8',
  kind: (call) => (call.path === '/v1/messages' ? 'chat' : undefined),
  streams: (call) => call.body?.stream === true,
  keyOf: (call) => call.headers['x-api-key'],
  headers: () => ({
    'request-id': 'req_01anthropic', 'anthropic-ratelimit-requests-limit': '50',
    'anthropic-ratelimit-requests-remaining': '49',
    'anthropic-ratelimit-requests-reset': new Date(Date.now() + 2000).toISOString(),
  }),
  errors, validate, plain, frames,
};

/** The event that ends a stream when the service is overloaded after the first tokens. */
export const anthropicMidstream = event('error', { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' }, request_id: 'req_01anthropic' }).text;
