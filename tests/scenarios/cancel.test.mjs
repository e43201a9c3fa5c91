// T1: a client that hangs up ends the upstream call, and nobody is blamed.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { anthropic, ollama, openai } from '../providers/index.mjs';
import { world } from '../lib/world.mjs';

const WORDS = Array.from({ length: 500 }, (_, at) => `w${at}`).join(' ');

/** Sends a request, hangs up once `ready` has happened, returns when that was. */
async function hangUp(w, more, ready) {
  const controller = new AbortController();
  const pending = w.gateway.chat('a', more, { signal: controller.signal });
  pending.catch(() => {});
  await ready();
  const at = performance.now();
  controller.abort();
  await pending.catch(() => {});
  return at;
}

async function assertClosed(w, at) {
  const call = w.a.last;
  await call.hungUp(1500);
  assert.ok(call.closedEarlyAt - at < 1000, `upstream closed after ${call.closedEarlyAt - at} ms`);
  assert.deepEqual(await w.gateway.benches(), [], 'a hang-up does not count against the target');
  if (w.b) assert.equal(w.b.calls.length, 0, 'a hang-up starts no fallback');
  w.a.always({});
  const next = await w.gateway.chat('a');
  assert.equal(next.servedBy, 'a', next.text);
}

describe('T1', { concurrency: 6 }, () => {
  for (const wire of [openai, anthropic, ollama]) {
    test(`T1 ${wire.name}: a hang-up before a plain answer closes the upstream within 1 s`, async (t) => {
      const w = await world(t, { a: wire, b: openai });
      w.a.always({ silence: true });
      const at = await hangUp(w, {}, () => w.a.called(1));
      await assertClosed(w, at);
    });

    test(`T1 ${wire.name}: a hang-up in the middle of a stream closes the upstream within 1 s`, async (t) => {
      const w = await world(t, { a: wire, b: openai });
      w.a.always({ reply: WORDS, between: 50 });
      let heard;
      const hearing = new Promise((resolve) => { heard = resolve; });
      const controller = new AbortController();
      const pending = w.gateway.stream('a', {}, { signal: controller.signal, onChunk: () => heard() });
      pending.catch(() => {});
      await hearing;
      const at = performance.now();
      controller.abort();
      await assertClosed(w, at);
    });
  }

  test('T1 a hang-up before the first token of a stream closes the upstream within 1 s', async (t) => {
    const w = await world(t, { a: openai, b: openai });
    w.a.always({ firstTokenDelay: 30_000 });
    const at = await hangUp(w, { stream: true }, () => w.a.called(1));
    await assertClosed(w, at);
  });

  test('T1 a hang-up during the second attempt closes that one', async (t) => {
    const w = await world(t, { first: openai, a: openai, third: openai });
    w.first.always(openai.errors.internal);
    w.a.always({ silence: true });
    const controller = new AbortController();
    const pending = w.gateway.chat('first', {}, { signal: controller.signal });
    pending.catch(() => {});
    await w.a.called(1);
    controller.abort();
    await w.a.last.hungUp(1000);
    assert.equal(w.third.calls.length, 0);
    assert.equal((await w.gateway.benches()).length, 1, 'only the first one is benched');
  });

  test('T1 a storm of hang-ups leaves the gateway whole', async (t) => {
    const w = await world(t, { a: openai });
    w.a.always({ reply: WORDS, between: 20 });
    await Promise.all(Array.from({ length: 60 }, async (_, at) => {
      const controller = new AbortController();
      const pending = w.gateway.stream('a', {}, { signal: controller.signal, onChunk: () => at % 2 && controller.abort() });
      setTimeout(() => controller.abort(), 20 + at * 3);
      await pending.catch(() => {});
    }));
    for (const call of w.a.calls) await call.hungUp(1500);
    w.a.always({});
    assert.equal((await w.gateway.chat('a')).status, 200);
  });
});
