// Several gateways, one set of keys: with REDIS_URL they never spend more together than there is.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Gateway } from '../lib/gateway.mjs';
import { Redis, withoutRedis } from '../lib/redis.mjs';
import { chatBody, limitedWorld, storm, tally } from '../lib/storm.mjs';
import { until } from '../lib/until.mjs';

const rule = (limit, reset, more = {}) => ({ metric: 'requests', window: 'month', limit, reset, scope: 'account', ...more });
const PARAMS = { api_key: 'os.environ/SHARED_KEY' };
const statusOf = async (gateway) => (await gateway.get('/health/readiness')).json.shared_ledger?.status;

/** `count` gateways of one configuration, each with its own folder, and the upstream of `a`. */
async function trio(t, redis, rules, { count = 3, latency = 30 } = {}) {
  const env = { REDIS_URL: redis.url, SHARED_KEY: 'sk-shared-by-all' };
  const w = await limitedWorld(t, { a: { rules, latency, params: PARAMS } }, { env });
  const more = Array.from({ length: count - 1 }, () => Gateway.start(t, { config: w.config, env }));
  w.gateways = [w.gateway, ...await Promise.all(more)];
  for (const gateway of w.gateways) await until(async () => (await statusOf(gateway)) === 'connected', 5000, 'the ledger is shared');
  return w;
}

const body = (number) => chatBody('a', { stream: number % 2 === 0 });

describe('shared ledger', { concurrency: 4, skip: withoutRedis }, () => {
  test('L1 three gateways, one killed: never over, and at least 90 % is used', async (t) => {
    const limit = 600;
    const w = await trio(t, await Redis.start(t), [rule(limit, 'lifetime')]);
    let alive = w.gateways;
    let over = false;
    const clients = storm({ url: (number) => alive[number % alive.length].url, body, clients: 30, ms: 26_000, pause: 60, stop: () => over });
    await until(() => w.a.count() > limit / 2, 10_000, 'half of it is used');
    const [victim, ...others] = w.gateways;
    alive = others;
    await victim.kill();
    const enough = () => w.a.count() >= 0.9 * limit;
    await until(enough, 20_000, '90 % are used').catch(() => {}).finally(() => { over = true; });
    const result = await clients;
    t.diagnostic(`${w.a.count()} of ${limit}, ${JSON.stringify(tally(result))}`);
    assert.deepEqual(w.a.over, []);
    assert.ok(enough(), `${w.a.count()} of ${limit} were used`);
  });

  for (const reset of ['rolling', 'token_bucket', 'fixed', 'first_use']) {
    test(`L1 three gateways share a window of ${reset}`, async (t) => {
      const w = await trio(t, await Redis.start(t), [rule(60, reset, { window: '3s' })]);
      if (reset === 'fixed') await until(() => Date.now() % 3000 < 50, 4000, 'the window begins');
      const result = await storm({ url: (number) => w.gateways[number % 3].url, body, clients: 30, ms: 8600, pause: 100 });
      const allowed = reset === 'token_bucket' ? 60 + 20 * 8.5 : 180;
      t.diagnostic(`used ${w.a.count()} of ${allowed}, ${JSON.stringify(tally(result))}`);
      assert.deepEqual(w.a.over, []);
      assert.ok(w.a.count() >= 0.8 * allowed, `${w.a.count()} of ${allowed} were used`);
    });
  }

  test('L1 two pools and two accounts stay apart over the shared ledger', async (t) => {
    const redis = await Redis.start(t, { password: 'a-password' });
    const env = { REDIS_URL: redis.url, ONE: 'sk-one', TWO: 'sk-two' };
    const rules = [rule(20, 'lifetime')];
    const target = (name) => ({ rules, latency: 5, params: { api_key: `os.environ/${name}` } });
    const w = await limitedWorld(t, { a: target('ONE'), b: target('TWO') }, { env });
    const other = await Gateway.start(t, { config: w.config, env });
    const urls = [w.gateway.url, other.url];
    await storm({ url: (number) => urls[number % 2], body: (number) => chatBody(number % 4 < 2 ? 'a' : 'b'), clients: 20, ms: 3000, pause: 60 });
    assert.deepEqual([w.a.over, w.b.over], [[], []]);
    for (const alias of ['a', 'b']) assert.ok(w[alias].count() >= 16, `${alias}: ${w[alias].count()} of 20`);
  });

  for (const [how, cut] of Object.entries({ stopped: (redis) => redis.stop(), 'silent for ever': async (redis) => redis.freeze() })) {
    test(`L1 Redis is ${how}: nobody overspends, and readiness says so`, async (t) => {
      const redis = await Redis.start(t);
      const w = await trio(t, redis, [rule(400, 'lifetime')]);
      let over = false;
      const clients = storm({ url: (number) => w.gateways[number % 3].url, body, clients: 30, ms: 9000, pause: 60, stop: () => over });
      await until(() => w.a.count() > 100, 5000, 'some of it is used');
      await cut(redis);
      for (const gateway of w.gateways) await until(async () => (await statusOf(gateway)) === 'cut off', 8000, 'readiness says it');
      await sleep(1500);
      over = true;
      const result = await clients;
      assert.deepEqual(w.a.over, [], JSON.stringify(tally(result)));
      const slow = result.answers.filter(({ ms }) => ms > 2000).length;
      assert.equal(slow, 0, 'no request waits for the ledger');
    });
  }

  test('L1 Redis comes back: the ledger is shared again, and nothing went over', async (t) => {
    const redis = await Redis.start(t);
    const w = await trio(t, redis, [rule(300, 'lifetime')], { count: 2 });
    let over = false;
    const clients = storm({ url: (number) => w.gateways[number % 2].url, body, clients: 12, ms: 15_000, pause: 60, stop: () => over });
    await until(() => w.a.count() > 60, 5000, 'some of it is used');
    await redis.stop();
    for (const gateway of w.gateways) await until(async () => (await statusOf(gateway)) === 'cut off', 5000, 'readiness says it');
    await redis.start();
    for (const gateway of w.gateways) await until(async () => (await statusOf(gateway)) === 'connected', 12_000, 'connected again');
    await sleep(1000);
    over = true;
    await clients;
    assert.deepEqual(w.a.over, []);
  });

  test('B2 it starts without Redis and says that it is cut off', async (t) => {
    const redis = await Redis.start(t);
    await redis.stop();
    const w = await limitedWorld(t, { a: { rules: [], latency: 0 } }, { env: { REDIS_URL: redis.url } });
    assert.equal(await statusOf(w.gateway), 'cut off');
    assert.equal((await w.gateway.chat('a')).status, 200);
  });
});
