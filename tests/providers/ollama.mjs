// Ollama's native API: newline-delimited JSON, streaming unless told otherwise, string errors.
import { bearerOf, replyOf, tokensOf } from './openai_shape.mjs';
import { vectorOf } from './vectors.mjs';

const text = (status, error) => ({ status, json: { error } });

const errors = {
  busy: text(503, 'server busy, please try again.  maximum pending requests exceeded'),
  notfound: text(404, "model 'llama3.2:3b' not found"),
  no_tools: text(400, 'registry.ollama.ai/library/dolphin-phi:latest does not support tools'),
  no_thinking: text(400, '"smollm2:1.7b" does not support thinking'),
  out_of_memory: text(500, 'model requires more system memory (5.6 GiB) than is available (2.1 GiB)'),
  unauthorized: text(401, 'unauthorized'),
};

const ALLOWED = new Set(['model', 'messages', 'tools', 'think', 'format', 'options', 'stream', 'keep_alive',
  'truncate', 'shift', 'logprobs', 'top_logprobs']);

const EMBED = new Set(['model', 'input', 'truncate', 'dimensions', 'options', 'keep_alive']);

function validate(call) {
  if (call.kind === 'embed') {
    const inputs = [call.body?.input].flat();
    const unknown = Object.keys(call.body).find((name) => !EMBED.has(name));
    if (unknown) return text(400, `unknown field ${unknown}`);
    return inputs.every((one) => typeof one === 'string') ? undefined : text(400, 'invalid input type');
  }
  if (call.kind !== 'chat') return undefined;
  const key = Object.keys(call.body ?? {}).find((name) => !ALLOWED.has(name));
  const content = call.body?.messages?.find((message) => typeof message.content !== 'string');
  if (key) return text(400, `unknown field ${key}`);
  if (content) return text(400, 'json: cannot unmarshal array into Go struct field ChatRequest.messages.content of type string');
  const calls = call.body?.messages?.flatMap((message) => message.tool_calls ?? []) ?? [];
  if (calls.some((one) => typeof one.function.arguments !== 'object')) return text(400, 'json: cannot unmarshal string into Go struct field ChatRequest.messages.tool_calls.function.arguments of type api.ToolCallFunctionArguments');
  const images = call.body?.messages?.flatMap((message) => message.images ?? []) ?? [];
  return images.some((image) => !/^[A-Za-z0-9+/]+=*$/.test(image)) && text(400, 'illegal base64 data at input byte 4');
}

const AT = '2026-11-22T12:00:00.000000000Z';
const usageOf = (script) => (script.usage === null ? {} : script.usage ?? { prompt_eval_count: 11, eval_count: 7 });
const ending = (script) => ({
  done: true, done_reason: script.finish ?? 'stop', total_duration: 50_000_000, load_duration: 1_000_000,
  prompt_eval_duration: 9_000_000, eval_duration: 30_000_000, ...usageOf(script),
});

/** Ollama gives its calls no id and their arguments as an object. */
const callsOf = ({ toolCalls }) => toolCalls && {
  tool_calls: toolCalls.map(({ name, arguments: args }, index) => ({ function: { index, name, arguments: JSON.parse(args) } })),
};

/** A part of an answer where chat and generate have it. */
function said(call, { content, thinking, ...rest }) {
  if (call.kind === 'generate') return { response: content, ...(thinking && { thinking }) };
  return { message: { role: 'assistant', content, ...(thinking && { thinking }), ...rest } };
}

function plain(call, script) {
  if (call.kind === 'ps') return { models: [] };
  if (call.kind === 'version') return { version: '0.20.7' };
  if (call.kind === 'embed') {
    const inputs = [call.body.input].flat();
    const embeddings = inputs.map((one) => vectorOf(one, call.body.dimensions));
    const counted = script.usage === null ? {} : { prompt_eval_count: 3 * inputs.length };
    return { model: call.model, embeddings, total_duration: 14_143_917, load_duration: 1_019_500, ...counted };
  }
  const content = script.empty || script.toolCalls ? '' : replyOf(ollama, script);
  return { model: call.model, created_at: AT, ...said(call, { content, ...(script.reasoning && { thinking: script.reasoning }), ...callsOf(script) }), ...ending(script) };
}

const line = (kind, value) => ({ kind, text: `${JSON.stringify(value)}\n` });

function frames(call, script) {
  const part = (kind, words, more = { done: false }) => line(kind, { model: call.model, created_at: AT, ...said(call, words), ...more });
  const answer = script.toolCalls
    ? callsOf(script).tool_calls.map((one) => part('token', { content: '', tool_calls: [one] }))
    : tokensOf(replyOf(ollama, script)).map((content) => part('token', { content }));
  return [
    ...tokensOf(script.reasoning ?? '').map((thinking) => part('token', { content: '', thinking })),
    ...answer,
    part('finish', { content: '' }, ending(script)),
  ];
}

const KINDS = { '/api/chat': 'chat', '/api/generate': 'generate', '/api/embed': 'embed', '/api/ps': 'ps', '/api/version': 'version' };

export const ollama = {
  name: 'ollama', base: '', model: 'ollama_chat/llama3.2:3b',
  streamType: 'application/x-ndjson',
  kind: (call) => KINDS[call.path],
  streams: (call) => ['chat', 'generate'].includes(call.kind) && call.body?.stream !== false,
  keyOf: bearerOf,
  errors, validate, plain, frames,
};

/** The line that ends a stream whose runner died. */
export const ollamaMidstream = `${JSON.stringify({ error: 'llama runner process has terminated: signal: killed' })}\n`;
