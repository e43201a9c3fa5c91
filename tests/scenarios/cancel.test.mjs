// T1: a client that hangs up ends the upstream call, and nobody is blamed.
import assert from 'node:assert/strict';
import net from 'node:net';
import tls from 'node:tls';
import { describe, test } from 'node:test';
import { anthropic, ollama, openai } from '../providers/index.mjs';
import { world } from '../lib/world.mjs';
import { scratch } from '../lib/gateway.mjs';
import { chatBytes } from '../lib/raw.mjs';
import { authority } from '../lib/tls.mjs';

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

  const HANG_UPS = { 'closes': (socket) => socket.end(), 'is gone': (socket) => socket.destroy() };
  for (const [how, leave] of Object.entries(HANG_UPS)) {
    for (const stream of [false, true]) {
      test(`T1 a TLS client that ${how} during a ${stream ? 'streamed' : 'plain'} request closes the upstream within 1 s`, async (t) => {
        const { certFile, keyFile } = authority(scratch()).issue(['IP:127.0.0.1']);
        const w = await world(t, { a: openai, b: openai }, { args: ['--tls-cert', certFile, '--tls-key', keyFile] });
        w.a.always({ silence: true });
        const socket = tls.connect({ port: w.gateway.port, host: '127.0.0.1', rejectUnauthorized: false });
        socket.on('error', () => {});
        t.after(() => socket.destroy());
        socket.write(chatBytes('a', { body: { model: 'a', stream, messages: [{ role: 'user', content: 'hi' }] } }));
        await w.a.called(1);
        const at = performance.now();
        leave(socket);
        await w.a.last.hungUp(1500);
        assert.ok(w.a.last.closedEarlyAt - at < 1000, `upstream closed after ${w.a.last.closedEarlyAt - at} ms`);
        assert.equal(w.b.calls.length, 0, 'a hang-up starts no fallback');
      });
    }
  }

  const BEHIND = { 'a stray CRLF': '\r\n', 'a pipelined request': 'GET /health/liveness HTTP/1.1\r\nHost: x\r\n\r\n', 'half a pipelined request': 'GET /health' };
  for (const [what, bytes] of Object.entries(BEHIND)) {
    test(`T1 a hang-up behind ${what} closes the upstream within 1 s`, async (t) => {
      const w = await world(t, { a: openai, b: openai });
      w.a.always({ silence: true });
      const socket = net.connect(w.gateway.port, '127.0.0.1');
      socket.on('error', () => {});
      t.after(() => socket.destroy());
      socket.write(chatBytes('a'));
      await w.a.called(1);
      await new Promise((resolve) => { socket.write(bytes, resolve); });
      const at = performance.now();
      socket.end();
      await assertClosed(w, at);
    });
  }
});
