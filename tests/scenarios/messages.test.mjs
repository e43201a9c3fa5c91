// Clients that speak Anthropic's Messages, in front of providers that do and that do not.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { anthropic, anthropicMidstream, cohere, ollama, openai } from '../providers/index.mjs';
import { send } from '../lib/client.mjs';
import { world } from '../lib/world.mjs';

const ASK = { max_tokens: 64, messages: [{ role: 'user', content: 'hi' }] };
const ask = (w, model, more = {}, headers = {}) =>
  send(`${w.gateway.url}/v1/messages`, { body: { model, ...ASK, ...more }, headers });
const kinds = (answer) => answer.objects.map(({ type }) => type);
const said = (answer) => answer.objects.map(({ delta }) => delta?.text ?? '').join('');

describe('messages', { concurrency: 4 }, () => {
  for (const wire of [anthropic, openai, cohere, ollama]) {
    test(`${wire.name}: whole and streamed`, async (t) => {
      const w = await world(t, { a: wire });
      const whole = await ask(w, 'a', { system: 'Be brief.' });
      assert.equal(whole.status, 200, whole.text);
      const { type, role, model, content, stop_reason, usage, id } = whole.json;
      assert.deepEqual([type, role, model, stop_reason], ['message', 'assistant', 'a', 'end_turn']);
      assert.deepEqual(content, [{ type: 'text', text: `answer from ${wire.name}` }]);
      assert.match(id, /^msg_/);
      assert.equal(usage.input_tokens + usage.cache_read_input_tokens + usage.cache_creation_input_tokens, 11);
      assert.equal(usage.output_tokens, 7);
      const streamed = await ask(w, 'a', { stream: true });
      assert.equal(streamed.status, 200, streamed.text);
      assert.equal(said(streamed), `answer from ${wire.name}`);
      const seen = kinds(streamed).filter((kind) => kind !== 'ping' && kind !== 'content_block_delta');
      assert.deepEqual(seen, ['message_start', 'content_block_start', 'content_block_stop', 'message_delta', 'message_stop']);
      assert.equal(streamed.objects[0].message.model, 'a');
      assert.equal(streamed.objects.at(-2).usage.output_tokens, 7);
    });
  }

  test('anthropic gets the bytes and the beta header', async (t) => {
    const w = await world(t, { a: anthropic });
    await ask(w, 'a', { metadata: { user_id: 'u' } }, { 'anthropic-beta': 'one-2026-01-01', 'anthropic-version': '2023-06-01' });
    const { raw, headers } = w.a.last;
    assert.equal(raw, JSON.stringify({ model: 'claude-haiku-4-5', ...ASK, metadata: { user_id: 'u' } }));
    assert.equal(headers['anthropic-beta'], 'one-2026-01-01');
    assert.equal(headers['anthropic-version'], '2023-06-01');
    assert.equal(headers['x-api-key'], 'sk-secret-of-a');
  });

  test('another company does not see the beta header', async (t) => {
    const w = await world(t, { a: openai });
    await ask(w, 'a', {}, { 'anthropic-beta': 'one-2026-01-01' });
    assert.equal(w.a.last.headers['anthropic-beta'], undefined);
  });

  test('an overloaded Anthropic falls back to another protocol, before content', async (t) => {
    const w = await world(t, { a: anthropic, b: openai });
    w.a.next(anthropic.errors.overloaded_529);
    assert.equal((await ask(w, 'a')).servedBy, 'b');
    await w.gateway.clearBenches();
    w.a.next({ insertAt: 0, insert: anthropicMidstream });
    const streamed = await ask(w, 'a', { stream: true });
    assert.equal(said(streamed), 'answer from openai');
    assert.equal(kinds(streamed).filter((kind) => kind === 'message_start').length, 1);
  });

  test('a stream that breaks after content ends with an error event', async (t) => {
    const w = await world(t, { a: anthropic });
    w.a.next({ reply: 'one two three', insertAt: 2, insert: anthropicMidstream });
    const streamed = await ask(w, 'a', { stream: true });
    const last = streamed.objects.at(-1);
    assert.equal(last.type, 'error', streamed.text);
    assert.ok(!kinds(streamed).includes('message_stop'));
    assert.equal(streamed.dones, 0);
  });

  test('errors come in Anthropic\'s shape', async (t) => {
    const w = await world(t, { a: anthropic });
    const unknown = await ask(w, 'nobody');
    assert.deepEqual([unknown.status, unknown.json.type, unknown.error.type], [404, 'error', 'not_found_error']);
    const bad = await send(`${w.gateway.url}/v1/messages`, { body: { model: 'a', messages: ASK.messages } });
    assert.deepEqual([bad.status, bad.error.type], [400, 'invalid_request_error']);
    assert.match(bad.error.message, /max_tokens/);
    w.a.always(anthropic.errors.rate_429);
    const limited = await ask(w, 'a');
    assert.deepEqual([limited.status, limited.error.type], [429, 'rate_limit_error']);
    assert.equal(limited.error.attempts.length, 1);
  });

  test('tokens are counted without asking anybody', async (t) => {
    const w = await world(t, { a: anthropic });
    const count = (body) => send(`${w.gateway.url}/v1/messages/count_tokens`, { body });
    const answer = await count({ model: 'a', messages: [{ role: 'user', content: 'x'.repeat(400) }] });
    assert.equal(answer.status, 200, answer.text);
    assert.deepEqual(answer.json, { input_tokens: 108, estimated: true }); // four bytes a token, the message's frame among them
    assert.equal((await count({ model: 'nobody', messages: ASK.messages })).status, 404);
    assert.equal((await count({})).error.type, 'invalid_request_error');
    assert.equal(w.a.calls.length, 0);
  });
});
