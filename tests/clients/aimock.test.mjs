// aimock, a mock provider that nobody here wrote, as the upstream of every dialect.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { LLMock } from '@copilotkit/aimock';
import { Gateway } from '../lib/gateway.mjs';

const ASK = { stream_options: { include_usage: true } };
const messages = (content) => ({ messages: [{ role: 'user', content }] });

async function mocked(t) {
  const mock = new LLMock({ port: 0, host: '127.0.0.1', chunkSize: 5 });
  mock.onMessage('hello', { content: 'Hello from a stranger.' });
  mock.onMessage('limited', { error: { message: 'Rate limit reached', type: 'rate_limit_error', code: 'rate_limit_exceeded' }, status: 429, retryAfter: 30 });
  mock.onMessage('truncated', { content: 'This answer is cut before its end.' }, { truncateAfterChunks: 4, latency: 20 });
  mock.onMessage('weather', { toolCalls: [{ name: 'get_weather', arguments: '{"city":"Oslo"}' }] });
  await mock.start();
  t.after(() => mock.stop());
  const alias = (model_name, model, path) => ({ model_name, litellm_params: { model, api_base: mock.url + path, api_key: 'k' } });
  const config = {
    model_list: [
      alias('openai', 'openai/gpt-4o', '/v1'), alias('anthropic', 'anthropic/claude-haiku-4-5', ''),
      alias('cohere', 'cohere_chat/command-r', ''), alias('ollama', 'ollama_chat/llama3.2', ''),
    ],
  };
  return { mock, gateway: await Gateway.start(t, { config }) };
}

describe('aimock', { concurrency: 3 }, () => {
  const PATHS = { openai: '/v1/chat/completions', anthropic: '/v1/messages', cohere: '/v2/chat', ollama: '/api/chat' };
  for (const [alias, path] of Object.entries(PATHS)) {
    test(`${alias}: plain and streamed`, async (t) => {
      const { gateway, mock } = await mocked(t);
      const plain = await gateway.chat(alias, messages('hello'));
      assert.equal(plain.status, 200, plain.text);
      assert.equal(plain.json.choices[0].message.content, 'Hello from a stranger.');
      assert.equal(plain.json.model, alias);
      assert.equal(mock.getLastRequest().path, path);
      const streamed = await gateway.stream(alias, { ...messages('hello'), ...ASK });
      assert.equal(streamed.content, 'Hello from a stranger.', streamed.text);
      assert.deepEqual([streamed.finish, streamed.models, streamed.errors, streamed.endsWithDone], ['stop', [alias], [], true]);
    });

    test(`${alias}: its refusal is a rate limit`, async (t) => {
      const { gateway } = await mocked(t);
      const answer = await gateway.chat(alias, messages('limited'));
      assert.equal(answer.status, 429, answer.text);
      assert.equal(answer.error.attempts[0].outcome, 'rate_limited');
      assert.ok(Number(answer.headers['retry-after']) >= 29, answer.headers['retry-after']);
    });
  }

  test('tool calls pass', async (t) => {
    const { gateway } = await mocked(t);
    const tools = [{ type: 'function', function: { name: 'get_weather', parameters: { type: 'object', properties: {} } } }];
    const answer = await gateway.stream('openai', { ...messages('weather'), tools });
    const args = answer.deltas.flatMap(({ tool_calls }) => tool_calls ?? []).map(({ function: call }) => call?.arguments ?? '').join('');
    assert.deepEqual(JSON.parse(args), { city: 'Oslo' });
    assert.equal(answer.finish, 'tool_calls');
  });

  test('S3 a truncated stream is an error, not an answer', async (t) => {
    const { gateway } = await mocked(t);
    const answer = await gateway.stream('openai', messages('truncated'));
    assert.equal(answer.errors.length, 1, answer.text);
    assert.ok(answer.endsWithDone);
  });
});
