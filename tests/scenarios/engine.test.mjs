// Engines that freeway starts on demand, seen from the caller who waits for one.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { Fake, openai } from '../providers/index.mjs';
import { Gateway, ROOT, scratch } from '../lib/gateway.mjs';
import { alive, allGone, until } from '../lib/until.mjs';
import { entry } from '../lib/world.mjs';

const SLOW = path.join(ROOT, 'tests/lib/slow_engine.mjs');

const engine = (alias, startMs, more = {}, words = []) => ({
  model_name: alias,
  litellm_params: { model: 'openai/slow', api_key: 'none' },
  model_info: { mode: 'chat', tier: 'local', engine: { command: [process.execPath, SLOW, '--start-ms', String(startMs), ...words], ready: '/health', ...more } },
});

/** One with children, started; with the ids of all. */
async function familyOf(t, more = {}) {
  const file = path.join(scratch(), 'family');
  const gateway = await Gateway.start(t, { config: { model_list: [engine('parent', 0, more, ['--family', file])] } });
  const answer = await gateway.chat('parent');
  assert.equal(answer.status, 200, answer.text);
  const pids = JSON.parse(fs.readFileSync(file, 'utf8'));
  assert.ok(pids.length === 3 && pids.every(alive), `${pids}`);
  return { gateway, pids };
}

describe('engines', { concurrency: 2 }, () => {
  test('a stream that waits for a starting engine hears comments, then gets the answer', async (t) => {
    const gateway = await Gateway.start(t, { config: { model_list: [engine('slow', 6000)] } });
    const answer = await gateway.stream('slow');
    assert.equal(answer.status, 200);
    assert.match(answer.text, /^: slow is starting\n\n/, answer.text.slice(0, 200));
    assert.equal(answer.content, 'warm');
    assert.match(answer.text, /data: \[DONE\]\n\n$/);
    assert.deepEqual(answer.models, ['slow']);
  });

  test('an engine that never gets ready: the chain moves on, plain and streamed', async (t) => {
    const fake = await Fake.start(openai);
    t.after(() => fake.close());
    const gateway = await Gateway.start(t, {
      config: { model_list: [engine('dead', 600_000, { start_timeout: '1s' }), entry('b', fake)], router_settings: { fallbacks: [{ dead: ['b'] }] } },
    });
    const plain = await gateway.chat('dead');
    assert.equal(plain.servedBy, 'b', plain.text);
    assert.equal((await gateway.stream('dead')).content, 'answer from openai');
  });

  test('a request that meets the end of its engine waits for the next one', async (t) => {
    const gateway = await Gateway.start(t, { config: { model_list: [engine('falls', 0, {}, ['--crash-ms', '300'])] } });
    for (const round of ['first', 'second']) {
      const answer = await gateway.chat('falls');
      assert.equal(answer.status, 200, `${round}: ${answer.text}`);
    }
  });

  test('after a kill -9 of freeway nothing is left of an engine, wherever its children went', async (t) => {
    const { gateway, pids } = await familyOf(t);
    await gateway.kill();
    await allGone(pids);
  });

  test('nor after it was idle for long enough, nor after freeway has ended', async (t) => {
    const idle = await familyOf(t, { ttl: '1s' });
    await allGone(idle.pids);
    const { gateway, pids } = await familyOf(t);
    await gateway.stop();
    assert.ok(!pids.some(alive), 'already when freeway has ended');
  });

  test('an engine whose guard is killed is gone as well, and starts anew', async (t) => {
    const { gateway, pids } = await familyOf(t);
    const guard = Number(/^PPid:\s+(\d+)/m.exec(fs.readFileSync(`/proc/${pids[0]}/status`, 'utf8'))[1]);
    assert.notEqual(guard, gateway.pid);
    process.kill(guard, 'SIGKILL');
    await allGone(pids.slice(0, 1));
    await until(async () => (await gateway.chat('parent')).status === 200, 20_000, 'it serves again');
    pids.slice(1).filter(alive).forEach((pid) => process.kill(pid, 'SIGKILL'));
  });
});
