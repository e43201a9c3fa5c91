// A text stream that breaks after content is carried on by the next target, where that was asked
// for; never while a tool is being called, never twice the same words, and both are billed.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { anthropic, groq, mistral, openai } from '../providers/index.mjs';
import { counts, world } from '../lib/world.mjs';

const ON = { headers: { 'x-freeway-continue': 'on' } };
const CUT = { reply: 'one two three four', cutAt: 2 };
const ASK = { stream_options: { include_usage: true } };

describe('continuation', { concurrency: 6 }, () => {
  test('off unless asked for: a cut stream ends with one error', async (t) => {
    const w = await world(t, { a: groq, b: groq });
    w.a.always(CUT);
    const answer = await w.gateway.stream('a');
    assert.deepEqual([answer.errors.length, answer.dones], [1, 1], answer.text);
    assert.deepEqual(counts(w), { a: 1, b: 0 });
  });

  for (const [what, options] of Object.entries({ header: { call: ON }, alias: { info: { a: { continue_streams: true } } } })) {
    test(`by ${what}: the next target goes on where the first broke off`, async (t) => {
      const w = await world(t, { a: groq, b: mistral }, { info: options.info });
      w.a.always(CUT);
      w.b.always({ reply: 'three four' });
      const answer = await w.gateway.stream('a', ASK, options.call);
      const said = answer.content;
      assert.deepEqual([answer.errors.length, answer.dones], [0, 1], answer.text);
      assert.match(said, /^one two ?three four$/);
      assert.deepEqual(answer.models, ['a'], 'one model from begin to end');
      assert.equal(answer.deltas.filter((delta) => delta.role).length, 1, 'one role delta');
      const last = w.b.last.body.messages.at(-1);
      assert.equal(last.role, 'assistant');
      assert.equal(last.prefix, true, 'Mistral is told that this is a beginning');
      assert.equal(last.content.trim(), 'one two');
      const { json: record } = await w.gateway.get(`/v1/requests/${answer.requestId}/explain`);
      assert.match(record.trail, /^a=200:transient, b=200:carried_on$/);
      assert.ok(record.usage.completion_tokens > 0);
      assert.ok(record.candidates.at(-1).carried_on);
    });
  }

  test('what is said again is taken out', async (t) => {
    const w = await world(t, { a: groq, b: groq });
    w.a.always({ reply: 'the quick brown fox jumps over the lazy dog', cutAt: 5 });
    w.b.always({ reply: 'quick brown fox jumps over the lazy dog' });
    const answer = await w.gateway.stream('a', {}, ON);
    assert.equal(answer.content.replace(/\s+/g, ' '), 'the quick brown fox jumps over the lazy dog');
  });

  test('only who accepts a beginning is asked; who rejects it is passed over', async (t) => {
    const w = await world(t, { a: groq, b: openai, c: groq, d: mistral });
    w.a.always(CUT);
    w.c.always({ status: 400, json: { error: { message: 'the last message must be from the user', type: 'invalid_request_error' } } });
    w.d.always({ reply: 'three four' });
    const answer = await w.gateway.stream('a', {}, ON);
    assert.deepEqual(counts(w), { a: 1, b: 0, c: 1, d: 1 });
    assert.deepEqual([answer.errors.length, answer.dones], [0, 1], answer.text);
    const { json: record } = await w.gateway.get(`/v1/requests/${answer.requestId}/explain`);
    assert.match(record.trail, /b=skipped:capability, c=400:\w+, d=200:carried_on$/);
  });

  test('Claude from 4.6 on is known to take no beginning', async (t) => {
    const w = await world(t, { a: groq, b: anthropic, c: anthropic }, { params: { b: { model: 'anthropic/claude-opus-4-6' }, c: { model: 'anthropic/claude-haiku-4-5' } } });
    w.a.always(CUT);
    const answer = await w.gateway.stream('a', {}, ON);
    assert.deepEqual(counts(w), { a: 1, b: 0, c: 1 }, answer.text);
  });

  test('nobody is left: one error frame and the end', async (t) => {
    const w = await world(t, { a: groq, b: groq, c: groq });
    for (const fake of [w.a, w.b]) fake.always(CUT);
    w.c.always({ status: 503, text: 'down' });
    const answer = await w.gateway.stream('a', {}, ON);
    assert.deepEqual([answer.errors.length, answer.dones], [1, 1], answer.text);
    assert.deepEqual(counts(w), { a: 1, b: 1, c: 1 });
  });

  test('never while a tool is being called', async (t) => {
    const w = await world(t, { a: groq, b: groq });
    w.a.always({ toolCalls: [{ id: 'call_1', name: 'f', arguments: '{"a":1,"b":2,"c":3}' }], cutAt: 1 });
    const answer = await w.gateway.stream('a', { tools: [{ type: 'function', function: { name: 'f', parameters: { type: 'object' } } }] }, ON);
    assert.deepEqual([answer.errors.length, answer.dones], [1, 1], answer.text);
    assert.deepEqual(counts(w), { a: 1, b: 0 });
  });

  for (const [what, more] of Object.entries({
    'several choices': { n: 2 },
    functions: { functions: [{ name: 'f', parameters: { type: 'object' } }] },
    'a tool of the provider': { tools: [{ type: 'browser_search' }] },
    'spoken answers': { modalities: ['text', 'audio'], audio: { voice: 'alloy', format: 'pcm16' } },
  })) {
    test(`what only one target can answer is asked as without it: ${what}`, async (t) => {
      const w = await world(t, { a: openai });
      const answer = await w.gateway.stream('a', more, ON);
      assert.deepEqual([answer.status, answer.errors.length, answer.dones], [200, 0, 1], answer.text);
      for (const [key, value] of Object.entries(more)) assert.deepEqual(w.a.last.body[key], value);
    });
  }

  test('completion_model says whose word counts', async (t) => {
    const w = await world(t, { a: groq, b: groq }, { info: { a: { continue_streams: true } }, general: { completion_model: 'a' } });
    w.a.always(CUT);
    w.b.always({ reply: 'three four' });
    const answer = await w.gateway.stream('whatever', ASK);
    assert.deepEqual([answer.errors.length, answer.dones], [0, 1], answer.text);
    assert.match(answer.content, /^one two ?three four$/);
  });

  test('a header that says neither on nor off is refused', async (t) => {
    const w = await world(t, { a: groq });
    const answer = await w.gateway.stream('a', {}, { headers: { 'x-freeway-continue': 'perhaps' } });
    assert.equal(answer.status, 400);
    assert.match(answer.text, /x-freeway-continue/);
  });
});
