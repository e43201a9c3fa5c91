// Ollama's native API: newline-delimited JSON, streaming unless told otherwise, string errors.
import { bearerOf, replyOf, tokensOf } from './openai_shape.mjs';

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

function validate(call) {
  if (call.kind !== 'chat') return undefined;
  const key = Object.keys(call.body ?? {}).find((name) => !ALLOWED.has(name));
  const content = call.body?.messages?.find((message) => typeof message.content !== 'string');
  if (key) return text(400, `unknown field ${key}`);
  return content && text(400, 'json: cannot unmarshal array into Go struct field ChatRequest.messages.content of type string');
}

const AT = '2026-11-22T12:00:00.000000000Z';
const usageOf = (script) => (script.usage === null ? {} : script.usage ?? { prompt_eval_count: 11, eval_count: 7 });
const ending = (script) => ({
  done: true, done_reason: script.finish ?? 'stop', total_duration: 50_000_000, load_duration: 1_000_000,
  prompt_eval_duration: 9_000_000, eval_duration: 30_000_000, ...usageOf(script),
});

function plain(call, script) {
  if (call.kind === 'tags' || call.kind === 'ps') return { models: [] };
  if (call.kind === 'version') return { version: '0.20.7' };
  const content = script.empty ? '' : replyOf(ollama, script);
  return { model: call.model, created_at: AT, message: { role: 'assistant', content, ...(script.reasoning && { thinking: script.reasoning }) }, ...ending(script) };
}

const line = (kind, value) => ({ kind, text: `${JSON.stringify(value)}\n` });

function frames(call, script) {
  const part = (message) => line('token', { model: call.model, created_at: AT, message: { role: 'assistant', ...message }, done: false });
  return [
    ...tokensOf(script.reasoning ?? '').map((thinking) => part({ content: '', thinking })),
    ...tokensOf(replyOf(ollama, script)).map((content) => part({ content })),
    line('finish', { model: call.model, created_at: AT, message: { role: 'assistant', content: '' }, ...ending(script) }),
  ];
}

const KINDS = { '/api/chat': 'chat', '/api/tags': 'tags', '/api/ps': 'ps', '/api/version': 'version' };

export const ollama = {
  name: 'ollama', base: '', model: 'ollama_chat/llama3.2:3b',
  streamType: 'application/x-ndjson',
  kind: (call) => KINDS[call.path],
  streams: (call) => call.kind === 'chat' && call.body?.stream !== false,
  keyOf: bearerOf,
  errors, validate, plain, frames,
};

/** The line that ends a stream whose runner died. */
export const ollamaMidstream = `${JSON.stringify({ error: 'llama runner process has terminated: signal: killed' })}\n`;
