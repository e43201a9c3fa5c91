// G6: what is used up for a day or longer is known to the next process too.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { openai, problem } from '../providers/index.mjs';
import { Gateway } from '../lib/gateway.mjs';
import { until } from '../lib/until.mjs';
import { world } from '../lib/world.mjs';

const DAY = { message: 'Rate limit reached for requests per day (RPD): Limit 1000, Used 1000, Requested 1.', type: 'requests', param: null, code: 'rate_limit_exceeded' };
const MINUTE = { ...DAY, message: 'Rate limit reached for requests per minute (RPM): Limit 3, Used 3, Requested 1.' };

const LASTING = {
  'a day refusal': problem(429, DAY),
  'a day refusal with Retry-After': problem(429, DAY, { 'retry-after': '3600' }),
  'spent credit': openai.errors.insufficient_quota,
};

const stateOf = ({ gateway }) => path.join(gateway.folder, 'data');

/** Waits until the bench of `a` is on disk, then ends the process without a word. */
async function kill(w) {
  const files = ['freeway.db', 'freeway.db-wal'].map((name) => path.join(stateOf(w), name));
  const saved = (file) => fs.existsSync(file) && fs.readFileSync(file, 'latin1').includes('exhausted');
  await until(() => files.some(saved), 3000, 'the bench is saved');
  await w.gateway.kill();
}

const ENDS = { 'an orderly restart': (w) => w.gateway.stop(), 'kill -9': kill };

const again = (t, w) => Gateway.start(t, { configPath: w.gateway.configFile, data: stateOf(w) });

describe('G6', { concurrency: 4 }, () => {
  for (const [what, refusal] of Object.entries(LASTING)) {
    for (const [how, end] of Object.entries(ENDS)) {
      test(`G6 ${what} survives ${how}`, async (t) => {
        const w = await world(t, { a: openai, b: openai });
        w.a.next(refusal);
        assert.equal((await w.gateway.chat('a')).servedBy, 'b');
        await end(w);
        const gateway = await again(t, w);
        for (const more of [{}, { stream: true }]) {
          const answer = await gateway.chat('a', more);
          assert.deepEqual([answer.servedBy, answer.trail[0].skipped], ['b', 'benched'], answer.text);
        }
        assert.equal(w.a.calls.length, 1, 'no call after the restart');
        assert.match(JSON.stringify(await gateway.benches()), /exhausted/);
      });
    }
  }

  test('G6 a minute refusal is not taken for a day after a restart', async (t) => {
    const w = await world(t, { a: openai, b: openai });
    w.a.next(problem(429, MINUTE));
    await w.gateway.chat('a');
    await w.gateway.stop();
    const gateway = await again(t, w);
    assert.equal((await gateway.chat('a')).status, 200);
    assert.doesNotMatch(JSON.stringify(await gateway.benches()), /exhausted/);
  });

  test('G6 a cleared bench does not come back after a restart', async (t) => {
    const w = await world(t, { a: openai, b: openai });
    w.a.next(problem(429, DAY));
    await w.gateway.chat('a');
    await w.gateway.clearBenches();
    await w.gateway.stop();
    assert.equal((await (await again(t, w)).chat('a')).servedBy, 'a');
  });

  test('G6 a damaged store is said and does not keep it from starting', async (t) => {
    const w = await world(t, { a: openai });
    await w.gateway.stop();
    fs.mkdirSync(stateOf(w), { recursive: true });
    fs.writeFileSync(path.join(stateOf(w), 'freeway.db'), 'this is no database, and never was one'.repeat(50));
    const gateway = await again(t, w);
    assert.equal((await gateway.chat('a')).status, 200);
    await until(() => /freeway\.db/.test(gateway.log), 2000, 'the log names the file');
  });
});
