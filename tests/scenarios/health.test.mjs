// C3: health is passive; no upstream is asked anything that no client asked for.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { anthropic, groq, ollama, openai } from '../providers/index.mjs';
import { world } from '../lib/world.mjs';
import { metOnce } from '../lib/until.mjs';

describe('C3', { concurrency: 3 }, () => {
  test('C3 neither the start nor health, models or explain make upstream traffic', async (t) => {
    const w = await world(t, { a: openai, b: groq, c: anthropic, d: ollama });
    const targets = ['/health/liveness', '/health/readiness', '/v1/models', '/v1/models/a', '/v1/benches'];
    for (const target of targets) {
      const answer = await w.gateway.get(target);
      assert.equal(answer.status, 200, `${target}: ${answer.text}`);
    }
    await w.gateway.send('/v1/explain', { body: { model: 'a', messages: [{ role: 'user', content: 'hi' }] } });
    await sleep(1200);
    for (const [alias, fake] of Object.entries(w.fakes)) assert.equal(fake.connections, 0, alias);
  });

  test('C3 health stays good while every upstream fails', async (t) => {
    const w = await world(t, { a: openai });
    w.a.always(openai.errors.internal);
    await w.gateway.chat('a');
    assert.equal((await w.gateway.get('/health/liveness')).status, 200);
  });

  test('health needs no key', async (t) => {
    const w = await world(t, { a: openai }, { env: { FREEWAY_MASTER_KEY: 'sk-m' } });
    for (const target of ['/health/liveness', '/health/readiness']) assert.equal((await w.gateway.get(target)).status, 200, target);
  });

  test('C5 liveness answers while 200 requests wait', async (t) => {
    const w = await world(t, { a: openai });
    w.a.always({ delay: 1500 });
    const waiting = Array.from({ length: 200 }, () => w.gateway.chat('a'));
    await w.a.called(100, 5000);
    await metOnce(3, async () => {
      const answer = await w.gateway.get('/health/liveness');
      assert.equal(answer.status, 200);
      return answer.ms < 250 ? undefined : `${answer.ms} ms beside 200 clients in one test process`;
    });
    const statuses = (await Promise.all(waiting)).map(({ status }) => status);
    assert.deepEqual([...new Set(statuses)], [200]);
  });

  test('B1 B2 it starts with no model at all, lists nothing and says so', async (t) => {
    const w = await world(t, {}, { within: 5000 });
    const models = await w.gateway.get('/v1/models');
    assert.deepEqual(models.json.data, []);
    assert.match(w.gateway.log + w.gateway.output.stdout, /no (model|alias|provider|flag|target)/i);
  });
});
