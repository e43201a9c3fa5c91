// Every provider's own words of refusal: read for what they mean, not for their status.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { anthropic, cerebras, cohere, generic, groq, huggingface, mistral, ollama, openai, openrouter, Fake } from '../providers/index.mjs';
import { entry } from '../lib/world.mjs';
import { Gateway, secondsLeft } from '../lib/gateway.mjs';

const MINUTE = [1, 70];
const DAY = [70, 31 * 86_400];
const any = [0, 31 * 86_400];

/** provider, its error, the outcomes that are right, how long its bench may last in seconds. */
const MOVES_ON = [
  [groq, 'tpm', ['rate_limited'], [10, 70]],
  [groq, 'rpm', ['rate_limited'], MINUTE],
  [groq, 'tpd', ['exhausted'], [570, 600]],
  [groq, 'rpd', ['exhausted'], [80, 120]],
  [groq, 'too_large_413', ['too_large'], null],
  [groq, 'tool_use_failed', undefined, null],
  [groq, 'json_validate_failed', undefined, null],
  [groq, 'capacity_498', ['busy', 'transient', 'rate_limited'], any],
  [groq, 'decommissioned', ['gone'], any],
  [groq, 'unauthorized', ['unauthorized'], any],
  [cerebras, 'rpm', ['rate_limited'], MINUTE],
  [cerebras, 'tpm', ['rate_limited'], MINUTE],
  [cerebras, 'queue', ['busy'], [0, 10]],
  [cerebras, 'payment', ['exhausted'], DAY],
  [cerebras, 'cloudflare_403', undefined, any],
  [cerebras, 'gone', ['gone'], any],
  [cerebras, 'unauthorized', ['unauthorized'], any],
  [openrouter, 'free_day', ['exhausted'], [1, 86_400]],
  [openrouter, 'free_min', ['rate_limited'], [30, 70]],
  [openrouter, 'upstream', ['busy', 'rate_limited'], [0, 70]],
  [openrouter, 'credits', ['exhausted'], DAY],
  [openrouter, 'gone', ['gone'], any],
  [openrouter, 'error_200', ['transient', 'malformed', 'busy'], any],
  [openrouter, 'limited_200', ['rate_limited', 'malformed'], any],
  [huggingface, 'credits', ['exhausted'], [1, 31 * 86_400]],
  [huggingface, 'credits_old', ['exhausted'], [1, 31 * 86_400]],
  [huggingface, 'not_supported', ['gone'], any],
  [huggingface, 'permission', ['unauthorized'], any],
  [huggingface, 'busy', ['rate_limited', 'busy'], [0, 70]],
  [huggingface, 'loading', ['transient', 'busy'], any],
  [huggingface, 'html_502', ['transient', 'malformed'], any],
  [mistral, 'rate', ['rate_limited'], [0, 70]],
  [mistral, 'rate_old', ['rate_limited'], [0, 70]],
  [mistral, 'no_allowance', ['gone', 'exhausted', 'unsupported'], any],
  [mistral, 'month', ['exhausted'], [1, 31 * 86_400]],
  [mistral, 'capacity', ['busy', 'rate_limited', 'transient'], [0, 70]],
  [mistral, 'extra_detail', undefined, any],
  [mistral, 'extra_object', undefined, any],
  [mistral, 'extra_array', undefined, any],
  [mistral, 'unauthorized', ['unauthorized'], any],
  [cohere, 'minute', ['rate_limited'], [1, 70]],
  [cohere, 'minute_stated', ['rate_limited'], [1, 12]],
  [cohere, 'minute_tokens', ['rate_limited'], [1, 70]],
  [cohere, 'month', ['exhausted'], [1, 31 * 86_400]],
  [cohere, 'gone', ['gone'], any],
  [cohere, 'unauthorized', ['unauthorized'], any],
  [anthropic, 'credit_400', ['exhausted'], DAY],
  [anthropic, 'rate_429', ['rate_limited'], [20, 70]],
  [anthropic, 'overloaded_529', ['busy', 'transient'], [0, 70]],
  [anthropic, 'too_large_413', ['too_large'], null],
  [anthropic, 'gone', ['gone'], any],
  [anthropic, 'unauthorized', ['unauthorized'], any],
  [openai, 'tpm', ['rate_limited'], [1, 70]],
  [openai, 'rpm', ['rate_limited'], [15, 70]],
  [openai, 'rpd', ['exhausted'], [80, 120]],
  [openai, 'insufficient_quota', ['exhausted'], DAY],
  [openai, 'too_large', ['too_large'], null],
  [openai, 'gone', ['gone'], any],
  [openai, 'slow_down', ['transient', 'busy'], any],
  [ollama, 'busy', ['busy', 'transient'], [0, 70]],
  [ollama, 'notfound', ['gone'], any],
  [ollama, 'out_of_memory', ['busy'], [0, 10]],
  [generic, 'workspace_busy', ['busy'], [0, 70]],
  [generic, 'unavailable', ['transient', 'busy'], [0, 70]],
  [generic, 'zai_concurrency', ['busy'], [0, 10]],
  [generic, 'zai_window', ['exhausted'], DAY],
  [generic, 'zai_balance', ['exhausted'], DAY],
];

/** What is answered at once, whoever else could be asked. */
const ANSWERED = [
  [openrouter, 'moderation', 'content_filtered'],
  [cohere, 'filtered_498', 'content_filtered'],
  [openai, 'content_filter', 'content_filtered'],
  [openai, 'bad_request', 'bad_request'],
];

/** What only a larger window can serve. */
const OVERFLOWS = [[cerebras, 'context'], [cohere, 'context'], [anthropic, 'too_long'], [openai, 'context']];

async function chainOf(t, wire) {
  const [refusing, healthy] = [await Fake.start(wire), await Fake.start(openai)];
  t.after(() => Promise.all([refusing.close(), healthy.close()]));
  const gateway = await Gateway.start(t, {
    config: {
      model_list: [
        entry('refusing', refusing, { info: { max_input_tokens: 8192 } }),
        entry('healthy', healthy, { info: { max_input_tokens: 1_000_000 } }),
      ],
      router_settings: { fallbacks: [{ refusing: ['healthy'] }] },
    },
  });
  return { gateway, refusing, healthy };
}

const byProvider = (rows) => Map.groupBy?.(rows, ([wire]) => wire) ?? rows.reduce((map, row) => map.set(row[0], [...(map.get(row[0]) ?? []), row]), new Map());

describe('refusals', { concurrency: 4 }, () => {
  for (const [wire, rows] of byProvider(MOVES_ON)) {
    test(`G6 ${wire.name}: each refusal is read right and moves on`, async (t) => {
      const { gateway, refusing } = await chainOf(t, wire);
      for (const [, name, outcomes, span] of rows) {
        await t.test(name, async () => {
          await gateway.clearBenches();
          refusing.next(wire.errors[name]);
          const before = refusing.calls.length;
          const answer = await gateway.chat('refusing');
          assert.equal(answer.servedBy, 'healthy', answer.text);
          assert.equal(refusing.calls.length, before + 1, 'called once');
          if (outcomes) assert.ok(outcomes.includes(answer.trail[0].outcome), answer.trailText);
          await benchLasts(gateway, span);
        });
      }
    });
  }

  for (const [wire, rows] of byProvider(ANSWERED)) {
    test(`G12 ${wire.name}: what is answered at once`, async (t) => {
      const { gateway, refusing, healthy } = await chainOf(t, wire);
      for (const [, name, outcome] of rows) {
        refusing.next(wire.errors[name]);
        const answer = await gateway.chat('refusing');
        assert.ok(answer.status >= 400 && answer.status < 500, `${name}: ${answer.status} ${answer.text}`);
        assert.equal(answer.trail[0].outcome, outcome, name);
      }
      assert.equal(healthy.calls.length, 0);
      assert.deepEqual(await gateway.benches(), []);
    });
  }

  for (const [wire, name] of OVERFLOWS) {
    test(`G12 ${wire.name}: a context overflow is seen in its words`, async (t) => {
      const { gateway, refusing } = await chainOf(t, wire);
      refusing.next(wire.errors[name]);
      const answer = await gateway.chat('refusing');
      assert.equal(answer.trail[0].outcome, 'context_overflow', answer.trailText);
      assert.equal(answer.servedBy, 'healthy');
      assert.deepEqual(await gateway.benches(), []);
    });
  }
});

async function benchLasts(gateway, span) {
  const benches = await gateway.benches();
  if (span === null) return assert.deepEqual(benches, [], 'this request only: no bench');
  if (span === any) return;
  const [least, most] = span;
  if (least > 0) assert.equal(benches.length >= 1, true, 'benched');
  for (const bench of benches) {
    const seconds = secondsLeft(bench);
    assert.ok(seconds >= least - 2 && seconds <= most + 2, `bench of ${seconds} s, expected ${least}..${most}`);
  }
}
