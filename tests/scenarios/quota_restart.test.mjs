// D1…D3, G6: what was used is known to the next process, however the last one ended.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { openai } from '../providers/index.mjs';
import { Gateway, run, scratch, writeConfig } from '../lib/gateway.mjs';
import { chatBody, limitedWorld, quota, rowOf, storm, tally } from '../lib/storm.mjs';
import { until } from '../lib/until.mjs';
import { world } from '../lib/world.mjs';

const ROUNDS = 10;
const CLIENTS = 20;
const LIMIT = 500;

const dataOf = (gateway) => path.join(gateway.folder, 'data');
const again = (t, w, more = {}) => Gateway.start(t, { configPath: w.gateway.configFile, data: dataOf(w.gateway), ...more });
const rule = (reset, more = {}) => ({ metric: 'requests', window: 'hour', limit: LIMIT, reset, scope: 'model', ...more });

/** Offset 60 of an SQLite file: the version of its schema, big endian. */
function setSchema(file, version) {
  const handle = fs.openSync(file, 'r+');
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(version);
  fs.writeSync(handle, bytes, 0, 4, 60);
  fs.closeSync(handle);
}

describe('restarts', { concurrency: 4 }, () => {
  test('D3 kill -9 at any moment: no limit is ever exceeded, and little is lost', async (t) => {
    const kinds = { bucket: rule('token_bucket'), rolling: rule('rolling'), fixed: rule('fixed'), credit: rule('lifetime', { window: 'month' }) };
    const targets = Object.fromEntries(Object.entries(kinds).map(([alias, own]) => [alias, { rules: [own], latency: 20 }]));
    const w = await limitedWorld(t, targets);
    const aliases = Object.keys(kinds);
    let gateway = w.gateway;
    let over = false;
    const body = (number) => chatBody(aliases[number % 4], { stream: number % 3 === 0 });
    const clients = storm({ url: () => gateway.url, body, clients: CLIENTS, ms: 25_000, pause: 30, stop: () => over });
    for (let round = 0; round < ROUNDS; round += 1) {
      await sleep(50 + Math.random() * 300);
      await gateway.kill();
      gateway = await again(t, w);
    }
    const spent = async () => (await quota(gateway)).every(({ remaining }) => remaining < 1);
    await until(spent, 12_000, 'all limits are used up').finally(() => { over = true; });
    const result = await clients;
    for (const alias of aliases) {
      t.diagnostic(`${alias}: ${w[alias].count()} of ${LIMIT}`);
      assert.deepEqual(w[alias].over, [], `${alias} after ${JSON.stringify(tally(result))}`);
      const inFlight = ROUNDS * CLIENTS / aliases.length;
      assert.ok(w[alias].count() >= 0.95 * LIMIT - inFlight, `${alias}: ${w[alias].count()} of ${LIMIT}`);
    }
  });

  test('D3 kill -9 with tokens under way: never more is left than is', async (t) => {
    const own = { metric: 'tokens', window: 'day', limit: 4000, reset: 'token_bucket', scope: 'account' };
    const w = await limitedWorld(t, { a: { rules: [own], latency: 20 } });
    let gateway = w.gateway;
    for (let round = 0; round < 6; round += 1) {
      const clients = storm({ url: gateway.url, body: chatBody('a', { max_tokens: 8 }), clients: 4, ms: 200, pause: 20 });
      await sleep(60 + Math.random() * 140);
      await gateway.kill();
      await clients;
      gateway = await again(t, w);
      const row = await rowOf(gateway, 'a', 'tokens');
      assert.ok(row.remaining <= 4000 - w.a.tokens() + 1, `${row.remaining} left, ${w.a.tokens()} of 4000 used`);
    }
    assert.deepEqual(w.a.over, []);
  });

  test('D3 an orderly restart keeps the use exactly', async (t) => {
    const both = (reset, window) => ({ latency: 0, rules: [rule(reset, { window }), rule(reset, { window, metric: 'tokens', limit: 10_000 })] });
    const windows = { rolling: 'day', fixed: 'day', first_use: '5h', lifetime: 'month', calendar_month: 'month' };
    const targets = Object.fromEntries(Object.entries(windows).map(([reset, window]) => [reset, both(reset, window)]));
    const w = await limitedWorld(t, targets);
    for (const [at, alias] of Object.keys(targets).entries()) {
      for (let call = 0; call < 3 + at; call += 1) assert.equal((await w.gateway.chat(alias)).status, 200);
    }
    const useOf = async (gateway) => Object.fromEntries((await quota(gateway)).map(({ limit, used, held }) => [limit, { used, held }]));
    const before = await useOf(w.gateway);
    await w.gateway.stop();
    const gateway = await again(t, w);
    assert.deepEqual(await useOf(gateway), before);
    const { used, source } = await rowOf(gateway, 'lifetime', 'requests');
    assert.deepEqual([used, source], [6, 'restored']);
  });

  test('D2 a file of a newer version is refused and left as it is', async (t) => {
    const w = await limitedWorld(t, { a: { rules: [rule('rolling')] } });
    await w.gateway.chat('a');
    await w.gateway.stop();
    const file = path.join(dataOf(w.gateway), 'freeway.db');
    setSchema(file, 99);
    const before = fs.readFileSync(file);
    const result = await run(['serve', '--config', w.gateway.configFile, '--env', w.gateway.envFile, '--listen', '127.0.0.1:0', '--data', dataOf(w.gateway)]);
    assert.equal(result.code, 1, result.stdout + result.stderr);
    assert.match(result.stdout + result.stderr, /freeway\.db.*(newer|99)/s);
    assert.ok(before.equals(fs.readFileSync(file)), 'the file is untouched');
  });

  test('D3 a damaged file does not keep it from serving, and is said', async (t) => {
    const w = await limitedWorld(t, { a: { rules: [rule('rolling')] } });
    await w.gateway.stop();
    fs.writeFileSync(path.join(dataOf(w.gateway), 'freeway.db'), Buffer.alloc(8192, 'not a database '));
    const gateway = await again(t, w);
    assert.equal((await gateway.chat('a')).status, 200);
    const ready = await gateway.get('/health/readiness');
    assert.ok(ready.json.store.status !== 'ok' || /freeway\.db/.test(gateway.log), ready.text + gateway.log);
  });

  test('D3 a second gateway on the same folder is refused, the first goes on', async (t) => {
    const w = await limitedWorld(t, { a: { rules: [rule('rolling')] } });
    const result = await run(['serve', '--config', w.gateway.configFile, '--env', w.gateway.envFile, '--listen', '127.0.0.1:0', '--data', dataOf(w.gateway)]);
    assert.equal(result.code, 1, result.stdout + result.stderr);
    assert.match(result.stdout + result.stderr, /data/);
    assert.equal((await w.gateway.chat('a')).status, 200);
  });

  test('D1 a data folder that cannot be written: it serves, counts, and says so', async (t) => {
    const file = path.join(scratch(), 'a-file');
    fs.writeFileSync(file, 'in the way');
    const w = await limitedWorld(t, { a: { rules: [rule('lifetime', { limit: 3, window: 'month' })] } }, { data: file });
    const statuses = [];
    for (let call = 0; call < 4; call += 1) statuses.push((await w.gateway.chat('a')).status);
    assert.deepEqual(statuses, [200, 200, 200, 429]);
    const ready = await w.gateway.get('/health/readiness');
    assert.deepEqual([ready.status, ready.json.store?.status], [200, 'off'], ready.text);
    assert.equal(fs.readFileSync(file, 'utf8'), 'in the way');
  });

  test('D4 a folder taken away under it does not slow a request', async (t) => {
    const w = await limitedWorld(t, { a: { rules: [rule('rolling')], latency: 0 } });
    await w.gateway.chat('a');
    fs.rmSync(dataOf(w.gateway), { recursive: true });
    for (let call = 0; call < 20; call += 1) {
      const answer = await w.gateway.chat('a');
      assert.ok(answer.status === 200 && answer.ms < 1000, `${answer.status} after ${answer.ms} ms`);
    }
    assert.equal((await rowOf(w.gateway, 'a', 'requests')).used, 21);
  });

  for (const [how, end] of Object.entries({ SIGTERM: (gateway) => gateway.stop(), 'kill -9': (gateway) => gateway.kill() })) {
    test(`G6 a used-up day and its bench survive ${how}`, async (t) => {
      const day = { metric: 'requests', window: 'day', limit: 1000, reset: 'token_bucket', scope: 'model' };
      const w = await world(t, { a: openai, b: openai }, { info: { a: { limits: [day] } } });
      w.a.next(openai.errors.rpd);
      assert.equal((await w.gateway.chat('a')).servedBy, 'b');
      await end(w.gateway);
      const gateway = await again(t, w);
      const answer = await gateway.chat('a');
      assert.equal(answer.servedBy, 'b', answer.text);
      assert.ok(['quota', 'benched'].includes(answer.trail[0].skipped), answer.trailText);
      assert.equal(w.a.calls.length, 1);
      assert.ok((await rowOf(gateway, 'a', 'requests', 'day')).remaining < 1);
    });
  }

  test('D2 use rows are kept without prompts', async (t) => {
    const w = await limitedWorld(t, { 'alias-that-was-used': { rules: [rule('rolling')], latency: 0 } });
    await w.gateway.chat('alias-that-was-used', { messages: [{ role: 'user', content: 'a-secret-prompt' }] });
    await w.gateway.stop();
    const files = fs.readdirSync(dataOf(w.gateway), { withFileTypes: true })
      .filter((entry) => entry.isFile()).map(({ name }) => fs.readFileSync(path.join(dataOf(w.gateway), name)));
    assert.ok(files.some((bytes) => bytes.includes('alias-that-was-used')), 'the request is recorded');
    assert.ok(!files.some((bytes) => bytes.includes('a-secret-prompt') || bytes.includes('sk-secret-of')), 'no prompt, no key');
  });

  test('C1 a limit taken out of the configuration is gone, a changed one keeps its use', async (t) => {
    const w = await limitedWorld(t, { a: { rules: [rule('rolling')], latency: 0 } });
    for (let call = 0; call < 3; call += 1) await w.gateway.chat('a');
    await w.gateway.stop();
    const [entry] = w.config.model_list;
    entry.model_info.limits[0].limit = 4;
    writeConfig(w.gateway.folder, w.config);
    const gateway = await again(t, w);
    assert.deepEqual([(await gateway.chat('a')).status, (await gateway.chat('a')).status], [200, 429]);
    await gateway.stop();
    entry.model_info.limits = [];
    writeConfig(w.gateway.folder, w.config);
    assert.equal((await (await again(t, w)).chat('a')).status, 200);
  });
});
