// G7, L2, L3, L4, L7: whose limit it is, what a call costs, when it is back.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { openai, problem } from '../providers/index.mjs';
import { chatBody, heldNothing, limitedWorld, quota, rowOf, served, storm, tally } from '../lib/storm.mjs';
import { metOnce, until } from '../lib/until.mjs';
import { world } from '../lib/world.mjs';

const lifetime = (limit, more = {}) => ({ metric: 'requests', window: 'month', limit, reset: 'lifetime', scope: 'target', ...more });
const hourly = (limit, more = {}) => ({ metric: 'requests', window: 'hour', limit, reset: 'rolling', scope: 'target', ...more });
const SAME_KEY = { api_key: 'sk-one-account' };
const settled = (gateway) => until(() => heldNothing(gateway).then(() => true, () => false), 3000, 'nothing is held');

/** `count` calls of `alias` at the same time. */
const atOnce = (w, alias, count) => Promise.all(Array.from({ length: count }, () => w.gateway.chat(alias)));
const allowed = (answers) => answers.filter(({ status }) => status === 200).length;

/** An alias that stands before the upstream of `a`, as another model of the same account. */
const beside = (known, model, more = {}) => ({ at: 'a', known, params: { ...SAME_KEY, model, ...more } });

describe('scopes', { concurrency: 6 }, () => {
  test('G7 a pool is one limit for all aliases that name it', (t) => metOnce(3, async () => {
    const rules = [{ metric: 'requests', window: '2s', limit: 30, reset: 'rolling', scope: 'pool', pool: 'free' }];
    const w = await limitedWorld(t, { a: { rules, params: SAME_KEY }, b: beside(rules, 'openai/other-model') });
    const result = await storm({ url: w.gateway.url, body: (number) => chatBody(number % 2 ? 'a' : 'b'), ms: 5600, pause: 100 });
    assert.deepEqual(w.a.over, [], JSON.stringify(tally(result)));
    const [row, ...others] = (await quota(w.gateway)).filter(({ metric }) => metric === 'requests');
    assert.deepEqual([row.scope, [...row.aliases].sort(), others], ['pool', ['a', 'b'], []]);
    assert.match(row.limit, /^pool:free@\S+ requests\/2s$/);
    return w.a.count() >= 0.95 * 90 ? undefined : `${w.a.count()} of 90 were used`;
  }));

  test('G7 an account limit covers two models of one key', async (t) => {
    const rules = [lifetime(20, { scope: 'account' })];
    const w = await limitedWorld(t, { a: { rules, params: SAME_KEY }, b: beside(rules, 'openai/other-model') });
    const answers = await Promise.all([atOnce(w, 'a', 20), atOnce(w, 'b', 20)]);
    assert.deepEqual([allowed(answers.flat()), w.a.count(), w.a.over], [20, 20, []]);
  });

  test('G7 two keys at one provider are two accounts', async (t) => {
    const rules = [lifetime(5, { scope: 'account' })];
    const w = await limitedWorld(t, { a: { rules }, b: { rules } });
    assert.deepEqual([allowed(await atOnce(w, 'a', 8)), allowed(await atOnce(w, 'b', 8))], [5, 5]);
    assert.deepEqual([w.a.over, w.b.over], [[], []]);
  });

  test('G7 a model limit is shared by aliases of that model, and by no other', async (t) => {
    const rules = [lifetime(5, { scope: 'model' })];
    const w = await limitedWorld(t, {
      a: { rules, params: SAME_KEY }, twin: beside(rules, 'openai/some-model'), other: beside(rules, 'openai/other-model'),
    });
    w.a.limits.length = 0;
    const answers = await Promise.all([atOnce(w, 'a', 5), atOnce(w, 'twin', 5)]);
    assert.equal(allowed(answers.flat()), 5);
    assert.equal(allowed(await atOnce(w, 'other', 8)), 5);
  });

  test('G7 a provider limit covers all its keys', async (t) => {
    const rules = [lifetime(6, { scope: 'provider' })];
    const w = await limitedWorld(t, { a: { rules }, b: { rules } });
    const answers = await Promise.all([atOnce(w, 'a', 6), atOnce(w, 'b', 6)]);
    assert.equal(allowed(answers.flat()), 6);
  });

  test('G7 a target limit is for one alias only', async (t) => {
    const rules = [lifetime(4)];
    const w = await limitedWorld(t, { a: { rules, params: SAME_KEY }, b: beside(rules, 'openai/some-model') });
    w.a.limits.length = 0;
    const answers = await Promise.all([atOnce(w, 'a', 6), atOnce(w, 'b', 6)]);
    assert.deepEqual(answers.map(allowed), [4, 4]);
  });

  test('G7 an advisory limit informs and never blocks', async (t) => {
    const w = await limitedWorld(t, { a: { known: [lifetime(3, { advisory: true })] } });
    assert.equal(allowed(await atOnce(w, 'a', 8)), 8);
    const row = await rowOf(w.gateway, 'a', 'requests');
    assert.deepEqual([row.advisory, row.blocks, row.used], [true, false, 8]);
  });

  test('G7 the first free target serves exactly its limit, then the next one', async (t) => {
    const w = await limitedWorld(t, { a: { rules: [hourly(12)] }, b: {} }, { chains: [{ a: ['b'] }] });
    const result = await storm({ url: w.gateway.url, body: (number) => chatBody('a', { stream: number % 2 === 0 }), ms: 1500 });
    assert.deepEqual(Object.keys(tally(result)), ['200']);
    assert.deepEqual([w.a.calls.length, w.a.over], [12, []]);
    assert.equal(served(result).filter(({ servedBy }) => servedBy === 'a').length, 12);
    const last = await w.gateway.chat('a');
    assert.deepEqual(last.trail, [{ alias: 'a', skipped: 'quota' }, { alias: 'b', status: 200, outcome: 'served' }]);
    assert.equal(last.attempts, 1, 'a skip is no attempt');
  });

  test('G11 everybody out: 429 with the soonest return and the limiting fact', async (t) => {
    const w = await limitedWorld(t, { a: { rules: [hourly(2)] }, b: { rules: [{ ...hourly(1), window: '30s' }] } }, { chains: [{ a: ['b'] }] });
    for (const alias of ['a', 'a', 'a']) assert.equal((await w.gateway.chat(alias)).status, 200);
    const refused = await w.gateway.chat('a');
    assert.deepEqual([refused.status, refused.error.code], [429, 'rate_limit_exceeded'], refused.text);
    const wait = Number(refused.headers['retry-after']);
    assert.ok(wait >= 28 && wait <= 30, `Retry-After ${wait}`);
    assert.ok(Math.abs(refused.error.retry_after - wait) <= 1, refused.text);
    const [first, second] = refused.error.attempts;
    assert.deepEqual([first.alias, first.outcome, second.alias, second.outcome], ['a', 'skipped:quota', 'b', 'skipped:quota']);
    assert.match(first.detail, /requests\/hour 2; 2 used; 1 needed; back in/);
    assert.ok(first.back_in_s > 3500 && first.back_in_s <= 3600, refused.text);
    assert.ok(second.back_in_s > 28 && second.back_in_s <= 30, refused.text);
  });

  test('L2 what was refused or left in the queue costs nothing', async (t) => {
    const w = await limitedWorld(t, { a: { rules: [hourly(5)], latency: 10 } });
    assert.equal(allowed(await atOnce(w, 'a', 25)), 5);
    const signal = AbortSignal.timeout(300);
    await Promise.allSettled(Array.from({ length: 5 }, () => w.gateway.chat('a', {}, { signal, headers: { 'x-freeway-max-wait': '2h' } })));
    const row = await rowOf(w.gateway, 'a', 'requests');
    assert.deepEqual([row.used, row.held, w.a.calls.length], [5, 0, 5]);
  });

  test('L2 a target that cannot be reached costs nothing', async (t) => {
    const w = await world(t, { a: openai, b: openai }, { info: { a: { limits: [hourly(10)] } } });
    await w.a.close();
    assert.equal((await w.gateway.chat('a')).servedBy, 'b');
    await w.gateway.clearBenches();
    const row = await rowOf(w.gateway, 'a', 'requests', 'hour');
    assert.deepEqual([row.used, row.held], [0, 0]);
  });

  test('L3 after a storm with hang-ups nothing is held, and nothing went over', async (t) => {
    const rules = [
      { metric: 'requests', window: '1s', limit: 40, reset: 'token_bucket', scope: 'model' },
      { metric: 'tokens', window: '1s', limit: 1000, reset: 'rolling', scope: 'account' },
      { metric: 'concurrency', limit: 12, scope: 'account' },
    ];
    const w = await limitedWorld(t, { a: { rules, latency: 60 }, b: { latency: 60 } }, { chains: [{ a: ['b'] }] });
    const body = (number) => chatBody('a', { stream: number % 2 === 0, max_tokens: 10 });
    for (let call = 0; call < 5; call += 1) assert.equal((await w.gateway.chat('a', { max_tokens: 10 })).status, 200, 'what a prompt costs is learned');
    const result = await storm({ url: w.gateway.url, body, ms: 4000, hangUp: 0.5, headers: { 'x-freeway-max-wait': '2s' }, leave: true });
    assert.ok((tally(result)[0] ?? 0) > 50, 'many hung up');
    await settled(w.gateway);
    assert.deepEqual(w.a.over, []);
  });

  for (const count of [1, 7, 50]) {
    test(`L4 a limit of ${count} admits exactly ${count}`, async (t) => {
      const w = await limitedWorld(t, { a: { rules: [lifetime(count)] } });
      assert.equal(allowed(await atOnce(w, 'a', 60)), count);
      assert.deepEqual([w.a.calls.length, (await rowOf(w.gateway, 'a', 'requests')).remaining], [count, 0]);
    });
  }

  for (const reset of ['rolling', 'fixed', 'first_use', 'token_bucket']) {
    test(`L7 ${reset} returns at the stated second`, async (t) => {
      const rule = { metric: 'requests', window: '3s', limit: 1, reset, scope: 'target' };
      const w = await limitedWorld(t, { a: { rules: [rule], latency: 20 } });
      if (reset === 'fixed') await until(() => Date.now() % 3000 < 40, 4000, 'the window begins');
      assert.equal((await w.gateway.chat('a')).status, 200);
      const refused = await w.gateway.chat('a');
      const at = performance.now() + refused.error.attempts[0].back_in_s * 1000;
      assert.equal(refused.status, 429, refused.text);
      assert.equal(Number(refused.headers['retry-after']), Math.ceil(refused.error.attempts[0].back_in_s));
      await until(() => performance.now() > at - 250, 5000, 'just before');
      assert.equal((await w.gateway.chat('a')).status, 429, 'not a moment before');
      await until(() => performance.now() > at + 30, 5000, 'just after');
      const back = await w.gateway.chat('a');
      assert.deepEqual([back.status, w.a.over], [200, []], back.text);
    });
  }

  test('G7 a failed call counts as a request, a refused one does not', async (t) => {
    const count = (count_failures) => ({ limits: [hourly(100, count_failures && { count_failures })] });
    const wire = { ...openai, headers: () => ({}) };
    const w = await world(t, { usual: wire, all: wire, none: wire }, { chains: [], info: { usual: count(), all: count('all'), none: count('none') }, router: { cooldown_time: 0 } });
    const LIMITED = problem(429, { message: 'slow down', code: 'rate_limit_exceeded' });
    for (const [alias, expected] of [['usual', 2], ['all', 3], ['none', 1]]) {
      w[alias].next(openai.errors.internal, LIMITED, {});
      for (let call = 0; call < 3; call += 1) {
        await w.gateway.clearBenches();
        await w.gateway.chat(alias);
      }
      assert.equal(w[alias].calls.length, 3);
      assert.equal((await rowOf(w.gateway, alias, 'requests', 'hour')).used, expected, alias);
    }
  });

  test('G7 a stream that breaks with a refusal after content has cost what it cost', async (t) => {
    const info = { a: { limits: [hourly(100), hourly(100_000, { metric: 'tokens' })] } };
    const w = await world(t, { a: { ...openai, headers: () => ({}) } }, { info });
    w.a.next({ reply: 'one two three four five', insertAt: 3, insert: 'data: {"error":{"message":"Rate limit reached","code":429}}\n\n' });
    const answer = await w.gateway.stream('a');
    assert.equal(answer.errors.length, 1, answer.text);
    assert.equal((await rowOf(w.gateway, 'a', 'requests', 'hour')).used, 1);
    assert.ok((await rowOf(w.gateway, 'a', 'tokens', 'hour')).used > 3, 'its tokens are charged as they were held');
  });

  test('L6 a target without limits serves while all budgets are spent', async (t) => {
    const money = { metric: 'usd', window: 'month', limit: 0.000001, reset: 'calendar_month', scope: 'account' };
    const info = { limits: [money], input_cost_per_token: 1, output_cost_per_token: 1 };
    const w = await limitedWorld(t, { a: { known: [], info }, b: {} }, { chains: [{ a: ['b'] }] });
    await w.gateway.chat('a');
    const answer = await w.gateway.chat('a');
    assert.deepEqual([answer.servedBy, answer.trail[0]], ['b', { alias: 'a', skipped: 'quota' }], answer.text);
  });
});
