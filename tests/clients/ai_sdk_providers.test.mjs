// The Vercel AI SDK's own packages for OpenAI (it speaks Responses) and Anthropic against the real binary.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createAnthropic } from '@ai-sdk/anthropic';
import { createOpenAI } from '@ai-sdk/openai';
import { APICallError, embedMany, generateObject, generateText, jsonSchema, stepCountIs, streamText, tool } from 'ai';
import { anthropic, cohere, groq, ollama, openai } from '../providers/index.mjs';
import { vectorOf } from '../providers/vectors.mjs';
import { caught } from '../lib/caught.mjs';
import { world } from '../lib/world.mjs';

const place = (w) => ({ baseURL: `${w.gateway.url}/v1`, apiKey: 'any' });
const MODELS = { openai: (w) => createOpenAI(place(w))('a'), anthropic: (w) => createAnthropic(place(w))('a') };
const WIRES = [groq, openai, cohere, ollama, anthropic];
const ask = { prompt: 'hi', maxOutputTokens: 4096, maxRetries: 0 };
const CALLS = [{ id: 'call_1', name: 'weather', arguments: '{"city":"Oslo"}' }];
const SCHEMA = { type: 'object', properties: { city: { type: 'string' }, days: { type: 'integer' } }, required: ['city', 'days'], additionalProperties: false };

/** A tool that answers, and the cities that it was asked for. */
function weathers() {
  const cities = [];
  const inputSchema = jsonSchema({ type: 'object', properties: { city: { type: 'string' } }, required: ['city'] });
  const weather = tool({ inputSchema, execute: async ({ city }) => { cities.push(city); return '3 degrees'; } });
  return { cities, tools: { weather } };
}

for (const [name, modelOf] of Object.entries(MODELS)) {
  describe(`@ai-sdk/${name}`, { concurrency: 4 }, () => {
    for (const wire of WIRES) {
      test(`${wire.name}: generateText and streamText`, async (t) => {
        const w = await world(t, { a: wire });
        const whole = await generateText({ model: modelOf(w), ...ask });
        assert.deepEqual([whole.text, whole.finishReason, whole.usage.inputTokens, whole.usage.outputTokens], [`answer from ${wire.name}`, 'stop', 11, 7]);
        const streamed = streamText({ model: modelOf(w), ...ask });
        let text = '';
        for await (const part of streamed.textStream) text += part;
        assert.deepEqual([text, await streamed.finishReason, (await streamed.usage).outputTokens], [`answer from ${wire.name}`, 'stop', 7]);
      });

      test(`${wire.name}: tools run, and the answer follows their results`, async (t) => {
        const w = await world(t, { a: wire });
        const turns = { model: modelOf(w), ...ask, stopWhen: stepCountIs(3) };
        const first = weathers();
        w.a.next({ toolCalls: CALLS });
        const whole = await generateText({ ...turns, tools: first.tools });
        assert.deepEqual([whole.text, whole.steps.length, first.cities], [`answer from ${wire.name}`, 2, ['Oslo']]);
        assert.match(w.a.last.raw, /3 degrees/);
        const second = weathers();
        w.a.next({ toolCalls: CALLS });
        const streamed = streamText({ ...turns, tools: second.tools });
        assert.deepEqual([await streamed.text, (await streamed.steps).length, second.cities], [`answer from ${wire.name}`, 2, ['Oslo']]);
      });

      test(`${wire.name}: generateObject`, async (t) => {
        const w = await world(t, { a: wire }, { info: { a: { supports_response_schema: true } } });
        w.a.always((call) => (call.body.tools ? { toolCalls: [{ id: 'call_1', name: 'json', arguments: '{"city":"Oslo","days":3}' }] } : { reply: '{"city":"Oslo","days":3}' }));
        const { object } = await generateObject({ model: modelOf(w), ...ask, schema: jsonSchema(SCHEMA) });
        assert.deepEqual(object, { city: 'Oslo', days: 3 });
        assert.match(w.a.last.raw, /"days":\{"type":"integer"\}/);
      });
    }

    test('thinking is shown', async (t) => {
      const w = await world(t, { a: groq });
      w.a.always({ reasoning: 'let me see', reply: 'done' });
      assert.equal((await generateText({ model: modelOf(w), ...ask })).reasoningText, 'let me see');
      const streamed = streamText({ model: modelOf(w), ...ask });
      assert.deepEqual([await streamed.text, await streamed.reasoningText], ['done', 'let me see']);
    });

    test('an error has its status and whether to retry; a cut stream has an error part', async (t) => {
      const w = await world(t, { a: groq });
      w.a.next({ reply: 'one two three four', cutAt: 2 });
      const kinds = [];
      for await (const { type } of streamText({ model: modelOf(w), ...ask, onError: () => {} }).fullStream) kinds.push(type);
      assert.ok(kinds.includes('text-delta') && kinds.includes('error'), kinds.join(' '));
      await w.gateway.clearBenches();
      w.a.always(groq.errors.tpd);
      const error = await caught(generateText({ model: modelOf(w), ...ask }));
      assert.ok(APICallError.isInstance(error), String(error));
      assert.deepEqual([error.statusCode, error.isRetryable], [429, true]);
    });
  });
}

test('@ai-sdk/openai: chat completions and embeddings', async (t) => {
  const w = await world(t, { a: groq, e: openai }, { chains: [], info: { e: { mode: 'embedding', provider: 'openai' } }, params: { e: { model: 'openai/text-embedding-3-small' } } });
  const provider = createOpenAI(place(w));
  assert.equal((await generateText({ model: provider.chat('a'), ...ask })).text, 'answer from groq');
  const { embeddings } = await embedMany({ model: provider.textEmbeddingModel('e'), values: ['one', 'two'], maxRetries: 0 });
  assert.deepEqual(embeddings, ['one', 'two'].map((text) => vectorOf(text)));
});
