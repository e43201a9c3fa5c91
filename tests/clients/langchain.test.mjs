// LangChain's models for OpenAI and Anthropic against the real binary.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ChatAnthropic } from '@langchain/anthropic';
import { HumanMessage, ToolMessage } from '@langchain/core/messages';
import { ChatOpenAI, OpenAIEmbeddings } from '@langchain/openai';
import { anthropic, cohere, groq, ollama, openai } from '../providers/index.mjs';
import { vectorOf } from '../providers/vectors.mjs';
import { caught, collect } from '../lib/caught.mjs';
import { world } from '../lib/world.mjs';

const openaiPlace = (w) => ({ apiKey: 'any', configuration: { baseURL: `${w.gateway.url}/v1` }, maxRetries: 0 });
const MODELS = {
  ChatOpenAI: (w) => new ChatOpenAI({ model: 'a', ...openaiPlace(w) }),
  'ChatOpenAI over Responses': (w) => new ChatOpenAI({ model: 'a', useResponsesApi: true, ...openaiPlace(w) }),
  ChatAnthropic: (w) => new ChatAnthropic({ model: 'a', apiKey: 'any', anthropicApiUrl: w.gateway.url, maxRetries: 0 }),
};
const WIRES = [groq, openai, cohere, ollama, anthropic];
const SCHEMA = { title: 'trip', type: 'object', properties: { city: { type: 'string' }, days: { type: 'integer' } }, required: ['city', 'days'], additionalProperties: false };
const TOOL = { type: 'function', function: { name: 'weather', description: 'Weather', parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] } } };
const CALLS = [{ id: 'call_1', name: 'weather', arguments: '{"city":"Oslo"}' }];
const called = ({ tool_calls: calls }) => calls.map(({ name, args }) => [name, args]);

for (const [name, modelOf] of Object.entries(MODELS)) {
  describe(`LangChain's ${name}`, { concurrency: 4 }, () => {
    for (const wire of WIRES) {
      test(`${wire.name}: invoke and stream`, async (t) => {
        const w = await world(t, { a: wire });
        const whole = await modelOf(w).invoke('hi');
        assert.deepEqual([whole.text, whole.usage_metadata.output_tokens], [`answer from ${wire.name}`, 7]);
        const parts = await collect(await modelOf(w).stream('hi'));
        assert.equal(parts.map(({ text }) => text).join(''), `answer from ${wire.name}`);
        // LangChain adds the count of message_start, 1 from Anthropic, to the last one.
        const counted = name === 'ChatAnthropic' && wire === anthropic ? 8 : 7;
        assert.equal(parts.reduce((sum, part) => sum.concat(part)).usage_metadata.output_tokens, counted);
      });

      test(`${wire.name}: tools, and their results`, async (t) => {
        const w = await world(t, { a: wire });
        const model = modelOf(w).bindTools([TOOL]);
        w.a.always({ toolCalls: CALLS });
        const whole = await model.invoke('hi');
        assert.deepEqual(called(whole), [['weather', { city: 'Oslo' }]]);
        const streamed = (await collect(await model.stream('hi'))).reduce((sum, part) => sum.concat(part));
        assert.deepEqual(called(streamed), [['weather', { city: 'Oslo' }]]);
        w.a.always({});
        const result = new ToolMessage({ tool_call_id: whole.tool_calls[0].id, content: '3 degrees' });
        const last = await model.invoke([new HumanMessage('hi'), whole, result]);
        assert.equal(last.text, `answer from ${wire.name}`);
        assert.match(w.a.last.raw, /3 degrees/);
      });

      test(`${wire.name}: structured output`, async (t) => {
        const w = await world(t, { a: wire }, { info: { a: { supports_response_schema: true } } });
        w.a.always((call) => (call.body.tools ? { toolCalls: [{ id: 'call_1', name: call.body.tools[0].name ?? call.body.tools[0].function.name, arguments: '{"city":"Oslo","days":3}' }] } : { reply: '{"city":"Oslo","days":3}' }));
        assert.deepEqual(await modelOf(w).withStructuredOutput(SCHEMA, { name: 'trip' }).invoke('hi'), { city: 'Oslo', days: 3 });
      });
    }

    test('a refusal has its status', async (t) => {
      const w = await world(t, { a: groq });
      w.a.always(groq.errors.tpd);
      assert.equal((await caught(modelOf(w).invoke('hi'))).status, 429);
    });
  });
}

test('LangChain\'s OpenAIEmbeddings', async (t) => {
  const w = await world(t, { a: openai, b: cohere }, {
    chains: [], info: { a: { mode: 'embedding', provider: 'openai' }, b: { mode: 'embedding' } },
    params: { a: { model: 'openai/text-embedding-3-small' }, b: { model: 'cohere/embed-v4.0' } },
  });
  for (const model of ['a', 'b']) {
    const embeddings = new OpenAIEmbeddings({ model, ...openaiPlace(w) });
    assert.deepEqual(await embeddings.embedDocuments(['one', 'two']), ['one', 'two'].map((text) => vectorOf(text)));
    assert.deepEqual(await embeddings.embedQuery('three'), vectorOf('three'));
  }
});
