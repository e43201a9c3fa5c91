// The chain: who is called, how often, in which order, and what the client is told.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { cerebras, generic, groq, mistral, openai, Fake } from '../providers/index.mjs';
import { counts, entry, world } from '../lib/world.mjs';
import { Gateway } from '../lib/gateway.mjs';
import { median, metOnce } from '../lib/until.mjs';

const MODES = [['plain', {}], ['streamed', { stream: true }]];
const said = (answer) => answer.content ?? answer.json?.choices?.[0]?.message?.content;

describe('the chain', { concurrency: 4 }, () => {
  for (const [mode, more] of MODES) {
    test(`G1 G9 a 429 from the primary is answered 200 by the next target (${mode})`, async (t) => {
      const w = await world(t, { first: groq, second: openai });
      w.first.always(groq.errors.tpm);
      const answer = await w.gateway.chat('first', more);
      assert.equal(answer.status, 200, answer.text);
      assert.equal(said(answer), 'answer from openai');
      assert.deepEqual(counts(w), { first: 1, second: 1 });
      assert.equal(answer.servedBy, 'second');
      assert.equal(answer.attempts, 2);
      assert.deepEqual(answer.trail, [
        { alias: 'first', status: 429, outcome: 'rate_limited' },
        { alias: 'second', status: 200, outcome: 'served' },
      ]);
      assert.match(answer.requestId, /\S{8,}/);
    });

    test(`G9 the body names the alias that served (${mode})`, async (t) => {
      const w = await world(t, { first: groq, second: mistral });
      w.first.always({ reset: true });
      const answer = await w.gateway.chat('first', more);
      const models = answer.models ?? [answer.json.model];
      assert.deepEqual(models, ['second']);
    });

    test(`G13 an answer that is none moves the chain on (${mode})`, async (t) => {
      const w = await world(t, { first: openai, second: openai });
      const scripts = more.stream
        ? { 'no bytes': { zeroBytes: true }, 'an empty completion': { empty: true }, 'nothing but [DONE]': { insertAt: 0, insert: 'data: [DONE]\n\n' }, 'not JSON': { text: 'oops' }, 'an error object': { json: { error: { message: 'no', code: 500 } } }, 'broken first frame': { malformedAt: 0 } }
        : { 'not JSON': { text: 'oops' }, 'an error object': { json: { error: { message: 'no', code: 500 } } }, 'no choices': { json: { id: 'x', object: 'chat.completion', model: 'm', choices: [] } }, 'empty completion': { empty: true }, 'no bytes': { text: '' }, 'cut body': { cutAt: 0 } };
      for (const [what, script] of Object.entries(scripts)) {
        await w.gateway.clearBenches();
        w.first.next(script);
        const answer = await w.gateway.chat('first', more);
        assert.equal(answer.status, 200, `${what}: ${answer.text}`);
        assert.equal(answer.servedBy, 'second', `${what}: ${answer.trailText}`);
        assert.equal(said(answer), 'answer from openai', what);
      }
      assert.equal(w.second.calls.length, Object.keys(scripts).length);
    });
  }

  test('G1 at most 5 ms of gateway time lie between the refused call and the next one', async (t) => {
    const w = await world(t, { first: openai, second: openai });
    w.first.always(openai.errors.rpm);
    await metOnce(3, async () => {
      const gaps = [];
      for (let round = 0; round < 25; round += 1) {
        await w.gateway.clearBenches();
        await w.gateway.chat('first');
        gaps.push(w.second.last.at - w.first.last.answeredAt);
      }
      assert.equal(w.first.calls.length % 25, 0, 'the primary is asked again once its bench is cleared');
      return median(gaps) <= 5 ? undefined : `median gap ${median(gaps).toFixed(2)} ms`;
    });
  });

  test('G2 cyclic chains end, nobody is called twice', async (t) => {
    const w = await world(t, { a: openai, b: groq, c: cerebras }, {
      chains: [{ a: ['b', 'c', 'b'] }, { b: ['a', 'c'] }, { c: ['a', 'b'] }],
    });
    for (const fake of Object.values(w.fakes)) fake.always(openai.errors.internal);
    const answer = await w.gateway.chat('a');
    assert.ok([502, 503].includes(answer.status), answer.text);
    assert.deepEqual(counts(w), { a: 1, b: 1, c: 1 });
  });

  test('G2 a chain of 14 makes 14 calls', async (t) => {
    const aliases = Array.from({ length: 14 }, (_, at) => `t${at}`);
    const w = await world(t, Object.fromEntries(aliases.map((alias) => [alias, generic])));
    for (const fake of Object.values(w.fakes)) fake.always(generic.errors.internal);
    const answer = await w.gateway.chat('t0');
    assert.deepEqual(Object.values(counts(w)), Array(14).fill(1));
    assert.equal(answer.attempts, 14);
    assert.deepEqual(answer.error.attempts.map(({ alias }) => alias), aliases);
  });

  test('G2 the order of the chain is the order of the calls', async (t) => {
    const w = await world(t, { a: openai, b: generic, c: generic });
    w.a.always(openai.errors.internal);
    w.b.always(generic.errors.internal);
    await w.gateway.chat('a');
    assert.ok(w.a.last.at < w.b.last.at && w.b.last.at < w.c.last.at);
  });

  test('G8 a limit that the gateway itself raises moves on: too small a context', async (t) => {
    const w = await world(t, { small: openai, large: openai }, {
      info: { small: { max_input_tokens: 50 }, large: { max_input_tokens: 100_000 } },
    });
    const answer = await w.gateway.chat('small', { messages: [{ role: 'user', content: 'word '.repeat(2000) }] });
    assert.equal(answer.status, 200, answer.text);
    assert.deepEqual(counts(w), { small: 0, large: 1 });
    assert.deepEqual(answer.trail[0], { alias: 'small', skipped: 'context' });
  });

  test('G8 a limit that the gateway itself raises moves on: max_parallel_requests', async (t) => {
    const w = await world(t, { narrow: openai, wide: openai }, { params: { narrow: { max_parallel_requests: 1 } } });
    w.narrow.always({ delay: 500 });
    const held = w.gateway.chat('narrow');
    await w.narrow.called(1);
    const second = await w.gateway.chat('narrow');
    assert.equal(second.servedBy, 'wide', second.trailText);
    assert.equal((await held).servedBy, 'narrow');
    assert.deepEqual(counts(w), { narrow: 1, wide: 1 });
  });

  test('G10 a bad key: next target, the provider named once in the log, the key never', async (t) => {
    const w = await world(t, { first: groq, second: openai });
    w.first.always(groq.errors.unauthorized);
    for (let round = 0; round < 3; round += 1) {
      const answer = await w.gateway.chat('first');
      assert.equal(answer.servedBy, 'second', answer.text);
      assert.ok(!answer.text.includes('sk-secret'));
    }
    assert.equal(w.first.calls.length, 1, 'a refused key is not tried again at once');
    await w.gateway.stop();
    const warnings = w.gateway.log.split('\n').filter((line) => /warn|error/i.test(line) && /groq/.test(line) && !/trail/.test(line));
    assert.equal(warnings.length, 1, w.gateway.log);
    assert.ok(!w.gateway.log.includes('sk-secret-of-first'), 'the key is in the log');
  });
});

describe('when all fail', { concurrency: 4 }, () => {
  const limited = (seconds) => ({ ...openai.errors.rpm, headers: { 'retry-after': String(seconds) }, json: { error: { message: 'Rate limit reached', type: 'requests', code: 'rate_limit_exceeded' } } });

  test('G11 all out of quota: 429 with the soonest return, every attempt listed', async (t) => {
    const w = await world(t, { a: openai, b: openai, c: openai });
    w.a.always(limited(40));
    w.b.always(limited(11));
    w.c.always(limited(25));
    const answer = await w.gateway.chat('a');
    assert.equal(answer.status, 429, answer.text);
    const retry = Number(answer.headers['retry-after']);
    assert.ok(retry >= 10 && retry <= 11, `retry-after ${retry}`);
    assert.deepEqual(answer.error.attempts.map(({ alias, outcome, status }) => [alias, outcome, status]),
      [['a', 'rate_limited', 429], ['b', 'rate_limited', 429], ['c', 'rate_limited', 429]]);
    for (const attempt of answer.error.attempts) assert.equal(typeof attempt.ms, 'number');
    for (const field of ['message', 'type', 'param', 'code']) assert.ok(field in answer.error, field);
  });

  test('G11 mixed failures: 502 or 503, every attempt and skip listed, no organisation ids', async (t) => {
    const w = await world(t, { a: groq, b: openai, c: generic });
    w.a.always(groq.errors.tpm);
    w.b.always(openai.errors.internal);
    w.c.always({ reset: true });
    const answer = await w.gateway.chat('a');
    assert.ok([502, 503].includes(answer.status), answer.text);
    assert.deepEqual(answer.error.attempts.map(({ outcome }) => outcome), ['rate_limited', 'transient', 'transient']);
    assert.ok(!answer.text.includes('org_01secretorg'), answer.text);
    const again = await w.gateway.chat('a');
    assert.ok(again.trail.some(({ alias, skipped }) => alias === 'a' && skipped === 'benched'), again.trailText);
  });

  test('G11 all silent: 504', async (t) => {
    const w = await world(t, { a: openai, b: openai }, { params: { a: { timeout: 0.3 }, b: { timeout: 0.3 } }, router: { timeout: 1 } });
    w.a.always({ silence: true });
    w.b.always({ silence: true });
    const answer = await w.gateway.chat('a');
    assert.equal(answer.status, 504, answer.text);
  });

  test('G11 a streamed request that nobody serves gets a JSON error with its status', async (t) => {
    const w = await world(t, { a: openai });
    w.a.always(limited(30));
    const answer = await w.gateway.stream('a');
    assert.equal(answer.status, 429);
    assert.match(answer.headers['content-type'], /application\/json/);
    assert.equal(answer.error.attempts.length, 1);
  });

  test('G3 one deadline covers the whole request; 504 lists every attempt with outcome and ms', async (t) => {
    const w = await world(t, { a: openai, b: openai }, { params: { a: { timeout: 0.5 } }, router: { timeout: 1.2 } });
    w.a.always({ silence: true });
    w.b.always({ silence: true });
    await metOnce(3, async () => {
      const answer = await w.gateway.chat('a');
      assert.equal(answer.status, 504, answer.text);
      const [first, second] = answer.error.attempts;
      assert.deepEqual([first.outcome, second.outcome], ['timeout', 'timeout']);
      assert.ok(answer.ms > 1100 && first.ms >= 490, `${answer.ms} ms, the first attempt ${first.ms} ms`);
      await w.gateway.clearBenches();
      const punctual = answer.ms < 1600 && first.ms < 650 && Math.abs(second.ms - 700) < 150;
      return punctual ? undefined : `${first.ms} ms of 500, then the rest, ${second.ms} ms of 700; ${answer.ms} ms in all`;
    });
  });
});

describe('what is not replayed', { concurrency: 4 }, () => {
  test('G12 a bad request is answered, not replayed', async (t) => {
    const w = await world(t, { a: openai, b: openai });
    w.a.always(openai.errors.bad_request);
    const answer = await w.gateway.chat('a');
    assert.equal(answer.status, 400);
    assert.match(answer.error.message, /messages\[0\]\.role/);
    assert.deepEqual(counts(w), { a: 1, b: 0 });
    assert.deepEqual(await w.gateway.benches(), []);
  });

  test('G12 a context overflow goes only to a larger window', async (t) => {
    const w = await world(t, { a: openai, same: openai, large: openai }, {
      info: { a: { max_input_tokens: 8192 }, same: { max_input_tokens: 8192 }, large: { max_input_tokens: 128_000 } },
    });
    w.a.always(openai.errors.context);
    const answer = await w.gateway.chat('a');
    assert.equal(answer.servedBy, 'large', answer.text);
    assert.deepEqual(counts(w), { a: 1, same: 0, large: 1 });
    assert.deepEqual(answer.trail.slice(0, 2), [{ alias: 'a', status: 400, outcome: 'context_overflow' }, { alias: 'same', skipped: 'context' }]);
  });

  test('G12 nobody has a larger window: context_length_exceeded', async (t) => {
    const w = await world(t, { a: openai, b: openai }, { info: { a: { max_input_tokens: 8192 }, b: { max_input_tokens: 8192 } } });
    w.a.always(openai.errors.context);
    const answer = await w.gateway.chat('a');
    assert.ok([400, 413].includes(answer.status), answer.text);
    assert.equal(answer.error.code, 'context_length_exceeded');
    assert.deepEqual(counts(w), { a: 1, b: 0 });
  });

  test('G12 a content filter refusal is answered', async (t) => {
    const w = await world(t, { a: openai, b: openai });
    w.a.always(openai.errors.content_filter);
    const answer = await w.gateway.chat('a');
    assert.equal(answer.status, 400);
    assert.deepEqual(counts(w), { a: 1, b: 0 });
  });

  test('G12 content_policy_fallbacks and context_window_fallbacks act when configured', async (t) => {
    const w = await world(t, { a: openai, lenient: openai, large: openai }, {
      chains: [], router: { content_policy_fallbacks: [{ a: ['lenient'] }], context_window_fallbacks: [{ a: ['large'] }] },
    });
    w.a.next(openai.errors.content_filter, openai.errors.context);
    assert.equal((await w.gateway.chat('a')).servedBy, 'lenient');
    assert.equal((await w.gateway.chat('a')).servedBy, 'large');
    assert.deepEqual(counts(w), { a: 2, lenient: 1, large: 1 });
  });

  test('a group of several entries under one alias is tried entry by entry', async (t) => {
    const [one, two] = [await Fake.start(openai), await Fake.start(openai)];
    t.after(() => Promise.all([one.close(), two.close()]));
    const gateway = await Gateway.start(t, { config: { model_list: [entry('shared', one), entry('shared', two)] } });
    one.always(openai.errors.internal);
    two.always(openai.errors.internal);
    const answer = await gateway.chat('shared');
    assert.deepEqual([one.calls.length, two.calls.length], [1, 1], answer.text);
  });
});
