// Local models are fetched in the background; who waits for one is passed over meanwhile.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { describe, test } from 'node:test';
import { Disk, OllamaService } from '../providers/ollama_service.mjs';
import { Fake, openai } from '../providers/index.mjs';
import { Gateway, ROOT, run, scratch, writeConfig } from '../lib/gateway.mjs';
import { entry } from '../lib/world.mjs';
import { until } from '../lib/until.mjs';

const MB = 1_000_000;
const LONG = 30_000;
const model = (alias, service, tag) => ({ model_name: alias, litellm_params: { model: `ollama_chat/${tag}`, api_base: service.url } });

/** A gateway that pulls; `chain` is that of the first entry. */
async function pulling(t, entries, { chain = [], env, ...more } = {}) {
  const config = { model_list: entries, ...(chain.length > 0 && { router_settings: { fallbacks: [{ [entries[0].model_name]: chain }] } }) };
  return Gateway.start(t, { config, env: { PULL: '1', ...env }, ...more });
}

const pulls = async (gateway) => (await gateway.get('/v1/pulls')).json.data;
const pullOf = (gateway, tag, holds) => until(async () => (await pulls(gateway)).find((pull) => pull.model === tag && holds(pull)), LONG, `${tag} in GET /v1/pulls`);
const logged = (gateway, words) => until(() => words.test(gateway.log), LONG, `${words} in the log`);
const serves = (gateway, alias) => until(async () => (await gateway.chat(alias)).servedBy === alias, LONG, `${alias} serves`);

async function cloud(t) {
  const fake = await Fake.start(openai);
  t.after(() => fake.close());
  return fake;
}

describe('what a service says of its models', { concurrency: 4 }, () => {
  const TOOLS = [{ type: 'function', function: { name: 'f', parameters: { type: 'object', properties: {} } } }];
  const stated = (entry_, info) => ({ ...entry_, model_info: { mode: 'chat', ...info } });
  const shown = async (gateway, alias) => (await gateway.get(`/v1/models/${alias}`)).json;
  const learned = (gateway, alias) => until(async () => { const { capabilities_from: from } = await shown(gateway, alias); return from === 'service'; }, LONG, `${alias} is known`);

  test('a request with tools passes over a model that does not list them, and the record says why', async (t) => {
    const service = await OllamaService.start(t, { models: { plain: { context: 4096 }, able: { capabilities: ['completion', 'tools', 'vision', 'thinking'], context: 40_960 } } });
    const fake = await cloud(t);
    const gateway = await pulling(t, [model('plain', service, 'plain'), model('able', service, 'able'), entry('b', fake)], { chain: ['able', 'b'] });
    for (const alias of ['plain', 'able']) await learned(gateway, alias);

    const answer = await gateway.chat('plain', { tools: TOOLS });
    assert.equal(answer.headers['x-freeway-trail'], 'plain=skipped:capability, able=200', answer.text);
    const { json: record } = await gateway.get(`/v1/requests/${answer.headers['x-freeway-request-id']}/explain`);
    assert.match(record.candidates[0].detail, /needs tools, which its service does not list for the model/);
    assert.equal((await gateway.chat('plain')).servedBy, 'plain', 'without tools it serves');
    const picture = { type: 'image_url', image_url: { url: 'data:image/png;base64,iVBORw0KGgo=' } };
    assert.equal((await gateway.chat('plain', { messages: [{ role: 'user', content: [picture] }] })).servedBy, 'able');
    assert.match((await gateway.chat('plain', { messages: [{ role: 'user', content: 'x'.repeat(40_000) }] })).headers['x-freeway-trail'], /^plain=skipped:context/);
    assert.deepEqual(service.asked('chat').map(({ model: name }) => name), ['able:latest', 'plain:latest', 'able:latest', 'able:latest']);

    const { capabilities, max_input_tokens: window } = await shown(gateway, 'able');
    assert.deepEqual([capabilities, window], [['streaming', 'tools', 'vision', 'reasoning'], 40_960]);
    const own = await gateway.send('/api/show', { body: { model: 'plain' } });
    assert.deepEqual([own.json.capabilities, own.json.model_info['ollama.context_length']], [['completion'], 4096]);
  });

  test('thinking is asked of a model that lists it, and of no other', async (t) => {
    const service = await OllamaService.start(t, { models: { plain: {}, able: { capabilities: ['completion', 'thinking'] } } });
    const gateway = await pulling(t, [model('plain', service, 'plain'), model('able', service, 'able')]);
    for (const alias of ['plain', 'able']) await learned(gateway, alias);
    for (const alias of ['plain', 'able']) assert.equal((await gateway.chat(alias, { reasoning_effort: 'high' })).status, 200);
    assert.deepEqual(service.asked('chat').map(({ body }) => body.think), [undefined, true]);
  });

  test('it is asked once for each model, off the request path, and anew after a pull', async (t) => {
    const service = await OllamaService.start(t, { models: { here: {} }, library: { gone: { size: MB, capabilities: ['completion', 'tools'] } } });
    const gateway = await pulling(t, [model('a', service, 'here'), model('a2', service, 'here'), model('b', service, 'gone')]);
    for (const alias of ['a', 'a2', 'b']) await learned(gateway, alias);
    for (let i = 0; i < 3; i += 1) assert.equal((await gateway.chat('a')).status, 200);
    assert.deepEqual(service.asked('show').map(({ model: name }) => name).sort(), ['gone:latest', 'here:latest']);
    const pulled = service.happened('pulled')[0].at;
    assert.ok(service.asked('show').find(({ model: name }) => name === 'gone:latest').at > pulled);
  });

  test('the configuration wins; where the service says something else the log says it once', async (t) => {
    const service = await OllamaService.start(t, { models: { m: { context: 8192 } } });
    const gateway = await pulling(t, [stated(model('trusting', service, 'm'), { capabilities: ['streaming', 'tools'], max_input_tokens: 32_768 }), model('silent', service, 'm')]);
    await learned(gateway, 'silent');
    await logged(gateway, /says something else than the configuration.*trusting.*lists no tools.*8192/);
    const answer = await gateway.chat('trusting', { tools: TOOLS });
    assert.equal(service.asked('chat').length, 1, `it is asked all the same: ${answer.text}`);
    assert.deepEqual((await shown(gateway, 'trusting')).capabilities, ['streaming', 'tools']);
    assert.equal(gateway.log.match(/says something else/g).length, 1, gateway.log);
  });

  test('a service that does not say it, and PULL=0, leave everything open', async (t) => {
    const silent = await OllamaService.start(t, { models: { m: {} } });
    silent.always('show', { status: 404, json: { error: 'not found' } });
    const unasked = await OllamaService.start(t, { models: { m: {} } });
    const first = await pulling(t, [model('a', silent, 'm')]);
    await until(() => silent.asked('show').length === 1, LONG, 'it was asked');
    const second = await pulling(t, [model('a', unasked, 'm')], { env: { PULL: '0' } });
    for (const [gateway, service] of [[first, silent], [second, unasked]]) {
      await gateway.chat('a', { tools: TOOLS });
      assert.equal(service.asked('chat').length, 1, 'the model itself refuses');
      assert.equal((await shown(gateway, 'a')).capabilities, undefined);
    }
    assert.equal(unasked.asked('show').length, 0);
  });
});

describe('models of Ollama services', { concurrency: 4 }, () => {
  test('a missing model is pulled from the start; alone it is 503 model_pulling with an honest Retry-After', async (t) => {
    const service = await OllamaService.start(t, { library: { 'qwen3:8b': { size: MB } } });
    service.gate('qwen3:8b', 0.42 * MB);
    const gateway = await pulling(t, [model('local', service, 'qwen3:8b')]);
    const pull = await pullOf(gateway, 'qwen3:8b', ({ done_bytes: done }) => done === 0.42 * MB);
    assert.deepEqual([pull.state, pull.service, pull.aliases, pull.total_bytes, pull.error], ['pulling', service.url, ['local'], MB, null]);
    const answer = await gateway.chat('local');
    assert.equal(answer.status, 503, answer.text);
    assert.equal(answer.error.code, 'model_pulling');
    assert.match(answer.error.message, /pulling qwen3:8b: 42 % of 1\.0 MB/);
    assert.ok(Number(answer.headers['retry-after']) >= 1, answer.text);
    assert.equal(answer.headers['x-freeway-trail'], 'local=skipped:pulling');
    const preview = await gateway.send('/v1/explain', { body: { model: 'local' } });
    assert.deepEqual([preview.json.would_ask, preview.json.candidates[0].reason], [null, 'pulling']);
    assert.match(preview.json.candidates[0].why, /42 %/);
    assert.deepEqual([service.asked('chat').length, service.asked('pull').length], [0, 1]);

    service.open('qwen3:8b');
    await serves(gateway, 'local');
    const [done] = await pulls(gateway);
    assert.deepEqual([done.state, done.done_bytes], ['done', MB]);
    for (const words of [/pull begins.*qwen3:8b/, /pulling.*qwen3:8b.*bytes/, /pull ended.*qwen3:8b/]) await logged(gateway, words);
  });

  test('the chain moves on meanwhile, and comes back once the model is there', async (t) => {
    const service = await OllamaService.start(t, { library: { m: { size: MB } } });
    service.gate('m', 0);
    const fake = await cloud(t);
    const gateway = await pulling(t, [model('local', service, 'm'), entry('b', fake)], { chain: ['b'] });
    await pullOf(gateway, 'm:latest', ({ state }) => state === 'pulling');
    const answer = await gateway.chat('local');
    assert.equal(answer.headers['x-freeway-trail'], 'local=skipped:pulling, b=200');
    assert.equal((await gateway.stream('local')).content, 'answer from openai');
    service.open('m');
    await serves(gateway, 'local');
    assert.equal(service.asked('pull').length, 1);
  });

  test('several are pulled one after the other; what is there already is left alone', async (t) => {
    const service = await OllamaService.start(t, { models: { here: { size: MB } }, library: { one: { size: MB }, two: { size: MB } } });
    let most = 0;
    service.on_pull = ((pull) => function watched(...args) { most = Math.max(most, service.pulling.length + 1); return pull.apply(this, args); })(service.on_pull);
    const gateway = await pulling(t, [model('a', service, 'one'), model('b', service, 'two'), model('c', service, 'here'), model('d', service, 'one')]);
    for (const alias of ['a', 'b', 'c', 'd']) await serves(gateway, alias);
    assert.deepEqual([service.asked('pull').map(({ body }) => body.model), most], [['one:latest', 'two:latest'], 1]);
    assert.deepEqual((await pulls(gateway)).map(({ model: name, aliases }) => [name, aliases]), [['one:latest', ['a', 'd']], ['two:latest', ['b']]]);
  });

  test('two services that share one disk fetch a model once, two that do not each get theirs', async (t) => {
    for (const [disks, wanted] of [[[new Disk()], 1], [[new Disk(), new Disk()], 2]]) {
      const library = { m: { size: MB } };
      const cpu = await OllamaService.start(t, { library, disk: disks[0], device: 'cpu' });
      const cuda = await OllamaService.start(t, { library, disk: disks.at(-1) });
      const gateway = await pulling(t, [model('cpu', cpu, 'm'), model('cuda', cuda, 'm')]);
      await serves(gateway, 'cpu');
      await serves(gateway, 'cuda');
      assert.equal(cpu.asked('pull').length + cuda.asked('pull').length, wanted);
    }
  });

  test('a pull that breaks goes on where it was: an error line, a cut connection, a refusal', async (t) => {
    const service = await OllamaService.start(t, { library: { m: { size: MB } } });
    service.next('pull', { errorAt: 0.3 * MB, error: 'max retries exceeded: unexpected EOF' }, { cutAt: 0.6 * MB }, { status: 500, json: { error: 'no space for now' } });
    const gateway = await pulling(t, [model('local', service, 'm')]);
    await serves(gateway, 'local');
    assert.equal(service.asked('pull').length, 4);
    await logged(gateway, /pull broke off.*max retries exceeded/);
    await logged(gateway, /pull broke off.*no space for now/);
  });

  test('a model that does not exist is given up: why and when it is tried again', async (t) => {
    const service = await OllamaService.start(t);
    const gateway = await pulling(t, [model('local', service, 'nobody:7b')]);
    const pull = await pullOf(gateway, 'nobody:7b', ({ state }) => state === 'failed');
    assert.match(pull.error, /file does not exist/);
    assert.ok(pull.eta_s > 60 && pull.eta_s <= 600, String(pull.eta_s));
    const answer = await gateway.chat('local');
    assert.deepEqual([answer.status, answer.error.code], [503, 'model_pulling']);
    assert.match(answer.error.message, /nobody:7b could not be pulled: .*file does not exist; next try in \d+ m/);
    assert.ok(Number(answer.headers['retry-after']) > 60);
    assert.equal(service.asked('pull').length, 1);
  });

  test('one that keeps failing is given up after five tries', async (t) => {
    const service = await OllamaService.start(t);
    service.always('pull', { status: 500, json: { error: 'the registry is down' } });
    const gateway = await pulling(t, [model('local', service, 'm')]);
    const pull = await pullOf(gateway, 'm:latest', ({ state }) => state === 'failed');
    assert.match(pull.error, /the registry is down/);
    assert.equal(service.asked('pull').length, 5);
  });

  test('a model larger than the disk is not begun: how much is needed and free', async (t) => {
    const service = await OllamaService.start(t, { library: { m: { size: 1e18 } } });
    const gateway = await pulling(t, [model('local', service, 'm')]);
    const pull = await pullOf(gateway, 'm:latest', ({ state }) => state === 'failed');
    assert.match(pull.error, /not enough disk space for m:latest: 1000000000000 MB are needed, \d+ MB are free/);
  });

  test('a service that is not up yet is asked again, and said in the log once', async (t) => {
    const service = await OllamaService.start(t, { library: { m: { size: MB } } });
    await service.down();
    const fake = await cloud(t);
    const gateway = await pulling(t, [model('local', service, 'm'), entry('b', fake)], { chain: ['b'] });
    await logged(gateway, /looked at when it is up/);
    assert.equal((await gateway.chat('local')).servedBy, 'b');
    assert.match((await gateway.chat('local')).headers['x-freeway-trail'], /^local=(transient|skipped:benched)/, 'it is not known to lack anything');
    await service.up();
    await pullOf(gateway, 'm:latest', ({ state }) => state === 'done');
    assert.equal(gateway.log.match(/looked at when it is up/g).length, 1);
  });

  test('what answers /api/tags with 404 lacks nothing: one quiet line', async (t) => {
    const service = await OllamaService.start(t, { models: { m: {} } });
    service.always('tags', { status: 404, json: { error: 'not found' } });
    const gateway = await pulling(t, [model('local', service, 'm')]);
    await logged(gateway, /nothing is pulled there/);
    assert.equal((await gateway.chat('local')).status, 200);
    assert.deepEqual(await pulls(gateway), []);
    assert.equal(service.asked('pull').length, 0);
  });

  test('a model that goes while it is served is pulled again: the 404 benches for a moment only', async (t) => {
    const service = await OllamaService.start(t, { models: { m: {} }, library: { m: { size: MB } } });
    service.gate('m', 0);
    const fake = await cloud(t);
    const gateway = await pulling(t, [model('local', service, 'm'), entry('b', fake)], { chain: ['b'] });
    await serves(gateway, 'local');
    service.remove('m');
    const answer = await gateway.chat('local');
    assert.equal(answer.headers['x-freeway-trail'], 'local=404:gone, b=200');
    await pullOf(gateway, 'm:latest', ({ state }) => state === 'pulling');
    assert.equal((await gateway.chat('local')).headers['x-freeway-trail'], 'local=skipped:pulling, b=200');
    service.open('m');
    await serves(gateway, 'local');
  });

  test('PULL=0: nobody is asked for anything', async (t) => {
    const service = await OllamaService.start(t, { library: { m: { size: MB } } });
    const gateway = await pulling(t, [model('local', service, 'm')], { env: { PULL: '0' } });
    assert.equal((await gateway.chat('local')).error.code, 'upstream_model_gone');
    assert.deepEqual(service.calls.map(({ kind }) => kind), ['chat']);
  });

  test('a reload brings new models, and lets go of those that nobody wants', async (t) => {
    const service = await OllamaService.start(t, { library: { one: { size: MB }, two: { size: MB } } });
    service.gate('one', 0);
    const gateway = await pulling(t, [model('a', service, 'one')]);
    await pullOf(gateway, 'one:latest', ({ state }) => state === 'pulling');
    writeConfig(gateway.folder, { model_list: [model('b', service, 'two')] });
    await serves(gateway, 'b');
    assert.deepEqual((await pulls(gateway)).map(({ model: name }) => name), ['two:latest']);
  });

  test('freeway models says what is being pulled', async (t) => {
    const service = await OllamaService.start(t, { library: { m: { size: MB } } });
    service.gate('m', 0.5 * MB);
    const gateway = await pulling(t, [model('local', service, 'm')]);
    await pullOf(gateway, 'm:latest', ({ done_bytes: done }) => done === 0.5 * MB);
    const { stdout } = await run(['models', '--config', gateway.configFile, '--env', gateway.envFile, '--url', gateway.url]);
    assert.match(stdout, /local .*pulling m:latest: 50 % of 1\.0 MB/);
  });
});

describe('files of engines', { concurrency: 4 }, () => {
  const SLOW = path.join(ROOT, 'tests/lib/slow_engine.mjs');
  const BYTES = Buffer.alloc(MB, 'gguf');

  /** Gives the first `upTo` bytes until `open()`, or a status. */
  async function files(t, { upTo = MB, status } = {}) {
    const state = { requests: 0 };
    const server = http.createServer((req, res) => {
      state.requests += 1;
      if (status) return res.writeHead(status).end();
      const from = Number(/bytes=(\d+)-/.exec(req.headers.range ?? '')?.[1] ?? 0);
      res.writeHead(from > 0 ? 206 : 200, { 'content-length': MB - from, etag: '"v1"', ...(from > 0 && { 'content-range': `bytes ${from}-${MB - 1}/${MB}` }) });
      res.write(BYTES.subarray(from, Math.max(from, upTo)));
      state.open = () => res.end(BYTES.subarray(Math.max(from, upTo)));
      if (upTo === MB) state.open();
    });
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.after(() => { server.closeAllConnections(); server.close(); });
    state.url = `http://127.0.0.1:${server.address().port}/models/tiny.gguf`;
    return state;
  }
  const engine = (url) => ({
    model_name: 'gguf',
    litellm_params: { model: 'openai/gguf', api_key: 'none' },
    model_info: { mode: 'chat', tier: 'local', engine: { command: [process.execPath, SLOW, '--model', url, '--start-ms', '0'], ready: '/health' } },
  });

  test('a GGUF that an engine names by URL is fetched to where the engine looks', async (t) => {
    const file = await files(t, { upTo: 0.25 * MB });
    const gateway = await pulling(t, [engine(file.url)]);
    await pullOf(gateway, 'tiny.gguf', ({ state, total_bytes: total }) => state === 'pulling' && total === MB);
    const answer = await gateway.chat('gguf');
    assert.deepEqual([answer.status, answer.error.code], [503, 'model_pulling']);
    assert.match(answer.error.message, /pulling tiny\.gguf: \d+ % of 1\.0 MB/);
    file.open();
    await until(async () => (await gateway.stream('gguf')).content === 'warm', LONG, 'the engine serves');
    assert.ok(fs.readFileSync(path.join(gateway.folder, 'data/models/tiny.gguf')).equals(BYTES));
    assert.equal(file.requests, 1);
  });

  test('freeway ends at once while it reads through what an earlier fetch left', async (t) => {
    const file = await files(t);
    const data = path.join(scratch(), 'data');
    const part = path.join(data, 'models/tiny.gguf.part');
    fs.mkdirSync(path.dirname(part), { recursive: true });
    fs.writeFileSync(part, '');
    fs.truncateSync(part, 2 ** 40);
    const gateway = await pulling(t, [engine(file.url)], { data });
    await logged(gateway, /pull begins/);
    await gateway.stop();
    assert.equal(fs.statSync(part).size, 2 ** 40);
    assert.equal(file.requests, 0);
  });

  test('freeway ends at once while a file is being fetched, and goes on at the next start', async (t) => {
    const file = await files(t, { upTo: 0.5 * MB });
    const data = path.join(scratch(), 'data');
    const first = await pulling(t, [engine(file.url)], { data });
    const part = path.join(data, 'models/tiny.gguf.part');
    await until(() => fs.existsSync(part) && fs.statSync(part).size === 0.5 * MB, LONG, 'half of it is there');
    await first.stop();
    assert.equal(fs.statSync(part).size, 0.5 * MB);
    const second = await pulling(t, [engine(file.url)], { data });
    await until(() => file.requests === 2, LONG, 'it is asked again');
    file.open();
    await pullOf(second, 'tiny.gguf', ({ state }) => state === 'done');
  });

  test('a file that is not there: why, and when it is tried again', async (t) => {
    const file = await files(t, { status: 404 });
    const gateway = await pulling(t, [engine(file.url)]);
    const pull = await pullOf(gateway, 'tiny.gguf', ({ state }) => state === 'failed');
    assert.match(pull.error, /status 404/);
    assert.match((await gateway.chat('gguf')).error.message, /tiny\.gguf could not be pulled: .*404; next try in/);
  });

  /** Serves `weights of PATH`; remembers what was asked. */
  async function words(t) {
    const asked = [];
    const server = http.createServer((req, res) => { asked.push(req.url); res.end(`weights of ${req.url}`); });
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.after(() => { server.closeAllConnections(); server.close(); });
    return { url: `http://127.0.0.1:${server.address().port}`, asked };
  }
  const reading = (name, url) => ({ ...engine(url), model_name: name, model_info: { mode: 'chat', tier: 'local', engine: { command: [process.execPath, path.join(ROOT, 'tests/lib/reading_engine.mjs'), '--model', url] } } });
  const sum = (text) => createHash('sha256').update(text).digest('hex');
  const says = (gateway, alias) => until(async () => { const { status, json } = await gateway.chat(alias); return status === 200 && json.choices[0].message.content; }, LONG, `${alias} answers`);
  function placed(name, content) {
    const data = path.join(scratch(), 'data');
    fs.mkdirSync(path.join(data, 'models'), { recursive: true });
    fs.writeFileSync(path.join(data, 'models', name), content);
    return data;
  }

  test('engines whose files have one name are each served from their own', async (t) => {
    const { url } = await words(t);
    const gateway = await pulling(t, [reading('one', `${url}/one/m.gguf#sha256=${sum('weights of /one/m.gguf')}`), reading('two', `${url}/two/m.gguf`), reading('three', `${url}/three/m.gguf`)]);
    for (const name of ['one', 'two', 'three']) assert.equal(await says(gateway, name), `weights of /${name}/m.gguf`);
    const list = await pulls(gateway);
    assert.deepEqual(list.map(({ aliases, state }) => [...aliases, state]), [['one', 'done'], ['two', 'done'], ['three', 'done']]);
    for (const { model: file } of list) assert.match(file, /^m-[0-9a-f]{8}\.gguf$/);
    assert.equal(new Set(list.map(({ model: file }) => file)).size, 3);
  });

  test('an engine whose URL is another one now is not served from the old file', async (t) => {
    const { url } = await words(t);
    const data = path.join(scratch(), 'data');
    const first = await pulling(t, [reading('gguf', `${url}/one/m.gguf`)], { data });
    assert.equal(await says(first, 'gguf'), 'weights of /one/m.gguf');
    await first.stop();
    const idle = await pulling(t, [reading('gguf', `${url}/two/m.gguf`)], { data, env: { PULL: '0' } });
    const answer = await idle.chat('gguf');
    assert.equal(answer.status, 503, answer.text);
    assert.match(answer.error.message, /m\.gguf is here, but not the one of this URL and checksum: run `freeway pull`/);
    await idle.stop();
    const second = await pulling(t, [reading('gguf', `${url}/two/m.gguf`)], { data });
    assert.equal(await says(second, 'gguf'), 'weights of /two/m.gguf');
  });

  test('a file that was put there by hand serves without a fetch', async (t) => {
    const { url, asked } = await words(t);
    for (const [more, pull] of [['', '1'], ['', '0'], [`#sha256=${sum('by hand')}`, '1'], [`#sha256=${sum('by hand')}`, '0']]) {
      const gateway = await pulling(t, [reading('gguf', `${url}/m.gguf${more}`)], { data: placed('m.gguf', 'by hand'), env: { PULL: pull } });
      assert.equal(await says(gateway, 'gguf'), 'by hand');
      await gateway.stop();
    }
    assert.deepEqual(asked, []);
  });

  test('a file that was put there by hand is fetched anew if its checksum is not the stated one', async (t) => {
    const { url, asked } = await words(t);
    const gateway = await pulling(t, [reading('gguf', `${url}/m.gguf#sha256=${sum('weights of /m.gguf')}`)], { data: placed('m.gguf', 'by hand') });
    assert.equal(await says(gateway, 'gguf'), 'weights of /m.gguf');
    assert.deepEqual(asked, ['/m.gguf']);
  });
});

describe('freeway pull', { concurrency: 4 }, () => {
  async function command(args, entries) {
    const folder = scratch();
    const config = writeConfig(folder, { model_list: entries });
    return run(['pull', ...args, '--config', config, '--env', path.join(folder, 'none'), '--data', path.join(folder, 'data')], { cwd: folder, within: LONG });
  }

  test('pulls all that enabled aliases need, with progress', async (t) => {
    const service = await OllamaService.start(t, { models: { here: {} }, library: { one: { size: MB }, two: { size: MB } } });
    const { code, stdout, stderr } = await command([], [model('a', service, 'one'), model('b', service, 'two'), model('c', service, 'here')]);
    assert.equal(code, 0, stdout + stderr);
    assert.deepEqual(service.asked('pull').map(({ body }) => body.model), ['one:latest', 'two:latest']);
    assert.match(stdout, /one:latest is at http.* now\n/);
    assert.match(stdout, /here:latest is at http/);
    assert.match(stderr, /one:latest \[#+\.*\] +\d+% of 1\.0 MB/);
  });

  test('pulls what one alias needs', async (t) => {
    const service = await OllamaService.start(t, { library: { one: { size: MB }, two: { size: MB } } });
    assert.equal((await command(['b'], [model('a', service, 'one'), model('b', service, 'two')])).code, 0);
    assert.deepEqual(service.asked('pull').map(({ body }) => body.model), ['two:latest']);
  });

  test('says what is wrong: no such alias, no such model, no service', async (t) => {
    const service = await OllamaService.start(t);
    const wrong = await command(['nobody'], [model('a', service, 'one')]);
    assert.deepEqual([wrong.code, /nobody is neither an enabled alias nor/.test(wrong.stderr)], [2, true]);
    const missing = await command(['a'], [model('a', service, 'one')]);
    assert.equal(missing.code, 1);
    assert.match(missing.stderr, /one:latest: .*file does not exist/);
    await service.down();
    const down = await command([], [model('a', service, 'one')]);
    assert.equal(down.code, 1);
    assert.match(down.stderr, new RegExp(service.url));
  });
});
