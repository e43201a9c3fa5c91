// T2: connect, first content, between chunks and total are four limits, each with a silent server.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { openai } from '../providers/index.mjs';
import net from 'node:net';
import { blackhole } from '../lib/blackhole.mjs';
import { world } from '../lib/world.mjs';

const WORDS = Array.from({ length: 400 }, (_, at) => `w${at}`).join(' ');
const around = (ms, expected, slack, what) =>
  assert.ok(ms > expected - 60 && ms < expected + slack, `${what}: ${ms.toFixed(0)} ms, expected ${expected}`);

describe('T2', { concurrency: 8 }, () => {
  test('T2 connect: 5 s to a host that never answers the handshake, then the next target', async (t) => {
    const port = await blackhole(t);
    const w = await world(t, { b: openai }, {
      more: [{ model_name: 'a', litellm_params: { model: 'openai/x', api_base: `http://127.0.0.1:${port}/v1`, api_key: 'k' } }],
      chains: [{ a: ['b'] }],
    });
    const answer = await w.gateway.chat('a');
    assert.equal(answer.servedBy, 'b', answer.text);
    assert.match(answer.trail[0].outcome, /^(timeout|transient)$/);
    around(answer.ms, 5000, 1000, 'connect limit');
  });

  test('T2 connect: a closed port is refused at once', async (t) => {
    const w = await world(t, { b: openai }, {
      more: [{ model_name: 'a', litellm_params: { model: 'openai/x', api_base: 'http://127.0.0.1:1/v1', api_key: 'k' } }],
      chains: [{ a: ['b'] }],
    });
    const answer = await w.gateway.chat('a');
    assert.deepEqual(answer.trail[0], { alias: 'a', outcome: 'transient' });
    assert.ok(answer.ms < 500, `${answer.ms} ms`);
  });

  test('T2 first content: a silent TLS handshake, streamed', async (t) => {
    const mute = net.createServer(() => {});
    await new Promise((resolve) => { mute.listen(0, '127.0.0.1', resolve); });
    t.after(() => mute.close());
    const w = await world(t, { b: openai }, {
      more: [{ model_name: 'a', litellm_params: { model: 'openai/x', api_base: `https://127.0.0.1:${mute.address().port}/v1`, api_key: 'k', stream_timeout: 0.6 } }],
      chains: [{ a: ['b'] }],
    });
    const answer = await w.gateway.stream('a');
    assert.equal(answer.servedBy, 'b', answer.text);
    assert.deepEqual(answer.trail[0], { alias: 'a', outcome: 'timeout' });
    around(answer.ms, 600, 400, 'first content limit');
  });

  test('T2 first content: a silent server, streamed', async (t) => {
    const w = await world(t, { a: openai, b: openai }, { params: { a: { stream_timeout: 0.6 } } });
    w.a.always({ silence: true });
    const answer = await w.gateway.stream('a');
    assert.equal(answer.servedBy, 'b', answer.text);
    assert.deepEqual(answer.trail[0], { alias: 'a', outcome: 'timeout' });
    around(answer.ms, 600, 400, 'first content limit');
    await w.a.last.hungUp(1000);
  });

  test('T2 first content: headers and comments do not count', async (t) => {
    const w = await world(t, { a: openai, b: openai }, { params: { a: { stream_timeout: 0.6 } } });
    w.a.always({ firstTokenDelay: 20_000 });
    const answer = await w.gateway.stream('a');
    assert.equal(answer.servedBy, 'b', answer.text);
    around(answer.ms, 600, 400, 'first content limit');
  });

  test('T2 a target timeout bounds a plain attempt', async (t) => {
    const w = await world(t, { a: openai, b: openai }, { params: { a: { timeout: 0.6 } } });
    w.a.always({ silence: true });
    const answer = await w.gateway.chat('a');
    assert.equal(answer.servedBy, 'b', answer.text);
    around(answer.ms, 600, 400, 'attempt limit');
  });

  test('T2 between chunks: a stall ends the stream with an error frame', async (t) => {
    const w = await world(t, { a: openai, b: openai }, { params: { a: { stream_timeout: 0.6 } } });
    w.a.always({ reply: WORDS, stallAt: 3 });
    const answer = await w.gateway.stream('a');
    assert.equal(answer.content, 'w0 w1 w2');
    assert.equal(answer.errors.length, 1, answer.text);
    assert.ok(answer.endsWithDone);
    around(answer.ms, 600, 400, 'gap limit');
    await w.a.last.hungUp(1000);
  });

  test('T2 stream_timeout never bounds the whole stream', async (t) => {
    const w = await world(t, { a: openai }, { params: { a: { stream_timeout: 0.5 } } });
    w.a.always({ reply: 'a b c d e f g h i j k l', between: 150 });
    const answer = await w.gateway.stream('a');
    assert.deepEqual(answer.errors, []);
    assert.equal(answer.content, 'a b c d e f g h i j k l');
    assert.ok(answer.ms > 1500);
  });

  test('T2 total: a stream that never ends is ended', async (t) => {
    const w = await world(t, { a: openai }, { router: { timeout: 1.2 } });
    w.a.always({ reply: WORDS, between: 50 });
    const answer = await w.gateway.stream('a');
    assert.equal(answer.errors.length, 1, answer.text.slice(-300));
    assert.ok(answer.endsWithDone);
    around(answer.ms, 1200, 500, 'total limit');
    await w.a.last.hungUp(1000);
    assert.match(answer.errors[0].message, /not complete within the request's time limit/);
    assert.deepEqual((await w.gateway.get('/v1/benches')).json.data, [], 'it was answering all the time');
  });

  test('T2 total: a plain request to a silent server gets 504', async (t) => {
    const w = await world(t, { a: openai }, { router: { timeout: 0.8 } });
    w.a.always({ silence: true });
    const answer = await w.gateway.chat('a');
    assert.equal(answer.status, 504, answer.text);
    around(answer.ms, 800, 400, 'total limit');
  });

  test('T2 a plain body that stalls after its headers does not hang', async (t) => {
    const w = await world(t, { a: openai, b: openai }, { params: { a: { timeout: 0.6 } } });
    w.a.next({ raw: 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{"id":', hold: true });
    const answer = await w.gateway.chat('a');
    assert.equal(answer.servedBy, 'b', answer.text);
  });

  test('T2 between chunks: a plain answer that stalls after its head makes way for the next target', async (t) => {
    const w = await world(t, { a: openai, b: openai }, { params: { a: { stream_timeout: 0.6 } } });
    w.a.always({ raw: 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{"id":', hold: true });
    const answer = await w.gateway.chat('a');
    assert.equal(answer.servedBy, 'b', answer.text);
    assert.deepEqual(answer.trail[0].outcome, 'timeout', answer.trailText);
    around(answer.ms, 600, 400, 'gap limit');
  });
});
