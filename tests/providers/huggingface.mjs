// HuggingFace router: errors are often a plain string, repeated in x-error-message.
import { openaiWire } from './openai_shape.mjs';

const plain = (status, text) => ({ status, headers: { 'x-error-message': text }, json: { error: text } });

const errors = {
  credits: plain(402, 'You have depleted your monthly included credits. Purchase pre-paid credits to continue using Inference Providers. Alternatively, subscribe to PRO to get 20x more included usage.'),
  credits_old: plain(402, 'You have exceeded your monthly included credits for Inference Providers. Subscribe to PRO to get 20x more monthly included credits.'),
  not_supported: plain(400, 'Model not supported by provider hf-inference'),
  permission: plain(403, 'This authentication method does not have sufficient permissions to call Inference Providers on behalf of user secretuser'),
  busy: { status: 429, json: { error: 'Too Many Requests' } },
  loading: { status: 503, json: { error: 'Model meta-llama/Llama-3.1-8B-Instruct is currently loading', estimated_time: 20.0 } },
  html_502: { status: 502, headers: { 'content-type': 'text/html' }, text: '<html><body><h1>502 Bad Gateway</h1></body></html>' },
  unauthorized: plain(401, 'Invalid username or password.'),
};

export const huggingface = openaiWire({
  name: 'huggingface', base: '/v1', model: 'huggingface/meta-llama/Llama-3.1-8B-Instruct', keyName: 'HF_TOKEN',
  headers: () => ({ 'x-inference-provider': 'novita' }),
  errors,
  reasoningField: 'reasoning_content',
});
