// The official openai package against the real binary.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import OpenAI from 'openai';
import { anthropic, cohere, generic, groq, ollama, openai, problem } from '../providers/index.mjs';
import { world } from '../lib/world.mjs';

const messages = [{ role: 'user', content: 'hi' }];
const client = (w, more = {}) => new OpenAI({ apiKey: 'any', baseURL: `${w.gateway.url}/v1`, maxRetries: 0, ...more });
const TOOLS = [{ id: 'call_1', name: 'get_weather', arguments: '{"city":"Oslo","days":3}' }, { id: 'call_2', name: 'now', arguments: '{}' }];
const WIRES = { a: openai, b: groq, c: anthropic, d: cohere, e: ollama };

describe('openai package', { concurrency: 4 }, () => {
  test('chat, plain, with every dialect behind it', async (t) => {
    const w = await world(t, WIRES, { chains: [] });
    for (const [alias, wire] of Object.entries(WIRES)) {
      const answer = await client(w).chat.completions.create({ model: alias, messages });
      assert.equal(answer.choices[0].message.content, `answer from ${wire.name}`);
      assert.deepEqual([answer.model, answer.usage.total_tokens], [alias, 18]);
    }
  });

  test('chat, streamed, with every dialect behind it', async (t) => {
    const w = await world(t, WIRES, { chains: [] });
    for (const [alias, wire] of Object.entries(WIRES)) {
      const stream = await client(w).chat.completions.create({ model: alias, messages, stream: true, stream_options: { include_usage: true } });
      let text = '';
      let usage;
      for await (const chunk of stream) {
        text += chunk.choices[0]?.delta?.content ?? '';
        usage = chunk.usage ?? usage;
        assert.equal(chunk.model, alias);
      }
      assert.equal(text, `answer from ${wire.name}`);
      assert.equal(usage.total_tokens, 18, alias);
    }
  });

  test('the stream helper sums up a streamed answer', async (t) => {
    const w = await world(t, { a: openai });
    const final = await client(w).chat.completions.stream({ model: 'a', messages }).finalChatCompletion();
    assert.equal(final.choices[0].message.content, 'answer from openai');
    assert.equal(final.choices[0].finish_reason, 'stop');
  });

  test('tool calls, plain and as deltas', async (t) => {
    const w = await world(t, { a: generic });
    w.a.always({ toolCalls: TOOLS });
    const tools = [{ type: 'function', function: { name: 'get_weather', parameters: { type: 'object', properties: {} } } }];
    const plain = await client(w).chat.completions.create({ model: 'a', messages, tools });
    assert.deepEqual(plain.choices[0].message.tool_calls.map(({ function: call }) => call.name), ['get_weather', 'now']);
    const final = await client(w).chat.completions.stream({ model: 'a', messages, tools }).finalChatCompletion();
    assert.deepEqual(final.choices[0].message.tool_calls.map(({ id, function: call }) => [id, JSON.parse(call.arguments)]),
      [['call_1', { city: 'Oslo', days: 3 }], ['call_2', {}]]);
    assert.equal(final.choices[0].finish_reason, 'tool_calls');
  });

  const CLASSES = [
    [OpenAI.RateLimitError, 429, problem(429, { message: 'slow', type: 'requests', code: 'rate_limit_exceeded' }, { 'retry-after': '20' })],
    [OpenAI.BadRequestError, 400, openai.errors.bad_request],
    [OpenAI.InternalServerError, undefined, openai.errors.internal],
  ];
  for (const [kind, status, refusal] of CLASSES) {
    test(`errors are of the right class: ${kind.name}`, async (t) => {
      const w = await world(t, { a: openai });
      w.a.always(refusal);
      for (const stream of [false, true]) {
        const error = await client(w).chat.completions.create({ model: 'a', messages, stream }).then(() => undefined, (caught) => caught);
        assert.ok(error instanceof kind, `${error?.constructor?.name}: ${error?.message}`);
        if (status) assert.equal(error.status, status);
        assert.ok(error.error.message);
        assert.ok(Array.isArray(error.error.attempts));
      }
    });
  }

  test('an unknown model and a wrong key have their classes', async (t) => {
    const w = await world(t, { a: openai }, { env: { FREEWAY_MASTER_KEY: 'sk-right' } });
    const wrong = client(w, { apiKey: 'sk-wrong' }).models.list();
    await assert.rejects(wrong, OpenAI.AuthenticationError);
    const lost = await client(w, { apiKey: 'sk-right' }).chat.completions.create({ model: 'nobody', messages }).then(() => undefined, (caught) => caught);
    assert.ok(lost instanceof OpenAI.NotFoundError || lost instanceof OpenAI.BadRequestError, lost?.message);
  });

  test('an error in the middle of a stream is thrown, after the text', async (t) => {
    const w = await world(t, { a: openai });
    w.a.always({ reply: 'one two three four', cutAt: 2 });
    let text = '';
    const reading = (async () => {
      for await (const chunk of await client(w).chat.completions.create({ model: 'a', messages, stream: true })) text += chunk.choices[0]?.delta?.content ?? '';
    })();
    await assert.rejects(reading, OpenAI.APIError);
    assert.equal(text, 'one two');
  });

  test('models', async (t) => {
    const w = await world(t, { a: openai, b: groq });
    const ids = [];
    for await (const model of client(w).models.list()) ids.push(model.id);
    assert.deepEqual(ids.sort(), ['a', 'b']);
    assert.equal((await client(w).models.retrieve('a')).id, 'a');
    await assert.rejects(client(w).models.retrieve('nobody'), OpenAI.NotFoundError);
  });

  test('completions, plain and streamed', async (t) => {
    const w = await world(t, { a: generic });
    const plain = await client(w).completions.create({ model: 'a', prompt: 'Once' });
    assert.equal(plain.choices[0].text, 'answer from generic');
    let text = '';
    for await (const chunk of await client(w).completions.create({ model: 'a', prompt: 'Once', stream: true })) text += chunk.choices[0]?.text ?? '';
    assert.equal(text, 'answer from generic');
  });

  test('T1 abort of the client ends the upstream', async (t) => {
    const w = await world(t, { a: openai });
    w.a.always({ reply: 'a b c d e f g h', between: 200 });
    const stream = await client(w).chat.completions.create({ model: 'a', messages, stream: true });
    for await (const chunk of stream) if (chunk.choices[0]?.delta?.content) break;
    await w.a.last.hungUp(1500);
  });

  test('the gateway’s headers can be read with withResponse', async (t) => {
    const w = await world(t, { a: openai, b: groq });
    w.a.always(openai.errors.internal);
    const { data, response } = await client(w).chat.completions.create({ model: 'a', messages }).withResponse();
    assert.equal(data.model, 'b');
    assert.equal(response.headers.get('x-freeway-served-by'), 'b');
    assert.equal(response.headers.get('x-freeway-attempts'), '2');
  });
});
