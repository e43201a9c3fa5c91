// OpenRouter: comment keep-alives, errors inside a 200, epoch-millisecond resets, money errors.
import { openaiWire, sse } from './openai_shape.mjs';

const answer = (status, error, headers = {}, more = {}) => ({ status, headers, json: { error: { code: status, ...error }, ...more } });

/** The next UTC midnight in milliseconds, as the provider states it. */
export const nextMidnight = () => new Date().setUTCHours(24, 0, 0, 0);

function freeLimit(marker, reset, limit) {
  const headers = { 'X-RateLimit-Limit': limit, 'X-RateLimit-Remaining': '0', 'X-RateLimit-Reset': String(reset) };
  const hint = marker.includes('day') ? '. Add 10 credits to unlock 1000 free model requests per day' : '';
  return answer(429, { message: `Rate limit exceeded: ${marker}${hint}`, metadata: { headers } }, headers, { user_id: 'user_2secret' });
}

const errors = {
  get free_day() { return freeLimit('free-models-per-day', nextMidnight(), '50'); },
  get free_min() { return freeLimit('free-models-per-min', Date.now() + 40_000, '20'); },
  upstream: answer(429, {
    message: 'Provider returned error',
    metadata: { raw: 'meta-llama/llama-3.3-70b-instruct:free is temporarily rate-limited upstream. Please retry shortly, or add your own key.', provider_name: 'Venice' },
  }),
  afford: answer(402, { message: 'This request requires more credits, or fewer max_tokens. You requested up to 65536 tokens, but can only afford 1200. To increase, visit https://openrouter.ai/settings/credits and add more credits' }),
  credits: answer(402, { message: 'Insufficient credits. Add more using https://openrouter.ai/settings/credits' }),
  moderation: answer(403, { message: 'meta-llama/llama-3.3-70b-instruct requires moderation on OpenInference. Your input was flagged', metadata: { reasons: ['violence'], flagged_input: 'hi', provider_name: 'OpenInference' } }),
  gone: answer(404, { message: 'No endpoints found for meta-llama/llama-3.3-70b-instruct:free.' }),
  unauthorized: answer(401, { message: 'No auth credentials found' }),
  error_200: { status: 200, json: { error: { message: 'Provider returned error', code: 502, metadata: { provider_name: 'Venice', raw: 'upstream crashed' } } } },
  limited_200: { status: 200, json: { error: { message: 'Rate limit exceeded: free-models-per-min.', code: 429 }, choices: [] } },
};

export const openrouter = openaiWire({
  name: 'openrouter', base: '/api/v1', model: 'openrouter/meta-llama/llama-3.3-70b-instruct:free',
  keyName: 'OPENROUTER_API_KEY',
  usageInStream: 'always',
  headers: () => ({ 'X-Generation-Id': 'gen-0001' }),
  errors,
  before: () => [{ kind: 'comment', text: ': OPENROUTER PROCESSING\n\n' }, { kind: 'comment', text: ': OPENROUTER PROCESSING\n\n' }],
  lastChunk: (chunk) => ({ ...chunk, provider: 'Venice', choices: [{ ...chunk.choices[0], native_finish_reason: 'stop' }] }),
  dressed: (body) => ({ ...body, provider: 'Venice', ...(body.usage && { usage: { ...body.usage, cost: 0, is_byok: false } }) }),
});

/** The chunk that ends a stream whose backend failed after the first tokens. */
export const openrouterMidstream = sse({
  id: 'cmpl-0001', object: 'chat.completion.chunk', created: 1_780_000_000, model: 'upstream', provider: 'Venice',
  error: { code: 502, message: 'Upstream disconnected', metadata: { error_type: 'provider_unavailable' } },
  choices: [{ index: 0, delta: { content: '' }, finish_reason: 'error', native_finish_reason: 'error' }],
});
