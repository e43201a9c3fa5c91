// The official groq-sdk against the real binary.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import Groq, { toFile } from 'groq-sdk';
import { anthropic, cohere, groq, groqAudio, ollama } from '../providers/index.mjs';
import { caught, collect } from '../lib/caught.mjs';
import { world } from '../lib/world.mjs';

/** It asks below /openai/v1, as Groq has it. */
const client = (w, more = {}) => new Groq({ apiKey: 'any', baseURL: w.gateway.url, maxRetries: 0, ...more });
const ask = { model: 'a', messages: [{ role: 'user', content: 'hi' }] };
const TOOLS = [{ type: 'function', function: { name: 'get_weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } } }];
const CALLS = [{ id: 'call_1', name: 'get_weather', arguments: '{"city":"Oslo","days":3}' }];

describe('groq package', { concurrency: 4 }, () => {
  for (const wire of [groq, anthropic, cohere, ollama]) {
    test(`chat, streamed chat and tools, served by ${wire.name}`, async (t) => {
      const w = await world(t, { a: wire });
      const whole = await client(w).chat.completions.create(ask);
      assert.deepEqual([whole.choices[0].message.content, whole.model, whole.usage.total_tokens], [`answer from ${wire.name}`, 'a', 18]);
      const chunks = await collect(await client(w).chat.completions.create({ ...ask, stream: true }));
      assert.equal(chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join(''), `answer from ${wire.name}`);

      w.a.always({ toolCalls: CALLS });
      const { choices: [{ message, finish_reason }] } = await client(w).chat.completions.create({ ...ask, tools: TOOLS });
      assert.deepEqual([finish_reason, JSON.parse(message.tool_calls[0].function.arguments)], ['tool_calls', { city: 'Oslo', days: 3 }]);
      const streamed = await collect(await client(w).chat.completions.create({ ...ask, tools: TOOLS, stream: true }));
      const parts = streamed.flatMap(({ choices }) => choices[0]?.delta.tool_calls ?? []);
      assert.deepEqual(JSON.parse(parts.map((call) => call.function?.arguments ?? '').join('')), { city: 'Oslo', days: 3 });
      w.a.always({});
      const result = { role: 'tool', tool_call_id: message.tool_calls[0].id, content: '3 degrees' };
      const last = await client(w).chat.completions.create({ ...ask, tools: TOOLS, messages: [...ask.messages, message, result] });
      assert.equal(last.choices[0].message.content, `answer from ${wire.name}`);
    });
  }

  test('transcriptions', async (t) => {
    const w = await world(t, { a: groqAudio }, { info: { a: { mode: 'audio_transcription' } } });
    const file = await toFile(Buffer.alloc(32_000, 7), 'talk.mp3', { type: 'audio/mpeg' });
    const { text } = await client(w).audio.transcriptions.create({ model: 'a', file });
    assert.equal(text, 'Hello there. How are you?');
  });

  test('models, and errors of the right class', async (t) => {
    const w = await world(t, { a: groq }, { env: { FREEWAY_MASTER_KEY: 'sk-right' } });
    const right = client(w, { apiKey: 'sk-right' });
    assert.deepEqual((await right.models.list()).data.map(({ id }) => id), ['a']);
    assert.ok(await caught(client(w).chat.completions.create(ask)) instanceof Groq.AuthenticationError);
    assert.ok(await caught(right.chat.completions.create({ ...ask, model: 'nobody' })) instanceof Groq.NotFoundError);
    w.a.always(groq.errors.tpd);
    assert.ok(await caught(right.chat.completions.create(ask)) instanceof Groq.RateLimitError);
  });
});
