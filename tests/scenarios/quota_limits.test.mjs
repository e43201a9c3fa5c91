// G7, L1: fifty clients against a hidden limit of each reset kind, never one call over it.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { spanOf } from '../providers/limited.mjs';
import { chatBody, heldNothing, limitedWorld, served, storm, tally } from '../lib/storm.mjs';
import { metOnce, until, windowBegins } from '../lib/until.mjs';

const MS = 7600;
const LATENCY = 80;
const LONGEST = 2 * LATENCY;

/** Windows that begin within the storm, the first at its start. */
const windows = ({ limit, window }) => limit * (Math.floor(MS / spanOf(window)) + 1);

/** What a perfect caller could use: calls that take up to LONGEST each, from a full allowance. */
const ALLOWED = {
  token_bucket: ({ limit, window }) => limit * (1 + (MS - LONGEST) / spanOf(window)),
  rolling: windows, fixed: windows, first_use: windows,
};

const RULES = {
  token_bucket: { metric: 'requests', window: '2s', limit: 40, reset: 'token_bucket', scope: 'model' },
  rolling: { metric: 'requests', window: '2s', limit: 40, reset: 'rolling', scope: 'target' },
  fixed: { metric: 'requests', window: '2s', limit: 60, reset: 'fixed', scope: 'account' },
  first_use: { metric: 'requests', window: '2s', limit: 30, reset: 'first_use', scope: 'model' },
};

const CLIENTS = {
  'clients that come again': { pause: 200 },
  'clients that wait in line': { pause: 200, headers: { 'x-freeway-max-wait': '5s' }, leave: true },
};

/** Half of the clients stream. */
const mixed = (alias) => (number) => chatBody(alias, number % 2 === 0 ? { stream: true } : {});

/** Nothing but 200 and 429 came, and the upstream refused nothing. */
function clean(w, result, alias = 'a') {
  assert.deepEqual(w[alias].over, [], `calls over the hidden limit; the clients saw ${JSON.stringify(tally(result))}`);
  const odd = result.answers.filter(({ status }) => ![0, 200, 429].includes(status));
  assert.deepEqual(odd.slice(0, 3).map(({ status, text }) => ({ status, text })), []);
}

/** What of 95 % of the allowed is missing, if anything. */
function missing(t, count, allowed) {
  t.diagnostic(`used ${count} of ${Math.floor(allowed)} allowed (${(count / allowed * 100).toFixed(1)} %)`);
  return count >= 0.95 * allowed ? undefined : `only ${count} of ${allowed} were used`;
}

describe('hidden limits', { concurrency: 2 }, () => {
  for (const [kind, rule] of Object.entries(RULES)) {
    for (const [who, how] of Object.entries(CLIENTS)) {
      test(`G7 L1 ${kind}: ${who} never exceed it and use 95 %`, (t) => metOnce(3, async () => {
        const w = await limitedWorld(t, { a: { rules: [rule], latency: LATENCY } });
        if (kind === 'fixed') await windowBegins(spanOf(rule.window));
        const result = await storm({ url: w.gateway.url, body: mixed('a'), ms: MS, ...how });
        clean(w, result);
        await until(() => heldNothing(w.gateway).then(() => true, () => false), 3000, 'nothing is held');
        return missing(t, w.a.count(), ALLOWED[kind](rule));
      }));
    }
  }

  for (const [who, how] of Object.entries(CLIENTS)) {
    test(`G7 L1 L4 lifetime and calendar_month: ${who} get exactly what there is`, async (t) => {
      const rule = { metric: 'requests', limit: 60, scope: 'account' };
      const w = await limitedWorld(t, {
        credit: { rules: [{ ...rule, window: 'month', reset: 'lifetime' }] },
        month: { rules: [{ ...rule, window: 'month', reset: 'calendar_month' }] },
      });
      const body = (number) => chatBody(number < 25 ? 'credit' : 'month', { stream: number % 2 === 0 });
      const result = await storm({ url: w.gateway.url, body, ms: 2500, ...how });
      clean(w, result, 'credit');
      clean(w, { answers: [] }, 'month');
      assert.deepEqual([w.credit.count(), w.month.count(), served(result).length], [60, 60, 120]);
    });

    test(`G7 L1 L3 concurrency: ${who} are never more than the slots, and the slots are used`, (t) => metOnce(3, async () => {
      const [limit, latency] = [10, 250];
      const w = await limitedWorld(t, { a: { rules: [{ metric: 'concurrency', limit, scope: 'account' }], latency } });
      // Nobody leaves: a slot is free once the gateway hangs up, which the upstream sees a moment later.
      const result = await storm({ url: w.gateway.url, body: mixed('a'), ms: 3500, ...how, leave: false });
      clean(w, result);
      const share = w.a.count() / (limit * (3500 / latency));
      t.diagnostic(`${(share * 100).toFixed(0)} % of the slot time used`);
      await until(() => heldNothing(w.gateway).then(() => true, () => false), 3000, 'nothing is held');
      return share > 0.5 ? undefined : `${w.a.count()} calls in 3.5 s of ${limit} slots`;
    }));
  }

  test('G7 L1 fixed: calls that straddle the end of the window exceed neither', async (t) => {
    const rule = { ...RULES.fixed, limit: 40 };
    const w = await limitedWorld(t, { a: { rules: [rule] } });
    for (const before of [120, 60]) {
      await windowBegins(2000, 2000 - before);
      clean(w, await storm({ url: w.gateway.url, body: mixed('a'), ms: 1500, pause: 40 }));
    }
  });

  test('G7 L1 rolling: bursts at odd moments, with hang-ups, never exceed it', async (t) => {
    const w = await limitedWorld(t, { a: { rules: [RULES.rolling] } });
    for (let round = 0; round < 5; round += 1) {
      const ms = 300 + Math.random() * 900;
      clean(w, await storm({ url: w.gateway.url, body: mixed('a'), ms, pause: 30, hangUp: 0.3 }));
    }
    await until(() => heldNothing(w.gateway).then(() => true, () => false), 3000, 'nothing is held');
  });
});
