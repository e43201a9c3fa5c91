// Streams: not held, not merged, not changed, and never a failure dressed as a success.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { anthropic, anthropicMidstream, cohere, cohereMidstream, generic, groq, groqMidstream, huggingface, ollama, ollamaMidstream, openai, openrouter, openrouterMidstream, sse } from '../providers/index.mjs';
import { send } from '../lib/client.mjs';
import { counts, world } from '../lib/world.mjs';
import { median, metOnce } from '../lib/until.mjs';

const WORDS = Array.from({ length: 30 }, (_, at) => `w${at}`).join(' ');
const TOOLS = [{ id: 'call_A1b2', name: 'get_weather', arguments: '{"city":"Malmö","unit":"°C"}' }, { id: 'call_Z9', name: 'now', arguments: '{}' }];
const ASK = { stream_options: { include_usage: true } };

const framesOf = (text) => text.split('\n\n').filter(Boolean);
/** The upstream's frames as the client must see them: only the model's name differs. */
const expected = (call, alias) => framesOf(call.sent.replaceAll(`"model":"${call.model}"`, `"model":"${alias}"`));

describe('S1', () => {
  test('S1 chunks are passed on as they come, at most 1 ms later than on a direct connection', async (t) => {
    const w = await world(t, { a: generic });
    w.a.always({ reply: WORDS, between: 15 });
    const body = { model: 'x', stream: true, messages: [{ role: 'user', content: 'hi' }] };
    const delays = async (url, model) => {
      const answer = await send(url, { body: { ...body, model } });
      const call = w.a.last;
      assert.ok(answer.chunks.length >= call.writes.length - 4, `${call.writes.length} writes arrived as ${answer.chunks.length} chunks`);
      const seen = call.sent.length && framesOf(answer.text);
      return seen.slice(2, 28).map((frame, at) => arrivalOf(answer, frame) - call.writes[at + 2]);
    };
    await delays(`${w.gateway.url}/v1/chat/completions`, 'a');
    await metOnce(5, async () => {
      const direct = median(await delays(`${w.a.base}/chat/completions`, 'x'));
      const through = median(await delays(`${w.gateway.url}/v1/chat/completions`, 'a'));
      return through - direct <= 1 ? undefined : `${direct.toFixed(2)} ms direct, ${through.toFixed(2)} ms through the gateway`;
    });
  });
});

const arrivalOf = (answer, frame) => answer.chunks.find((chunk) => chunk.text.includes(frame)).at;

describe('streams', { concurrency: 6 }, () => {
  const STARTS = {
    'an error frame first': [openai, { insertAt: 0, insert: sse({ error: { message: 'overloaded', code: 503 } }) }],
    'comments, then an error chunk': [openrouter, { insertAt: 0, insert: openrouterMidstream }],
    'event: error first': [groq, { insertAt: 0, insert: groqMidstream }],
    'anthropic: overloaded before text': [anthropic, { insertAt: 0, insert: anthropicMidstream }],
    'cohere: failed before text': [cohere, { insertAt: 0, insert: cohereMidstream }],
    'ollama: an error line first': [ollama, { insertAt: 0, insert: ollamaMidstream }],
    'cut before content': [openai, { cutAt: 0 }],
    'end before content': [openai, { endAt: 0 }],
  };
  for (const [what, [wire, script]] of Object.entries(STARTS)) {
    test(`S2 S7 ${what}: the chain moves on, the client sees one clean stream`, async (t) => {
      const w = await world(t, { a: wire, b: openai });
      w.a.next(script);
      const answer = await w.gateway.stream('a');
      assert.equal(answer.status, 200, answer.text);
      assert.equal(answer.servedBy, 'b', answer.trailText);
      assert.equal(answer.content, 'answer from openai');
      assert.deepEqual(answer.models, ['b']);
      assert.equal(answer.deltas.filter((delta) => delta.role).length, 1, 'one role delta');
      assert.deepEqual([answer.errors.length, answer.dones], [0, 1]);
    });
  }

  const ENDS = {
    'an error frame': [openai, { insertAt: 2, insert: sse({ error: { message: 'overloaded', code: 503 } }) }],
    'an openrouter error chunk': [openrouter, { insertAt: 2, insert: openrouterMidstream }],
    'groq event: error': [groq, { insertAt: 2, insert: groqMidstream }],
    'anthropic overloaded': [anthropic, { insertAt: 2, insert: anthropicMidstream }],
    'cohere ERROR': [cohere, { insertAt: 2, insert: cohereMidstream }],
    'an ollama error line': [ollama, { insertAt: 2, insert: ollamaMidstream }],
    'a broken connection': [openai, { cutAt: 2 }],
    'a broken anthropic connection': [anthropic, { cutAt: 2 }],
    'a broken ollama connection': [ollama, { cutAt: 2 }],
  };
  for (const [what, [wire, script]] of Object.entries(ENDS)) {
    test(`S2 after content, ${what} becomes one error frame and [DONE]`, async (t) => {
      const w = await world(t, { a: wire, b: openai });
      w.a.next(script);
      const answer = await w.gateway.stream('a');
      assert.equal(answer.status, 200);
      assert.equal(answer.content, 'answer from');
      assert.equal(answer.errors.length, 1, answer.text);
      assert.equal(answer.dones, 1);
      assert.ok(answer.endsWithDone && !answer.broken, answer.text.slice(-200));
      assert.equal(w.b.calls.length, 0);
    });
  }

  for (const wire of [openai, groq, huggingface, anthropic, cohere, ollama]) {
    test(`S3 ${wire.name}: an end without a finish reason is an error`, async (t) => {
      const w = await world(t, { a: wire, b: openai });
      w.a.next({ noFinish: true });
      const answer = await w.gateway.stream('a');
      assert.equal(answer.content, `answer from ${wire.name}`);
      assert.equal(answer.errors.length, 1, answer.text);
      assert.ok(!answer.finish, 'no invented finish reason');
      assert.ok(answer.endsWithDone);
    });
  }

  test('S3 a plain answer that is cut short is not passed off as one', async (t) => {
    const w = await world(t, { a: openai, b: openai });
    w.a.next({ cutAt: 0 });
    const answer = await w.gateway.chat('a');
    assert.deepEqual([answer.status, answer.servedBy], [200, 'b'], answer.text);
  });

  const SHAPES = { text: { reply: 'Grüße, 世界 🎉 end' }, 'tool calls': { toolCalls: TOOLS }, reasoning: { reasoning: 'first I think', reply: 'then I say' }, length: { finish: 'length' } };
  for (const [what, script] of Object.entries(SHAPES)) {
    test(`S4 S6 ${what}: every frame arrives byte for byte, only the model renamed`, async (t) => {
      const w = await world(t, { a: generic });
      w.a.always({ ...script, extra: { x_unknown: { deep: [1, 2.50, 'ü'] }, system_fingerprint: 'fp_1' } });
      const answer = await w.gateway.stream('a', ASK);
      assert.deepEqual(framesOf(answer.text), expected(w.a.last, 'a'));
    });
  }

  test('S4 the same at every split of the bytes', async (t) => {
    const w = await world(t, { a: generic });
    await atEverySplit(w, { toolCalls: TOOLS, reasoning: 'ü…', extra: { x: 1 } }, ASK, (call) => expected(call, 'a'));
  });

  test('S4 a client that did not ask for usage does not see that we did, at every split of the bytes', async (t) => {
    const w = await world(t, { a: generic });
    const unasked = (call) => {
      assert.equal(call.body.stream_options.include_usage, true, 'freeway asks');
      assert.match(call.sent, /"usage":null/);
      return expected(call, 'a').map((frame) => frame.replace(',"usage":null', '')).filter((frame) => !frame.includes('"usage"'));
    };
    await atEverySplit(w, { reply: 'two words' }, {}, unasked);
    const asked = await w.gateway.stream('a', ASK);
    assert.match(asked.text, /"usage":null/);
  });

  /** What the client gets is `right(call)`, one byte a write and cut in two at every byte. */
  async function atEverySplit(w, script, ask, rightOf) {
    w.a.always({ ...script, bytewise: true });
    const first = await w.gateway.stream('a', ask);
    const right = rightOf(w.a.last);
    assert.deepEqual(framesOf(first.text), right, 'one byte a write');
    const length = Buffer.byteLength(w.a.last.sent);
    const positions = Array.from({ length: length - 1 }, (_, at) => at + 1);
    w.a.always((call) => ({ ...script, splitAt: call.body.seed }));
    const worker = async () => {
      for (let at = positions.pop(); at !== undefined; at = positions.pop()) {
        const answer = await w.gateway.stream('a', { ...ask, seed: at });
        assert.deepEqual(framesOf(answer.text), right, `split at byte ${at}`);
      }
    };
    await Promise.all(Array.from({ length: 12 }, worker));
  }

  test('S4 a translated stream is the same at any split of the bytes', async (t) => {
    const w = await world(t, { a: anthropic, c: cohere, o: ollama }, { chains: [] });
    for (const alias of ['a', 'c', 'o']) {
      const whole = await w.gateway.stream(alias, ASK);
      w[alias].next({ bytewise: true });
      const split = await w.gateway.stream(alias, ASK);
      const strip = (answer) => answer.objects.map(({ id, created, ...rest }) => rest);
      assert.deepEqual(strip(split), strip(whole), alias);
    }
  });

  test('S6 unknown fields of a plain answer pass', async (t) => {
    const w = await world(t, { a: generic });
    w.a.always({ extra: { x_unknown: { deep: [1, 2.5] }, service_tier: 'default' } });
    const answer = await w.gateway.chat('a');
    assert.equal(answer.text, w.a.last.sent.replace('"model":"some-model"', '"model":"a"'));
  });

  test('S7 a role-only delta is not content: silence after it moves on', async (t) => {
    const w = await world(t, { a: openai, b: openai }, { params: { a: { stream_timeout: 0.4 } } });
    w.a.next({ stallAt: 0 });
    const answer = await w.gateway.stream('a');
    assert.equal(answer.servedBy, 'b', answer.trailText);
    assert.equal(answer.deltas.filter((delta) => delta.role).length, 1);
  });

  test('S7 the headers of the answer name the target that really served', async (t) => {
    const w = await world(t, { a: openai, b: openai });
    w.a.next({ endAt: 0 });
    const answer = await w.gateway.stream('a');
    assert.equal(answer.attempts, 2);
    assert.deepEqual(answer.trail.at(-1), { alias: 'b', status: 200, outcome: 'served' });
    assert.deepEqual(counts(w), { a: 1, b: 1 });
  });

  test('a tool call or reasoning counts as content', async (t) => {
    const w = await world(t, { a: openai, b: openai });
    w.a.next({ toolCalls: TOOLS, cutAt: 2 });
    const answer = await w.gateway.stream('a');
    assert.equal(answer.errors.length, 1, answer.text);
    assert.equal(w.b.calls.length, 0);
  });

  test('a whole JSON answer to a streamed request becomes a stream', async (t) => {
    const w = await world(t, { a: openai });
    w.a.next({ json: { id: 'x', object: 'chat.completion', created: 1, model: 'gpt-4o-mini', choices: [{ index: 0, message: { role: 'assistant', content: 'whole' }, finish_reason: 'stop' }], usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 } } });
    const answer = await w.gateway.stream('a');
    assert.equal(answer.status, 200, answer.text);
    assert.match(answer.headers['content-type'], /event-stream/);
    assert.equal(answer.content, 'whole');
    assert.ok(answer.endsWithDone);
  });

  test('CRLF line ends and a missing space after data: are understood', async (t) => {
    const w = await world(t, { a: openai });
    const chunk = (delta, finish_reason = null) => JSON.stringify({ id: 'x', object: 'chat.completion.chunk', created: 1, model: 'gpt-4o-mini', choices: [{ index: 0, delta, finish_reason }] });
    const body = [chunk({ role: 'assistant', content: '' }), chunk({ content: 'Hel' }), chunk({ content: 'lo' }), chunk({}, 'stop'), '[DONE]'].map((data) => `data:${data}\r\n\r\n`).join('');
    w.a.next({ raw: `HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n${body}` });
    const answer = await w.gateway.stream('a');
    const text = answer.text.replaceAll('\r', '');
    assert.match(text, /"content":"Hel"/);
    assert.match(text, /"content":"lo"/);
    assert.match(text, /\[DONE\]/);
    assert.doesNotMatch(text, /"error"/);
  });
});
