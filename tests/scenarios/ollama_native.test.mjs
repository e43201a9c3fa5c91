// Ollama behind freeway, one detail after the other: what it is sent and what its answers become.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import { describe, test } from 'node:test';
import { Ollama } from 'ollama';
import { GB, Memory, OllamaService } from '../providers/ollama_service.mjs';
import { Fake, PICTURE, openai } from '../providers/index.mjs';
import { Gateway } from '../lib/gateway.mjs';
import { lookUp } from '../lib/names.mjs';
import { forwardProxy } from '../lib/proxy.mjs';
import { entry } from '../lib/world.mjs';
import { until } from '../lib/until.mjs';

const messages = [{ role: 'user', content: 'hi' }];
const CHAT = { size: 1000, capabilities: ['completion', 'vision', 'tools'] };
const THINKER = { size: 1000, capabilities: ['completion', 'thinking'] };

/** `{alias: {model, params, info}}` at one service, then whoever `more` names. */
async function local(t, aliases, { service: options, more = [], env, chain } = {}) {
  const models = Object.fromEntries(Object.values(aliases).map(({ tag, model }) => [tag, model]));
  const service = await OllamaService.start(t, { models, ...options });
  const entries = Object.entries(aliases).map(([alias, { tag, params, info }]) => ({
    model_name: alias,
    litellm_params: { model: `ollama_chat/${tag}`, api_base: service.url, ...params },
    model_info: { mode: 'chat', tier: 'local', ...info },
  }));
  const fallbacks = chain ? { router_settings: { fallbacks: [{ [entries[0].model_name]: chain }] } } : {};
  const gateway = await Gateway.start(t, { config: { model_list: [...entries, ...more], ...fallbacks }, env });
  return { service, gateway };
}

const stepOf = async (gateway, answer, index = 0) =>
  (await gateway.get(`/v1/requests/${answer.headers['x-freeway-request-id']}/explain`)).json.candidates[index];

/** A web server of pictures: `{path: {type, bytes, status, location}}`. */
async function web(t, pages) {
  const seen = [];
  const server = http.createServer((req, res) => {
    seen.push(req.url);
    const page = pages[req.url] ?? { status: 404, bytes: '' };
    res.writeHead(page.status ?? 200, { 'content-type': page.type ?? 'image/png', ...(page.location && { location: page.location }) });
    res.end(page.bytes);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => { server.closeAllConnections(); server.close(); });
  return { seen, host: `127.0.0.1:${server.address().port}`, url: `http://127.0.0.1:${server.address().port}` };
}

const picture = (url) => ({ messages: [{ role: 'user', content: [{ type: 'text', text: 'what?' }, { type: 'image_url', image_url: { url } }] }] });

describe('pictures by address', { concurrency: 4 }, () => {
  const PNG = PICTURE;
  const JPEG = Buffer.from('ffd8ffe000104a464946', 'hex');
  const WEBP = Buffer.from('RIFF\x10\0\0\0WEBPVP8 ', 'latin1');
  const GIF = Buffer.from('GIF89a\x01\0\x01\0', 'latin1');
  const SEES = { a: { tag: 'm', model: CHAT, info: { supports_vision: true } } };

  test('are fetched and sent as data, in every client\'s protocol', async (t) => {
    const site = await web(t, { '/a.png': { bytes: PNG }, '/a.jpg': { bytes: JPEG }, '/a.webp': { bytes: WEBP, type: 'application/octet-stream' } });
    const { service, gateway } = await local(t, SEES, { env: { FREEWAY_IMAGE_HOSTS: `files.example, ${site.host}` } });
    for (const [name, bytes] of [['a.png', PNG], ['a.jpg', JPEG], ['a.webp', WEBP]]) {
      const answer = await gateway.chat('a', picture(`${site.url}/${name}`));
      assert.equal(answer.status, 200, answer.text);
      assert.deepEqual(service.asked('chat').at(-1).body.messages, [{ role: 'user', content: 'what?', images: [bytes.toString('base64')] }]);
    }
    const content = [{ type: 'image', source: { type: 'url', url: `${site.url}/a.png` } }, { type: 'text', text: 'what?' }];
    const anthropic = await gateway.send('/v1/messages', { body: { model: 'a', max_tokens: 9, messages: [{ role: 'user', content }] } });
    assert.equal(anthropic.status, 200, anthropic.text);
    assert.deepEqual(service.asked('chat').at(-1).body.messages[0].images, [PNG.toString('base64')]);
    assert.deepEqual(site.seen, ['/a.png', '/a.jpg', '/a.webp', '/a.png']);
  });

  test('reach it as data from Ollama\'s own clients too, all else byte for byte', async (t) => {
    const site = await web(t, { '/a.png': { bytes: PNG }, '/b.jpg': { bytes: JPEG } });
    const { service, gateway } = await local(t, SEES, { env: { FREEWAY_IMAGE_HOSTS: site.host } });
    const ollama = new Ollama({ host: gateway.url });
    const own = WEBP.toString('base64');
    const messages = [
      { role: 'user', content: 'one', images: [`${site.url}/a.png`, own] },
      { role: 'assistant', content: 'a dot' },
      { role: 'user', content: 'two', images: [`data:image/png;base64,${PNG.toString('base64')}`, `${site.url}/b.jpg`] },
    ];
    assert.equal((await ollama.chat({ model: 'a', messages, options: { num_keep: 4 } })).done, true);
    const { body } = service.asked('chat').at(-1);
    const [png, jpg] = [PNG, JPEG].map((bytes) => bytes.toString('base64'));
    assert.deepEqual(body.messages.map(({ images }) => images), [[png, own], undefined, [png, jpg]]);
    assert.deepEqual(body.options, { num_keep: 4 });
    assert.equal((await ollama.generate({ model: 'a', prompt: 'what?', images: [`${site.url}/a.png`] })).done, true);
    assert.deepEqual(service.asked('generate').at(-1).body.images, [png]);
    assert.deepEqual(site.seen, ['/a.png', '/b.jpg', '/a.png']);

    const guarded = await local(t, SEES);
    await assert.rejects(new Ollama({ host: guarded.gateway.url }).chat({ model: 'a', messages: messages.slice(0, 1) }), /can't be fetched.*public internet/);
    assert.deepEqual([site.seen.length, guarded.service.calls.length], [3, 0]);
  });

  test('FREEWAY_IMAGE_HOSTS in .env is followed while it serves', async (t) => {
    const site = await web(t, { '/a.png': { bytes: PNG } });
    const { gateway } = await local(t, SEES);
    assert.equal((await gateway.chat('a', picture(`${site.url}/a.png`))).status, 400);
    fs.writeFileSync(gateway.envFile, `FREEWAY_IMAGE_HOSTS=${site.host}\n`);
    await until(async () => (await gateway.chat('a', picture(`${site.url}/a.png`))).status === 200, 20_000, 'the host is allowed');
    fs.writeFileSync(gateway.envFile, '');
    await until(async () => (await gateway.chat('a', picture(`${site.url}/a.png`))).status === 400, 20_000, 'and is not any more');
  });

  test('behind a proxy: only names whose addresses are all public, or that are allowed', async (t) => {
    const site = await web(t, { '/a.png': { bytes: PNG } });
    const proxy = await forwardProxy(Number(new URL(site.url).port));
    t.after(() => proxy.close());
    const names = { 'outside.test': ['93.184.216.34'], 'inside.test': ['10.0.0.5'], 'both.test': ['93.184.216.34', '192.168.1.1'] };
    const env = { HTTP_PROXY: proxy.url, NO_PROXY: '127.0.0.1', FREEWAY_IMAGE_HOSTS: 'allowed.test', ...lookUp(names) };
    const { gateway } = await local(t, SEES, { env });
    for (const [host, why] of [['inside.test', /outside the public internet/], ['both.test', /outside the public internet/], ['nobody.test', /can't be looked up here/], ['10.0.0.5', /no host of the public/]]) {
      const answer = await gateway.chat('a', picture(`http://${host}/a.png`));
      assert.equal(answer.status, 400, answer.text);
      assert.match(answer.error.message, why);
    }
    assert.deepEqual(proxy.requests, []);
    for (const host of ['outside.test', 'allowed.test']) {
      const answer = await gateway.chat('a', picture(`http://${host}/a.png`));
      assert.equal(answer.status, 200, answer.text);
    }
    assert.deepEqual(proxy.requests.map(({ url }) => url), ['http://outside.test/a.png', 'http://allowed.test/a.png']);
  });

  test('of a private network are refused, and nobody is asked for them', async (t) => {
    const site = await web(t, { '/a.png': { bytes: PNG } });
    const { service, gateway } = await local(t, SEES);
    for (const url of [`${site.url}/a.png`, `${service.url}/api/tags`, 'http://localhost/a.png', 'http://169.254.169.254/latest', 'http://[::1]/x']) {
      const answer = await gateway.chat('a', picture(url));
      assert.equal(answer.status, 400, answer.text);
      assert.match(answer.error.message, /can't be fetched.*(public internet|localhost)/);
    }
    assert.deepEqual([site.seen, service.calls.length], [[], 0]);
  });

  test('are asked for once, whoever is called for the answer', async (t) => {
    const site = await web(t, {});
    const info = { supports_vision: true };
    const { service, gateway } = await local(t, { a: { tag: 'm', model: CHAT, info }, b: { tag: 'n', model: CHAT, info }, c: { tag: 'o', model: CHAT, info } }, { chain: ['b', 'c'], env: { FREEWAY_IMAGE_HOSTS: site.host } });
    const answer = await gateway.chat('a', picture(`${site.url}/none.png`));
    assert.equal(answer.status, 400, answer.text);
    assert.deepEqual([site.seen, service.asked('chat').length, answer.error.attempts.length], [['/none.png'], 0, 3]);
  });

  test('that are none, are GIFs, are too many or lead elsewhere are said, and the chain moves on', async (t) => {
    const site = await web(t, {
      '/page': { bytes: '<html>', type: 'image/png' }, '/a.gif': { bytes: GIF },
      '/away': { status: 302, location: 'http://169.254.169.254/x', bytes: '' }, '/a.png': { bytes: PNG },
    });
    const fake = await Fake.start(openai);
    t.after(() => fake.close());
    const { service, gateway } = await local(t, SEES, { more: [entry('b', fake)], chain: ['b'], env: { FREEWAY_IMAGE_HOSTS: site.host } });
    for (const [name, why] of [['page', /no image/], ['a.gif', /GIF; send PNG/], ['away', /another host/], ['none', /status 404/]]) {
      const answer = await gateway.chat('a', picture(`${site.url}/${name}`));
      assert.equal(answer.headers['x-freeway-trail'], 'a=skipped:unsupported, b=200', answer.text);
      assert.match((await stepOf(gateway, answer)).detail, why);
      assert.equal(fake.last.body.messages[0].content[1].image_url.url, `${site.url}/${name}`, 'the address reaches who can fetch it');
    }
    const many = { messages: [{ role: 'user', content: Array(17).fill({ type: 'image_url', image_url: { url: `${site.url}/a.png` } }) }] };
    assert.match((await stepOf(gateway, await gateway.chat('a', many))).detail, /at most 16/);
    assert.deepEqual([service.calls.length, site.seen.includes('/a.png')], [0, false]);
  });
});

describe('options', { concurrency: 4 }, () => {
  const OWN = { num_ctx: 8192, num_gpu: 99, num_thread: 4, keep_alive: '7m' };

  test('a model is loaded once, whoever asks for what', async (t) => {
    const { service, gateway } = await local(t, { a: { tag: 'm', model: CHAT, params: OWN } });
    const options = { num_ctx: 512, num_gpu: 0, num_batch: 8, main_gpu: 1, use_mmap: false, num_thread: 1, temperature: 0.5 };
    const asks = [
      ['/v1/chat/completions', { messages }], ['/v1/chat/completions', { messages, num_ctx: 512, options, keep_alive: 0 }],
      ['/api/chat', { messages, stream: false, options, keep_alive: 0 }], ['/api/generate', { prompt: 'hi', stream: false, options, keep_alive: '1s' }],
      ['/api/embed', { input: 'hi', options, keep_alive: 0 }], ['/v1/messages', { messages, max_tokens: 5 }],
    ];
    const embedding = { model_name: 'e', litellm_params: { model: 'ollama/m', api_base: service.url, ...OWN }, model_info: { mode: 'embedding' } };
    const both = await Gateway.start(t, { config: { model_list: [{ model_name: 'a', litellm_params: { model: 'ollama_chat/m', api_base: service.url, ...OWN } }, embedding] } });
    for (const [target, body] of asks) {
      const answer = await both.send(target, { body: { model: target === '/api/embed' ? 'e' : 'a', ...body } });
      assert.equal(answer.status, 200, answer.text);
      const sent = service.calls.at(-1).body;
      assert.equal(sent.keep_alive, '7m', target);
      const { num_ctx, num_gpu, num_thread, ...others } = sent.options;
      assert.deepEqual([num_ctx, num_gpu, num_thread], [8192, 99, 4], target);
      for (const name of ['num_batch', 'main_gpu', 'use_mmap']) assert.equal(others[name], undefined, target);
    }
    assert.equal(service.happened('load').length, 1);
    const answer = await gateway.send('/api/chat', { body: { model: 'a', messages, stream: false, options, keep_alive: 0 } });
    const { changes } = await stepOf(gateway, answer);
    assert.ok(changes.includes('removed options.num_ctx') && changes.includes('removed options.use_mmap'), changes.join());
    assert.ok(changes.some((change) => change.startsWith('removed keep_alive')), changes.join());
    assert.equal(service.calls.at(-1).body.options.temperature, 0.5, 'what does not load is the client\'s');
  });

  test('think is false where none is wanted of a model that can, and never sent to others', async (t) => {
    const { service, gateway } = await local(t, {
      thinks: { tag: 'thinker', model: THINKER, info: { supports_reasoning: true, capabilities: ['streaming', 'reasoning'] } },
      plain: { tag: 'plain', model: { size: 1 }, info: { capabilities: ['streaming'] } },
    });
    const think = async (model, more) => {
      assert.equal((await gateway.chat(model, more)).status, 200);
      return service.asked('chat').at(-1).body.think;
    };
    assert.deepEqual([await think('thinks', { reasoning_effort: 'none' }), await think('thinks', { reasoning_effort: 'high' }), await think('thinks', {})], [false, true, undefined]);
    assert.deepEqual([await think('plain', { reasoning_effort: 'none' }), await think('plain', { reasoning_effort: 'high' })], [undefined, undefined]);
    const native = await gateway.send('/api/chat', { body: { model: 'plain', messages, think: true, stream: false } });
    assert.equal(native.status, 200, native.text);
    const quiet = await gateway.chat('thinks', { reasoning_effort: 'none' });
    assert.equal(quiet.json.choices[0].message.reasoning_content ?? quiet.json.choices[0].message.reasoning, undefined);
  });
});

describe('what its answers say', { concurrency: 4 }, () => {
  test('usage: counted, and estimated and marked where the prompt was still in memory', async (t) => {
    const { gateway } = await local(t, { a: { tag: 'm', model: CHAT } }, { service: { omitCached: true } });
    const counted = await gateway.chat('a');
    assert.deepEqual([counted.json.usage.prompt_tokens, counted.json.usage.completion_tokens, counted.json.usage.freeway_estimated], [11, 7, undefined]);
    for (const answer of [await gateway.chat('a'), await gateway.stream('a', { stream_options: { include_usage: true } })]) {
      const usage = answer.json?.usage ?? answer.usage;
      assert.deepEqual([usage.completion_tokens, usage.freeway_estimated], [7, true], answer.text);
      assert.ok(usage.prompt_tokens > 0);
    }
    const native = await gateway.send('/api/chat', { body: { model: 'a', messages, stream: false } });
    assert.equal(native.json.prompt_eval_count, undefined, 'Ollama\'s own clients see its own words');
  });

  test('how long the model was loaded is in the decision record', async (t) => {
    const { gateway } = await local(t, { a: { tag: 'm', model: CHAT } }, { service: { loadMs: 40 } });
    assert.equal((await stepOf(gateway, await gateway.chat('a'))).load_ms, 40);
    assert.equal((await stepOf(gateway, await gateway.stream('a'))).load_ms, undefined, 'it was there already');
  });

  test('an error line before content moves on, after content it is one error frame', async (t) => {
    const fake = await Fake.start(openai);
    t.after(() => fake.close());
    const { service, gateway } = await local(t, { a: { tag: 'm', model: CHAT } }, { more: [entry('b', fake)], chain: ['b'] });
    service.next('chat', { errorAt: 0, error: 'llama runner process has terminated: signal: killed' });
    const moved = await gateway.stream('a');
    assert.equal(moved.content, 'answer from openai');
    await gateway.clearBenches();
    service.next('chat', { errorAt: 2, error: 'llama runner process has terminated: signal: killed' });
    const broken = await gateway.stream('a');
    assert.equal(broken.content, 'answer from ', broken.text);
    assert.equal(broken.text.match(/"error"/g).length, 1);
    assert.match(broken.text, /signal: killed/);
    assert.match(broken.text, /data: \[DONE\]\n\n$/);
  });

  test('a full queue and too little memory are busy: back in a moment', async (t) => {
    const { service, gateway } = await local(t, { a: { tag: 'm', model: CHAT }, big: { tag: 'big', model: { size: 9 * GB } } }, { service: { maxQueue: 1, memory: new Memory(8 * GB) } });
    assert.equal((await gateway.chat('a')).status, 200, 'the model is loaded');
    service.stall();
    const working = [gateway.chat('a')];
    await until(() => service.running === 1, 10_000, 'one is at work');
    working.push(gateway.chat('a'));
    await until(() => service.queue.length === 1, 10_000, 'one is in the queue');
    const refused = await gateway.chat('a');
    assert.deepEqual([refused.status, refused.error.code], [503, 'upstream_busy'], refused.text);
    assert.match(refused.error.message, /maximum pending requests/);
    assert.ok(Number(refused.headers['retry-after']) <= 5, refused.headers['retry-after']);
    service.proceed();
    assert.deepEqual((await Promise.all(working)).map(({ status }) => status), [200, 200]);
    const memory = await gateway.chat('big');
    assert.deepEqual([memory.status, memory.error.code], [503, 'upstream_busy'], memory.text);
    assert.match(memory.error.message, /more system memory/);
    assert.ok(Number(memory.headers['retry-after']) <= 5);
  });

  test('a model that is not there benches its target for a moment, not for minutes', async (t) => {
    const { service, gateway } = await local(t, { a: { tag: 'm', model: CHAT } });
    service.remove('m');
    const answer = await gateway.chat('a');
    assert.equal(answer.headers['x-freeway-trail'], 'a=404:gone');
    const [bench] = await gateway.benches('a');
    assert.ok(bench.back_in_s <= 5, JSON.stringify(bench));
  });
});
