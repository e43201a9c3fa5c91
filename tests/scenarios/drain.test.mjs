// SIGTERM: what runs is finished, what is new is refused, the exit code is 0.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { openai } from '../providers/index.mjs';
import { Gateway } from '../lib/gateway.mjs';
import { world } from '../lib/world.mjs';
import { until } from '../lib/until.mjs';

const WORDS = Array.from({ length: 30 }, (_, at) => `w${at}`).join(' ');

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

  test('a second SIGTERM ends it at once', async (t) => {
    const w = await world(t, { a: openai });
    w.a.next({ silence: true });
    const pending = w.gateway.chat('a');
    pending.catch(() => {});
    await w.a.called(1);
    w.gateway.signal('SIGTERM');
    await new Promise((resolve) => { setTimeout(resolve, 200); });
    assert.equal(w.gateway.ended, false, 'it waits for the running request');
    w.gateway.signal('SIGTERM');
    await w.gateway.gone(3000);
  });
});
