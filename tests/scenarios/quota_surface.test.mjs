// What clients, operators and the command line see of the ledger, and what they can do to it.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { generic } from '../providers/index.mjs';
import { run } from '../lib/gateway.mjs';
import { limitedWorld, quota, rowOf } from '../lib/storm.mjs';
import { world } from '../lib/world.mjs';

const KEY = 'sk-master-of-the-gateway';
const lifetime = (limit, more = {}) => ({ metric: 'requests', window: 'month', limit, reset: 'lifetime', scope: 'target', ...more });
const hourly = (limit, more = {}) => ({ metric: 'requests', window: 'hour', limit, reset: 'rolling', scope: 'target', ...more });
const post = (gateway, path, body, options = {}) => gateway.send(path, { body, ...options });
const reset = (gateway, what) => post(gateway, '/v1/quota/reset', { what });
const set = (gateway, what, figures) => post(gateway, '/v1/quota/set', { what, ...figures });

const FIELDS = ['limit', 'scope', 'name', 'metric', 'window', 'reset', 'ceiling', 'used', 'held', 'remaining', 'back_in_s', 'whole_in_s',
  'blocks', 'advisory', 'source', 'age_s', 'rate_per_hour', 'runs_out_in_s', 'aliases'];
const GO_DURATION = /^(\d+h)?(\d+m)?(\d+(\.\d+)?(s|ms|µs|us))?$/;

describe('surface', { concurrency: 6 }, () => {
  test('GET /v1/quota shows every limit with its figures, source and aliases', async (t) => {
    const rules = [hourly(10), { metric: 'tokens', window: 'day', limit: 1000, reset: 'token_bucket', scope: 'account' }];
    const w = await limitedWorld(t, { a: { rules } }, {});
    const untouched = await rowOf(w.gateway, 'a', 'requests');
    assert.deepEqual([untouched.source, untouched.used, untouched.remaining, untouched.blocks], ['configured', 0, 10, true]);
    await w.gateway.chat('a');
    const answer = await w.gateway.get('/v1/quota');
    assert.ok(Math.abs(Date.parse(answer.json.time) - Date.now()) < 5000, answer.json.time);
    for (const row of answer.json.data) assert.deepEqual(FIELDS.filter((field) => !(field in row)), [], JSON.stringify(row));
    const row = await rowOf(w.gateway, 'a', 'requests', 'hour');
    assert.deepEqual([row.limit, row.scope, row.reset, row.ceiling, row.used, row.held, row.remaining, row.source],
      ['target:a requests/hour', 'target', 'rolling', 10, 1, 0, 9, 'counted']);
    assert.deepEqual(row.aliases, ['a']);
    const without = await w.gateway.get('/quota');
    assert.deepEqual([without.status, without.json?.data?.length], [200, 2], without.text);
  });

  test('GET /v1/quota/WHAT takes a key or an alias; an unknown one is 404', async (t) => {
    const w = await limitedWorld(t, { a: { rules: [hourly(10)] }, b: { rules: [hourly(20), lifetime(30)] } });
    assert.equal((await quota(w.gateway, 'b')).length, 2);
    const [row] = await quota(w.gateway, 'target:a requests/hour');
    assert.equal(row.ceiling, 10);
    const unknown = await w.gateway.get('/v1/quota/nobody');
    assert.equal(unknown.status, 404, unknown.text);
    assert.match(unknown.error.message, /nobody/);
  });

  test('C4 no key is shown, and accounts carry the name of their variable', async (t) => {
    const rules = [lifetime(5, { scope: 'account' })];
    const w = await limitedWorld(t, { a: { rules }, b: { rules, params: { api_key: 'os.environ/MY_KEY' } } }, { env: { MY_KEY: 'sk-very-secret' } });
    const { text } = await w.gateway.get('/v1/quota');
    assert.doesNotMatch(text, /sk-/);
    assert.match(text, /MY_KEY/);
  });

  test('a used-up limit says when it is back, and a steady rate says when it runs out', async (t) => {
    const w = await limitedWorld(t, { a: { rules: [hourly(3)], latency: 5 }, b: { rules: [hourly(100)], latency: 5 } });
    for (let call = 0; call < 3; call += 1) await w.gateway.chat('a');
    const row = await rowOf(w.gateway, 'a', 'requests');
    assert.equal(row.remaining, 0);
    assert.ok(row.back_in_s > 3590 && row.back_in_s <= 3600 && row.whole_in_s >= row.back_in_s, JSON.stringify(row));
    for (let call = 0; call < 10; call += 1) await w.gateway.chat('b');
    const busy = await rowOf(w.gateway, 'b', 'requests');
    assert.ok(busy.rate_per_hour > 0, JSON.stringify(busy));
    assert.ok(busy.runs_out_in_s === null || busy.runs_out_in_s > 0, JSON.stringify(busy));
  });

  test('reset acts on live routing', async (t) => {
    const w = await limitedWorld(t, { a: { known: [lifetime(2)] }, b: {} }, { chains: [{ a: ['b'] }] });
    const servers = async () => { const by = []; for (let call = 0; call < 3; call += 1) by.push((await w.gateway.chat('a')).servedBy); return by; };
    for (const what of ['a', 'target:a requests/month', (await rowOf(w.gateway, 'a', 'requests')).limit, 'all']) {
      assert.deepEqual(await servers(), ['a', 'a', 'b']);
      const answer = await reset(w.gateway, what);
      assert.deepEqual([answer.status, answer.json?.changed], [200, 1], `${what}: ${answer.text}`);
    }
    assert.deepEqual(await servers(), ['a', 'a', 'b']);
  });

  test('set used and set remaining act on live routing and are marked as an operator\'s', async (t) => {
    const w = await limitedWorld(t, { a: { known: [lifetime(100)] }, b: {} }, { chains: [{ a: ['b'] }] });
    assert.equal((await set(w.gateway, 'a', { remaining: 1 })).json.changed, 1);
    const row = await rowOf(w.gateway, 'a', 'requests');
    assert.deepEqual([row.remaining, row.used, row.source], [1, 99, 'operator']);
    assert.deepEqual([(await w.gateway.chat('a')).servedBy, (await w.gateway.chat('a')).servedBy], ['a', 'b']);
    assert.equal((await set(w.gateway, 'a', { used: 98 })).json.changed, 1);
    const by = [];
    for (let call = 0; call < 3; call += 1) by.push((await w.gateway.chat('a')).servedBy);
    assert.deepEqual(by, ['a', 'a', 'b']);
    assert.equal((await set(w.gateway, 'a', { used: 100 })).status, 200);
    assert.equal((await w.gateway.chat('a')).servedBy, 'b');
  });

  const WRONG = {
    'what missing': ['/v1/quota/reset', {}],
    'what of another type': ['/v1/quota/reset', { what: 5 }],
    'neither used nor remaining': ['/v1/quota/set', { what: 'a' }],
    'both used and remaining': ['/v1/quota/set', { what: 'a', used: 1, remaining: 1 }],
    'used as text': ['/v1/quota/set', { what: 'a', used: '1' }],
    'a negative figure': ['/v1/quota/set', { what: 'a', remaining: -1 }],
    'no JSON': ['/v1/quota/set', '{"what":'],
    'a list': ['/v1/quota/reset', []],
  };
  test('wrong input is 400 and changes nothing, an unknown name is 404', async (t) => {
    const w = await limitedWorld(t, { a: { rules: [lifetime(5)] } });
    await w.gateway.chat('a');
    for (const [what, [path, body]] of Object.entries(WRONG)) {
      const answer = await post(w.gateway, path, body);
      assert.equal(answer.status, 400, `${what}: ${answer.text}`);
      assert.ok(answer.error.message.length > 10, answer.text);
    }
    assert.equal((await reset(w.gateway, 'nobody')).status, 404);
    assert.equal((await set(w.gateway, 'nobody', { used: 1 })).status, 404);
    assert.equal((await rowOf(w.gateway, 'a', 'requests')).used, 1);
  });

  test('the master key is needed', async (t) => {
    const w = await limitedWorld(t, { a: { rules: [lifetime(5)] } }, { env: { FREEWAY_MASTER_KEY: KEY } });
    const headers = { authorization: `Bearer ${KEY}` };
    for (const wrong of [{}, { authorization: 'Bearer sk-other' }]) {
      assert.equal((await w.gateway.get('/v1/quota', { headers: wrong })).status, 401);
      assert.equal((await w.gateway.get('/v1/quota/a', { headers: wrong })).status, 401);
      assert.equal((await post(w.gateway, '/v1/quota/reset', { what: 'all' }, { headers: wrong })).status, 401);
      assert.equal((await post(w.gateway, '/v1/quota/set', { what: 'a', used: 1 }, { headers: wrong })).status, 401);
    }
    assert.equal((await quota(w.gateway, undefined, { headers })).length, 1);
    assert.equal((await post(w.gateway, '/v1/quota/reset', { what: 'all' }, { headers })).status, 200);
  });

  const rates = ({ headers }, axis) => ['limit', 'remaining', 'reset'].map((name) => headers[`x-ratelimit-${name}-${axis}`]);

  test('answers carry x-ratelimit headers for the alias as a whole', async (t) => {
    const tokens = { metric: 'tokens', window: 'hour', limit: 5000, reset: 'rolling', scope: 'target' };
    const w = await limitedWorld(t, { a: { rules: [hourly(60), tokens] }, b: { rules: [hourly(30)] }, free: {} }, { chains: [{ a: ['b'] }] });
    for (const more of [{}, { stream: true }]) {
      const answer = await w.gateway.chat('a', more);
      const [limit, remaining, back] = rates(answer, 'requests');
      const used = more.stream ? 2 : 1;
      assert.deepEqual([limit, remaining], ['90', String(90 - used)], JSON.stringify(answer.headers));
      assert.match(back, GO_DURATION);
    }
    const plain = await w.gateway.chat('free');
    assert.deepEqual(rates(plain, 'requests'), [undefined, undefined, undefined]);
  });

  test('a limit shared by two candidates is counted once', async (t) => {
    const pool = [hourly(60, { scope: 'pool', pool: 'shared' })];
    const params = { api_key: 'sk-one' };
    const w = await limitedWorld(t, { a: { rules: pool, params }, b: { at: 'a', known: pool, params } }, { chains: [{ a: ['b'] }] });
    assert.deepEqual(rates(await w.gateway.chat('a'), 'requests').slice(0, 2), ['60', '59']);
  });

  test('a refusal carries them too, with the time of return', async (t) => {
    const w = await limitedWorld(t, { a: { rules: [hourly(1)] } });
    await w.gateway.chat('a');
    const refused = await w.gateway.chat('a');
    const [limit, remaining, back] = rates(refused, 'requests');
    assert.deepEqual([refused.status, limit, remaining], [429, '1', '0']);
    assert.match(back, /^(59m\d+(\.\d+)?s|1h0m0s)$/);
  });

  test('tokens have headers of their own', async (t) => {
    const tokens = { metric: 'tokens', window: 'hour', limit: 5000, reset: 'rolling', scope: 'target' };
    const w = await limitedWorld(t, { a: { rules: [tokens] } });
    const answer = await w.gateway.chat('a', { max_tokens: 10 });
    const [limit, remaining, back] = rates(answer, 'tokens');
    assert.equal(limit, '5000');
    assert.ok(Number(remaining) < 5000 && Number(remaining) > 4500, remaining);
    assert.match(back, GO_DURATION);
  });

  test('explain names the limiting fact of a skipped target', async (t) => {
    const w = await limitedWorld(t, { a: { rules: [hourly(1)] }, b: {} }, { chains: [{ a: ['b'] }] });
    await w.gateway.chat('a');
    const answer = await w.gateway.chat('a');
    const explained = await w.gateway.get(`/v1/requests/${answer.requestId}/explain`);
    assert.match(explained.text, /requests\/hour 1; 1 used/);
    const preview = await w.gateway.send('/v1/explain', { body: { model: 'a', messages: [{ role: 'user', content: 'hi' }] } });
    assert.equal(preview.status, 200, preview.text);
    assert.match(preview.text, /quota/);
    assert.equal((await rowOf(w.gateway, 'a', 'requests')).held, 0, 'a preview holds nothing');
  });

  test('readiness says how the store is', async (t) => {
    const w = await world(t, { a: generic });
    const ready = await w.gateway.get('/health/readiness');
    assert.deepEqual([ready.status, ready.json.store?.status, ready.json.shared_ledger], [200, 'ok', undefined], ready.text);
  });
});

describe('freeway quota', { concurrency: 4 }, () => {
  const started = (t, more) => limitedWorld(t, { a: { rules: [lifetime(4)], latency: 5 }, b: { rules: [hourly(20)] } }, more);

  test('a table with bars, and JSON for machines', async (t) => {
    const w = await started(t);
    for (let call = 0; call < 3; call += 1) await w.gateway.chat('a');
    const table = await run(['quota', '--url', w.gateway.url]);
    assert.equal(table.code, 0, table.stderr);
    assert.match(table.stdout, /requests\/lifetime.*#.*1\/4/);
    assert.match(table.stdout, /requests\/hour/);
    const one = await run(['quota', 'a', '--url', w.gateway.url]);
    assert.ok(one.stdout.includes('requests/lifetime') && !one.stdout.includes('requests/hour'), one.stdout);
    const json = await run(['quota', '--json', '--url', w.gateway.url]);
    const rows = JSON.parse(json.stdout).data;
    assert.deepEqual(rows.map(({ limit, used }) => [limit, used]).sort(), [['target:a requests/month', 3], ['target:b requests/hour', 0]]);
  });

  test('reset and set act on the running gateway', async (t) => {
    const w = await started(t);
    const full = await run(['quota', 'set', 'a', '--used', '4', '--url', w.gateway.url]);
    assert.equal(full.code, 0, full.stderr);
    assert.equal((await w.gateway.chat('a')).status, 429);
    assert.equal((await run(['quota', 'set', 'a', '--remaining', '1', '--url', w.gateway.url])).code, 0);
    assert.deepEqual([(await w.gateway.chat('a')).status, (await w.gateway.chat('a')).status], [200, 429]);
    assert.equal((await run(['quota', 'reset', 'a', '--url', w.gateway.url])).code, 0);
    assert.equal((await w.gateway.chat('a')).status, 200);
  });

  test('wrong use is 2, a name that nobody has or a gateway that is not there is 1', async (t) => {
    const w = await started(t);
    const code = async (...args) => (await run(['quota', ...args])).code;
    assert.equal(await code('set', 'a', '--url', w.gateway.url), 2);
    assert.equal(await code('set', 'a', '--used', 'many', '--url', w.gateway.url), 2);
    assert.equal(await code('reset', '--url', w.gateway.url), 2);
    assert.equal(await code('nobody', '--url', w.gateway.url), 1);
    assert.equal(await code('reset', 'nobody', '--url', w.gateway.url), 1);
    assert.equal(await code('--url', 'http://127.0.0.1:1'), 1);
  });

  test('it shows the master key that the gateway wants', async (t) => {
    const w = await started(t, { env: { FREEWAY_MASTER_KEY: KEY } });
    assert.equal((await run(['quota', '--url', w.gateway.url])).code, 1);
    const known = await run(['quota', '--url', w.gateway.url], { env: { FREEWAY_MASTER_KEY: KEY } });
    assert.equal(known.code, 0, known.stderr);
  });
});
