// Any OpenAI-compatible server behind `openai/…` with an api_base: vLLM, llama.cpp, claudebox,
// pibox. No rate headers. The errors are those of the boxes and of z.ai behind them.
import { openaiWire, problem } from './openai_shape.mjs';

const zai = (code, message) => problem(429, { code, message });

const errors = {
  workspace_busy: { status: 409, json: { detail: 'workspace busy, retry later' } },
  unauthorized: { status: 401, json: { detail: 'unauthorized' } },
  internal: problem(500, { message: 'internal error', type: 'server_error' }),
  unavailable: { status: 503, json: { error: { message: 'Loading model', type: 'unavailable_error', code: 503 } } },
  rate: problem(429, { message: 'Too many requests', type: 'rate_limit_error' }),
  zai_concurrency: zai('1302', 'High concurrency usage of this API, please reduce concurrency or contact customer service to increase limits'),
  zai_window: zai('1308', 'Usage limit reached for 5 hour. Your limit will reset at 2099-01-01 00:00:00'),
  zai_balance: zai('1113', 'Insufficient balance or no resource package. Please recharge.'),
  /** claudebox reports a used-up subscription as an ordinary answer. */
  claudebox_auth_text: { status: 200, json: { id: 'x', object: 'chat.completion', created: 1, model: 'haiku', choices: [{ index: 0, message: { role: 'assistant', content: 'Failed to authenticate. API Error: 401 {"type":"error","error":{"type":"authentication_error","message":"OAuth token has expired."}}' }, finish_reason: 'stop' }] } },
};

export const generic = openaiWire({
  name: 'generic', base: '/v1', model: 'openai/some-model', keyName: 'GENERIC_API_KEY', errors,
});
