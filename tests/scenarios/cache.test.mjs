// The cache of whole answers: who asks the same gets the same, without anybody being called.
import assert from 'node:assert/strict';
import path from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { anthropic, groq, openai } from '../providers/index.mjs';
import { Gateway, run, scratch, writeConfig } from '../lib/gateway.mjs';
import { rowOf } from '../lib/storm.mjs';
import { until } from '../lib/until.mjs';
import { counts, world } from '../lib/world.mjs';

const state = (answer) => answer.headers['x-freeway-cache']?.split(';')[0];
const cached = (t, more = {}, wire = openai) => world(t, { a: wire }, { info: { a: { cache: true } }, ...more });
const stats = async (gateway) => (await gateway.get('/v1/cache')).json;
const calls = [
  { id: 'call_1', name: 'weather', arguments: '{"city":"Oslo"}' },
  { id: 'call_2', name: 'time', arguments: '{}' },
];
const tools = [{ type: 'function', function: { name: 'weather', parameters: { type: 'object' } } }];

function assertHit(answer, by = 'a') {
  assert.equal(answer.status, 200, answer.text);
  assert.match(answer.headers['x-freeway-cache'], /^hit; age=\d+$/);
  assert.deepEqual([answer.servedBy, answer.attempts, answer.trailText], [by, 0, 'cache=hit']);
}

describe('cache', { concurrency: 4 }, () => {
  test('off unless somebody switches it on', async (t) => {
    const w = await world(t, { a: openai });
    for (let i = 0; i < 2; i += 1) {
      const answer = await w.gateway.chat('a');
      assert.deepEqual([answer.status, state(answer)], [200, undefined]);
    }
    await w.gateway.chat('a', { cache: { ttl: 60 } });
    assert.equal(w.a.calls.length, 3);
    assert.equal(w.a.last.body.cache, undefined, 'the member is ours');
    assert.equal((await stats(w.gateway)).misses, 0);
  });

  test('plain → plain: byte for byte, unknown members too, and one call', async (t) => {
    const w = await cached(t);
    w.a.always({ extra: { x_unknown: { deep: [1, 2.50] } } });
    const first = await w.gateway.chat('a', { temperature: 1 });
    assert.equal(state(first), 'miss');
    const second = await w.gateway.send('/v1/chat/completions', {
      body: '{"temperature":1, "user":"somebody","metadata":{"k":"v"},"messages":[{"content":"h\\u0069","role":"user"}],"model":"a"}',
    });
    assertHit(second);
    assert.equal(second.text, first.text);
    assert.equal(w.a.calls.length, 1);
    const record = (await w.gateway.get(`/v1/requests/${second.requestId}/explain`)).json;
    assert.match(record.cache, /^hit; age=/);
    assert.deepEqual([record.attempts, record.served_by, record.candidates], [0, 'a', []]);
    for (const other of [{ temperature: 0 }, { temperature: 1, seed: 1 }, {}]) assert.equal(state(await w.gateway.chat('a', other)), 'miss');
    assert.equal(w.a.calls.length, 4);
  });

  for (const [name, script] of Object.entries({
    text: { reply: `a long answer: ${'äöü 😀 '.repeat(100)}` },
    'calls of tools': { toolCalls: calls },
    reasoning: { reasoning: 'because '.repeat(60), reply: 'so' },
  })) {
    test(`plain → stream and stream → plain: ${name}`, async (t) => {
      const w = await cached(t);
      w.a.always(script);
      const plain = await w.gateway.chat('a', { tools });
      const fromPlain = await w.gateway.stream('a', { tools, stream_options: { include_usage: true } });
      assertHit(fromPlain);
      const { message, finish_reason: finish } = plain.json.choices[0];
      assert.deepEqual([fromPlain.content, fromPlain.finish, fromPlain.dones], [message.content ?? '', finish, 1]);
      assert.equal(fromPlain.usage.total_tokens, plain.json.usage.total_tokens);
      assert.deepEqual(fromPlain.models, ['a']);
      assert.equal(joined(fromPlain), JSON.stringify(message.tool_calls?.map((c) => c.function)));
      if (script.reply?.length > 400) assert.ok(fromPlain.deltas.length > 3, 'in pieces');

      const streamed = await w.gateway.stream('a', { tools, seed: 2 });
      assert.equal(state(streamed), 'miss');
      const fromStream = await w.gateway.chat('a', { tools, seed: 2 });
      assertHit(fromStream);
      const other = fromStream.json.choices[0];
      assert.deepEqual([other.message.content ?? '', other.finish_reason], [streamed.content, streamed.finish]);
      assert.equal(joined(streamed), JSON.stringify(other.message.tool_calls?.map((c) => c.function)));
      assert.equal(other.message.reasoning_content ?? '', streamed.reasoning);
      assert.equal(fromStream.json.usage.total_tokens, 18);
      const again = await w.gateway.stream('a', { tools, seed: 2 });
      assertHit(again);
      assert.deepEqual([again.content, again.reasoning, joined(again)], [streamed.content, streamed.reasoning, joined(streamed)]);
      assert.equal(w.a.calls.length, 2);
    });
  }

  test('an upstream of another protocol', async (t) => {
    const w = await cached(t, {}, anthropic);
    const plain = await w.gateway.chat('a', { cache: { ttl: 60 } });
    assert.equal(plain.status, 200, plain.text);
    const streamed = await w.gateway.stream('a');
    assertHit(streamed);
    assert.equal(streamed.content, plain.json.choices[0].message.content);
    await w.gateway.stream('a', { stop: ['x'] });
    const fromStream = await w.gateway.chat('a', { stop: ['x'] });
    assertHit(fromStream);
    assert.equal(fromStream.json.choices[0].message.content, plain.json.choices[0].message.content);
    assert.equal(w.a.calls.length, 2);
    assert.ok(w.a.calls.every((call) => call.body.cache === undefined));
  });

  test('legacy completions keep whole answers', async (t) => {
    const w = await cached(t);
    const ask = (more) => w.gateway.send('/v1/completions', { body: { model: 'a', prompt: 'once', ...more } });
    const first = await ask();
    const second = await ask();
    assertHit(second);
    assert.equal(second.text, first.text);
    assert.equal(state(await ask({ stream: true })), 'off');
    assert.equal(w.a.calls.length, 2);
  });

  test('a Response repeats its own request, and one that is gone is made anew', async (t) => {
    const w = await cached(t, {}, groq);
    const ask = (more) => w.gateway.send('/v1/responses', { body: { model: 'a', input: 'hi', ...more } });
    const first = await ask({ metadata: { run: '1' } });
    assert.equal(state(first), 'miss');
    const other = await ask({ metadata: { run: '2' } });
    assert.deepEqual([state(other), other.json.metadata], ['miss', { run: '2' }]);
    const again = await ask({ metadata: { run: '1' } });
    assertHit(again);
    assert.equal(again.json.id, first.json.id);
    assert.equal((await w.gateway.get(`/v1/responses/${again.json.id}`)).status, 200);
    await w.gateway.send(`/v1/responses/${first.json.id}`, { method: 'DELETE' });
    const anew = await ask({ metadata: { run: '1' } });
    assert.equal(state(anew), 'miss');
    assert.equal((await w.gateway.get(`/v1/responses/${anew.json.id}`)).status, 200);
    assert.equal(state(await ask({ store: false })), 'miss');
    assertHit(await ask({ store: false }));
  });

  test('what the canonical form has no place for keeps its form', async (t) => {
    const w = await cached(t);
    await w.gateway.chat('a', { n: 2 });
    assertHit(await w.gateway.chat('a', { n: 2 }));
    assert.equal(state(await w.gateway.stream('a', { n: 2 })), 'off');
    assert.equal(w.a.calls.length, 2);
  });

  test('ttl: of the request, of the alias, of the settings', async (t) => {
    const w = await world(t, { a: openai, b: openai, c: openai }, {
      chains: [], info: { a: { cache: { ttl: 1 } }, c: { cache: false } }, litellm: { cache: true, cache_params: { type: 'local', ttl: 600 } },
    });
    for (const alias of ['a', 'b', 'c']) await w.gateway.chat(alias);
    await w.gateway.chat('b', { seed: 1, cache: { ttl: 1 } });
    await sleep(2100);
    assert.equal(state(await w.gateway.chat('a')), 'miss');
    assertHit(await w.gateway.chat('b'), 'b');
    assert.equal(state(await w.gateway.chat('b', { seed: 1 })), 'miss');
    assert.equal(state(await w.gateway.chat('c')), undefined);
    assert.deepEqual(counts(w), { a: 2, b: 3, c: 2 });
  });

  test('no-cache, no-store, s-maxage, namespace and the header', async (t) => {
    const w = await cached(t);
    const ask = async (cache, headers) => state(await w.gateway.chat('a', cache && { cache }, { headers }));
    assert.equal(await ask({ 'no-store': true }), 'miss');
    assert.equal(await ask(), 'miss', 'nothing was stored');
    assert.equal(await ask(), 'hit');
    assert.equal(await ask({ 'no-cache': true }), 'miss');
    assert.equal(await ask({ 'no-cache': true, 'no-store': true }), 'off');
    assert.equal(await ask({ namespace: 'mine' }), 'miss');
    assert.equal(await ask({ namespace: 'mine' }), 'hit');
    assert.equal(await ask({ 'use-cache': false }), 'off');
    assert.equal(await ask(undefined, { 'x-freeway-cache': 'off' }), 'off');
    assert.equal(await ask({ 's-maxage': 600 }), 'hit');
    await sleep(1100);
    assert.equal(await ask({ 's-maxage': 0 }), 'miss');
    assert.equal(w.a.calls.length, 8);
    assert.ok(w.a.calls.every((call) => call.body.cache === undefined));
    for (const cache of [true, { ttl: 'soon' }, { no_cache: true }]) {
      const refused = await w.gateway.chat('a', { cache });
      assert.deepEqual([refused.status, refused.error?.param], [400, 'cache'], refused.text);
    }
    assert.equal((await w.gateway.chat('a', {}, { headers: { 'x-freeway-cache': 'maybe' } })).status, 400);
  });

  test('a request may ask for it where nobody else did, and must where the mode is default_off', async (t) => {
    const w = await world(t, { a: openai });
    const on = { headers: { 'x-freeway-cache': 'on' } };
    await w.gateway.chat('a', {}, on);
    assertHit(await w.gateway.chat('a', {}, on));
    const off = await world(t, { a: openai }, { litellm: { cache: true, cache_params: { type: 'disk', mode: 'default_off' } } });
    assert.equal(state(await off.gateway.chat('a')), 'off');
    assert.equal(state(await off.gateway.chat('a', { cache: { 'use-cache': true } })), 'miss');
    assertHit(await off.gateway.chat('a', { cache: { 'use-cache': true } }));
    assert.equal(off.a.calls.length, 2);
  });

  test('supported_call_types', async (t) => {
    const w = await cached(t, { litellm: { cache: true, cache_params: { type: 'local', supported_call_types: ['atext_completion'] } } });
    assert.equal(state(await w.gateway.chat('a')), 'off');
    assert.equal(state(await w.gateway.send('/v1/completions', { body: { model: 'a', prompt: 'x' } })), 'miss');
  });

  test('a hit needs nobody: neither a target that is back nor quota nor a place', async (t) => {
    const limits = [{ metric: 'requests', window: 'day', limit: 2 }];
    const w = await world(t, { a: openai }, { info: { a: { cache: true, limits } } });
    await w.gateway.chat('a');
    const used = async () => (await rowOf(w.gateway, 'a', 'requests', 'day')).used;
    for (let i = 0; i < 5; i += 1) assertHit(await w.gateway.chat('a'));
    assert.equal(await used(), 1);
    w.a.next(openai.errors.rateLimited ?? { status: 429, json: { error: { message: 'slow down' } }, headers: { 'retry-after': '60' } });
    assert.notEqual((await w.gateway.chat('a', { seed: 1 })).status, 200);
    assertHit(await w.gateway.chat('a'));
    assertHit(await w.gateway.stream('a'));
    assert.equal(w.a.calls.length, 2);
  });

  test('whoever serves in the chain is named', async (t) => {
    const w = await world(t, { a: openai, b: openai }, { info: { a: { cache: true } } });
    w.a.always({ status: 503, json: { error: { message: 'down' } } });
    assert.equal((await w.gateway.chat('a')).servedBy, 'b');
    const hit = await w.gateway.chat('a');
    assertHit(hit, 'b');
    assert.equal(hit.json.model, 'b');
    assertHit(await w.gateway.stream('a'), 'b');
    assert.equal(state(await w.gateway.chat('b')), undefined);
  });

  test('errors, broken streams, filtered answers and those of agents are not kept', async (t) => {
    const w = await world(t, { a: openai, agent: openai }, { chains: [], info: { a: { cache: true }, agent: { cache: true, capabilities: ['streaming', 'agent'] } } });
    w.a.next({ status: 400, json: { error: { message: 'no', type: 'invalid_request_error' } } });
    assert.equal((await w.gateway.chat('a')).status, 400);
    assert.equal(state(await w.gateway.chat('a')), 'miss');
    for (const script of [{ cutAt: 2 }, { endAt: 2 }, { malformedAt: 2 }, { finish: 'content_filter' }]) {
      await w.gateway.clearBenches();
      const more = { stop: [JSON.stringify(script)] };
      w.a.next({ reply: 'one two three four', ...script });
      await w.gateway.stream('a', more);
      await w.gateway.clearBenches();
      const before = w.a.calls.length;
      const answer = await w.gateway.stream('a', more);
      assert.deepEqual([state(answer), w.a.calls.length], ['miss', before + 1], JSON.stringify(script));
    }
    for (let i = 0; i < 2; i += 1) assert.equal(state(await w.gateway.chat('agent')), 'miss');
    assert.equal(w.agent.calls.length, 2);
  });

  test('two at once are both right', async (t) => {
    const w = await cached(t);
    w.a.always({ delay: 100, reply: 'the same' });
    const answers = await Promise.all([w.gateway.chat('a'), w.gateway.stream('a'), w.gateway.chat('a')]);
    assert.deepEqual(answers.map((answer) => answer.content ?? answer.json.choices[0].message.content), ['the same', 'the same', 'the same']);
    assertHit(await w.gateway.chat('a'));
  });

  test('D3 answers outlive a restart and kill -9; the counts and DELETE', async (t) => {
    const w = await cached(t);
    const data = path.join(w.gateway.folder, 'data');
    const again = () => Gateway.start(t, { configPath: w.gateway.configFile, data });
    const first = await w.gateway.chat('a');
    const shown = await stats(w.gateway);
    assert.deepEqual([shown.answers, shown.hits, shown.misses, shown.on_disk], [1, 0, 1, true]);
    assert.ok(shown.bytes > first.text.length && shown.bytes < shown.most_bytes);
    await w.gateway.stop();
    const second = await again();
    await until(async () => (await stats(second)).answers === 1, 3000, 'the answer is restored');
    const hit = await second.chat('a');
    assertHit(hit);
    assert.equal(hit.text, first.text);
    await second.chat('a', { seed: 1 });
    await sleep(1000);
    await second.kill();
    const third = await again();
    await until(async () => (await stats(third)).answers === 2, 3000, 'both are restored');
    assertHit(await third.stream('a', { seed: 1 }));
    assert.equal((await third.send('/v1/cache', { method: 'DELETE' })).status, 200);
    assert.equal((await stats(third)).answers, 0);
    await third.stop();
    const fourth = await again();
    assert.equal(state(await fourth.chat('a')), 'miss');
    assert.equal(w.a.calls.length, 3);
  });

  test('type local leaves nothing behind; the cap evicts what was not used for longest', async (t) => {
    const w = await cached(t, { litellm: { cache_params: { type: 'local', max_size_mb: 1 } } });
    const data = path.join(w.gateway.folder, 'data');
    w.a.always({ reply: 'x'.repeat(300_000) });
    for (const seed of [1, 2, 3, 4, 5]) await w.gateway.chat('a', { seed });
    const shown = await stats(w.gateway);
    assert.deepEqual([shown.answers, shown.evicted, shown.on_disk], [3, 2, false]);
    assert.ok(shown.bytes <= 1 << 20);
    assertHit(await w.gateway.chat('a', { seed: 5 }));
    assert.equal(state(await w.gateway.chat('a', { seed: 1 })), 'miss');
    await w.gateway.stop();
    const second = await Gateway.start(t, { configPath: w.gateway.configFile, data });
    assert.equal(state(await second.chat('a', { seed: 5 })), 'miss');
  });

  test('the counts need the key', async (t) => {
    const w = await cached(t, { general: { master_key: 'sk-master' } });
    for (const method of ['GET', 'DELETE']) assert.equal((await w.gateway.send('/v1/cache', { method })).status, 401);
    const headers = { authorization: 'Bearer sk-master' };
    assert.equal((await w.gateway.get('/cache/ping', { headers })).status, 200);
    assert.equal((await w.gateway.send('/cache/flushall', { headers })).status, 200);
  });

  test('what the configuration says without effect is said once', async () => {
    const folder = scratch();
    const file = writeConfig(folder, { general_settings: { cache: true }, litellm_settings: { cache: true, cache_params: { type: 'redis', host: 'x', similarity_threshold: 0.8 } }, model_list: [] });
    const { stdout, stderr } = await run(['check', '--config', file, '--env', path.join(folder, 'none.env')]);
    const lines = (stdout + stderr).split('\n').filter((line) => /cache|host|similarity/.test(line));
    for (const part of ['belongs under litellm_settings', 'cache type `redis`', '`host` under cache_params', '`similarity_threshold` under cache_params'])
      assert.equal(lines.filter((line) => line.includes(part) && /:\d+/.test(line)).length, 1, `${part}\n${stdout}${stderr}`);
  });
});

/** Names and arguments of a stream's calls of tools, put together. */
function joined({ deltas }) {
  const found = [];
  for (const call of deltas.flatMap((delta) => delta.tool_calls ?? [])) {
    found[call.index] ??= { name: '', arguments: '' };
    found[call.index].name += call.function?.name ?? '';
    found[call.index].arguments += call.function?.arguments ?? '';
  }
  return found.length > 0 ? JSON.stringify(found) : undefined;
}
