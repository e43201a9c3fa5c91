// What replies say corrects the books: headers, refusals, prose, and limits that nobody states.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { anthropic, cerebras, cohere, groq, mistral, nextMidnight, openai, openrouter, problem } from '../providers/index.mjs';
import { Gateway } from '../lib/gateway.mjs';
import { chatBody, limitedWorld, quota, rowOf, storm, tally } from '../lib/storm.mjs';
import { until } from '../lib/until.mjs';
import { world } from '../lib/world.mjs';

const limit = (metric, window, most, reset, more = {}) => ({ metric, window, limit: most, reset, scope: 'model', ...more });
const inSeconds = (seconds) => new Date(Date.now() + seconds * 1000).toISOString();

const GROQ = [limit('requests', 'minute', 30, 'token_bucket'), limit('requests', 'day', 14_400, 'token_bucket'),
  limit('tokens', 'minute', 12_000, 'token_bucket'), limit('tokens', 'day', 100_000, 'token_bucket')];

/** Each reply says that nothing, or hardly anything, is left of one limit. */
const HEADERS = {
  'groq requests per day': {
    wire: groq, rule: GROQ[1],
    headers: { 'x-ratelimit-remaining-requests': '0', 'x-ratelimit-reset-requests': '24h0m0s' },
  },
  'groq tokens per minute': {
    wire: groq, rule: limit('tokens', 'minute', 600, 'token_bucket'),
    headers: { 'x-ratelimit-limit-tokens': '600', 'x-ratelimit-remaining-tokens': '0', 'x-ratelimit-reset-tokens': '1m0s' },
  },
  'cerebras requests per day': {
    wire: cerebras, rule: limit('requests', 'day', 14_400, 'token_bucket'),
    headers: { 'x-ratelimit-remaining-requests-day': '0', 'x-ratelimit-reset-requests-day': '86400.5' },
  },
  'cerebras tokens per minute': {
    wire: cerebras, rule: limit('tokens', 'minute', 600, 'token_bucket'),
    headers: { 'x-ratelimit-remaining-tokens-minute': '0', 'x-ratelimit-reset-tokens-minute': '59.382867097855' },
  },
  'mistral requests per minute': {
    wire: mistral, rule: limit('requests', 'minute', 60, 'fixed'),
    headers: { 'x-ratelimit-limit-req-minute': '60', 'x-ratelimit-remaining-req-minute': '0' },
  },
  'mistral tokens per month': {
    wire: mistral, rule: limit('tokens', 'month', 1_000_000_000, 'calendar_month'),
    headers: { 'x-ratelimit-remaining-tokens-month': '0' },
  },
  'cohere requests per minute': {
    wire: cohere, rule: limit('requests', 'minute', 20, 'rolling'),
    headers: { 'x-trial-endpoint-call-remaining': '0' },
  },
  'openai requests per minute': {
    wire: openai, rule: limit('requests', 'minute', 60, 'token_bucket'),
    headers: { 'x-ratelimit-remaining-requests': '0', 'x-ratelimit-reset-requests': '1m0s' },
  },
  'anthropic requests per minute': {
    wire: anthropic, rule: limit('requests', 'minute', 50, 'token_bucket'),
    get headers() { return { 'anthropic-ratelimit-requests-remaining': '0', 'anthropic-ratelimit-requests-reset': inSeconds(60) }; },
  },
  'anthropic output tokens per minute': {
    wire: anthropic, rule: limit('output_tokens', 'minute', 600, 'token_bucket'),
    get headers() {
      return { 'anthropic-ratelimit-output-tokens-limit': '600', 'anthropic-ratelimit-output-tokens-remaining': '0', 'anthropic-ratelimit-output-tokens-reset': inSeconds(60) };
    },
  },
};

/** Nothing of this limit was taken away; `blocks` says only that it may block. */
const untouched = (row) => assert.ok(row.back_in_s === 0 && row.remaining > 0.9 * row.ceiling, JSON.stringify(row));
const silent = (wire) => ({ ...wire, headers: () => ({}) });

describe('learning', { concurrency: 6 }, () => {
  for (const [what, { wire, rule, ...reply }] of Object.entries(HEADERS)) {
    for (const stream of wire === mistral ? [false] : [false, true]) {
      test(`G7 ${what}: a header of a ${stream ? 'streamed' : 'plain'} answer lowers what is left`, async (t) => {
        const w = await world(t, { a: silent(wire), b: silent(openai) }, { info: { a: { limits: [rule] } } });
        w.a.always({ headers: reply.headers });
        const first = await w.gateway.chat('a', { stream, max_tokens: 64 });
        assert.equal(first.servedBy, 'a', first.text);
        const second = await w.gateway.chat('a', { stream, max_tokens: 64 });
        assert.deepEqual([second.servedBy, second.trail[0]], ['b', { alias: 'a', skipped: 'quota' }], second.text);
        assert.equal(w.a.calls.length, 1, 'no call was spent on finding out');
        const row = await rowOf(w.gateway, 'a', rule.metric, rule.window);
        assert.ok(row.remaining <= 0.05 * rule.limit, `the header said that nothing is left: ${JSON.stringify(row)}`);
      });
    }
  }

  test('each figure keeps its source and its age', async (t) => {
    const w = await world(t, { a: silent(groq), b: silent(openai) }, { info: { a: { limits: [GROQ[1]] } } });
    const sourceOf = async () => { const { source, age_s } = await rowOf(w.gateway, 'a', 'requests', 'day'); return [source, age_s === null || age_s < 10]; };
    assert.deepEqual(await sourceOf(), ['configured', true]);
    await w.gateway.chat('a');
    assert.deepEqual(await sourceOf(), ['counted', true]);
    w.a.next({ headers: { 'x-ratelimit-remaining-requests': '7000', 'x-ratelimit-reset-requests': '12h0m0s' } });
    await w.gateway.chat('a');
    assert.deepEqual(await sourceOf(), ['header', true]);
    w.a.next(groq.errors.rpd);
    await w.gateway.chat('a');
    assert.deepEqual(await sourceOf(), ['refusal', true]);
  });

  test('G7 a header about another window gives back nothing that was counted', async (t) => {
    const w = await world(t, { a: openai }, { info: { a: { limits: [limit('requests', 'hour', 100, 'rolling')] } } });
    for (let call = 0; call < 5; call += 1) await w.gateway.chat('a');
    assert.equal((await rowOf(w.gateway, 'a', 'requests', 'hour')).used, 5, 'the reply said 9999 of 10000 left');
  });

  test('G7 a header never raises what is left above what was counted', async (t) => {
    const w = await world(t, { a: groq }, { info: { a: { limits: [limit('requests', 'day', 5, 'token_bucket')] } } });
    w.a.always({ headers: { 'x-ratelimit-limit-requests': '5', 'x-ratelimit-remaining-requests': '2', 'x-ratelimit-reset-requests': '14h' } });
    await w.gateway.chat('a');
    const row = await rowOf(w.gateway, 'a', 'requests', 'day');
    assert.ok(row.remaining <= 2.1, JSON.stringify(row));
  });

  test('G7 Groq: Limit, Used and Requested of the day feed the day and leave the minute alone', async (t) => {
    const w = await world(t, { a: silent(groq), b: silent(openai) }, { info: { a: { limits: GROQ } } });
    w.a.next(groq.errors.tpd);
    assert.equal((await w.gateway.chat('a')).servedBy, 'b');
    const day = await rowOf(w.gateway, 'a', 'tokens', 'day');
    assert.ok(day.used >= 96_900 && day.used <= 100_000, JSON.stringify(day));
    for (const [metric, window] of [['tokens', 'minute'], ['requests', 'minute'], ['requests', 'day']]) {
      untouched(await rowOf(w.gateway, 'a', metric, window));
    }
  });

  /** `script` refuses once; afterwards `closed` is short and the others are as good as untouched. */
  async function onlyCloses(t, { wire, limits, script, closed }) {
    const w = await world(t, { a: silent(wire), b: silent(openai) }, { info: { a: { limits } } });
    w.a.next(script);
    assert.equal((await w.gateway.chat('a')).servedBy, 'b');
    for (const { metric, window } of limits) {
      const row = await rowOf(w.gateway, 'a', metric, window);
      if (`${metric}/${window}` !== closed) untouched(row);
      else assert.ok(row.remaining < 0.7 * row.ceiling, JSON.stringify(row));
    }
    return w;
  }

  const COHERE = [limit('requests', 'minute', 20, 'rolling'), limit('requests', 'month', 1000, 'calendar_month', { scope: 'account' })];
  const CEREBRAS = [limit('requests', 'minute', 30, 'token_bucket'), limit('tokens', 'minute', 30_000, 'token_bucket'), limit('requests', 'day', 14_400, 'token_bucket')];
  const OPENAI = [limit('requests', 'minute', 3, 'token_bucket'), limit('requests', 'day', 1000, 'token_bucket'), limit('tokens', 'minute', 30_000, 'token_bucket')];
  const REFUSALS = {
    'groq tokens per minute': { wire: groq, limits: GROQ, script: groq.errors.tpm, closed: 'tokens/minute' },
    'groq requests per minute': { wire: groq, limits: GROQ, script: groq.errors.rpm, closed: 'requests/minute' },
    'groq requests per day': { wire: groq, limits: GROQ.map((own) => (own.limit === 14_400 ? { ...own, limit: 1000 } : own)), script: groq.errors.rpd, closed: 'requests/day' },
    'openai requests per day': { wire: openai, limits: OPENAI, script: openai.errors.rpd, closed: 'requests/day' },
    'openai requests per minute': { wire: openai, limits: OPENAI, script: openai.errors.rpm, closed: 'requests/minute' },
    'cerebras requests per minute': { wire: cerebras, limits: CEREBRAS, script: cerebras.errors.rpm, closed: 'requests/minute' },
    'cerebras tokens per minute': { wire: cerebras, limits: CEREBRAS, script: cerebras.errors.tpm, closed: 'tokens/minute' },
    'cohere calls per minute': { wire: cohere, limits: COHERE, script: cohere.errors.minute, closed: 'requests/minute' },
    'cohere calls per month': { wire: cohere, limits: COHERE, script: cohere.errors.month, closed: 'requests/month' },
  };
  for (const [what, refusal] of Object.entries(REFUSALS)) {
    test(`G6 ${what}: the refusal closes that limit and no other`, (t) => onlyCloses(t, refusal));
  }

  test('G6 a refusal that names no axis closes no day and no month', async (t) => {
    const limits = [limit('requests', 'minute', 30, 'fixed'), limit('requests', 'day', 1000, 'fixed'), limit('tokens', 'month', 1_000_000, 'calendar_month')];
    const w = await world(t, { a: silent(openai), b: silent(openai) }, { info: { a: { limits } } });
    w.a.next(problem(429, { message: 'Too many requests', code: 'rate_limit_exceeded' }));
    await w.gateway.chat('a');
    for (const [metric, window] of [['requests', 'day'], ['tokens', 'month']]) {
      untouched(await rowOf(w.gateway, 'a', metric, window));
    }
  });

  test('G6 after a month refusal no call is made until the month ends', async (t) => {
    const w = await world(t, { a: silent(cohere), b: silent(openai) }, { info: { a: { limits: COHERE } } });
    w.a.next(cohere.errors.month);
    await w.gateway.chat('a');
    const answer = await w.gateway.chat('a');
    assert.deepEqual([answer.servedBy, w.a.calls.length], ['b', 1], answer.text);
    const row = await rowOf(w.gateway, 'a', 'requests', 'month');
    const end = Date.UTC(new Date().getUTCFullYear(), new Date().getUTCMonth() + 1);
    assert.ok(Math.abs(row.back_in_s - (end - Date.now()) / 1000) < 60, JSON.stringify(row));
  });

  const FREE = [{ metric: 'requests', window: 'minute', limit: 20, reset: 'rolling', scope: 'pool', pool: 'openrouter-free' },
    { metric: 'requests', window: 'day', limit: 50, reset: 'fixed', scope: 'pool', pool: 'openrouter-free', time_zone: 'UTC', count_failures: 'all' }];

  for (const [how, end] of Object.entries({ 'an orderly restart': (gateway) => gateway.stop(), 'kill -9': (gateway) => gateway.kill() })) {
    test(`G6 OpenRouter: a used-up day closes all free models of the account, also after ${how}`, async (t) => {
      const key = (model) => ({ api_key: 'os.environ/OPENROUTER_API_KEY', model });
      const env = { OPENROUTER_API_KEY: 'sk-or-one' };
      const w = await world(t, { a: openrouter, b: openrouter, c: silent(openai) }, {
        env, info: { a: { limits: FREE }, b: { limits: FREE } },
        params: { a: key('openrouter/meta-llama/llama-3.3-70b-instruct:free'), b: key('openrouter/qwen/qwen3-coder:free') },
      });
      w.a.next(openrouter.errors.free_day);
      const first = await w.gateway.chat('a');
      assert.deepEqual([first.servedBy, w.b.calls.length], ['c', 0], first.trailText);
      const [row] = (await quota(w.gateway)).filter(({ window, scope }) => window === 'day' && scope === 'pool');
      assert.ok(row.remaining === 0 && Math.abs(row.back_in_s - (nextMidnight() - Date.now()) / 1000) < 60, JSON.stringify(row));
      assert.equal(row.limit, 'pool:openrouter-free@openrouter:OPENROUTER_API_KEY requests/day');
      await end(w.gateway);
      const gateway = await Gateway.start(t, { configPath: w.gateway.configFile, data: `${w.gateway.folder}/data`, env });
      const after = await gateway.chat('a');
      assert.equal(after.servedBy, 'c', after.text);
      await gateway.clearBenches();
      const unbenched = await gateway.chat('a');
      assert.deepEqual(unbenched.trail.slice(0, 2), [{ alias: 'a', skipped: 'quota' }, { alias: 'b', skipped: 'quota' }], unbenched.trailText);
      assert.deepEqual([w.a.calls.length, w.b.calls.length], [1, 0]);
    });
  }

  test('G6 OpenRouter: a full minute is over when it says so', async (t) => {
    const w = await world(t, { a: openrouter, c: silent(openai) }, { info: { a: { limits: FREE } } });
    w.a.next(openrouter.errors.free_min);
    await w.gateway.chat('a');
    const rows = (await quota(w.gateway)).filter(({ scope }) => scope === 'pool');
    const of = (window) => rows.find((row) => row.window === window);
    assert.ok(of('day').back_in_s === 0 && of('day').remaining >= 48, JSON.stringify(of('day')));
    const answer = await w.gateway.chat('a');
    assert.equal(answer.servedBy, 'c');
    assert.equal(w.a.calls.length, 1);
  });

  test('G7 Mistral: a limit that nobody states is found by its refusals, and then kept', async (t) => {
    const hidden = limit('requests', 'minute', 20, 'fixed');
    const refusal = { status: 429, headers: {}, json: mistral.errors.rate_old.json };
    const w = await limitedWorld(t, {
      a: { wire: silent(mistral), rules: [hidden], known: [{ ...hidden, limit: null }], refusal, latency: 10 },
      b: { latency: 10 },
    }, { chains: [{ a: ['b'] }], router: { cooldown_time: 1 } });
    const minute = () => Math.floor(Date.now() / 60_000);
    const began = minute();
    const result = await storm({ url: w.gateway.url, body: chatBody('a'), clients: 4, ms: 25_000, pause: 30 });
    const minutes = minute() - began + 1;
    const row = await rowOf(w.gateway, 'a', 'requests', 'minute');
    t.diagnostic(`${w.a.over.length} refusals and ${w.a.count()} served by it in ${minutes} minutes; ${JSON.stringify(row)}`);
    assert.deepEqual(Object.keys(tally(result)), ['200']);
    assert.ok(w.a.over.length <= 4, 'the four that were under way when the limit showed itself, and none after them');
    assert.ok(w.a.count() >= 0.9 * 20 * minutes, 'and what there is is used');
    assert.deepEqual([row.ceiling_source, row.ceiling <= 20 && row.ceiling >= 15], ['discovered', true], JSON.stringify(row));
  });

  test('G7 what a plain success says about the ceiling only ever lowers it', async (t) => {
    const w = await world(t, { a: silent(mistral), b: silent(openai) }, { info: { a: { limits: [limit('requests', 'minute', 60, 'fixed')] } } });
    w.a.next({ headers: { 'x-ratelimit-limit-req-minute': '10', 'x-ratelimit-remaining-req-minute': '9' } });
    await w.gateway.chat('a');
    const row = await rowOf(w.gateway, 'a', 'requests', 'minute');
    assert.ok(row.remaining <= 9, JSON.stringify(row));
    await until(async () => (await rowOf(w.gateway, 'a', 'requests', 'minute')).held === 0, 2000, 'nothing is held');
  });
});
