// G14: sixteen faults that upstreams show, each with what the client must get.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { openai, problem } from '../providers/index.mjs';
import { counts, world } from '../lib/world.mjs';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../lib/until.mjs';

const SIXTY = Array.from({ length: 60 }, (_, at) => `t${at}`).join(' ');
const SHORT = { params: { a: { stream_timeout: 0.5, timeout: 0.5 } } };
const pair = (t, options) => world(t, { a: openai, b: openai }, options);
const bare429 = problem(429, { message: 'Too Many Requests' });

/** The stream ended in the middle: the text so far, one error frame, the proper end. */
function assertBroken(answer, content) {
  assert.equal(answer.status, 200);
  assert.equal(answer.content, content);
  assert.equal(answer.errors.length, 1, answer.text);
  assert.ok(answer.errors[0].message, 'the error says what happened');
  assert.equal(answer.dones, 1);
  assert.ok(answer.endsWithDone, answer.text.slice(-300));
  assert.equal(answer.broken, false, 'the HTTP body is complete');
}

async function servedByB(w, more = {}) {
  const answer = await w.gateway.chat('a', more);
  assert.equal(answer.status, 200, answer.text);
  assert.equal(answer.servedBy, 'b', answer.trailText);
  return answer;
}

describe('G14', { concurrency: 8 }, () => {
  test('G14.1 a 429 with Retry-After', async (t) => {
    const w = await pair(t);
    w.a.next({ ...bare429, headers: { 'retry-after': '30' } });
    await servedByB(w);
    await servedByB(w);
    assert.deepEqual(counts(w), { a: 1, b: 2 });
  });

  test('G14.2 a bare 429 that persists', async (t) => {
    const w = await pair(t);
    w.a.always(bare429);
    for (let round = 0; round < 10; round += 1) await servedByB(w);
    assert.ok(w.a.calls.length <= 2, `the refusing target was called ${w.a.calls.length} times`);
  });

  test('G14.3 one 500', async (t) => {
    const w = await pair(t);
    w.a.next(openai.errors.internal);
    const answer = await servedByB(w);
    assert.deepEqual(answer.trail[0], { alias: 'a', status: 500, outcome: 'transient' });
    await w.gateway.clearBenches();
    assert.equal((await w.gateway.chat('a')).servedBy, 'a');
  });

  test('G14.4 a persistent 503', async (t) => {
    const w = await pair(t);
    w.a.always(openai.errors.slow_down);
    for (let round = 0; round < 10; round += 1) await servedByB(w);
    assert.ok(w.a.calls.length < 10, `called ${w.a.calls.length} times`);
  });

  test('G14.5 a reset before the headers', async (t) => {
    const w = await pair(t);
    w.a.always({ reset: true });
    const answer = await servedByB(w);
    assert.deepEqual(answer.trail[0], { alias: 'a', outcome: 'transient' });
  });

  test('G14.6 silence', async (t) => {
    const w = await pair(t, SHORT);
    w.a.always({ silence: true });
    const answer = await servedByB(w, { stream: true });
    assert.deepEqual(answer.trail[0], { alias: 'a', outcome: 'timeout' });
    assert.ok(answer.ms < 1500, `${answer.ms} ms`);
    await w.a.last.hungUp(1000);
  });

  test('G14.7 the first token after 20 s', async (t) => {
    const w = await pair(t, SHORT);
    w.a.always({ firstTokenDelay: 20_000 });
    const answer = await servedByB(w, { stream: true });
    assert.equal(answer.content, 'answer from openai');
    assert.ok(answer.ms < 1500, `${answer.ms} ms`);
    await w.a.last.hungUp(1000);
  });

  test('G14.8 cut at token 40 of 60', async (t) => {
    const w = await pair(t);
    w.a.always({ reply: SIXTY, cutAt: 40 });
    const answer = await w.gateway.stream('a');
    assertBroken(answer, SIXTY.split(' ').slice(0, 40).join(' '));
    assert.equal(w.b.calls.length, 0, 'nothing is replayed after content');
  });

  test('G14.9 a 30 s stall', async (t) => {
    const w = await pair(t, SHORT);
    w.a.always({ reply: SIXTY, stallAt: 5, stallFor: 30_000 });
    const answer = await w.gateway.stream('a');
    assertBroken(answer, 't0 t1 t2 t3 t4');
    assert.ok(answer.ms < 2000, `${answer.ms} ms`);
    await w.a.last.hungUp(1000);
  });

  test('G14.10 a malformed chunk', async (t) => {
    const w = await pair(t);
    w.a.always({ reply: SIXTY, malformedAt: 5 });
    const answer = await w.gateway.stream('a');
    assertBroken(answer, 't0 t1 t2 t3 t4');
    assert.ok(answer.objects.every((object) => !object.unparsable), 'the client never sees the broken frame');
  });

  test('G14.11 no [DONE] after a complete answer', async (t) => {
    const w = await pair(t);
    w.a.always({ noDone: true });
    const answer = await w.gateway.stream('a');
    assert.equal(answer.content, 'answer from openai');
    assert.deepEqual(answer.errors, []);
    assert.equal(answer.finish, 'stop');
    assert.ok(answer.endsWithDone);
  });

  test('G14.12 a 400 for the context length', async (t) => {
    const w = await pair(t, { info: { a: { max_input_tokens: 8192 }, b: { max_input_tokens: 128_000 } } });
    w.a.always(openai.errors.context);
    const answer = await servedByB(w, { stream: true });
    assert.deepEqual(answer.trail[0], { alias: 'a', status: 400, outcome: 'context_overflow' });
    assert.deepEqual(await w.gateway.benches(), []);
  });

  test('G14.13 a 400 for the content filter', async (t) => {
    const w = await pair(t);
    w.a.always(openai.errors.content_filter);
    const answer = await w.gateway.stream('a');
    assert.equal(answer.status, 400, answer.text);
    assert.equal(w.b.calls.length, 0);
  });

  test('G14.14 a cut stream whose fallback refuses prefill', async (t) => {
    const w = await pair(t);
    w.a.always({ reply: SIXTY, cutAt: 10 });
    w.b.always(openai.errors.prefill);
    const answer = await w.gateway.stream('a');
    assertBroken(answer, SIXTY.split(' ').slice(0, 10).join(' '));
    assert.equal(w.b.calls.length, 0, 'a half answer is never continued by another model');
  });

  test('G14.15 an outage and its end', async (t) => {
    const w = await pair(t, { router: { cooldown_time: 1 } });
    w.a.always(openai.errors.slow_down);
    const started = performance.now();
    while (performance.now() - started < 2500) {
      await servedByB(w);
      await sleep(50);
    }
    const during = w.a.calls.length;
    assert.ok(during >= 2 && during <= 4, `probed ${during} times in 2.5 s`);
    w.a.always({});
    await until(async () => (await w.gateway.chat('a')).servedBy === 'a', 4000, 'the recovered target serves again');
  });

  test('G14.16 usage and model are those of the target that served', async (t) => {
    const w = await pair(t);
    const usage = { prompt_tokens: 101, completion_tokens: 23, total_tokens: 124 };
    w.a.always({ ...openai.errors.internal, json: { error: { message: 'x' }, usage: { prompt_tokens: 9999, completion_tokens: 9999, total_tokens: 19998 } } });
    w.b.always({ usage });
    const plain = await servedByB(w);
    assert.deepEqual([plain.json.model, plain.json.usage], ['b', usage]);
    await w.gateway.clearBenches();
    const streamed = await servedByB(w, { stream: true, stream_options: { include_usage: true } });
    assert.deepEqual([streamed.models, streamed.usage], [['b'], usage]);
    const record = await w.gateway.get(`/v1/requests/${streamed.requestId}/explain`);
    assert.ok(!record.text.includes('9999'), 'a failed attempt costs nothing');
  });
});
