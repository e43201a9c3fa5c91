// freeway rehearse: traffic in virtual time, nothing sent.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { ROOT, run, scratch, writeConfig } from '../lib/gateway.mjs';

const NOBODY = 'http://127.0.0.1:9/v1';
const model = (name, info, key) => ({
  model_name: name,
  litellm_params: { model: `openai/${name}`, api_base: NOBODY, ...(key ? { api_key: `os.environ/${key}` } : { api_key: 'k' }) },
  model_info: { mode: 'chat', ...info },
});
const day = (limit) => [{ metric: 'requests', window: 'day', limit, reset: 'fixed', scope: 'target' }];

/** `scarce` has 50 a day, `plenty` 5,000, `dear` costs. */
const CONFIG = {
  model_list: [
    model('scarce', { tier: 'free', limits: day(50) }, 'KEY_THAT_IS_NOT_SET'),
    model('plenty', { tier: 'free', limits: day(5000) }),
    model('dear', { tier: 'paid', input_cost_per_token: 0.000001, output_cost_per_token: 0.000002 }),
    model('asks-scarce', { tier: 'free', limits: day(1) }),
  ],
  router_settings: {
    fallbacks: [{ scarce: ['plenty', 'dear'] }, { 'asks-scarce': ['scarce', 'dear'] }],
  },
};

function rehearse(args, { config = writeConfig(scratch(), CONFIG), cwd } = {}) {
  return run(['rehearse', '--config', config, '--env', path.join(scratch(), '.env'), ...args], { cwd, within: 60_000 });
}
async function report(args, options) {
  const result = await rehearse([...args, '--json'], options);
  assert.equal(result.code, 0, result.stderr);
  return JSON.parse(result.stdout);
}

describe('rehearse', () => {
  test('the same seed gives the same answer, another seed another one', async () => {
    const config = writeConfig(scratch(), CONFIG);
    const args = ['--rate', '400/day', '--span', 'week', '--routing', 'both'];
    const [a, b, other] = await Promise.all([args, args, [...args, '--seed', '2']].map((one) => rehearse(one, { config })));
    assert.equal(a.code, 0, a.stderr);
    assert.equal(a.stdout, b.stdout);
    assert.notEqual(a.stdout, other.stdout);
    assert.match(a.stdout, /served free/);
    assert.match(a.stdout, /spend_wisely serves \+\d+ requests free/);
  });

  test('a day that is used up goes to who costs, and no provider has to refuse', async () => {
    const { reports: [strict] } = await report(['--rate', '200/day', '--span', '10d', '--alias', 'asks-scarce']);
    assert.equal(strict.served.free, 510);
    assert.equal(strict.served.paid, strict.requests - 510);
    assert.equal(strict.refused, 0);
    assert.ok(strict.refusals_avoided > 0);
    assert.ok(strict.cost_usd > 0);
    const limit = strict.limits.find(({ key }) => key.startsWith('target:scarce'));
    assert.match(limit.first_exhausted, /^2026-06-01T/);
  });

  test('spend_wisely spares what others need', async () => {
    const out = await report(['--rate', '100/day', '--span', 'week', '--routing', 'both', '--alias', 'scarce:3,asks-scarce']);
    const [strict, wise] = out.reports;
    assert.deepEqual([strict.routing, wise.routing], ['strict', 'spend_wisely']);
    assert.equal(strict.requests, wise.requests);
    assert.ok(out.more_served_free > 50, `${out.more_served_free} more`);
    assert.equal(out.more_served_free, wise.served.free - strict.served.free);
  });

  test('a log is replayed', async () => {
    const home = scratch();
    const log = path.join(home, 'usage.csv');
    const lines = Array.from({ length: 60 }, (_, i) => `${1780315200 + i * 30},scarce,${i % 5 === 0 ? 2 : 1},100,50`);
    fs.writeFileSync(log, `second,alias,calls,input_tokens,output_tokens\r\n${lines.join('\r\n')}\r\n`);
    const out = await report(['--log', log]);
    assert.equal(out.begin, '2026-06-01T12:00:00Z');
    assert.equal(out.reports[0].requests, 72);
    assert.equal(out.reports[0].served.free, 72);
    assert.deepEqual(out.reports[0].targets.map(({ target, served }) => [target, served]), [['scarce', 50], ['plenty', 22]]);
  });

  test('a bad line is said with its place', async () => {
    const home = scratch();
    fs.writeFileSync(path.join(home, 'usage.csv'), 'time,alias,prompt_tokens,completion_tokens\n2026-06-01T00:00:00Z,scarce,1,1\nsoon,scarce,1,1\n');
    const bad = await rehearse(['--log', 'usage.csv'], { cwd: home });
    assert.equal(bad.code, 1);
    assert.match(bad.stderr, /usage\.csv:3: `soon` is no time: write /);
    const missing = await rehearse(['--log', 'none.csv'], { cwd: home });
    assert.equal(missing.code, 1);
    assert.match(missing.stderr, /none\.csv can't be read/);
  });

  const WRONG = {
    'a rate without meaning': [['--rate', 'much'], 2, /--rate much: write it as 2000\/day/],
    'a span without end': [['--span', 'ever'], 2, /--span ever/],
    'one mean instead of two': [['--tokens', '800'], 2, /--tokens 800: .* 800,300/],
    'more than fits': [['--rate', '1000000/day', '--span', 'month'], 2, /rehearse a shorter span/],
    'a log and a rate': [['--log', 'x.csv', '--rate', '1/day'], 2, /excludes/],
    'a weight that is none': [['--alias', 'scarce:much'], 2, /a weight above 0/],
    'a routing that is none': [['--routing', 'wild'], 2, /wild/],
    'an unknown alias': [['--alias', 'nobody'], 1, /there is no alias `nobody`/],
  };
  for (const [what, [args, code, says]] of Object.entries(WRONG)) {
    test(`${what} is said`, async () => {
      const result = await rehearse(args);
      assert.equal(result.code, code, result.stdout + result.stderr);
      assert.match(result.stderr + result.stdout, says);
    });
  }

  test('no provider enabled: says so, and --all takes all', async () => {
    const config = path.join(ROOT, 'config');
    const none = await rehearse(['--rate', '10/day'], { config });
    assert.equal(none.code, 1);
    assert.match(none.stderr, /no provider is enabled: .*--all/);
    const all = await report(['--rate', '100/day', '--span', 'day', '--all'], { config });
    assert.ok(all.reports[0].requests > 50);
  });

  test('a month of 100,000 requests over the shipped configuration takes seconds', async () => {
    const began = performance.now();
    const out = await report(['--all', '--rate', '3334/day', '--span', 'month', '--routing', 'both'], { config: path.join(ROOT, 'config') });
    assert.ok(out.reports[0].requests > 98_000, `${out.reports[0].requests} requests`);
    assert.ok(performance.now() - began < 20_000, `${performance.now() - began} ms for two months`);
  });
});
