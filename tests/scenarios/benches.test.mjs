// Benches: who sits out, for how long, and who comes back.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { openai, openaiReset, openrouter, groq, problem } from '../providers/index.mjs';
import { counts, world } from '../lib/world.mjs';
import { secondsLeft } from '../lib/gateway.mjs';
import { until } from '../lib/until.mjs';

const limited = (headers) => problem(429, { message: 'Rate limit reached', type: 'requests', code: 'rate_limit_exceeded' }, headers);
const inSeconds = (seconds) => new Date(Date.now() + seconds * 1000).toUTCString();

/** Asks until the primary serves again; returns the milliseconds since `from`. */
async function back(w, from, within) {
  await until(async () => (await w.gateway.chat('a')).servedBy === 'a', within, 'the benched target serves again');
  return performance.now() - from;
}

/** `script`: what the primary refuses with, or a function that is asked once everybody runs. */
async function benched(t, script, options) {
  const w = await world(t, { a: openai, b: openai }, options);
  w.a.next(typeof script === 'function' ? script() : script);
  const first = await w.gateway.chat('a');
  assert.equal(first.servedBy, 'b', first.text);
  w.from = performance.now();
  const second = await w.gateway.chat('a');
  assert.deepEqual(second.trail[0], { alias: 'a', skipped: 'benched' });
  assert.equal(w.a.calls.length, 1, 'a benched target is skipped without traffic');
  assert.equal(w.a.connections, 1);
  return w;
}

describe('benches', { concurrency: 8 }, () => {
  test('G4 Retry-After in seconds', async (t) => {
    const w = await benched(t, limited({ 'retry-after': '2' }));
    const ms = await back(w, w.from, 5000);
    assert.ok(ms > 1700, `back after ${ms} ms`);
  });

  test('G4 retry-after-ms', async (t) => {
    const w = await benched(t, limited({ 'retry-after-ms': '1500' }));
    const ms = await back(w, w.from, 5000);
    assert.ok(ms > 1200, `back after ${ms} ms`);
  });

  test('G4 Retry-After as an HTTP date', async (t) => {
    let date;
    const w = await benched(t, () => limited({ 'retry-after': date = inSeconds(6) }));
    await back(w, w.from, 10_000);
    assert.ok(Date.now() >= Date.parse(date), `back before ${date}`);
  });

  test('G4 reset headers', async (t) => {
    const w = await benched(t, openaiReset('2s'));
    const ms = await back(w, w.from, 5000);
    assert.ok(ms > 1700, `back after ${ms} ms`);
  });

  test('G4 the stated window end', async (t) => {
    const w = await benched(t, openai.errors.tpm);
    const ms = await back(w, w.from, 5000);
    assert.ok(ms > 1700, `back after ${ms} ms`);
  });

  test('G4 the configured cooldown when it is the largest', async (t) => {
    const w = await benched(t, limited({ 'retry-after': '1' }), { router: { cooldown_time: 3 } });
    const ms = await back(w, w.from, 6000);
    assert.ok(ms > 2700, `back after ${ms} ms`);
  });

  test('G4 Retry-After when it is larger than the cooldown', async (t) => {
    const w = await benched(t, limited({ 'retry-after': '3' }), { router: { cooldown_time: 1 } });
    const ms = await back(w, w.from, 6000);
    assert.ok(ms > 2700, `back after ${ms} ms`);
  });

  test('G4 a later signal extends, never shortens', async (t) => {
    const w = await world(t, { a: openai, b: openai });
    w.a.next({ ...limited({ 'retry-after': '50' }), delay: 300 }, { ...limited({ 'retry-after': '2' }), delay: 600 });
    await Promise.all([w.gateway.chat('a'), w.gateway.chat('a')]);
    assert.equal(w.a.calls.length, 2, 'both were under way before the first refusal');
    const [bench] = await w.gateway.benches('a');
    assert.ok(secondsLeft(bench) > 45, JSON.stringify(bench));
    await w.gateway.clearBenches();
    w.a.next({ ...limited({ 'retry-after': '2' }), delay: 300 }, { ...limited({ 'retry-after': '50' }), delay: 600 });
    await Promise.all([w.gateway.chat('a'), w.gateway.chat('a')]);
    const [longer] = await w.gateway.benches('a');
    assert.ok(secondsLeft(longer) > 45, JSON.stringify(longer));
  });

  test('G4 a streamed refusal benches as a plain one does', async (t) => {
    const w = await world(t, { a: openai, b: openai });
    w.a.next(limited({ 'retry-after': '30' }));
    await w.gateway.stream('a');
    const second = await w.gateway.stream('a');
    assert.deepEqual(second.trail[0], { alias: 'a', skipped: 'benched' });
  });

  test('G5 a group of one is benched when it has a fallback', async (t) => {
    const w = await benched(t, limited({ 'retry-after': '30' }));
    assert.equal((await w.gateway.benches('a')).length, 1);
  });

  test('G5 the last target is still tried when there is no fallback', async (t) => {
    const w = await world(t, { a: openai });
    w.a.next(limited({ 'retry-after': '30' }));
    const first = await w.gateway.chat('a');
    assert.equal(first.status, 429, first.text);
    const second = await w.gateway.chat('a');
    assert.equal(second.status, 200, second.text);
    assert.equal(w.a.calls.length, 2);
  });

  test('a bench is listed with alias, cause and end, and can be cleared', async (t) => {
    const w = await benched(t, limited({ 'retry-after': '30' }));
    const [bench] = await w.gateway.benches('a');
    assert.match(JSON.stringify(bench), /rate_limited/);
    assert.ok(Math.abs(secondsLeft(bench) - 30) < 5, JSON.stringify(bench));
    const cleared = await w.gateway.clearBenches('a');
    assert.ok([200, 204].includes(cleared.status), cleared.text);
    assert.deepEqual(await w.gateway.benches('a'), []);
    assert.equal((await w.gateway.chat('a')).servedBy, 'a');
  });

  test('DELETE /v1/benches clears all of them', async (t) => {
    const w = await world(t, { a: openai, b: openai, c: openai });
    w.a.next(limited({ 'retry-after': '30' }));
    w.b.next(limited({ 'retry-after': '30' }));
    await w.gateway.chat('a');
    assert.equal((await w.gateway.benches()).length, 2);
    assert.ok([200, 204].includes((await w.gateway.clearBenches()).status));
    assert.deepEqual(await w.gateway.benches(), []);
  });

  test('a refused group member does not bench its neighbour on another account', async (t) => {
    const w = await world(t, { a: groq, b: groq });
    w.a.always(groq.errors.tpd);
    await w.gateway.chat('a');
    assert.deepEqual(counts(w), { a: 1, b: 1 });
    assert.equal((await w.gateway.chat('a')).servedBy, 'b');
  });

  test('one 500 does not bench for longer than seconds', async (t) => {
    const w = await world(t, { a: openai, b: openai });
    w.a.next(openai.errors.internal);
    assert.equal((await w.gateway.chat('a')).servedBy, 'b');
    for (const bench of await w.gateway.benches('a')) assert.ok(secondsLeft(bench) <= 60, JSON.stringify(bench));
  });

  /** `a` was benched on a guess for a second, and that second is over. */
  async function outOfBench(t) {
    const w = await world(t, { a: openai, b: openai }, { router: { cooldown_time: 1 } });
    w.a.next(openai.errors.internal);
    assert.equal((await w.gateway.chat('a')).servedBy, 'b');
    assert.equal((await w.gateway.benches('a')).length, 1);
    await until(async () => (await w.gateway.benches('a')).length === 0, 3000, 'the bench has run out');
    return w;
  }

  test('a probe that ends in a bad request leaves the target free for the next one', async (t) => {
    const w = await outOfBench(t);
    w.a.next(openai.errors.bad_request);
    assert.equal((await w.gateway.chat('a')).status, 400);
    const next = await w.gateway.chat('a');
    assert.equal(next.servedBy, 'a', next.trailText);
  });

  test('a probe that streams leaves the target free as soon as it has begun', async (t) => {
    const w = await outOfBench(t);
    w.a.next({ reply: Array.from({ length: 40 }, (_, at) => `w${at}`).join(' '), between: 100 });
    let heard;
    let ended = false;
    const hearing = new Promise((resolve) => { heard = resolve; });
    const streaming = w.gateway.stream('a', {}, { onChunk: (text) => text.includes('w1') && heard() }).then((answer) => { ended = true; return answer; });
    await hearing;
    const next = await w.gateway.chat('a');
    assert.equal(ended, false, 'the stream is still running');
    assert.equal(next.servedBy, 'a', next.trailText);
    assert.deepEqual((await streaming).errors, []);
  });

  const TOOLS = { tools: [{ type: 'function', function: { name: 'f', parameters: {} } }] };
  const UNFIT = {
    'has no key': [{ params: { b: { api_key: 'os.environ/NOT_SET_ANYWHERE' } } }, {}],
    'lacks the capability': [{ info: { b: { supports_function_calling: false } } }, TOOLS],
  };
  for (const [why, [options, more]] of Object.entries(UNFIT)) {
    test(`G5 a benched primary is tried when its only fallback ${why}`, async (t) => {
      const w = await world(t, { a: openai, b: openai }, options);
      w.a.next(limited({ 'retry-after': '30' }));
      assert.equal((await w.gateway.chat('a', more)).status, 429);
      const answer = await w.gateway.chat('a', more);
      assert.deepEqual([answer.status, answer.servedBy], [200, 'a'], answer.text);
      assert.deepEqual(counts(w), { a: 2, b: 0 });
    });
  }
});

test('credit that is used up at OpenRouter leaves the free models of the same key', async (t) => {
  const key = { api_key: 'sk-one-key' };
  const w = await world(t, { paid: openrouter, other: openrouter, free: openrouter }, {
    params: { paid: { model: 'openrouter/qwen/qwen3', ...key }, other: { model: 'openrouter/qwen/qwen4', ...key }, free: { model: 'openrouter/qwen/qwen3:free', ...key } },
  });
  w.paid.always({ status: 402, json: { error: { message: 'Insufficient credits', code: 402 } } });
  const first = await w.gateway.chat('paid');
  assert.equal(first.servedBy, 'free', first.trailText);
  assert.match(first.trailText, /paid=402:exhausted, other=skipped:benched, free=200/);
  const second = await w.gateway.chat('paid');
  assert.deepEqual([second.servedBy, w.paid.calls.length], ['free', 1], second.trailText);
});
