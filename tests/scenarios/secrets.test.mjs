// C4: no answer and no log holds a key, a hash of one, a stack trace, or a URL with credentials.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import { anthropic, cerebras, groq, ollama, openai, problem, sse } from '../providers/index.mjs';
import { entry, keyFor, world } from '../lib/world.mjs';
import { run } from '../lib/gateway.mjs';

const MASTER = 'sk-master-very-secret-0123456789';
const PASSWORD = 'hunter2-in-the-url';
const hashes = (key) => ['sha256', 'sha1', 'md5'].flatMap((kind) => ['hex', 'base64'].map((form) => createHash(kind).update(key).digest(form)));
const STACK = /\bat \S+ \(.*:\d+:\d+\)|Traceback|terminate called|\.cc:\d+|#\d+ 0x/;

function assertClean(text, secrets, where) {
  for (const secret of secrets) {
    assert.ok(!text.includes(secret), `${where} holds ${secret}`);
    assert.ok(!text.includes(secret.slice(0, 14)), `${where} holds the start of ${secret}`);
    for (const hash of hashes(secret)) assert.ok(!text.includes(hash), `${where} holds a hash of ${secret}`);
  }
  assert.doesNotMatch(text, STACK, where);
  assert.doesNotMatch(text, /:\/\/[^/\s"]+:[^/\s"]+@/, `${where} holds a URL with credentials`);
}

describe('C4', () => {
  test('C4 keys are in no answer and no log, whatever goes wrong', async (t) => {
    const w = await world(t, { a: openai, b: groq, c: cerebras, d: anthropic }, {
      env: { FREEWAY_MASTER_KEY: MASTER },
      params: { a: { timeout: 0.4 }, d: { timeout: 0.4 } },
      more: [{ model_name: 'dead', litellm_params: { model: 'openai/x', api_base: `http://user:${PASSWORD}@127.0.0.1:1/v1`, api_key: keyFor('dead') } }],
    });
    const secrets = [MASTER, PASSWORD, ...['a', 'b', 'c', 'd', 'dead'].map(keyFor)];
    const headers = { authorization: `Bearer ${MASTER}` };
    const echoes = problem(401, { message: `Incorrect API key provided: ${keyFor('a')}.`, type: 'invalid_request_error', code: 'invalid_api_key' });
    const texts = [];
    const keep = async (what, pending) => { const answer = await pending; texts.push([what, answer.text + JSON.stringify(answer.headers)]); };
    const failures = [echoes, { reset: true }, { silence: true }, { text: `oops ${keyFor('a')}` }, openai.errors.internal, problem(400, { message: `bad key ${keyFor('a')}` }), { raw: 'garbage\r\n\r\n' }];
    for (const [at, failure] of failures.entries()) {
      await w.gateway.clearBenches();
      for (const fake of Object.values(w.fakes)) fake.always(failure);
      await keep(`failure ${at}`, w.gateway.chat('a', {}, { headers }));
      await keep(`streamed failure ${at}`, w.gateway.stream('a', {}, { headers }));
    }
    await keep('a dead host', w.gateway.chat('dead', {}, { headers }));
    await keep('a wrong key', w.gateway.chat('a', {}, { headers: { authorization: 'Bearer sk-wrong-key-from-a-client' } }));
    await keep('broken JSON', w.gateway.send('/v1/chat/completions', { body: '{"model":', headers }));
    for (const target of ['/v1/benches', '/v1/models', '/health/readiness', '/nowhere']) await keep(target, w.gateway.get(target, { headers }));
    await keep('explain', w.gateway.send('/v1/explain', { body: { model: 'a', messages: [{ role: 'user', content: 'hi' }] }, headers }));
    for (const [what, text] of texts) assertClean(text, secrets, what);
    await w.gateway.stop();
    assert.ok(w.gateway.log.length > 0, 'there is a log');
    assertClean(w.gateway.log, [...secrets, 'sk-wrong-key-from-a-client'], 'the log');
  });

  test('C4 a picture\'s address with credentials is not fetched, and its credentials are said to nobody', async (t) => {
    const w = await world(t, { a: ollama }, { info: { a: { mode: 'chat', supports_vision: true } } });
    for (const url of [`http://user:${PASSWORD}@127.0.0.1/cat.png`, `https://${PASSWORD}@cats.example/cat.png`]) {
      const answer = await w.gateway.chat('a', { messages: [{ role: 'user', content: [{ type: 'text', text: 'who?' }, { type: 'image_url', image_url: { url } }] }] });
      assert.equal(answer.status, 400, answer.text);
      assert.match(answer.error.message, /a URL with credentials is not fetched: give one without/);
      const explained = await w.gateway.get(`/v1/requests/${answer.requestId}/explain`);
      for (const text of [answer.text, explained.text]) assertClean(text, [PASSWORD], text);
    }
    assert.deepEqual(w.a.calls.filter(({ path }) => path === '/api/chat'), []);
    await w.gateway.stop();
    assertClean(w.gateway.log, [PASSWORD], 'the log');
  });

  test('C4 prompts are not logged', async (t) => {
    const w = await world(t, { a: openai });
    await w.gateway.chat('a', { messages: [{ role: 'user', content: 'my-private-prompt-4711' }] });
    w.a.always(openai.errors.bad_request);
    await w.gateway.chat('a', { messages: [{ role: 'user', content: 'my-private-prompt-4711' }] });
    await w.gateway.stop();
    assert.match(w.gateway.log, /200/, 'the log is complete');
    assert.ok(!w.gateway.log.includes('my-private-prompt-4711'));
  });

  test('C4 commands show no key', async (t) => {
    const w = await world(t, { a: openai });
    for (const command of ['check', 'models']) {
      const result = await run([command, '--config', w.gateway.configFile, '--env', w.gateway.envFile], { cwd: w.gateway.folder });
      assertClean(result.stdout + result.stderr, [keyFor('a')], command);
    }
    assert.ok(entry('a', w.a).litellm_params.api_key, 'the file does hold one');
  });

  for (const key of ['plainkey77', 'AbC.dEf/GhI+123=', 'quo"ted\\key']) {
    test(`C4 an upstream that repeats the key ${key} and a configured header is not passed on`, async (t) => {
      const header = 'hdr-secret-4711';
      const mine = { api_key: key, extra_headers: { 'X-Custom-Auth': header } };
      const w = await world(t, { a: openai, b: openai }, { params: { a: mine, b: mine } });
      const said = `refused: Bearer ${key}, ${key} and ${header}`;
      const error = { message: said, type: key, param: header, code: key, metadata: { raw: said } };
      const failures = {
        400: problem(400, error), 401: problem(401, error), 404: problem(404, error), 429: problem(429, error), 500: problem(500, error),
        'a text': { status: 503, text: said }, 'a 200 with an error': { json: { error } }, 'another shape': { status: 422, json: { detail: said } },
        'an error frame before content': { insertAt: 0, insert: sse({ error }) }, 'an error frame after content': { insertAt: 2, insert: sse({ error }) },
      };
      const secrets = [key, header, ...[key, header].map((secret) => JSON.stringify(secret).slice(1, -1))];
      for (const [what, failure] of Object.entries(failures)) {
        for (const stream of [false, true]) {
          await w.gateway.clearBenches();
          for (const fake of Object.values(w.fakes)) fake.always(failure);
          const answer = await w.gateway.chat('a', { stream });
          assertClean(answer.text + JSON.stringify(answer.headers), secrets, `${what}: the answer`);
          assertClean((await w.gateway.get(`/v1/requests/${answer.requestId}/explain`)).text, secrets, `${what}: its record`);
          assertClean((await w.gateway.get('/v1/benches')).text, secrets, `${what}: the benches`);
        }
      }
      await w.gateway.stop();
      assertClean(w.gateway.log, secrets, 'the log');
    });
  }

  const TORN = 'abc-key\r\nX-Evil: 1';
  for (const [where, api_key, env] of [['the file', TORN, {}], ['a variable', 'os.environ/TORN_KEY', { TORN_KEY: TORN }]]) {
    test(`a key with a line break from ${where} is said and never torn into a header`, async (t) => {
      const w = await world(t, { a: openai, b: openai }, { params: { a: { api_key } }, env });
      const checked = await run(['check', '--config', w.gateway.configFile, '--env', w.gateway.envFile], { cwd: w.gateway.folder, env });
      assert.match(checked.stdout + checked.stderr, /config\.yaml:\d+: (error|warning): .*(key|TORN_KEY)/);
      assertClean(checked.stdout + checked.stderr, ['abc-key'], 'check');
      const answer = await w.gateway.chat('a');
      assert.equal(answer.servedBy, 'b', answer.text);
      for (const call of [...w.a.calls, ...w.b.calls]) assert.equal(call.headers['x-evil'], undefined);
    });
  }
});
