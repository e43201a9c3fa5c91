// X1 and X3, and the master key.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, test } from 'node:test';
import { Fake, openai } from '../providers/index.mjs';
import { entry, world } from '../lib/world.mjs';
import { Gateway, run, scratch, writeConfig } from '../lib/gateway.mjs';
import { raw } from '../lib/raw.mjs';
import { until } from '../lib/until.mjs';

const KEY = 'sk-the-master-key';
const ask = (w, headers) => w.gateway.chat('a', {}, { headers });

function assertRefused(answer, what) {
  assert.equal(answer.status, 401, `${what}: ${answer.text}`);
  for (const field of ['message', 'type', 'param', 'code']) assert.ok(field in answer.error, `${what}: ${field}`);
  assert.ok(answer.error.message.length > 10, what);
}

describe('keys', { concurrency: 4 }, () => {
  test('X1 without a key it listens on loopback only and says so', async (t) => {
    const folder = scratch();
    const config = writeConfig(folder, { model_list: [] });
    const args = ['--config', config, '--listen', '0.0.0.0:0', '--data', path.join(folder, 'd')];
    const outcome = await run(['serve', ...args], { cwd: folder, within: 4000 }).catch((error) => error);
    if (outcome instanceof Error) {
      const gateway = await Gateway.start(t, { config: { model_list: [] }, listen: '0.0.0.0:0' });
      assert.match(gateway.url, /127\.0\.0\.1|\[::1\]/);
      const outside = Object.values(os.networkInterfaces()).flat().find((face) => !face.internal && face.family === 'IPv4');
      if (outside) await assert.rejects(raw(gateway.port, 'GET / HTTP/1.1\r\n\r\n', { host: outside.address }));
      return;
    }
    assert.notEqual(outcome.code, 0);
    assert.match(outcome.stdout + outcome.stderr, /FREEWAY_MASTER_KEY/);
    assert.match(outcome.stdout + outcome.stderr, /loopback|127\.0\.0\.1/);
  });

  test('X1 with a key any address may be listened on', async (t) => {
    const gateway = await Gateway.start(t, { config: { model_list: [] }, listen: '0.0.0.0:0', env: { FREEWAY_MASTER_KEY: KEY } });
    const answer = await raw(gateway.port, 'GET /health/liveness HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    assert.equal(answer.status, 200);
  });

  test('X1 without a key loopback is open', async (t) => {
    const w = await world(t, { a: openai });
    assert.equal((await ask(w, {})).status, 200);
    assert.equal((await ask(w, { authorization: 'Bearer anything' })).status, 200);
  });

  test('X1 without a key no page of another site acts; with its key one may', async (t) => {
    const w = await world(t, { a: openai });
    const refused = await ask(w, { origin: 'https://evil.example' });
    assert.deepEqual([refused.status, refused.error.code], [403, 'origin_not_allowed'], refused.text);
    assert.equal(w.a.calls.length, 0);
    assert.equal((await w.gateway.send('/v1/unload', { method: 'POST', body: {}, headers: { origin: 'null' } })).status, 403);
    assert.equal((await ask(w, { origin: 'http://localhost:3000' })).status, 200);
    const keyed = await world(t, { a: openai }, { env: { FREEWAY_MASTER_KEY: KEY } });
    assert.equal((await ask(keyed, { origin: 'https://chat.example', authorization: `Bearer ${KEY}` })).status, 200);
  });

  for (const [where, start] of [['FREEWAY_MASTER_KEY', { env: { FREEWAY_MASTER_KEY: KEY } }], ['general_settings.master_key', { general: { master_key: KEY } }], ['.env', { envFile: `FREEWAY_MASTER_KEY=${KEY}\n` }]]) {
    test(`the master key from ${where} is demanded and accepted in three headers`, async (t) => {
      const w = await world(t, { a: openai }, start);
      assertRefused(await ask(w, {}), 'no key');
      for (const headers of [{ authorization: `Bearer ${KEY}` }, { authorization: `bearer ${KEY}` }, { 'x-api-key': KEY }, { 'api-key': KEY }]) {
        assert.equal((await ask(w, headers)).status, 200, JSON.stringify(Object.keys(headers)));
      }
    });
  }

  test('X3 keys are compared whole', async (t) => {
    const w = await world(t, { a: openai }, { env: { FREEWAY_MASTER_KEY: KEY } });
    const wrong = ['', KEY.slice(0, -1), `${KEY}x`, KEY.toUpperCase(), ` ${KEY}x`, `${KEY}\tx`, KEY.slice(1), 'x'.repeat(KEY.length), 'x'.repeat(60_000).slice(0, 6000)];
    for (const key of wrong) assertRefused(await ask(w, { authorization: `Bearer ${key}` }), JSON.stringify(key.slice(0, 40)));
    assertRefused(await ask(w, { authorization: KEY }), 'no scheme');
    assertRefused(await ask(w, { authorization: `Basic ${Buffer.from(`x:${KEY}`).toString('base64')}x` }), 'Basic');
    assertRefused(await ask(w, { authorization: 'Bearer' }), 'empty Bearer');
    assert.equal(w.a.calls.length, 0);
  });

  test('every route but health asks for the key', async (t) => {
    const w = await world(t, { a: openai }, { env: { FREEWAY_MASTER_KEY: KEY } });
    const routes = [['GET', '/v1/models'], ['GET', '/models'], ['GET', '/v1/models/a'], ['POST', '/v1/completions'], ['POST', '/v1/explain'], ['GET', '/v1/benches'], ['DELETE', '/v1/benches'], ['GET', '/v1/requests/x/explain']];
    for (const [method, target] of routes) {
      const answer = await w.gateway.send(target, { method, ...(method === 'POST' && { body: {} }) });
      assertRefused(answer, target);
    }
    assert.equal((await w.gateway.get('/v1/models', { headers: { authorization: `Bearer ${KEY}` } })).status, 200);
  });

  test('a refused request carries a request id', async (t) => {
    const w = await world(t, { a: openai }, { env: { FREEWAY_MASTER_KEY: KEY } });
    assert.ok((await ask(w, {})).requestId);
  });

  test('a target without a key is skipped, not called', async (t) => {
    const fake = await Fake.start(openai);
    const other = await Fake.start(openai);
    t.after(() => Promise.all([fake.close(), other.close()]));
    const keyless = entry('a', fake, { params: { api_key: 'os.environ/NOT_SET_ANYWHERE' } });
    const gateway = await Gateway.start(t, { config: { model_list: [keyless, entry('b', other)], router_settings: { fallbacks: [{ a: ['b'] }] } } });
    const answer = await gateway.chat('a');
    assert.equal(answer.servedBy, 'b', answer.text);
    assert.equal(answer.trail[0].skipped, 'no_key', answer.trailText);
    assert.equal(fake.calls.length, 0);
  });

  for (const [how, poke] of [['SIGHUP', (gateway) => gateway.signal('SIGHUP')], ['a changed file', () => {}]]) {
    test(`X1 a reload by ${how} that drops the key while all addresses are served is refused`, async (t) => {
      const fake = await Fake.start(openai);
      t.after(() => fake.close());
      const gateway = await Gateway.start(t, { config: { model_list: [entry('a', fake)] }, envFile: `FREEWAY_MASTER_KEY=${KEY}\n`, listen: '0.0.0.0:0' });
      const before = gateway.log.length;
      fs.writeFileSync(gateway.envFile, '');
      poke(gateway);
      await until(() => /refused.*master key/.test(gateway.log.slice(before)), 5000, 'the log says why');
      assertRefused(await gateway.chat('a'), 'without a key');
      assertRefused(await gateway.get('/v1/models'), 'the list without a key');
      assert.equal((await gateway.chat('a', {}, { headers: { authorization: `Bearer ${KEY}` } })).status, 200, 'the old key still opens');
      assert.equal(fake.calls.length, 1);
    });
  }
});
