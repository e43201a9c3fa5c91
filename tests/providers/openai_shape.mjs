// What the OpenAI-like providers share on the wire: paths, chat and text completion bodies, chunks.
// Each provider file adds its own headers, errors, checks and the odd field.

import { base64Of, inputsOf, scoreOf, vectorOf } from './vectors.mjs';

export const USAGE = { prompt_tokens: 11, completion_tokens: 7, total_tokens: 18 };
const CREATED = 1_780_000_000;

/** "Hello there you" → ["Hello", " there", " you"]. */
export const tokensOf = (reply) => reply.match(/\s*\S+|\s+$/g) ?? [];
export const replyOf = (wire, script) => script.reply ?? `answer from ${wire.name}`;
export const sse = (value) => `data: ${JSON.stringify(value)}\n\n`;
export const problem = (status, error, headers = {}) => ({ status, headers, json: { error } });
export const bearerOf = (call) => call.headers.authorization?.replace(/^Bearer /, '');

const KINDS = {
  '/chat/completions': 'chat', '/completions': 'text', '/models': 'models',
  '/embeddings': 'embeddings', '/rerank': 'rerank',
};

/** A provider that speaks the OpenAI dialect under `base`. `own` overrides any part. */
export function openaiWire(own) {
  const wire = {
    usageInStream: 'asked',
    streamType: 'text/event-stream; charset=utf-8',
    kind: (call) => (call.path.startsWith(wire.base) ? KINDS[call.path.slice(wire.base.length)] : undefined),
    streams: (call) => call.body?.stream === true,
    keyOf: bearerOf,
    plain: (call, script) => wire.dressed(plainBody(wire, call, script), call, script),
    frames: (call, script) => framesOf(wire, call, script),
    dressed: (body) => body,
    lastChunk: (chunk) => chunk,
    firstChunk: (chunk) => chunk,
    before: () => [],
    ...own,
  };
  return wire;
}

function plainBody(wire, call, script) {
  if (call.kind === 'models') return { object: 'list', data: [{ id: 'upstream', object: 'model' }] };
  if (call.kind === 'embeddings') return embeddingsOf(wire, call, script);
  if (call.kind === 'rerank') return rankingOf(call, script);
  const head = { id: 'cmpl-0001', created: CREATED, model: call.model };
  const usage = script.usage === null ? {} : { usage: script.usage ?? USAGE };
  if (call.kind === 'text') {
    const choice = { index: 0, text: script.empty ? '' : replyOf(wire, script), logprobs: null, finish_reason: script.finish ?? 'stop' };
    return { ...head, object: 'text_completion', choices: [choice], ...usage, ...script.extra };
  }
  const choice = { index: 0, message: messageOf(wire, script), finish_reason: finishOf(script) };
  return { ...head, object: 'chat.completion', choices: [choice], ...usage, ...script.extra };
}

function embeddingsOf(wire, call, script) {
  const { input, encoding_format, dimensions, output_dimension } = call.body;
  const size = wire.fixedDimensions ?? dimensions ?? output_dimension;
  const encoded = (vector) => (encoding_format === 'base64' && wire.base64 ? base64Of(vector) : vector);
  const data = inputsOf(input).map((one, index) => ({ object: 'embedding', embedding: encoded(vectorOf(one, size)), index }));
  const usage = script.usage === null ? {} : { usage: script.usage ?? { prompt_tokens: 8, total_tokens: 8 } };
  return { object: 'list', data, model: call.model, ...usage, ...script.extra };
}

/** As llama-server and Jina answer, in the order of the documents. */
function rankingOf(call, script) {
  const { query, documents } = call.body;
  const results = documents.map((text, index) => ({ index, relevance_score: scoreOf(query, text) }));
  return { model: call.model, object: 'list', usage: { prompt_tokens: 40, total_tokens: 40 }, results, ...script.extra };
}

const finishOf = (script) => script.finish ?? (script.toolCalls ? 'tool_calls' : 'stop');
const toolCall = ({ id, name, arguments: args }) => ({ id, type: 'function', function: { name, arguments: args } });

function messageOf(wire, script) {
  const content = script.empty ? '' : script.toolCalls ? null : (script.content ?? replyOf(wire, script));
  return {
    role: 'assistant', content,
    ...(script.reasoning && { [wire.reasoningField ?? 'reasoning']: script.reasoning }),
    ...(script.toolCalls && { tool_calls: script.toolCalls.map(toolCall) }),
  };
}

function framesOf(wire, call, script) {
  const asked = call.body?.stream_options?.include_usage === true;
  const nulled = asked && wire.usageInStream === 'asked' ? { usage: null } : {};
  const object = call.kind === 'text' ? 'text_completion' : 'chat.completion.chunk';
  const chunk = (choices, more = {}) => ({
    id: 'cmpl-0001', object, created: CREATED, model: call.model, choices, ...nulled, ...more, ...script.extra,
  });
  const choice = (delta, finish_reason = null) => call.kind === 'text'
    ? { index: 0, text: delta.content ?? '', logprobs: null, finish_reason }
    : { index: 0, delta, finish_reason };
  const usage = script.usage === null ? undefined : (script.usage ?? USAGE);
  const frames = [...wire.before(call, script)];
  if (call.kind === 'chat') frames.push({ kind: 'head', text: sse(wire.firstChunk(chunk([choice({ role: 'assistant', content: '' })]))) });
  for (const delta of deltasOf(wire, script)) frames.push({ kind: 'token', text: sse(chunk([choice(delta)])) });
  const last = chunk([choice({}, finishOf(script))]);
  if (usage && wire.usageInStream === 'last') last.usage = usage;
  frames.push({ kind: 'finish', text: sse(wire.lastChunk(last, usage)) });
  const separate = wire.usageInStream === 'always' || (wire.usageInStream === 'asked' && asked);
  if (usage && separate) frames.push({ kind: 'usage', text: sse(chunk([], { usage })) });
  frames.push({ kind: 'done', text: 'data: [DONE]\n\n' });
  return frames;
}

function deltasOf(wire, script) {
  const thoughts = tokensOf(script.reasoning ?? '').map((text) => ({ [wire.reasoningField ?? 'reasoning']: text }));
  if (!script.toolCalls) return [...thoughts, ...tokensOf(replyOf(wire, script)).map((content) => ({ content }))];
  if (wire.wholeCalls) return [...thoughts, { tool_calls: script.toolCalls.map((call, index) => ({ index, ...toolCall(call) })) }];
  const calls = script.toolCalls.flatMap(({ id, name, arguments: args }, index) => [
    { tool_calls: [{ index, id, type: 'function', function: { name, arguments: '' } }] },
    ...(args.match(/.{1,7}/gs) ?? []).map((part) => ({ tool_calls: [{ index, function: { arguments: part } }] })),
  ]);
  return [...thoughts, ...calls];
}
