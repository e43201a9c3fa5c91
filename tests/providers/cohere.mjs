// Cohere v2: its own bodies and events, flat errors, trial limits told apart by words only.
import { bearerOf, replyOf, tokensOf } from './openai_shape.mjs';
import { scoreOf, vectorOf } from './vectors.mjs';

const flat = (status, message, headers = {}) => ({ status, headers, json: { id: '7a3f0000-0000-4000-8000-000000000001', message } });
const TRIAL = 'You are using a Trial key, which is limited to';
const ADVICE = "You can continue to use the Trial key for free or upgrade to a Production key with higher rate limits at 'https://dashboard.cohere.com/api-keys'.";

const errors = {
  minute: flat(429, `${TRIAL} 20 API calls / minute. ${ADVICE}`),
  minute_stated: flat(429, `${TRIAL} 20 API calls / minute. ${ADVICE}`, { 'Retry-After': '12' }),
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

const EMBED = new Set(['model', 'input_type', 'texts', 'images', 'inputs', 'embedding_types', 'output_dimension', 'max_tokens', 'truncate', 'priority']);
const RERANK = new Set(['model', 'query', 'documents', 'top_n', 'max_tokens_per_doc', 'priority']);
const INPUT_TYPES = ['search_document', 'search_query', 'classification', 'clustering', 'image'];

function validateOther(call) {
  const known = call.kind === 'embed' ? EMBED : RERANK;
  const key = Object.keys(call.body ?? {}).find((name) => !known.has(name));
  if (key) return flat(422, `unknown field: parameter '${key}' is not a valid field`);
  if (call.kind === 'rerank') return call.body.documents.every((text) => typeof text === 'string') ? undefined : flat(400, 'invalid type: parameter documents must be of type string array');
  if (!INPUT_TYPES.includes(call.body.input_type)) return flat(400, 'invalid request: valid input_type must be provided with the provided model');
  if (call.body.texts.length > 96) return flat(400, `invalid request: total number of texts must be at most 96 - received ${call.body.texts.length}`);
  const size = call.body.output_dimension ?? 1536;
  return [256, 512, 1024, 1536].includes(size) ? undefined : flat(400, 'invalid request: output_dimension must be one of 256, 512, 1024, 1536');
}

function embedOf(call, script) {
  const { texts, output_dimension } = call.body;
  const meta = { api_version: { version: '2' }, ...(script.usage !== null && { billed_units: { input_tokens: 2 * texts.length } }) };
  return { id: 'co-embed-1', embeddings: { float: texts.map((text) => vectorOf(text, output_dimension)) }, texts, meta, response_type: 'embeddings_by_type' };
}

function rankingOf(call) {
  const { query, documents, top_n = documents.length } = call.body;
  const results = documents.map((text, index) => ({ index, relevance_score: scoreOf(query, text) }))
    .sort((a, b) => b.relevance_score - a.relevance_score).slice(0, top_n);
  return { id: 'co-rerank-1', results, meta: { api_version: { version: '2' }, billed_units: { search_units: 1 } } };
}

function validate(call) {
  if (call.kind !== 'chat') return validateOther(call);
  const body = call.body ?? {};
  const key = Object.keys(body).find((name) => !ALLOWED.has(name));
  if (key) return flat(422, `unknown field: parameter '${key}' is not a valid field`);
  const name = toolNames(body).find((one) => !/^[A-Za-z_][A-Za-z0-9_]*$/.test(one));
  if (name) return flat(400, `invalid tool name '${name}': only letters, digits and underscores, no digit first`);
  if (body.tool_choice && !['REQUIRED', 'NONE'].includes(body.tool_choice)) return flat(400, 'tool_choice must be REQUIRED or NONE');
  if (body.response_format && (body.tools || body.documents)) return flat(400, 'response_format is not supported with tools or documents');
  if (body.frequency_penalty && body.presence_penalty) return flat(400, 'only one of frequency_penalty and presence_penalty may be set');
  const silent = body.messages?.find(({ role, content, tool_calls: calls }) => role !== 'user' && !calls && !content?.length);
  return silent && flat(400, `invalid request: ${silent.role} message must have non-empty content or tool calls`);
}

const toolNames = ({ tools, messages }) => [
  ...(tools ?? []), ...(messages ?? []).flatMap(({ tool_calls: calls }) => calls ?? []),
].map((tool) => tool.function.name);

const FINISH = { stop: 'COMPLETE', length: 'MAX_TOKENS', content_filter: 'ERROR_TOXIC', error: 'ERROR' };
const finishOf = (script) => (script.toolCalls ? 'TOOL_CALL' : FINISH[script.finish ?? 'stop']);
const usageOf = (script) => script.usage ?? {
  billed_units: { input_tokens: 3, output_tokens: 7 }, tokens: { input_tokens: 11, output_tokens: 7 },
};

function plain(call, script) {
  if (call.kind === 'embed') return embedOf(call, script);
  if (call.kind === 'rerank') return rankingOf(call);
  const thinking = script.reasoning ? [{ type: 'thinking', thinking: script.reasoning }] : [];
  const content = [...thinking, ...(script.empty || script.toolCalls ? [] : [{ type: 'text', text: replyOf(cohere, script) }])];
  const calls = script.toolCalls && { tool_plan: script.reply ?? '', tool_calls: script.toolCalls.map(toolCall) };
  const usage = script.usage === null ? {} : { usage: usageOf(script) };
  return { id: 'co-1', finish_reason: finishOf(script), message: { role: 'assistant', content, ...calls }, ...usage };
}

const toolCall = ({ id, name, arguments: args }) => ({ id, type: 'function', function: { name, arguments: args } });

const event = (kind, value) => ({ kind, text: `event: ${value.type}\ndata: ${JSON.stringify(value)}\n\n` });

function frames(call, script) {
  const usage = script.usage === null ? {} : { usage: usageOf(script) };
  return [
    event('head', { id: 'co-1', type: 'message-start', delta: { message: { role: 'assistant', content: [], tool_plan: '', tool_calls: [], citations: [] } } }),
    ...(script.reasoning ? contentFrames(0, 'thinking', script.reasoning) : []),
    ...(script.toolCalls ? callFrames(script) : contentFrames(script.reasoning ? 1 : 0, 'text', replyOf(cohere, script))),
    event('finish', { type: 'message-end', delta: { finish_reason: finishOf(script), ...usage } }),
  ];
}

function contentFrames(index, type, text) {
  const part = (content) => ({ index, delta: { message: { content } } });
  return [
    event('head', { type: 'content-start', ...part({ type, [type]: '' }) }),
    ...tokensOf(text).map((token) => event('token', { type: 'content-delta', ...part({ [type]: token }) })),
    event('finish', { type: 'content-end', index }),
  ];
}

function callFrames({ reply = '', toolCalls }) {
  const part = (index, call) => ({ index, delta: { message: { tool_calls: call } } });
  return [
    ...tokensOf(reply).map((tool_plan) => event('token', { type: 'tool-plan-delta', delta: { message: { tool_plan } } })),
    ...toolCalls.flatMap((call, index) => [
      event('token', { type: 'tool-call-start', ...part(index, toolCall({ ...call, arguments: '' })) }),
      ...(call.arguments.match(/.{1,7}/gs) ?? []).map((text) => event('token', { type: 'tool-call-delta', ...part(index, { function: { arguments: text } }) })),
      event('token', { type: 'tool-call-end', index }),
    ]),
  ];
}

export const cohere = {
  name: 'cohere', base: '', model: 'cohere_chat/command-r7b-12-2024', keyName: 'COHERE_API_KEY',
  streamType: 'text/event-stream',
  kind: (call) => ({ '/v2/chat': 'chat', '/v2/embed': 'embed', '/v2/rerank': 'rerank' })[call.path],
  streams: (call) => call.body?.stream === true,
  keyOf: bearerOf,
  headers: () => ({ 'x-trial-endpoint-call-limit': '20', 'x-trial-endpoint-call-remaining': '19' }),
  errors, validate, plain, frames,
};

/** The end of a stream that failed after the first tokens. */
export const cohereMidstream = event('finish', { type: 'message-end', delta: { finish_reason: 'ERROR', error: 'generation failed' } }).text;
