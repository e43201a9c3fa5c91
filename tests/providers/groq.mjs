// Groq: day requests and minute tokens in headers on every 200, Go durations, x_groq objects,
// 400 for parameters no model implements.
import { openaiWire, problem, sse } from './openai_shape.mjs';

const RATE = {
  'x-ratelimit-limit-requests': '14400', 'x-ratelimit-remaining-requests': '14399',
  'x-ratelimit-reset-requests': '6s', 'x-ratelimit-limit-tokens': '6000',
  'x-ratelimit-remaining-tokens': '5900', 'x-ratelimit-reset-tokens': '370ms',
};
const REFUSED = ['logprobs', 'top_logprobs', 'logit_bias'];

const limit = (axis, numbers, wait, type = 'tokens', retry = '2') => problem(429, {
  message: `Rate limit reached for model \`llama-3.1-8b-instant\` in organization \`org_01secretorg\` service tier \`on_demand\` on ${axis}: ${numbers}. Please try again in ${wait}. Need more tokens? Upgrade to Dev Tier today at https://console.groq.com/settings/billing`,
  type, code: 'rate_limit_exceeded',
}, { 'retry-after': retry });

const errors = {
  tpm: limit('tokens per minute (TPM)', 'Limit 12000, Used 4437, Requested 9854', '11.455s', 'tokens', '12'),
  rpm: limit('requests per minute (RPM)', 'Limit 30, Used 30, Requested 1', '2s', 'requests'),
  tpd: limit('tokens per day (TPD)', 'Limit 100000, Used 97050, Requested 3619', '9m38.016s', 'tokens', '579'),
  rpd: limit('requests per day (RPD)', 'Limit 1000, Used 1000, Requested 1', '1m26.4s', 'requests', '87'),
  too_large_413: problem(413, {
    message: 'Request too large for model `llama-3.1-8b-instant` in organization `org_01secretorg` service tier `on_demand` on tokens per minute (TPM): Limit 6000, Requested 14368, please reduce your message size and try again.',
    type: 'tokens', code: 'rate_limit_exceeded',
  }, { 'retry-after': '5' }),
  tool_use_failed: problem(400, {
    message: "Failed to call a function. Please adjust your prompt. See 'failed_generation' for more details.",
    type: 'invalid_request_error', code: 'tool_use_failed', failed_generation: '<function=get_weather>{"city": "Oslo"',
  }),
  json_validate_failed: problem(400, {
    message: 'Failed to generate JSON. Please adjust your prompt.', type: 'invalid_request_error',
    code: 'json_validate_failed', failed_generation: '{"a":',
  }),
  capacity_498: problem(498, { message: 'Flex tier capacity exceeded', type: 'capacity_exceeded', code: 'capacity_exceeded' }),
  decommissioned: problem(404, {
    message: 'The model `llama-3.1-8b-instant` has been decommissioned and is no longer supported.',
    type: 'invalid_request_error', code: 'model_decommissioned',
  }),
  unauthorized: problem(401, { message: 'Invalid API Key', type: 'invalid_request_error', code: 'invalid_api_key' }),
  internal: problem(500, { message: 'Internal Server Error', type: 'internal_server_error' }),
};

function validate(call) {
  const bad = REFUSED.find((name) => name in (call.body ?? {}))
    ?? (call.body?.messages?.some((message) => 'name' in message) ? 'messages.name' : undefined);
  return bad && problem(400, {
    message: `'${bad}' : property '${bad}' is unsupported`, type: 'invalid_request_error', param: bad,
  });
}

export const groq = openaiWire({
  name: 'groq', base: '/openai/v1', model: 'groq/llama-3.1-8b-instant', keyName: 'GROQ_API_KEY',
  headers: () => ({ ...RATE, 'x-request-id': 'req_01groq' }),
  errors, validate,
  firstChunk: (chunk) => ({ ...chunk, x_groq: { id: 'req_01groq' } }),
  lastChunk: (chunk, usage) => ({ ...chunk, x_groq: { id: 'req_01groq', ...(usage && { usage: timed(usage) }) } }),
  dressed: (body) => ({ ...body, ...(body.usage && { usage: timed(body.usage) }), system_fingerprint: 'fp_groq', x_groq: { id: 'req_01groq' } }),
});

const timed = (usage) => ({ ...usage, queue_time: 0.01, prompt_time: 0.002, completion_time: 0.01, total_time: 0.012 });

/** The frame that ends a stream whose tool call could not be parsed. */
export const groqMidstream = `event: error\n${sse({ error: { ...errors.tool_use_failed.json.error, status_code: 400 } })}`;
