// The Vercel AI SDK against the real binary.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { APICallError, generateText, jsonSchema, streamText, tool } from 'ai';
import { anthropic, generic, groq, openai } from '../providers/index.mjs';
import { world } from '../lib/world.mjs';

const modelOf = (w, alias) => createOpenAICompatible({ name: 'freeway', baseURL: `${w.gateway.url}/v1`, apiKey: 'any', includeUsage: true })(alias);
const ask = { prompt: 'hi', maxRetries: 0 };

describe('AI SDK', { concurrency: 4 }, () => {
  test('generateText past a refused primary', async (t) => {
    const w = await world(t, { a: groq, b: anthropic });
    w.a.always(groq.errors.tpm);
    const { text, usage, finishReason, response } = await generateText({ model: modelOf(w, 'a'), ...ask });
    assert.equal(text, 'answer from anthropic');
    assert.equal(finishReason, 'stop');
    assert.deepEqual([usage.inputTokens, usage.outputTokens], [11, 7]);
    assert.equal(response.headers['x-freeway-served-by'], 'b');
  });

  test('streamText past a refused primary', async (t) => {
    const w = await world(t, { a: groq, b: openai });
    w.a.always(groq.errors.tpm);
    const result = streamText({ model: modelOf(w, 'a'), ...ask });
    let text = '';
    for await (const part of result.textStream) text += part;
    assert.equal(text, 'answer from openai');
    assert.equal(await result.finishReason, 'stop');
    assert.deepEqual([(await result.usage).inputTokens, (await result.usage).outputTokens], [11, 7]);
  });

  test('streamText shows reasoning and tool calls', async (t) => {
    const w = await world(t, { a: generic });
    w.a.always({ reasoning: 'let me see', toolCalls: [{ id: 'call_1', name: 'weather', arguments: '{"city":"Oslo"}' }] });
    const weather = tool({ inputSchema: jsonSchema({ type: 'object', properties: { city: { type: 'string' } } }) });
    const result = streamText({ model: modelOf(w, 'a'), ...ask, tools: { weather } });
    await result.consumeStream();
    const calls = await result.toolCalls;
    assert.deepEqual(calls.map(({ toolName, input }) => [toolName, input]), [['weather', { city: 'Oslo' }]]);
    assert.match(await result.reasoningText, /let me see/);
  });

  test('an error has its status and whether to retry', async (t) => {
    const w = await world(t, { a: openai });
    w.a.always(openai.errors.rpm);
    const error = await generateText({ model: modelOf(w, 'a'), ...ask }).then(() => undefined, (caught) => caught);
    assert.ok(APICallError.isInstance(error), String(error));
    assert.deepEqual([error.statusCode, error.isRetryable], [429, true]);
  });

  test('a cut stream ends in an error part', async (t) => {
    const w = await world(t, { a: openai });
    w.a.always({ reply: 'one two three four', cutAt: 2 });
    const kinds = [];
    const result = streamText({ model: modelOf(w, 'a'), ...ask, onError: () => {} });
    for await (const part of result.fullStream) kinds.push(part.type);
    assert.ok(kinds.includes('text-delta') && kinds.includes('error'), kinds.join(' '));
  });
});
