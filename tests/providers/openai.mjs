// OpenAI: reset headers as Go durations, money as 429 insufficient_quota, error bodies with param.
import { imageAnswer, imageErrors, imageFrames, imageKind, isImageCall, membersOf, validateImages } from './openai_images.mjs';
import { isResponses, responsesBody, responsesFrames } from './openai_responses.mjs';
import { openaiWire, problem } from './openai_shape.mjs';

const limit = (axis, numbers, wait, type) => problem(429, {
  message: `Rate limit reached for gpt-4o-mini in organization org-01secretorg on ${axis}: ${numbers}. Please try again in ${wait}. Visit https://platform.openai.com/account/rate-limits to learn more.`,
  type, param: null, code: 'rate_limit_exceeded',
});
const invalid = (status, message, param, code) => problem(status, { message, type: 'invalid_request_error', param, code });

const errors = {
  ...imageErrors,
  tpm: limit('tokens per min (TPM)', 'Limit 30000, Used 29500, Requested 1500', '2s', 'tokens'),
  rpm: limit('requests per min (RPM)', 'Limit 3, Used 3, Requested 1', '20s', 'requests'),
  rpd: limit('requests per day (RPD)', 'Limit 1000, Used 1000, Requested 1', '1m26.4s', 'requests'),
  insufficient_quota: problem(429, {
    message: 'You exceeded your current quota, please check your plan and billing details. For more information on this error, read the docs: https://platform.openai.com/docs/guides/error-codes/api-errors.',
    type: 'insufficient_quota', param: null, code: 'insufficient_quota',
  }),
  too_large: problem(429, {
    message: 'Request too large for gpt-4o-mini in organization org-01secretorg on tokens per min (TPM): Limit 30000, Requested 45000. The input or output tokens must be reduced in order to run successfully.',
    type: 'tokens', param: null, code: 'rate_limit_exceeded',
  }),
  context: invalid(400, "This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens. Please reduce the length of the messages.", 'messages', 'context_length_exceeded'),
  content_filter: invalid(400, "Your request was rejected as a result of our safety system.", null, 'content_policy_violation'),
  bad_request: invalid(400, "Invalid value for 'messages[0].role': expected one of 'system', 'assistant', 'user', 'function', 'tool', and 'developer'.", 'messages[0].role', 'invalid_value'),
  unsupported: invalid(400, "Unsupported parameter: 'temperature' is not supported with this model.", 'temperature', 'unsupported_parameter'),
  gone: invalid(404, 'The model `gpt-4-retired` does not exist or you do not have access to it.', null, 'model_not_found'),
  slow_down: problem(503, { message: 'Slow Down', type: 'server_error', param: null, code: 'slow_down' }),
  internal: problem(500, { message: 'The server had an error while processing your request. Sorry about that!', type: 'server_error', param: null, code: null }),
  unauthorized: invalid(401, 'Incorrect API key provided. You can find your API key at https://platform.openai.com/account/api-keys.', null, 'invalid_api_key'),
  prefill: invalid(400, 'This model does not support assistant message prefill. The conversation must end with a user message.', 'messages', 'invalid_value'),
};

/** A refusal of the request bucket that says in headers only when it is full again. */
export const openaiReset = (duration) => problem(429, {
  message: 'Rate limit reached for gpt-4o-mini on requests per min (RPM).', type: 'requests', param: null, code: 'rate_limit_exceeded',
}, { 'x-ratelimit-limit-requests': '3', 'x-ratelimit-remaining-requests': '0', 'x-ratelimit-reset-requests': duration });

const text = openaiWire({
  name: 'openai', base: '/v1', model: 'openai/gpt-4o-mini', keyName: 'OPENAI_API_KEY', base64: true,
  headers: () => ({
    'x-request-id': 'req_01openai', 'openai-processing-ms': '12', 'openai-version': '2020-10-01',
    'x-ratelimit-limit-requests': '10000', 'x-ratelimit-remaining-requests': '9999',
    'x-ratelimit-reset-requests': '8.64s', 'x-ratelimit-limit-tokens': '200000',
    'x-ratelimit-remaining-tokens': '199900', 'x-ratelimit-reset-tokens': '20ms',
  }),
  errors,
});

export const openai = {
  ...text,
  kind: (call) => text.kind(call) ?? (isResponses(call) ? 'responses' : imageKind(call, '/v1')),
  validate: (call) => (isImageCall(call) ? validateImages(call) : undefined),
  streams: (call) => (isImageCall(call) ? String(membersOf(call).stream) === 'true' : text.streams(call)),
  whole: (call, script) => (isImageCall(call) ? imageAnswer(call, script) : undefined),
  plain: (call, script) => (isResponses(call) ? responsesBody(openai, call, script) : text.plain(call, script)),
  frames: (call, script) => {
    if (isResponses(call)) return responsesFrames(openai, call, script);
    return (isImageCall(call) ? imageFrames : text.frames)(call, script);
  },
};
