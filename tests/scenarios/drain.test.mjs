// SIGTERM: what runs is finished, what is new is refused, the exit code is 0.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { openai } from '../providers/index.mjs';
import { Gateway } from '../lib/gateway.mjs';
import { world } from '../lib/world.mjs';
import { until } from '../lib/until.mjs';

const WORDS = Array.from({ length: 30 }, (_, at) => `w${at}`).join(' ');

/** A gateway with that many requests waiting on a silent upstream; `pending`: all of them settled. */
async function waiting(t, { plain = 0, streamed = 0 }, args = []) {
  const w = await world(t, { a: openai }, { args });
  w.a.always({ silence: true });
  const requests = [...Array.from({ length: plain }, () => w.gateway.chat('a')), ...Array.from({ length: streamed }, () => w.gateway.stream('a'))];
  const pending = Promise.allSettled(requests);
  await w.a.called(plain + streamed);
  return { gateway: w.gateway, pending };
}

/** Within 3 s, with exit code 0 and not by a signal. */
async function endsWell(gateway) {
  await gateway.gone(3000);
  assert.deepEqual([gateway.child.exitCode, gateway.child.signalCode], [0, null], gateway.log.slice(-2000));
}

describe('drain', { concurrency: 4 }, () => {
  test('a running stream and a running plain request are finished', async (t) => {
    const w = await world(t, { a: openai, b: openai });
    w.a.next({ reply: WORDS, between: 40 });
    w.b.next({ delay: 800 });
    let heard;
    const hearing = new Promise((resolve) => { heard = resolve; });
    const streaming = w.gateway.stream('a', {}, { onChunk: () => heard() });
    const waiting = w.gateway.chat('b');
    await Promise.all([hearing, w.b.called(1)]);
    const stopping = w.gateway.stop();
    await until(() => w.gateway.chat('a').then(() => false, () => true), 2000, 'new connections are refused');
    const [streamed, plain] = await Promise.all([streaming, waiting]);
    assert.equal(streamed.content, WORDS);
    assert.ok(streamed.endsWithDone);
    assert.equal(plain.status, 200);
    await stopping;
  });

  test('signals are heard from the moment it says that it listens', async (t) => {
    for (let round = 0; round < 20; round += 1) {
      const gateway = await Gateway.start(t, { config: { model_list: [] } });
      gateway.signal('SIGHUP');
      await gateway.stop();
    }
  });

  test('idle keep-alive connections do not hold it up', async (t) => {
    const w = await world(t, { a: openai });
    const { default: http } = await import('node:http');
    const agent = new http.Agent({ keepAlive: true });
    t.after(() => agent.destroy());
    await new Promise((resolve, reject) => { http.get(`${w.gateway.url}/health/liveness`, { agent }, (res) => res.resume().on('end', resolve)).on('error', reject); });
    const started = performance.now();
    await w.gateway.stop();
    assert.ok(performance.now() - started < 2000, `${performance.now() - started} ms`);
  });

  test('a first SIGTERM waits for the running request', async (t) => {
    const { gateway } = await waiting(t, { plain: 1 });
    gateway.signal('SIGTERM');
    await until(() => gateway.get('/health/liveness').then(() => false, () => true), 2000, 'new connections are refused');
    assert.equal(gateway.ended, false);
    gateway.signal('SIGTERM');
    await endsWell(gateway);
  });

  test('signals that pour in until it is gone change nothing about how it ends', async (t) => {
    for (let round = 0; round < 12; round += 1) {
      const { gateway, pending } = await waiting(t, { plain: 1 });
      for (let count = 0; !gateway.ended && count < 5000; count += 1) {
        for (let burst = 0; burst < 20; burst += 1) gateway.signal('SIGTERM');
        await new Promise(setImmediate);
      }
      await endsWell(gateway);
      await pending;
    }
  });

  for (const load of [{ plain: 1 }, { streamed: 1 }, { plain: 3, streamed: 2 }, { plain: 10, streamed: 10 }]) {
    const what = Object.entries(load).map(([kind, count]) => `${count} ${kind}`).join(' and ');
    test(`a second SIGTERM ends it with 0 at once while ${what} wait`, async (t) => {
      const { gateway, pending } = await waiting(t, load);
      gateway.signal('SIGTERM');
      await until(() => gateway.get('/health/liveness').then(() => false, () => true), 2000, 'new connections are refused');
      gateway.signal('SIGTERM');
      await endsWell(gateway);
      await pending;
    });

    test(`the end of --drain 1 ends it with 0 while ${what} wait`, async (t) => {
      const { gateway, pending } = await waiting(t, load, ['--drain', '1']);
      gateway.signal('SIGTERM');
      await endsWell(gateway);
      await pending;
    });
  }
});
