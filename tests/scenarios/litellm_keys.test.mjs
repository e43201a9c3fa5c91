// LiteLLM settings that a user's file brings along: each one acts as its documentation says.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { generic, groq, openai } from '../providers/index.mjs';
import { counts, world } from '../lib/world.mjs';
import { inTime, until } from '../lib/until.mjs';

const serves = {};
const rateLimited = { ...generic.errors.rate, headers: { 'retry-after': '0' } };

describe('retries by kind of failure', { concurrency: 4 }, () => {
  test('retry_policy overrides num_retries for the kinds that it names', async (t) => {
    const w = await world(t, { a: generic }, { router: { num_retries: 1, retry_policy: { InternalServerErrorRetries: 3 } } });
    w.a.next(generic.errors.internal, generic.errors.internal, generic.errors.internal, serves);
    const answer = await w.gateway.chat('a');
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.attempts, 4);
    w.a.next(generic.errors.unavailable, generic.errors.unavailable, serves);
    const other = await w.gateway.chat('a');
    assert.equal(other.attempts, 2, `another kind has num_retries: ${other.trailText}`);
    assert.notEqual(other.status, 200);
  });

  test('RateLimitErrorRetries: 0 and the lack of a policy leave a 429 as it is; a number retries it', async (t) => {
    const [none, some] = await Promise.all([
      world(t, { a: generic }, { router: { num_retries: 2 } }),
      world(t, { a: generic }, { router: { retry_policy: { RateLimitErrorRetries: 1 }, cooldown_time: 0 } }),
    ]);
    for (const w of [none, some]) w.a.next(rateLimited, serves);
    assert.equal((await none.gateway.chat('a')).status, 429);
    assert.equal((await some.gateway.chat('a')).status, 200);
    assert.deepEqual([counts(none).a, counts(some).a], [1, 2]);
  });

  test('a stated return is waited for before a retry', async (t) => {
    const w = await world(t, { a: generic }, { router: { retry_policy: { RateLimitErrorRetries: 1 } } });
    w.a.next({ ...generic.errors.rate, headers: { 'retry-after': '1' } }, serves);
    assert.equal((await w.gateway.chat('a')).status, 200);
    assert.ok(w.a.calls[1].at - w.a.calls[0].at >= 990, `${w.a.calls[1].at - w.a.calls[0].at} ms`);
    w.a.next({ ...generic.errors.rate, headers: { 'retry-after': '3600' } });
    const later = await w.gateway.chat('a');
    assert.equal(later.status, 429, 'nobody waits for an hour');
    assert.equal(later.attempts, 1);
  });

  test('model_group_retry_policy counts for its alias; only the last one asked is retried', async (t) => {
    const w = await world(t, { a: generic, b: generic }, {
      router: { model_group_retry_policy: { a: { InternalServerErrorRetries: 5 }, b: { InternalServerErrorRetries: 1 } } },
    });
    w.a.always(generic.errors.internal);
    w.b.always(generic.errors.internal);
    await w.gateway.chat('a');
    assert.deepEqual(counts(w), { a: 1, b: 2 });
  });
});

describe('allowed_fails', { concurrency: 4 }, () => {
  test('without the key the first failure benches', async (t) => {
    const w = await world(t, { a: generic, b: openai });
    w.a.always(generic.errors.internal);
    for (let round = 0; round < 3; round += 1) assert.equal((await w.gateway.chat('a')).servedBy, 'b');
    assert.equal(w.a.calls.length, 1);
  });

  for (const [where, start] of Object.entries({
    'router_settings.allowed_fails': { router: { allowed_fails: 2 } },
    'litellm_settings.allowed_fails': { litellm: { allowed_fails: 2 } },
    'model_info.allowed_fails': { info: { a: { allowed_fails: 2 } }, router: { allowed_fails: 0 } },
    allowed_fails_policy: { router: { allowed_fails: 0, allowed_fails_policy: { InternalServerErrorAllowedFails: 2 } } },
  })) {
    test(`${where}: benched after more than so many failures in a row`, async (t) => {
      const w = await world(t, { a: generic, b: openai }, start);
      w.a.next(generic.errors.internal, generic.errors.internal, serves);
      for (let round = 0; round < 3; round += 1) await w.gateway.chat('a');
      assert.equal(w.a.calls.length, 3, 'a success starts the count anew');
      assert.deepEqual(await w.gateway.benches(), []);
      w.a.always(generic.errors.internal);
      for (let round = 0; round < 5; round += 1) assert.equal((await w.gateway.chat('a')).servedBy, 'b');
      assert.equal(w.a.calls.length, 6, 'the third failure in a row benched it');
      assert.equal((await w.gateway.benches()).length, 1);
    });
  }

  test('what the provider states benches at once', async (t) => {
    const w = await world(t, { a: groq, b: openai }, { router: { allowed_fails: 100 } });
    w.a.always(groq.errors.tpm);
    for (let round = 0; round < 3; round += 1) assert.equal((await w.gateway.chat('a')).servedBy, 'b');
    assert.equal(w.a.calls.length, 1);
  });
});

describe('general_settings', { concurrency: 4 }, () => {
  test('completion_model serves every chat and completion; the record keeps what was asked', async (t) => {
    const w = await world(t, { a: openai, b: openai }, { chains: [], general: { completion_model: 'b' } });
    const answer = await w.gateway.chat('a');
    assert.equal(answer.servedBy, 'b', answer.text);
    assert.equal(answer.json.model, 'b');
    assert.equal((await w.gateway.chat('nobody')).servedBy, 'b');
    assert.equal((await w.gateway.send('/v1/completions', { body: { model: 'a', prompt: 'x' } })).servedBy, 'b');
    assert.equal(w.a.calls.length, 0);
    const explained = await w.gateway.get(`/v1/requests/${answer.requestId}/explain`);
    assert.equal(explained.json.model, 'a', explained.text);
    const preview = await w.gateway.send('/v1/explain', { body: { model: 'a' } });
    assert.match(preview.text, /"b"/, 'the preview decides like live traffic');
  });

  test('allowed_ips: others get 403, whatever X-Forwarded-For says; health stays open', async (t) => {
    const w = await world(t, { a: openai }, { general: { allowed_ips: ['10.1.2.3'] } });
    const headers = { 'x-forwarded-for': '10.1.2.3', 'x-real-ip': '10.1.2.3', forwarded: 'for=10.1.2.3' };
    const answer = await w.gateway.chat('a', {}, { headers });
    assert.equal(answer.status, 403, answer.text);
    assert.equal(answer.error.code, 'address_not_allowed');
    assert.equal((await w.gateway.get('/v1/models', { headers })).status, 403);
    assert.equal(w.a.calls.length, 0);
    for (const target of ['/health/liveness', '/health/readiness']) assert.equal((await w.gateway.get(target)).status, 200);
  });

  test('allowed_ips: the named addresses and networks are served', async (t) => {
    const w = await world(t, { a: openai }, { general: { allowed_ips: ['10.0.0.0/8', '127.0.0.0/24'] } });
    assert.equal((await w.gateway.chat('a')).status, 200);
    assert.equal((await w.gateway.get('/v1/models')).status, 200);
  });

  for (const key of ['max_parallel_requests', 'global_max_parallel_requests']) {
    test(`${key}: more at once are refused without a call, and every place comes back`, async (t) => {
      const w = await world(t, { a: openai }, { general: { [key]: 2 } });
      const free = () => until(async () => {
        const answer = await w.gateway.chat('a');
        return answer.status === 200;
      }, 3000, 'a place is free again');
      w.a.next({ silence: true }, { silence: true });
      const leaving = [new AbortController(), new AbortController()];
      const held = leaving.map(({ signal }) => w.gateway.chat('a', {}, { signal }).catch(() => {}));
      await w.a.called(2);
      const refused = await w.gateway.chat('a');
      assert.equal(refused.status, 429, refused.text);
      assert.equal(refused.headers['retry-after'], '1');
      assert.equal(refused.error.code, 'too_many_parallel_requests');
      assert.equal(w.a.calls.length, 2, 'no call was made for it');
      assert.equal((await w.gateway.get('/v1/models')).status, 200, 'inference alone is counted');
      leaving.forEach((controller) => controller.abort());
      await inTime(Promise.all(held), 3000, 'the clients have left');
      await free();
      w.a.always(openai.errors.bad_request);
      for (let round = 0; round < 5; round += 1) assert.equal((await w.gateway.chat('a')).status, 400);
      for (let round = 0; round < 5; round += 1) assert.equal((await w.gateway.chat('unknown')).status, 404);
      for (let round = 0; round < 5; round += 1) assert.equal((await w.gateway.chat('a', { messages: 'none' })).status, 400);
      w.a.always(serves);
      const [one, two] = await Promise.all([w.gateway.stream('a'), w.gateway.chat('a')]);
      assert.deepEqual([one.status, two.status], [200, 200]);
    });
  }
});

describe('litellm_params', { concurrency: 4 }, () => {
  test('allowed_openai_params are not removed by the rules about a provider', async (t) => {
    const w = await world(t, { a: groq, b: groq }, { chains: [], params: { a: { allowed_openai_params: ['logprobs'] } } });
    for (const alias of ['a', 'b']) {
      w[alias].strict = false;
      assert.equal((await w.gateway.chat(alias, { logprobs: true, store: true })).status, 200);
    }
    assert.equal(w.a.last.body.logprobs, true);
    assert.ok(!('store' in w.a.last.body));
    assert.ok(!('logprobs' in w.b.last.body));
  });

  test('mock_response never answers a client', async (t) => {
    const w = await world(t, { a: openai }, { params: { a: { mock_response: 'canned' } } });
    const answer = await w.gateway.chat('a');
    assert.equal(answer.json.choices[0].message.content, 'answer from openai');
    assert.match(w.gateway.log + w.gateway.output.stdout, /mock_response/);
  });
});
