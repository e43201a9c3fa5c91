// G7, L1 for tokens: the need of a request is estimated, held, and settled to what it really used.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { spanOf, usageOf } from '../providers/limited.mjs';
import { cerebras } from '../providers/index.mjs';
import { chatBody, heldNothing, limitedWorld, rowOf, served, storm, tally } from '../lib/storm.mjs';
import { metOnce, windowBegins } from '../lib/until.mjs';

const MS = 7600;
const LONGEST = 160;
const PROMPT = 'The quick brown fox jumps over the lazy dog. '.repeat(9);
const MESSAGES = [{ role: 'user', content: PROMPT }];
const ask = (alias, more = {}) => chatBody(alias, { messages: MESSAGES, max_tokens: 12, ...more });
const EACH = usageOf(ask('a')).total_tokens;
const mixed = (alias) => (number) => ask(alias, { stream: number % 2 === 0 });

/** Room for 40 such calls and half of one: what a slightly careful estimate may leave. */
const rule = (reset) => ({ metric: 'tokens', window: '2s', limit: 40 * EACH + Math.floor(EACH / 2), reset, scope: 'model' });
const windows = 40 * EACH * (Math.floor(MS / 2000) + 1);
const ALLOWED = {
  token_bucket: ({ limit, window }) => limit * (1 + (MS - LONGEST) / spanOf(window)),
  rolling: () => windows, fixed: () => windows, first_use: () => windows,
};

/** A few calls one after the other: from these the cost of a prompt is learned. */
async function acquaint(w, alias = 'a', more = {}) {
  for (let call = 0; call < 5; call += 1) {
    const answer = await w.gateway.chat(alias, { ...ask(alias), ...more });
    assert.equal(answer.status, 200, answer.text);
  }
}

const clean = (w, result, alias = 'a') =>
  assert.deepEqual(w[alias].over, [], `calls over the hidden limit; the clients saw ${JSON.stringify(tally(result))}`);

describe('tokens', { concurrency: 2 }, () => {
  for (const [kind, allowed] of Object.entries(ALLOWED)) {
    test(`G7 L1 tokens by ${kind}: fifty clients never exceed it and use 95 %`, (t) => metOnce(3, async () => {
      const w = await limitedWorld(t, { a: { rules: [rule(kind)] } });
      if (kind === 'fixed') await windowBegins(2000);
      await acquaint(w);
      const result = await storm({ url: w.gateway.url, body: mixed('a'), ms: MS, pause: 200 });
      clean(w, result);
      const most = allowed(rule(kind));
      t.diagnostic(`used ${w.a.tokens()} of ${Math.floor(most)} tokens (${(w.a.tokens() / most * 100).toFixed(1)} %)`);
      return w.a.tokens() >= 0.95 * most ? undefined : `only ${w.a.tokens()} of ${most} were used`;
    }));
  }

  test('G7 L1 tokens: a storm without acquaintance does not exceed what max_tokens bounds', async (t) => {
    const plain = { ...rule('rolling'), limit: 20 * EACH };
    const w = await limitedWorld(t, { a: { rules: [plain] } });
    clean(w, await storm({ url: w.gateway.url, body: mixed('a'), ms: 3000, pause: 100 }));
    assert.ok(w.a.count() >= 15, `${w.a.count()} calls`);
  });

  test('G7 L1 a provider that reserves max_tokens is never asked for more than it has', (t) => metOnce(3, async () => {
    const wire = { ...cerebras, headers: () => ({}) };
    const bucket = { metric: 'tokens', window: '2s', limit: 6000, reset: 'token_bucket', scope: 'model' };
    const w = await limitedWorld(t, { a: { wire, rules: [bucket], answer: 10 } });
    await acquaint(w, 'a', { max_tokens: 100 });
    const body = (number) => ask('a', { max_tokens: 100, stream: number % 2 === 0 });
    const result = await storm({ url: w.gateway.url, body, ms: MS, pause: 200 });
    clean(w, result);
    const allowed = 6000 * (1 + (MS - LONGEST) / 2000);
    t.diagnostic(`used ${w.a.tokens()} of ${Math.floor(allowed)} tokens (${(w.a.tokens() / allowed * 100).toFixed(1)} %)`);
    return w.a.tokens() >= 0.9 * allowed ? undefined : 'what was reserved in vain is not used again';
  }));

  test('G7 L1 two metrics: whichever is short decides, and the other is not charged', async (t) => {
    const tokens = { metric: 'tokens', window: 'month', limit: 10 * EACH + Math.floor(EACH / 2), reset: 'lifetime', scope: 'model' };
    const requests = { metric: 'requests', window: 'month', limit: 1000, reset: 'lifetime', scope: 'model' };
    const w = await limitedWorld(t, { a: { rules: [requests, tokens] } });
    await acquaint(w);
    const result = await storm({ url: w.gateway.url, body: mixed('a'), ms: 2000, pause: 60 });
    clean(w, result);
    assert.equal(w.a.count(), 10);
    assert.equal(served(result).length, 5);
    assert.equal((await rowOf(w.gateway, 'a', 'requests')).used, 10, 'refused requests cost nothing');
    assert.equal((await rowOf(w.gateway, 'a', 'tokens')).used, 10 * EACH);
    await heldNothing(w.gateway);
  });

  test('G7 L1 requests and tokens together, each of its own kind', (t) => metOnce(3, async () => {
    const requests = { metric: 'requests', window: '1s', limit: 15, reset: 'token_bucket', scope: 'model' };
    const w = await limitedWorld(t, { a: { rules: [requests, rule('rolling')] } });
    await acquaint(w);
    clean(w, await storm({ url: w.gateway.url, body: mixed('a'), ms: 5000, pause: 80, hangUp: 0.1 }));
    const most = Math.min(15 + 15 * 5, 40 * 3);
    return w.a.count() >= 0.9 * most ? undefined : `${w.a.count()} of ${most}`;
  }));

  test('L5 streamed and plain calls of the same tokens cost the same', async (t) => {
    const own = { metric: 'tokens', window: 'month', limit: 100_000, reset: 'lifetime', scope: 'target' };
    const w = await limitedWorld(t, { plain: { rules: [own] }, stream: { rules: [own] } });
    for (let call = 0; call < 3; call += 1) {
      assert.equal((await w.gateway.chat('plain', ask('plain'))).status, 200);
      assert.equal((await w.gateway.stream('stream', { ...ask('stream'), stream: true })).status, 200);
    }
    const [a, b] = [await rowOf(w.gateway, 'plain', 'tokens'), await rowOf(w.gateway, 'stream', 'tokens')];
    assert.deepEqual([a.used, b.used], [3 * EACH, 3 * EACH]);
  });

  test('G7 input and output tokens are counted apart', async (t) => {
    const own = (metric) => ({ metric, window: 'month', limit: 100_000, reset: 'lifetime', scope: 'target' });
    const w = await limitedWorld(t, { a: { rules: [own('input_tokens'), own('output_tokens')] } });
    assert.equal((await w.gateway.chat('a', ask('a'))).status, 200);
    const used = async (metric) => (await rowOf(w.gateway, 'a', metric)).used;
    assert.deepEqual([await used('input_tokens'), await used('output_tokens')], [EACH - 12, 12]);
  });

  test('G7 a request larger than a whole limit moves on, and alone is answered 413', async (t) => {
    const small = { metric: 'tokens', window: 'day', limit: 50, reset: 'token_bucket', scope: 'target' };
    const w = await limitedWorld(t, { a: { rules: [small] }, b: {}, c: { rules: [small] } }, { chains: [{ a: ['b'] }] });
    const moved = await w.gateway.chat('a', ask('a'));
    assert.deepEqual([moved.servedBy, moved.trail[0]], ['b', { alias: 'a', skipped: 'quota' }], moved.text);
    const alone = await w.gateway.chat('c', ask('c'));
    assert.deepEqual([alone.status, alone.error?.code], [413, 'context_length_exceeded'], alone.text);
    assert.match(alone.text, /never fits/);
    assert.deepEqual([w.a.calls.length, w.c.calls.length], [0, 0]);
  });
});
