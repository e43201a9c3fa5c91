// x-freeway-max-wait: who may wait for a limit does, in line, and hears how long.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { heldNothing, limitedWorld, rowOf } from '../lib/storm.mjs';
import { until } from '../lib/until.mjs';

const rule = (limit, window, more = {}) => ({ metric: 'requests', window, limit, reset: 'rolling', scope: 'target', ...more });
const waiting = (time) => ({ headers: { 'x-freeway-max-wait': time } });
const COMMENT = /^: waiting for quota, position (\d+) of (\d+), about (.+)$/;

/** The comments of a stream: `{position, of, about, at}`, `at` in milliseconds since the request. */
const commentsOf = ({ chunks, at, ms }) => chunks.flatMap(({ at: came, text }) => text.split('\n').map((line) => COMMENT.exec(line)).filter(Boolean)
  .map(([, position, of, about]) => ({ position: Number(position), of: Number(of), about, at: came, sinceStart: came - at, ms })));

/** A world whose `a` has nothing left: its only call is just made. */
async function spent(t, window, { targets = {}, chains, ...more } = {}) {
  const w = await limitedWorld(t, { a: { rules: [rule(1, window, more)], latency: 5 }, ...targets }, { chains });
  assert.equal((await w.gateway.chat('a')).status, 200);
  w.spentAt = performance.now();
  return w;
}

const since = (w) => performance.now() - w.spentAt;

describe('waiting', { concurrency: 8 }, () => {
  for (const time of ['5s', '5', '4000ms', '0h0m5s']) {
    test(`a plain request waits for at most ${time}`, async (t) => {
      const w = await spent(t, '2s');
      const answer = await w.gateway.chat('a', {}, waiting(time));
      assert.deepEqual([answer.status, answer.servedBy, w.a.over], [200, 'a', []], answer.text);
      assert.ok(since(w) > 1900 && since(w) < 3500, `after ${since(w)} ms`);
      await heldNothing(w.gateway);
    });
  }

  test('a stream hears at once that it waits, where it stands and how long', async (t) => {
    const w = await spent(t, '2s');
    const answer = await w.gateway.stream('a', {}, waiting('5s'));
    assert.deepEqual([answer.status, answer.errors, answer.finish, answer.dones], [200, [], 'stop', 1], answer.text);
    const [first] = commentsOf(answer);
    assert.ok(first, answer.text);
    assert.deepEqual([first.position, first.of], [1, 1]);
    assert.match(first.about, /^\d+(\.\d+)? m?s$/);
    assert.ok(answer.chunks[0].at < answer.chunks.at(-1).at - 1000, 'said before the answer came');
    assert.ok(answer.text.indexOf(': waiting') < answer.text.indexOf('data:'), 'before content');
    assert.match(answer.headers['content-type'], /^text\/event-stream/);
    assert.deepEqual(w.a.over, []);
  });

  test('a long wait is said again at least every 5 s', async (t) => {
    const w = await spent(t, '11s');
    const answer = await w.gateway.stream('a', {}, waiting('15s'));
    const comments = commentsOf(answer);
    assert.ok(comments.length >= 3, answer.text);
    const gaps = comments.slice(1).map(({ at }, index) => at - comments[index].at);
    assert.ok(Math.max(...gaps) < 5500, `gaps ${gaps}`);
    assert.equal(answer.content.length > 0, true);
  });

  test('first come, first served, plain and streamed in one line', async (t) => {
    const w = await spent(t, '1s');
    const order = [];
    const line = [];
    for (let number = 0; number < 4; number += 1) {
      const asked = number % 2 === 0 ? w.gateway.chat('a', { user: String(number) }, waiting('20s')) : w.gateway.stream('a', { user: String(number) }, waiting('20s'));
      line.push(asked.then((answer) => { order.push(number); return answer; }));
      await until(() => since(w) > 100 * (number + 1), 1000, 'the next one comes a little later');
    }
    const answers = await Promise.all(line);
    assert.deepEqual(answers.map(({ status }) => status), [200, 200, 200, 200]);
    assert.deepEqual(order, [0, 1, 2, 3]);
    assert.deepEqual(w.a.calls.slice(1).map(({ body }) => body.user ?? '?').filter((user) => user !== '?'), ['0', '1', '2', '3']);
    const positions = commentsOf(answers[3]).map(({ position }) => position);
    assert.ok(positions[0] === 4 && positions.at(-1) === 1, `positions ${positions}`);
    assert.deepEqual(positions, [...positions].sort((a, b) => b - a), 'it only moves up');
    assert.deepEqual(w.a.over, []);
  });

  test('newcomers do not pass those who wait, however many and fast', async (t) => {
    const w = await spent(t, '1s');
    const line = Promise.all(Array.from({ length: 3 }, (_, number) => w.gateway.chat('a', { user: `patient ${number}` }, waiting('10s'))));
    const ended = line.then(() => true);
    const newcomer = async () => { while (!await Promise.race([ended, w.gateway.chat('a', { user: 'newcomer' }).then(() => false)])); };
    await Promise.all(Array.from({ length: 6 }, newcomer));
    assert.deepEqual((await line).map(({ status }) => status), [200, 200, 200]);
    assert.deepEqual(w.a.calls.slice(1, 4).map(({ body }) => body.user.split(' ')[0]), ['patient', 'patient', 'patient']);
    assert.deepEqual(w.a.over, []);
  });

  test('L2 who hangs up leaves the line and costs nothing', async (t) => {
    const w = await spent(t, '2s');
    const leaver = new AbortController();
    const left = Promise.allSettled([
      w.gateway.chat('a', {}, { ...waiting('10s'), signal: leaver.signal }),
      w.gateway.stream('a', {}, { ...waiting('10s'), signal: leaver.signal }),
    ]);
    const next = w.gateway.stream('a', {}, waiting('3s'));
    await until(() => since(w) > 700, 2000, 'all of them wait');
    leaver.abort();
    await left;
    const answer = await next;
    assert.equal(answer.status, 200, answer.text);
    assert.ok(since(w) < 3000, `after ${since(w)} ms: the first free call was its own`);
    assert.equal(w.a.calls.length, 2);
    assert.deepEqual([(await rowOf(w.gateway, 'a', 'requests')).held, w.a.over], [0, []]);
  });

  test('whose turn would come too late is told at once', async (t) => {
    const w = await spent(t, 'hour');
    for (const stream of [false, true]) {
      const answer = await w.gateway.chat('a', { stream }, waiting('2s'));
      assert.deepEqual([answer.status, answer.error?.code], [429, 'rate_limit_exceeded'], answer.text);
      assert.ok(answer.ms < 500, `after ${answer.ms} ms`);
      assert.ok(Number(answer.headers['retry-after']) > 3590, answer.headers['retry-after']);
    }
  });

  test('a line that is longer than the wait is told so, before or at the end of it', async (t) => {
    const w = await spent(t, '2s');
    const first = w.gateway.chat('a', {}, waiting('5s'));
    await until(() => since(w) > 200, 1000, 'one waits');
    const second = await w.gateway.chat('a', {}, waiting('2500ms'));
    assert.deepEqual([second.status, second.error?.code], [429, 'rate_limit_exceeded'], second.text);
    assert.ok(second.ms < 3200, `after ${second.ms} ms`);
    assert.equal((await first).status, 200);
  });

  test('nobody waits while another target is free', async (t) => {
    const w = await spent(t, 'hour', { targets: { b: { latency: 5 } }, chains: [{ a: ['b'] }] });
    const answer = await w.gateway.chat('a', {}, waiting('20s'));
    assert.deepEqual([answer.servedBy, answer.ms < 500], ['b', true], answer.text);
  });

  test('the soonest of two targets is waited for', async (t) => {
    const w = await spent(t, 'hour', { targets: { b: { rules: [rule(1, '2s')], latency: 5 } }, chains: [{ a: ['b'] }] });
    assert.equal((await w.gateway.chat('a')).servedBy, 'b');
    const from = performance.now();
    const answer = await w.gateway.chat('a', {}, waiting('5s'));
    assert.equal(answer.servedBy, 'b', answer.text);
    assert.ok(performance.now() - from > 1800, `${performance.now() - from} ms`);
  });

  test('what an operator gives back lets those who wait go within seconds', async (t) => {
    const w = await spent(t, '30s');
    const asked = w.gateway.chat('a', {}, waiting('40s'));
    await until(() => since(w) > 300, 1000, 'it waits');
    w.a.limits.length = 0;
    await w.gateway.send('/v1/quota/reset', { body: { what: 'a' } });
    assert.equal((await asked).status, 200);
    assert.ok(since(w) < 7000, `after ${since(w)} ms`);
  });

  for (const value of ['soon', '-5s', '5 parsecs', '5s5', '1e400']) {
    test(`x-freeway-max-wait: "${value}" is 400 and names the header`, async (t) => {
      const w = await limitedWorld(t, { a: { rules: [rule(1, '1s')], latency: 0 } });
      const answer = await w.gateway.chat('a', {}, waiting(value));
      assert.equal(answer.status, 400, answer.text);
      assert.match(answer.error.message, /x-freeway-max-wait/i);
      assert.equal(w.a.calls.length, 0);
    });
  }

  test('it drains: a stop answers those who wait', async (t) => {
    const w = await spent(t, '30s');
    const asked = w.gateway.chat('a', {}, waiting('60s')).catch((error) => ({ status: 0, error }));
    await until(() => since(w) > 200, 1000, 'it waits');
    await w.gateway.stop({ within: 35_000 });
    assert.notEqual((await asked).status, 200);
  });

  test('a wait that can not end in time is refused at once, also behind others who wait', async (t) => {
    const w = await spent(t, '20s');
    const patient = w.gateway.chat('a', {}, waiting('60s'));
    await sleep(300);
    const began = performance.now();
    const answer = await w.gateway.chat('a', {}, waiting('2s'));
    assert.deepEqual([answer.status, performance.now() - began < 1000], [429, true], answer.text);
    w.gateway.signal('SIGTERM');
    assert.equal((await patient).status, 429, 'who waits when the gateway ends is told, not cut off');
    assert.ok(performance.now() - began < 5000, 'and does not hold it up');
  });
});
