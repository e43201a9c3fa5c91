// What gateways have stumbled over in front of real providers, one scenario each. Those that are
// not here are named by tests beside the code (1 to 6, 21) and in tool_ids.test.mjs (12).
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { generic, groq, mistral, nextMidnight, ollama, openai, openrouter } from '../providers/index.mjs';
import { secondsLeft } from '../lib/gateway.mjs';
import { until } from '../lib/until.mjs';
import { world } from '../lib/world.mjs';
import { limitedWorld } from '../lib/storm.mjs';

const TOOLS = [{ type: 'function', function: { name: 'look', parameters: { type: 'object', properties: {} } } }];
const left = async (w, alias = 'a') => (await w.gateway.benches(alias)).map(secondsLeft);

describe('pitfalls', { concurrency: 4 }, () => {
  test('pitfall 7: an error inside a 200 is no answer', async (t) => {
    const w = await world(t, { a: openrouter, b: openai });
    for (const more of [{}, { stream: true }]) for (const script of [openrouter.errors.error_200, openrouter.errors.limited_200]) {
      await w.gateway.clearBenches();
      w.a.next(script);
      assert.equal((await w.gateway.chat('a', more)).servedBy, 'b');
    }
  });

  test('pitfall 8: "Provider returned error" tells what the provider behind it said', async (t) => {
    const w = await world(t, { a: openrouter });
    for (const [script, words] of [[openrouter.errors.upstream, 'temporarily rate-limited upstream'], [openrouter.errors.error_200, 'upstream crashed']]) {
      await w.gateway.clearBenches();
      w.a.next(script);
      const answer = await w.gateway.chat('a');
      assert.ok(answer.text.includes(words), answer.text);
    }
  });

  test('pitfall 9: a used-up day is not asked again after seconds', async (t) => {
    for (const [wire, script, seconds] of [[groq, groq.errors.tpd, 500], [openrouter, openrouter.errors.free_day, (openrouter.errors.free_day.headers['X-RateLimit-Reset'] - Date.now()) / 1000 - 60]]) {
      const w = await world(t, { a: wire, b: openai });
      w.a.next(script);
      assert.equal((await w.gateway.chat('a')).servedBy, 'b');
      const [bench] = (await w.gateway.benches()).map(secondsLeft);
      assert.ok(bench > seconds, `${wire.name}: ${bench} s`);
      assert.equal((await w.gateway.chat('a')).trail[0].skipped !== undefined, true);
      assert.equal(w.a.calls.length, 1);
    }
  });

  test('pitfall 10: a limit that speaks of credits is no unpaid bill', async (t) => {
    const w = await world(t, { a: openrouter });
    w.a.always(openrouter.errors.free_day);
    const limited = await w.gateway.chat('a');
    assert.equal(limited.status, 429, limited.text);
    const [bench] = (await w.gateway.benches()).map(secondsLeft);
    assert.ok(Math.abs(bench - (nextMidnight() - Date.now()) / 1000) < 5, `it ends with the day, not after ${bench} s`);
    const bill = await world(t, { a: openrouter });
    bill.a.always(openrouter.errors.credits);
    assert.equal((await bill.gateway.chat('a')).trail[0].outcome, 'exhausted');
    assert.match(JSON.stringify(await bill.gateway.benches()), /"scope":"account"/);
  });

  test('pitfall 11: Mistral is not sent what it refuses', async (t) => {
    const w = await world(t, { a: mistral });
    const messages = [{ role: 'user', content: 'hi', name: 'me', metadata: { k: 'v' } }];
    const answer = await w.gateway.stream('a', { messages, store: true, max_completion_tokens: 9, seed: 3, stream_options: { include_usage: true }, logit_bias: {}, user: 'u' });
    assert.equal(answer.status, 200, answer.text);
    const { body } = w.a.last;
    assert.deepEqual([body.max_tokens, body.random_seed, body.store, body.stream_options], [9, 3, undefined, undefined]);
    assert.deepEqual(body.messages, [{ role: 'user', content: 'hi' }]);
    assert.equal(answer.usage?.completion_tokens, 7, 'usage is shown all the same');
  });

  test('pitfall 13: a call that Groq could not parse is made elsewhere, and nobody is blamed', async (t) => {
    const w = await world(t, { a: groq, b: openai });
    w.a.next(groq.errors.tool_use_failed);
    const answer = await w.gateway.chat('a', { tools: TOOLS });
    assert.deepEqual([answer.servedBy, await w.gateway.benches('a')], ['b', []]);
  });

  test('pitfall 14: num_ctx reaches Ollama where it acts, whoever asks', async (t) => {
    const w = await world(t, { a: ollama }, { params: { a: { num_ctx: 16384 } } });
    const messages = [{ role: 'user', content: 'hi' }];
    const asks = [['/v1/chat/completions', { messages }], ['/v1/messages', { messages, max_tokens: 9 }], ['/v1/responses', { input: 'hi' }],
      ['/v1/completions', { prompt: 'hi' }], ['/api/chat', { messages, stream: false }], ['/api/generate', { prompt: 'hi', stream: false }]];
    for (const [target, body] of asks) {
      assert.equal((await w.gateway.send(target, { body: { model: 'a', ...body } })).status, 200);
      assert.match(w.a.last.path, /^\/api\//);
      assert.equal(w.a.last.body.options.num_ctx, 16384, `${target}: ${w.a.last.raw}`);
    }
  });

  test('pitfall 15: calls in a stream of Ollama are calls, not text, and their end says so', async (t) => {
    const w = await world(t, { a: ollama });
    w.a.always({ toolCalls: [{ name: 'look', arguments: '{"city":"Oslo"}' }] });
    const answer = await w.gateway.stream('a', { tools: TOOLS });
    assert.deepEqual([answer.content, answer.finish], ['', 'tool_calls']);
    const calls = answer.deltas.flatMap((delta) => delta.tool_calls ?? []);
    assert.equal(calls.map((call) => call.function.arguments ?? '').join(''), '{"city":"Oslo"}');
  });

  test('pitfall 16: a fallback that refuses is benched as well, and stays so through a reload', async (t) => {
    const w = await world(t, { a: openai, b: groq, c: openai });
    w.a.always(openai.errors.internal);
    w.b.always(groq.errors.tpd);
    assert.equal((await w.gateway.chat('a')).servedBy, 'c');
    const [before] = await left(w, 'b');
    w.gateway.signal('SIGHUP');
    await sleep(300);
    const [after] = await left(w, 'b');
    assert.ok(before > 500 && after > 500 && after <= before, `${before} s, then ${after} s`);
    const again = await w.gateway.chat('a');
    assert.deepEqual([again.servedBy, w.b.calls.length], ['c', 1]);
  });

  test('pitfall 17: when all are benched, who may wait waits for the soonest', async (t) => {
    const rules = (window) => [{ metric: 'requests', window, limit: 1, reset: 'rolling', scope: 'target' }];
    const w = await limitedWorld(t, { a: { rules: rules('60s'), latency: 5 }, b: { rules: rules('2s'), latency: 5 } }, { chains: [{ a: ['b'] }] });
    for (const server of ['a', 'b']) assert.equal((await w.gateway.chat('a')).servedBy, server);
    const answer = await w.gateway.chat('a', {}, { headers: { 'x-freeway-max-wait': '5s' } });
    assert.deepEqual([answer.status, answer.servedBy], [200, 'b'], answer.text);
  });

  test('pitfall 18: a key without a balance is no rate limit', async (t) => {
    const w = await world(t, { a: generic, r: generic }, { chains: [] });
    w.a.always(generic.errors.zai_balance);
    w.r.always(generic.errors.rate);
    const [unpaid, limited] = [await w.gateway.chat('a'), await w.gateway.chat('r')];
    assert.notEqual(unpaid.trail[0].outcome, limited.trail[0].outcome);
    assert.doesNotMatch(unpaid.trailText, /rate_limited/);
  });

  test('pitfall 19: a slow local model is not benched for longer than seconds', async (t) => {
    const w = await world(t, { a: ollama, b: openai }, { params: { a: { timeout: 0.2 } } });
    w.a.always({ silence: true });
    for (let round = 0; round < 4; ++round) {
      assert.equal((await w.gateway.chat('a')).servedBy, 'b');
      const benches = await left(w);
      assert.ok(benches.every((seconds) => seconds <= 5.1), `${benches} s after ${round + 1} timeouts`);
      await w.gateway.clearBenches('a');
    }
  });

  test('pitfall 20: a bound from the configuration goes along where the client sends none', async (t) => {
    const w = await world(t, { a: openrouter, b: openai }, { params: { a: { max_tokens: 1000 } } });
    w.a.always((call) => (call.body.max_tokens > 1200 || !call.body.max_tokens ? openrouter.errors.afford : {}));
    for (const more of [{}, { stream: true }, { max_tokens: 100 }]) assert.equal((await w.gateway.chat('a', more)).servedBy, 'a');
    assert.equal((await w.gateway.chat('a', { max_tokens: 100 })).attempts, 1);
  });

  test('pitfall 20: who can pay for a shorter answer only is asked for that, once', async (t) => {
    const w = await world(t, { a: openrouter, b: openai }, { params: { a: { model: 'openrouter/z-ai/glm-4.6' } } });
    w.a.always((call) => (call.body.max_tokens > 1200 ? openrouter.errors.afford : {}));
    for (const more of [{}, { stream: true }, { max_tokens: 65536 }]) {
      const answer = await w.gateway.chat('a', more);
      assert.deepEqual([answer.servedBy, answer.attempts, answer.trailText], ['a', 2, 'a=402:exhausted, a=200']);
      assert.deepEqual(w.a.calls.slice(-2).map(({ body }) => body.max_tokens), [more.max_tokens ?? 4096, 1200]);
    }
    const record = (await w.gateway.get(`/v1/requests/${(await w.gateway.chat('a')).requestId}/explain`)).json;
    assert.ok(record.candidates[1].changes.includes('set max_tokens to 1200, all that can be paid'), JSON.stringify(record));
    assert.deepEqual(await w.gateway.benches(), []);
  });

  test('pitfall 20: who is refused the shorter answer too is set aside', async (t) => {
    const w = await world(t, { a: openrouter, b: openai }, { params: { a: { model: 'openrouter/z-ai/glm-4.6' } } });
    w.a.always(openrouter.errors.afford);
    assert.equal((await w.gateway.chat('a')).trailText, 'a=402:exhausted, a=402:exhausted, b=200');
    assert.equal((await w.gateway.chat('a')).trailText, 'a=skipped:benched, b=200');
    await w.gateway.clearBenches();
    const bounded = await w.gateway.chat('a', { max_tokens: 1200 });
    assert.equal(bounded.trailText, 'a=402:exhausted, b=200', 'nothing shorter is left to ask for');
    await w.gateway.clearBenches();
    w.a.always({ ...openrouter.errors.afford, json: { error: { code: 402, message: 'You requested up to 4096 tokens, but can only afford 15.' } } });
    assert.equal((await w.gateway.chat('a')).trailText, 'a=402:exhausted, b=200', '15 tokens are no answer');
  });

  test('pitfall 22: JSON that was cut off under a 200 is no answer', async (t) => {
    const w = await world(t, { a: generic, b: openai });
    const half = { status: 200, headers: { 'content-type': 'application/json' }, text: '{"id":"x","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"ha' };
    for (const script of [half, { cutAt: 0 }]) {
      await w.gateway.clearBenches();
      w.a.next(script);
      assert.equal((await w.gateway.chat('a')).servedBy, 'b');
    }
  });

  test('pitfall 23: who waits for the same moment does not wake in one crowd', async (t) => {
    const w = await limitedWorld(t, { a: { rules: [{ metric: 'requests', window: '2s', limit: 2, reset: 'rolling', scope: 'target' }], latency: 5 } });
    const answers = await Promise.all(Array.from({ length: 6 }, () => w.gateway.chat('a', {}, { headers: { 'x-freeway-max-wait': '12s' } })));
    assert.deepEqual(answers.map(({ status }) => status), Array(6).fill(200));
    await until(() => w.a.calls.length === 6, 1000, 'six calls');
    assert.deepEqual(w.a.over, [], 'nobody is sent who would be refused');
  });
});
