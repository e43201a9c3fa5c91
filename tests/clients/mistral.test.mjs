// The official @mistralai/mistralai package against the real binary: it checks every answer by a schema.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Mistral } from '@mistralai/mistralai';
import { anthropic, cohere, groq, mistral, ollama, openai } from '../providers/index.mjs';
import { vectorOf } from '../providers/vectors.mjs';
import { caught, collect } from '../lib/caught.mjs';
import { world } from '../lib/world.mjs';

const client = (w, more = {}) => new Mistral({ apiKey: 'any', serverURL: w.gateway.url, ...more });
const ask = { model: 'a', messages: [{ role: 'user', content: 'hi' }] };
const TOOLS = [{ type: 'function', function: { name: 'get_weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } } }];
const CALLS = [{ id: 'Abc123xyZ', name: 'get_weather', arguments: '{"city":"Oslo","days":3}' }];
const argumentsOf = (text) => (typeof text === 'string' ? JSON.parse(text) : text);

describe('mistral package', { concurrency: 4 }, () => {
  for (const wire of [mistral, groq, anthropic, cohere, ollama]) {
    test(`chat and tools, served by ${wire.name}`, async (t) => {
      const w = await world(t, { a: wire });
      const whole = await client(w).chat.complete(ask);
      assert.deepEqual([whole.choices[0].message.content, whole.choices[0].finishReason, whole.model], [`answer from ${wire.name}`, 'stop', 'a']);
      assert.equal(whole.usage.totalTokens, 18);

      w.a.always({ toolCalls: CALLS });
      const { choices: [{ message, finishReason }] } = await client(w).chat.complete({ ...ask, tools: TOOLS });
      assert.equal(finishReason, 'tool_calls');
      assert.deepEqual([message.toolCalls[0].function.name, argumentsOf(message.toolCalls[0].function.arguments)], ['get_weather', { city: 'Oslo', days: 3 }]);
      w.a.always({});
      const result = { role: 'tool', toolCallId: message.toolCalls[0].id, name: 'get_weather', content: '3 degrees' };
      const last = await client(w).chat.complete({ ...ask, tools: TOOLS, messages: [...ask.messages, message, result] });
      assert.equal(last.choices[0].message.content, `answer from ${wire.name}`);
    });
  }

  for (const wire of [mistral, anthropic, cohere, ollama]) {
    test(`streamed chat, served by ${wire.name}`, async (t) => {
      const w = await world(t, { a: wire });
      const chunks = await collect(await client(w).chat.stream(ask));
      assert.equal(chunks.map(({ data }) => data.choices[0]?.delta.content ?? '').join(''), `answer from ${wire.name}`);
      assert.equal(chunks.findLast(({ data }) => data.choices.length > 0).data.choices[0].finishReason, 'stop');
    });
  }

  test('streamed tools of Mistral, which sends each call whole', async (t) => {
    const w = await world(t, { a: mistral });
    w.a.always({ toolCalls: CALLS });
    const chunks = await collect(await client(w).chat.stream({ ...ask, tools: TOOLS }));
    const calls = chunks.flatMap(({ data }) => data.choices[0]?.delta.toolCalls ?? []);
    assert.deepEqual(calls.map((call) => [call.id, argumentsOf(call.function.arguments)]), [['Abc123xyZ', { city: 'Oslo', days: 3 }]]);
  });

  test('embeddings', async (t) => {
    const w = await world(t, { a: mistral, b: openai, c: cohere }, {
      chains: [], params: { a: { model: 'mistral/mistral-embed' }, b: { model: 'openai/text-embedding-3-small' }, c: { model: 'cohere/embed-v4.0' } },
      info: { a: { mode: 'embedding' }, b: { mode: 'embedding', provider: 'openai' }, c: { mode: 'embedding' } },
    });
    for (const model of ['a', 'b', 'c']) {
      const answer = await client(w).embeddings.create({ model, inputs: ['one', 'two'] });
      assert.deepEqual(answer.data.map(({ embedding }) => embedding), ['one', 'two'].map((text) => vectorOf(text)));
      assert.equal(answer.model, model);
    }
  });

  test('errors have their status', async (t) => {
    const w = await world(t, { a: groq }, { env: { FREEWAY_MASTER_KEY: 'sk-right' } });
    const status = async (apiKey, more = {}) => (await caught(client(w, { apiKey }).chat.complete({ ...ask, ...more })))?.statusCode;
    assert.equal(await status('sk-wrong'), 401);
    assert.equal(await status('sk-right', { model: 'nobody' }), 404);
    w.a.always(groq.errors.tpd);
    assert.equal(await status('sk-right'), 429);
  });
});
