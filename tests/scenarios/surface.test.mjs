// The HTTP surface and the command line.
import assert from 'node:assert/strict';
import path from 'node:path';
import { describe, test } from 'node:test';
import { generic, groq, openai } from '../providers/index.mjs';
import { counts, world } from '../lib/world.mjs';
import { run, scratch, writeConfig } from '../lib/gateway.mjs';
import { writeFiles, fragment } from '../lib/folder.mjs';
import { chatBytes, raw } from '../lib/raw.mjs';

const hi = [{ role: 'user', content: 'hi' }];

describe('HTTP', { concurrency: 4 }, () => {
  test('models are listed as OpenAI lists them, one by one too, with and without /v1', async (t) => {
    const w = await world(t, { a: openai, b: groq });
    for (const prefix of ['/v1', '']) {
      const { json, status } = await w.gateway.get(`${prefix}/models`);
      assert.equal(status, 200);
      assert.equal(json.object, 'list');
      assert.deepEqual(json.data.map(({ id }) => id).sort(), ['a', 'b']);
      for (const model of json.data) assert.deepEqual([model.object, typeof model.created, typeof model.owned_by], ['model', 'number', 'string']);
      const one = await w.gateway.get(`${prefix}/models/a`);
      assert.deepEqual([one.status, one.json.id, one.json.object], [200, 'a', 'model']);
      const none = await w.gateway.get(`${prefix}/models/nobody`);
      assert.equal(none.status, 404);
      assert.match(none.error.message, /nobody/);
    }
  });

  test('chat without /v1', async (t) => {
    const w = await world(t, { a: openai });
    const answer = await w.gateway.send('/chat/completions', { body: { model: 'a', messages: hi } });
    assert.deepEqual([answer.status, answer.json.model], [200, 'a']);
    assert.equal(w.a.last.path, '/v1/chat/completions');
  });

  test('an unknown model is named, and where to look', async (t) => {
    const w = await world(t, { a: openai });
    for (const more of [{}, { stream: true }]) {
      const answer = await w.gateway.chat('no-such-model', more);
      assert.ok([400, 404].includes(answer.status), answer.text);
      assert.match(answer.error.message, /no-such-model/);
      assert.match(answer.error.message, /\/v1\/models/);
    }
  });

  const BAD = {
    'no body': undefined, 'an empty body': '', 'not JSON': '{"model":', 'a list': '[]', 'a string': '"a"', 'no model': { messages: hi },
    'a model that is no string': { model: 7, messages: hi }, 'no messages': { model: 'a' }, 'messages that are no list': { model: 'a', messages: 'hi' },
    'NUL bytes': '\0\0\0', 'a deep nest': `{"model":"a","messages":${'['.repeat(5000)}${']'.repeat(5000)}}`, 'trailing junk': '{"model":"a","messages":[]} x',
  };
  test('a body that cannot be served is a 400 that says why, without an upstream call', async (t) => {
    const w = await world(t, { a: openai });
    for (const [what, body] of Object.entries(BAD)) {
      const answer = await w.gateway.send('/v1/chat/completions', { body });
      assert.equal(answer.status, 400, `${what}: ${answer.status} ${answer.text}`);
      assert.equal(answer.error.type, 'invalid_request_error', what);
      assert.ok(answer.error.message.length > 5, what);
    }
    assert.equal(w.a.calls.length, 0);
    assert.equal((await w.gateway.chat('a')).status, 200);
  });

  test('a model name over 256 bytes is a 400, one of 256 is looked up', async (t) => {
    const w = await world(t, { a: openai });
    for (const [name, statuses] of [['x'.repeat(256), [400, 404]], ['x'.repeat(257), [400]], ['é'.repeat(129), [400]], ['x'.repeat(3 << 20), [400]]]) {
      for (const target of ['/v1/chat/completions', '/v1/completions', '/v1/explain']) {
        const answer = await w.gateway.send(target, { body: { model: name, messages: hi, prompt: 'hi' } });
        assert.ok(statuses.includes(answer.status), `${target} ${name.length}: ${answer.status}`);
        assert.ok(answer.text.length < 2000, `${answer.text.length} bytes of error`);
        assert.equal(/256/.test(answer.error.message), name.length !== 256, answer.error.message.slice(0, 300));
      }
    }
  });

  test('an error about a name in any bytes is valid UTF-8 JSON', async (t) => {
    const w = await world(t, { a: openai });
    const names = [['é', 125], ['€', 83], ['😀', 62]].flatMap(([sign, count]) => ['', 'x', 'xx', 'xxx'].map((lead) => lead + sign.repeat(count)));
    const get = (target) => `GET ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`;
    const requests = ['/v1/models/%ff', '/v1/models/%ff%fe', '/v1/models/%c3', '/v1/%ff', '/v1/requests/%ff/explain', ...names.map((name) => `/v1/models/${encodeURIComponent(name)}`)].map(get);
    requests.push(...names.map((model) => chatBytes(model, { headers: ['Connection: close'] })));
    for (const request of requests) {
      const answer = await raw(w.gateway.port, (socket) => socket.write(request));
      const body = Buffer.from(answer.text.slice(answer.text.indexOf('\r\n\r\n') + 4), 'latin1');
      const text = new TextDecoder('utf-8', { fatal: true }).decode(body);
      assert.ok([400, 404].includes(answer.status), text);
      assert.ok(JSON.parse(text).error.message.length > 5, text);
    }
  });

  test('numbers are written plainly: 60, not 6E1', async (t) => {
    const w = await world(t, { a: openai, b: openai }, { info: { a: { limits: [{ metric: 'tokens', window: 'day', limit: 1000, reset: 'token_bucket', scope: 'target' }] } } });
    w.a.next({ status: 429, headers: { 'retry-after': '60' }, json: { error: { message: 'slow down' } } });
    const answer = await w.gateway.chat('a');
    const pages = await Promise.all(['/v1/benches', '/v1/quota', '/v1/devices', '/v1/requests', `/v1/requests/${answer.requestId}/explain`].map((page) => w.gateway.get(page)));
    for (const { text } of pages) assert.doesNotMatch(text.replace(/"[^"]*"/g, '""'), /\dE[-+]?\d/);
    assert.match(pages[4].text, /"back_in_s":60[,}]/);
  });

  test('an unknown route is a JSON 404, a wrong method a 405 or 404', async (t) => {
    const w = await world(t, { a: openai });
    const lost = await w.gateway.get('/v1/nowhere');
    assert.equal(lost.status, 404);
    assert.match(lost.error.message, /\/v1\/nowhere/);
    assert.ok([404, 405].includes((await w.gateway.get('/v1/chat/completions')).status));
    assert.ok([404, 405].includes((await w.gateway.send('/v1/models', { body: {} })).status));
  });

  test('completions, plain and streamed', async (t) => {
    const w = await world(t, { a: generic, b: openai });
    const body = { model: 'a', prompt: 'Once', max_tokens: 5 };
    const plain = await w.gateway.send('/v1/completions', { body });
    assert.deepEqual([plain.status, plain.json.model, plain.json.choices[0].text], [200, 'a', 'answer from generic'], plain.text);
    assert.equal(w.a.last.path, '/v1/completions');
    const streamed = await w.gateway.send('/v1/completions', { body: { ...body, stream: true } });
    assert.equal(streamed.content, 'answer from generic');
    assert.ok(streamed.endsWithDone);
    w.a.always(generic.errors.internal);
    const moved = await w.gateway.send('/completions', { body });
    assert.deepEqual([moved.status, moved.json.model], [200, 'b'], moved.text);
  });

  test('every answer carries an id, who served, the calls made and the trail', async (t) => {
    const w = await world(t, { a: openai, b: openai });
    const ids = new Set();
    for (let round = 0; round < 20; round += 1) ids.add((await w.gateway.chat('a')).requestId);
    assert.equal(ids.size, 20);
    const answer = await w.gateway.chat('a');
    assert.deepEqual([answer.servedBy, answer.attempts, answer.trailText], ['a', 1, 'a=200']);
    w.a.always({ reset: true });
    w.b.always(openai.errors.internal);
    const failed = await w.gateway.chat('a');
    assert.equal(failed.attempts, 2);
    assert.equal(failed.trailText, 'a=transient, b=500:transient');
    assert.equal(failed.servedBy, undefined);
  });

  test('explain says what would be done and sends nothing', async (t) => {
    const w = await world(t, { a: openai, b: openai });
    const body = { model: 'a', messages: hi };
    const before = await w.gateway.send('/v1/explain', { body });
    assert.equal(before.status, 200, before.text);
    assert.ok(before.text.indexOf('"a"') < before.text.indexOf('"b"'), before.text);
    w.a.next({ ...openai.errors.rpm, headers: { 'retry-after': '60' } });
    await w.gateway.chat('a');
    const after = await w.gateway.send('/explain', { body });
    assert.match(after.text, /benched/);
    assert.deepEqual(counts(w), { a: 1, b: 1 });
  });

  test('a request is explained afterwards by its id', async (t) => {
    const w = await world(t, { a: groq, b: openai });
    w.a.next(groq.errors.tpm);
    const answer = await w.gateway.chat('a');
    for (const prefix of ['/v1', '']) {
      const record = await w.gateway.get(`${prefix}/requests/${answer.requestId}/explain`);
      assert.equal(record.status, 200, record.text);
      for (const word of [answer.requestId, '"a"', '"b"', 'rate_limited', 'served']) assert.ok(record.text.includes(word), `${word}: ${record.text}`);
    }
    assert.equal((await w.gateway.get('/v1/requests/nobody/explain')).status, 404);
  });

  test('a failed request is explained too', async (t) => {
    const w = await world(t, { a: openai });
    w.a.next(openai.errors.internal);
    const answer = await w.gateway.chat('a');
    const record = await w.gateway.get(`/v1/requests/${answer.requestId}/explain`);
    assert.match(record.text, /transient/);
  });

  test('clearing the bench of an unknown alias is a 404 that names it', async (t) => {
    const w = await world(t, { a: openai });
    const answer = await w.gateway.clearBenches('nobody');
    assert.equal(answer.status, 404);
    assert.match(answer.error.message, /nobody/);
  });

  test('a body of any length arrives whole', async (t) => {
    const w = await world(t, { a: openai });
    const frame = JSON.stringify({ model: 'a', messages: [{ role: 'user', content: '' }] }).length;
    for (const size of [1, 255, 256, 257, 511, 512, 513, 3000, 5000].map((kib) => (kib << 10) + 1)) {
      const content = `${'x'.repeat(size - frame - 1)}y`;
      const answer = await w.gateway.chat('a', { messages: [{ role: 'user', content }] });
      assert.equal(answer.status, 200, `${size} bytes: ${answer.text.slice(0, 300)}`);
      assert.ok(w.a.last.body.messages[0].content === content, `${size} bytes`);
    }
  });

  test('a large prompt and a large answer pass whole', async (t) => {
    const w = await world(t, { a: openai });
    const prompt = 'ü'.repeat(2 << 20);
    w.a.always({ reply: 'x'.repeat(3 << 20) });
    const answer = await w.gateway.chat('a', { messages: [{ role: 'user', content: prompt }] });
    assert.equal(answer.json.choices[0].message.content.length, 3 << 20);
    assert.equal(w.a.last.body.messages[0].content, prompt);
    const streamed = await w.gateway.stream('a');
    assert.equal(streamed.content.length, 3 << 20);
  });
});

describe('command line', { concurrency: 4 }, () => {
  const folderOf = () => writeFiles(scratch(), {
    'config/providers/groq.yaml': fragment('groq', 'GROQ', [{ model_name: 'groq-x', litellm_params: { model: 'groq/x', api_key: 'os.environ/GROQ_API_KEY' } }]),
    'config/fallbacks.json': {}, '.env': 'GROQ=1\nGROQ_API_KEY=gsk_secret_value\n',
  });

  test('wrong use is exit 2 with a usage hint', async () => {
    for (const args of [['nonsense'], ['serve', '--bogus'], ['explain']]) {
      const result = await run(args);
      assert.equal(result.code, 2, args.join(' '));
      assert.ok((result.stdout + result.stderr).length > 10);
    }
  });

  test('--help lists the commands', async () => {
    const result = await run(['--help']);
    assert.equal(result.code, 0);
    for (const command of ['serve', 'check', 'build', 'models', 'explain', 'pull']) assert.match(result.stdout, new RegExp(`\\b${command}\\b`));
  });

  test('build assembles a file that serve takes and that holds no key', async (t) => {
    const folder = folderOf();
    const built = await run(['build', '--config', 'config', '--env', '.env', '--out', 'config.yaml'], { cwd: folder });
    assert.equal(built.code, 0, built.stderr);
    const models = await run(['models', '--config', 'config.yaml', '--env', '.env', '--json'], { cwd: folder });
    assert.equal(models.code, 0, models.stderr);
    assert.match(models.stdout, /groq-x/);
    const check = await run(['check', '--config', 'config.yaml', '--env', '.env'], { cwd: folder });
    assert.equal(check.code, 0, check.stdout + check.stderr);
    const text = (await import('node:fs')).readFileSync(path.join(folder, 'config.yaml'), 'utf8');
    assert.ok(text.includes('os.environ/GROQ_API_KEY') && !text.includes('gsk_secret_value'));
    assert.match(text, /^#/, 'the header says that it is generated');
  });

  test('models --json is JSON, models is a table', async () => {
    const folder = folderOf();
    const args = ['--config', 'config', '--env', '.env'];
    const json = await run(['models', '--json', ...args], { cwd: folder });
    assert.ok(JSON.stringify(JSON.parse(json.stdout)).includes('groq-x'));
    const table = await run(['models', ...args], { cwd: folder });
    assert.match(table.stdout, /groq-x.*groq.*free/);
  });

  test('explain ALIAS asks the running gateway and sends nothing', async (t) => {
    const w = await world(t, { a: openai, b: openai });
    const result = await run(['explain', 'a', '--url', w.gateway.url]);
    assert.equal(result.code, 0, result.stderr);
    assert.match(result.stdout, /\ba\b[\s\S]*\bb\b/);
    assert.equal(w.a.calls.length, 0);
    const answer = await w.gateway.chat('a');
    const record = await run(['explain', answer.requestId, '--json', '--url', w.gateway.url]);
    assert.ok(JSON.stringify(JSON.parse(record.stdout)).includes(answer.requestId), record.stdout + record.stderr);
  });

  test('a port in use is said, not crashed on', async (t) => {
    const w = await world(t, { a: openai });
    const folder = scratch();
    const config = writeConfig(folder, { model_list: [] });
    const result = await run(['serve', '--config', config, '--listen', `127.0.0.1:${w.gateway.port}`, '--data', path.join(folder, 'd')], { cwd: folder });
    assert.equal(result.code, 1, result.stdout + result.stderr);
    assert.ok((result.stdout + result.stderr).includes(String(w.gateway.port)));
  });
});
