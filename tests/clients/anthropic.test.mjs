// The official @anthropic-ai/sdk against the real binary, with every protocol behind it.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import { anthropic, cohere, groq, ollama, openai, problem } from '../providers/index.mjs';
import { caught, collect } from '../lib/caught.mjs';
import { world } from '../lib/world.mjs';

const WIRES = [groq, cohere, ollama, anthropic];
const client = (w, more = {}) => new Anthropic({ apiKey: 'any', baseURL: w.gateway.url, maxRetries: 0, ...more });
const ask = { model: 'a', max_tokens: 64, messages: [{ role: 'user', content: 'hi' }] };
const TOOLS = [{ name: 'get_weather', description: 'Weather', input_schema: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] } }];
const CALLS = [{ id: 'toolu_01', name: 'get_weather', arguments: '{"city":"Oslo","days":3}' }, { id: 'toolu_02', name: 'get_weather', arguments: '{"city":"Rome"}' }];
const WANTED = [['get_weather', { city: 'Oslo', days: 3 }], ['get_weather', { city: 'Rome' }]];
const PIXEL = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
const seen = ({ content }) => content.filter(({ type }) => type === 'tool_use').map(({ name, input }) => [name, input]);

/** How each says that its quota is used up, and the seconds until it is not. */
const LIMITS = {
  groq: [groq.errors.tpd, 579], cohere: [cohere.errors.minute, 60],
  ollama: [problem(429, 'rate limit exceeded', { 'retry-after': '20' }), 20], anthropic: [anthropic.errors.rate_429, 23],
};

/** What the upstream got of two results, in its own protocol. */
const RESULTS = {
  groq: ({ messages }) => messages.filter(({ role }) => role === 'tool').map(({ content }) => content),
  ollama: ({ messages }) => messages.filter(({ role }) => role === 'tool').map(({ content }) => content),
  cohere: ({ messages }) => messages.filter(({ role }) => role === 'tool').map(({ content }) => (typeof content === 'string' ? content : content.map((part) => part.text ?? part.document?.data).join(''))),
  anthropic: ({ messages }) => messages.at(-1).content.map(({ content }) => content),
};

/** The data of the picture as the upstream got it. */
const PICTURES = {
  groq: ({ messages }) => messages[0].content.find(({ type }) => type === 'image_url').image_url.url.split(',')[1],
  cohere: ({ messages }) => messages[0].content.find(({ type }) => type === 'image_url').image_url.url.split(',')[1],
  ollama: ({ messages }) => messages[0].images[0],
  anthropic: ({ messages }) => messages[0].content.find(({ type }) => type === 'image').source.data,
};

describe('anthropic package', { concurrency: 4 }, () => {
  for (const wire of WIRES) {
    test(`${wire.name}: create and stream`, async (t) => {
      const w = await world(t, { a: wire });
      const { content, stop_reason, model, usage } = await client(w).messages.create({ ...ask, system: 'Be brief.' });
      assert.deepEqual([content, stop_reason, model], [[{ type: 'text', text: `answer from ${wire.name}` }], 'end_turn', 'a']);
      const { input_tokens, cache_read_input_tokens: read, cache_creation_input_tokens: written, output_tokens } = usage;
      assert.deepEqual([input_tokens + read + written, output_tokens], [11, 7]);
      const stream = client(w).messages.stream(ask);
      let text = '';
      stream.on('text', (part) => { text += part; });
      const final = await stream.finalMessage();
      assert.equal(text, `answer from ${wire.name}`);
      assert.deepEqual([await stream.finalText(), final.stop_reason, final.usage.output_tokens], [text, 'end_turn', 7]);
      const events = await collect(await client(w).messages.create({ ...ask, stream: true }));
      assert.deepEqual([events[0].type, events.at(-1).type], ['message_start', 'message_stop']);
    });

    test(`${wire.name}: tools, whole and streamed, and their results`, async (t) => {
      const w = await world(t, { a: wire });
      w.a.always({ toolCalls: CALLS });
      const whole = await client(w).messages.create({ ...ask, tools: TOOLS });
      assert.deepEqual([seen(whole), whole.stop_reason], [WANTED, 'tool_use']);
      const streamed = await client(w).messages.stream({ ...ask, tools: TOOLS }).finalMessage();
      assert.deepEqual([seen(streamed), streamed.stop_reason], [WANTED, 'tool_use']);
      w.a.always({});
      const uses = streamed.content.filter(({ type }) => type === 'tool_use');
      const results = uses.map(({ id }, at) => ({ type: 'tool_result', tool_use_id: id, content: `${at} degrees` }));
      const messages = [...ask.messages, { role: 'assistant', content: streamed.content }, { role: 'user', content: results }];
      const last = await client(w).messages.create({ ...ask, tools: TOOLS, messages });
      assert.equal(last.content[0].text, `answer from ${wire.name}`);
      assert.deepEqual(RESULTS[wire.name](w.a.last.body).map((text) => /\d degrees/.exec(text)?.[0]), ['0 degrees', '1 degrees']);
    });

    test(`${wire.name}: thinking, whole and streamed, and sent back`, async (t) => {
      const w = await world(t, { a: wire }, { info: { a: { supports_reasoning: true } } });
      w.a.always({ reasoning: 'let me see', reply: 'done' });
      const thinking = { type: 'enabled', budget_tokens: 1024 };
      const whole = await client(w).messages.create({ ...ask, max_tokens: 4096, thinking });
      const streamed = await client(w).messages.stream({ ...ask, max_tokens: 4096, thinking }).finalMessage();
      for (const { content } of [whole, streamed]) {
        assert.deepEqual(content.map(({ type }) => type), ['thinking', 'text']);
        assert.deepEqual([content[0].thinking, typeof content[0].signature, content[1].text], ['let me see', 'string', 'done']);
      }
      const messages = [...ask.messages, { role: 'assistant', content: streamed.content }, { role: 'user', content: 'and now?' }];
      assert.equal((await client(w).messages.create({ ...ask, max_tokens: 4096, thinking, messages })).stop_reason, 'end_turn');
    });

    test(`${wire.name}: a picture`, async (t) => {
      const w = await world(t, { a: wire }, { info: { a: { supports_vision: true } } });
      const source = { type: 'base64', media_type: 'image/png', data: PIXEL };
      await client(w).messages.create({ ...ask, messages: [{ role: 'user', content: [{ type: 'image', source }, { type: 'text', text: 'what?' }] }] });
      assert.equal(PICTURES[wire.name](w.a.last.body), PIXEL);
    });

    test(`${wire.name}: a rate limit is a RateLimitError that says when`, async (t) => {
      const w = await world(t, { a: wire, b: wire });
      w.b.always(LIMITS[wire.name][0]);
      const [refusal, wait] = LIMITS[wire.name];
      w.a.always(refusal);
      for (const stream of [false, true]) {
        const error = await caught(client(w).messages.create({ ...ask, stream }));
        assert.ok(error instanceof Anthropic.RateLimitError, String(error));
        const seconds = Number(error.headers.get('retry-after'));
        assert.ok(seconds >= wait - 15 && seconds <= wait, String(seconds));
        assert.deepEqual([error.error.type, error.error.error.type], ['error', 'rate_limit_error']);
      }
    });
  }

  test('tokens are counted', async (t) => {
    const w = await world(t, { a: groq });
    const { input_tokens } = await client(w).messages.countTokens({ model: 'a', messages: [{ role: 'user', content: 'x'.repeat(400) }], tools: TOOLS });
    assert.ok(input_tokens >= 100, String(input_tokens));
    assert.equal(w.a.calls.length, 0);
  });

  test('cache usage of every kind of provider', async (t) => {
    const w = await world(t, { a: anthropic, b: openai }, { chains: [] });
    const own = await client(w).messages.create(ask);
    assert.deepEqual([own.usage.input_tokens, own.usage.cache_read_input_tokens, own.usage.cache_creation_input_tokens], [5, 4, 2]);
    w.b.always({ usage: { prompt_tokens: 11, completion_tokens: 7, total_tokens: 18, prompt_tokens_details: { cached_tokens: 4 } } });
    const other = await client(w).messages.create({ ...ask, model: 'b' });
    assert.deepEqual([other.usage.input_tokens, other.usage.cache_read_input_tokens, other.usage.output_tokens], [7, 4, 7]);
    const streamed = await client(w).messages.stream({ ...ask, model: 'b' }).finalMessage();
    assert.deepEqual([streamed.usage.input_tokens, streamed.usage.cache_read_input_tokens, streamed.usage.output_tokens], [7, 4, 7]);
  });

  test('a master key, as x-api-key or as a bearer token', async (t) => {
    const w = await world(t, { a: groq }, { env: { FREEWAY_MASTER_KEY: 'sk-right' } });
    const wrong = await caught(client(w, { apiKey: 'sk-wrong' }).messages.create(ask));
    assert.ok(wrong instanceof Anthropic.AuthenticationError, String(wrong));
    assert.equal(wrong.error.error.type, 'authentication_error');
    assert.ok(await caught(client(w, { apiKey: 'sk-wrong' }).messages.countTokens({ model: 'a', messages: ask.messages })) instanceof Anthropic.AuthenticationError);
    for (const keys of [{ apiKey: 'sk-right' }, { apiKey: null, authToken: 'sk-right' }])
      assert.equal((await client(w, keys).messages.create(ask)).content[0].text, 'answer from groq');
  });

  test('an unknown model and a bad request have their classes', async (t) => {
    const w = await world(t, { a: groq });
    assert.ok(await caught(client(w).messages.create({ ...ask, model: 'nobody' })) instanceof Anthropic.NotFoundError);
    const bad = await caught(client(w).messages.create({ ...ask, messages: [{ role: 'robot', content: 'hi' }] }));
    assert.ok(bad instanceof Anthropic.BadRequestError, String(bad));
    assert.equal(bad.error.error.type, 'invalid_request_error');
    w.a.always(groq.errors.internal);
    assert.ok(await caught(client(w).messages.create(ask)) instanceof Anthropic.InternalServerError);
  });

  test('past a refused primary, with the headers that say so', async (t) => {
    const w = await world(t, { a: anthropic, b: groq });
    w.a.always(anthropic.errors.credit_400);
    const { data, response } = await client(w).messages.create(ask).withResponse();
    assert.equal(data.content[0].text, 'answer from groq');
    assert.equal(response.headers.get('x-freeway-served-by'), 'b');
  });

  test('a stream that breaks after its first words is thrown', async (t) => {
    const w = await world(t, { a: groq });
    w.a.always({ reply: 'one two three four', cutAt: 2 });
    let text = '';
    const stream = client(w).messages.stream(ask);
    stream.on('text', (part) => { text += part; });
    assert.ok(await caught(stream.finalMessage()) instanceof Anthropic.APIError);
    assert.equal(text, 'one two');
  });

  test('betas, and the models', async (t) => {
    const w = await world(t, { a: groq });
    const answer = await client(w).beta.messages.create({ ...ask, betas: ['context-1m-2025-08-07'] });
    assert.equal(answer.content[0].text, 'answer from groq');
    const ids = await collect(client(w).models.list());
    assert.deepEqual(ids.map(({ id }) => id), ['a']);
    assert.equal((await client(w).models.retrieve('a')).id, 'a');
  });
});
