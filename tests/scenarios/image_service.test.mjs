// The image service inside freeway: sd-servers started, swapped, cancelled and stopped on demand.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { describe, test } from 'node:test';
import { Fake, openai, pngSize } from '../providers/index.mjs';
import { Gateway, ROOT, run, scratch, writeConfig } from '../lib/gateway.mjs';
import { PREFIX, SD_SERVER, Studio, dead } from '../lib/studio.mjs';
import { until } from '../lib/until.mjs';
import { entry } from '../lib/world.mjs';

const sizeOf = (answer) => pngSize(Buffer.from(answer.json.data[0].b64_json, 'base64'));
const TAG = '<sd_cpp_extra_args>{"steps":99}</sd_cpp_extra_args>';

/** A studio whose first model falls back to a cloud that would be seen. */
async function withCloud(t, more = {}) {
  const cloud = await Fake.start(openai);
  t.after(() => cloud.close());
  const studio = await Studio.start(t, {
    more: [entry('cloud', cloud, { params: { model: 'openai/dall-e-3' }, info: { mode: 'image_generation' } })],
    chains: [{ [`${PREFIX}sd-turbo`]: ['cloud'] }], ...more,
  });
  return { studio, cloud };
}

describe('image service: drawing', { concurrency: 2 }, () => {
  test('a request loads its model, draws at its native size and leaves it loaded', async (t) => {
    const studio = await Studio.start(t, { models: { 'sd-turbo': {}, 'flux-schnell': { size: '1024x768' } } });
    assert.deepEqual(await studio.status(), {
      loaded: false, loading: false, current_model: '', generating: false, process_running: false, process_pid: 0,
      idle_timeout: 300, supports_img: false, models: ['sd-turbo', 'flux-schnell'],
    });
    const answer = await studio.draw('flux-schnell');
    assert.equal(answer.status, 200, answer.text);
    assert.deepEqual(sizeOf(answer), [1024, 768]);
    const status = await studio.shows({ loaded: true, generating: false });
    assert.equal(status.current_model, 'flux-schnell');
    assert.deepEqual(status.current_model_size, [1024, 768]);
    assert.ok(status.current_model_args.includes('flux-schnell.gguf'));
    assert.equal(status.process_running, true);
    assert.equal(dead(status.process_pid), false);
    assert.deepEqual(sizeOf(await studio.draw('flux-schnell', { size: '300x9000' })), [320, 2048], 'in blocks of 64, bounded');
    assert.equal((await studio.draw('flux-schnell', { n: 11 })).status, 400);
    assert.equal((await studio.draw('flux-schnell', { size: 'big' })).status, 400);
  });

  test('two models swap: the first is gone before the second starts', async (t) => {
    const studio = await Studio.start(t);
    await studio.draw('sd-turbo');
    const first = (await studio.status()).process_pid;
    const answer = await studio.draw('sdxl-turbo');
    assert.equal(answer.servedBy, `${PREFIX}sdxl-turbo`, answer.text);
    assert.ok(dead(first));
    const status = await studio.status();
    assert.deepEqual([status.current_model, status.loaded], ['sdxl-turbo', true]);
    assert.deepEqual(studio.starts(), ['sd-turbo', 'sdxl-turbo']);
  });

  test('requests wait in line, each its turn, and none is lost', async (t) => {
    const studio = await Studio.start(t);
    const held = await studio.hold('sd-turbo');
    const waiting = [studio.draw('sdxl-turbo'), studio.draw('sd-turbo'), studio.draw('sd-turbo')];
    assert.equal((await studio.shows({ generating: true })).current_model, 'sd-turbo');
    assert.equal(studio.events('draw').length, 1, 'one picture at a time');
    studio.open();
    for (const answer of await Promise.all([held.answer, ...waiting])) assert.equal(answer.status, 200, answer.text);
    assert.deepEqual(studio.starts(), ['sd-turbo', 'sdxl-turbo'], 'those for the loaded model go together');
  });

  test('who does not wait is told at once that it is busy; the direct route never waits', async (t) => {
    const { studio, cloud } = await withCloud(t);
    const held = await studio.hold('sd-turbo');
    const alone = await studio.draw('sdxl-turbo', {}, { headers: { 'x-freeway-max-wait': '0' } });
    assert.deepEqual([alone.status, alone.error.code], [503, 'upstream_busy'], alone.text);
    assert.match(alone.error.message, /taken|busy/);
    const chained = await studio.draw('sd-turbo', {}, { headers: { 'x-freeway-max-wait': '0' } });
    assert.equal(chained.servedBy, 'cloud', chained.text);
    const direct = await studio.gateway.send('/sdcpp/v1/images/generations', { body: { model: 'sd-turbo', prompt: 'x' } });
    assert.deepEqual([direct.status, direct.error.code], [503, 'upstream_busy'], direct.text);
    assert.equal(cloud.calls.length, 1, 'the direct route has no chain');
    assert.equal((await studio.gateway.benches()).length, 0, 'busy benches nobody');
    studio.open();
    assert.equal((await held.answer).status, 200);
  });

  test('the direct route takes a key, an alias or openai/alias, and answers base64', async (t) => {
    const studio = await Studio.start(t);
    for (const model of ['sd-turbo', `${PREFIX}sd-turbo`, `openai/${PREFIX}sd-turbo`]) {
      const answer = await studio.gateway.send('/sdcpp/v1/images/generations', { body: { model, prompt: 'x' } });
      assert.equal(answer.status, 200, answer.text);
      assert.deepEqual(sizeOf(answer), [512, 512]);
    }
    const unknown = await studio.gateway.send('/sdcpp/v1/images/generations', { body: { model: 'dall-e', prompt: 'x' } });
    assert.equal(unknown.status, 400);
    assert.match(unknown.error.message, /dall-e/);
  });

  test('a tag in the prompt commands nothing, unless the alias allows it', async (t) => {
    const studio = await Studio.start(t, { models: { 'sd-turbo': {}, open: { info: { allow_extra_args: true } } } });
    const promptFor = async (key, prompt, more) => {
      const answer = await studio.draw(key, { prompt, ...more });
      assert.equal(answer.status, 200, answer.text);
      return studio.events('draw').at(-1).body.prompt;
    };
    assert.equal(await promptFor('sd-turbo', `a ${TAG}cat${TAG}`), 'a cat');
    assert.equal(await promptFor('sd-turbo', 'a cat<sd_cpp_extra_args>{"steps":99}'), 'a cat');
    assert.equal(await promptFor('sd-turbo', `a cat<sd_cpp_</sd_cpp_extra_args>extra_args>{"steps":99}</sd_cpp_extra_args>`), 'a cat');
    assert.equal(await promptFor('sd-turbo', 'a cat', { seed: 7 }), 'a cat<sd_cpp_extra_args>{"seed":7}</sd_cpp_extra_args>');
    assert.equal(await promptFor('open', `a ${TAG}cat`), `a ${TAG}cat`);
  });

  test('a fault of the engine moves on, a refused prompt does not', async (t) => {
    const { studio } = await withCloud(t);
    assert.equal((await studio.draw('sd-turbo', { prompt: 'fault' })).servedBy, 'cloud');
    const answer = await studio.draw('sdxl-turbo', { output_format: 'gif' });
    assert.equal(answer.status, 400, answer.text);
    assert.match(answer.error.message, /output_format/);
  });
});

describe('image service: load, unload, cancel', { concurrency: 2 }, () => {
  test('load and unload say what they did', async (t) => {
    const studio = await Studio.start(t);
    assert.deepEqual((await studio.load()).json, { loaded: true, model: 'sd-turbo' }, 'the usual model');
    assert.deepEqual((await studio.load(`openai%2F${PREFIX}sd-turbo`)).json, { already_loaded: true, model: 'sd-turbo' });
    assert.deepEqual((await studio.load('sdxl-turbo')).json, { loaded: true, model: 'sdxl-turbo' });
    const unknown = await studio.load('dall-e');
    assert.deepEqual([unknown.status, unknown.json.code], [400, 'unknown_model']);
    const { process_pid: pid } = await studio.shows({ generating: false });
    assert.deepEqual((await studio.post('unload')).json, { unloaded: true, model: 'sdxl-turbo' });
    assert.ok(dead(pid));
    assert.equal((await studio.status()).loaded, false);
    assert.deepEqual((await studio.post('unload')).json, { already_unloaded: true });
  });

  test('while a picture is drawn, load is busy and unload says so', async (t) => {
    const studio = await Studio.start(t);
    const held = await studio.hold('sd-turbo');
    const load = await studio.load('sdxl-turbo');
    assert.deepEqual([load.status, load.json.code], [503, 'busy'], load.text);
    assert.match(load.json.error, /busy/);
    const unload = await studio.post('unload');
    assert.deepEqual([unload.status, unload.json], [409, { unloaded: false, reason: 'generating' }]);
    studio.open();
    assert.equal((await held.answer).status, 200);
  });

  test('a load that fails is no busy one and leaves no current model', async (t) => {
    const { studio } = await withCloud(t);
    fs.writeFileSync(studio.broken, '');
    const load = await studio.load('sd-turbo');
    assert.deepEqual([load.status, load.json.code], [503, 'load_failed'], load.text);
    assert.match(load.json.error, /^load failed: .*load tensors from model file failed/);
    const status = await studio.status();
    assert.deepEqual([status.loaded, status.loading, status.current_model, status.process_running], [false, false, '', false]);
    assert.equal((await studio.draw('sd-turbo')).servedBy, 'cloud', 'the chain moves on');
    const alone = await studio.draw('sdxl-turbo');
    assert.deepEqual([alone.status, alone.error.code], [503, 'engine_failed'], alone.text);
    fs.rmSync(studio.broken);
    await until(async () => (await studio.load('sd-turbo')).status === 200, 20_000, 'it loads again after its backoff');
  });

  test('cancel ends the drawing; its client is told, its chain not asked, its target not blamed', async (t) => {
    const { studio, cloud } = await withCloud(t);
    assert.equal((await studio.post('cancel')).json.cancelled, false);
    const held = await studio.hold('sd-turbo');
    const { process_pid: pid } = await studio.status();
    assert.deepEqual((await studio.post('cancel')).json, { cancelled: true });
    assert.ok(dead(pid));
    const answer = await held.answer;
    assert.deepEqual([answer.status, answer.error.code], [499, 'cancelled'], answer.text);
    assert.equal(cloud.calls.length, 0);
    assert.equal((await studio.gateway.benches()).length, 0);
    assert.equal((await studio.status()).loaded, false);
    assert.equal((await studio.draw('sd-turbo')).status, 200, 'and it draws again at once');
  });

  test('cancel ends a load', async (t) => {
    const studio = await Studio.start(t, { models: { 'sd-turbo': { args: ['--load-ms', '600000'] } } });
    const drawing = studio.draw('sd-turbo');
    const { process_pid: pid } = await studio.shows({ loading: true, process_running: true });
    assert.equal((await studio.post('unload')).json.reason, 'loading');
    assert.deepEqual((await studio.post('cancel')).json, { cancelled: true });
    assert.ok(dead(pid));
    assert.equal((await drawing).error.code, 'cancelled');
  });

  test('everything is behind the key, and the set that is not run here is not found', async (t) => {
    const studio = await Studio.start(t, { env: { FREEWAY_MASTER_KEY: 'sk-master' } });
    for (const [method, what] of [['GET', 'status'], ['POST', 'load'], ['POST', 'unload'], ['POST', 'cancel'], ['POST', 'images/generations']])
      assert.equal((await studio.gateway.send(`/sdcpp/v1/${what}`, { method, ...(what.startsWith('images') && { body: { model: 'sd-turbo', prompt: 'x' } }) })).status, 401, what);
    assert.equal(studio.events().length, 0);
    const cuda = await studio.gateway.get('/sdcpp-cuda/v1/status', { headers: { authorization: 'Bearer sk-master' } });
    assert.equal(cuda.status, 404);
    assert.match(cuda.error.message, /SDCPP_CUDA_NATIVE=1/);
  });
});

describe('image service: the end of an engine', { concurrency: 2 }, () => {
  test('an idle model is unloaded after its ttl', async (t) => {
    const studio = await Studio.start(t, { models: { 'sd-turbo': { engine: { ttl: '1s' } } } });
    await studio.draw('sd-turbo');
    const { process_pid: pid, idle_timeout: idle } = await studio.status();
    assert.equal(idle, 1);
    await studio.shows({ loaded: false, process_running: false });
    assert.ok(dead(pid));
  });

  test('a crash while drawing is a clean error, and the engine starts again', async (t) => {
    const studio = await Studio.start(t, { models: { 'sd-turbo': {} } });
    const answer = await studio.draw('sd-turbo', { prompt: 'crash' });
    assert.ok([502, 503].includes(answer.status), answer.text);
    assert.ok(answer.error.message, answer.text);
    await until(async () => (await studio.draw('sd-turbo')).status === 200, 20_000, 'it draws again');
    assert.equal(studio.events('start').length, 2);
  });

  test('a client that hangs up while its picture is drawn frees the engine: it is killed', async (t) => {
    const studio = await Studio.start(t);
    const leaving = new AbortController();
    const held = await studio.hold('sd-turbo', { signal: leaving.signal });
    const { process_pid: pid } = await studio.status();
    const next = studio.draw('sdxl-turbo');
    const left = performance.now();
    leaving.abort();
    await until(() => dead(pid), 20_000, 'the engine is gone');
    const took = performance.now() - left;
    assert.ok(took < 1000, `T1: gone after ${took} ms`);
    await assert.rejects(held.answer);
    assert.equal((await next).status, 200);
    assert.equal(studio.events('drawn').length, 1, 'the picture of the one who left was never finished');
    assert.equal((await studio.gateway.benches()).length, 0);
  });

  test('who leaves the line causes no load', async (t) => {
    const studio = await Studio.start(t);
    const held = await studio.hold('sd-turbo');
    const leaving = new AbortController();
    const other = studio.draw('sdxl-turbo', {}, { signal: leaving.signal });
    await until(async () => (await studio.gateway.get('/health/readiness')).json.active_requests === 2, 20_000, 'it waits');
    leaving.abort();
    await assert.rejects(other);
    await until(async () => (await studio.gateway.get('/health/readiness')).json.active_requests === 1, 20_000, 'it has left');
    studio.open();
    assert.equal((await held.answer).status, 200);
    assert.equal((await studio.draw('sd-turbo')).status, 200);
    assert.deepEqual(studio.starts(), ['sd-turbo']);
  });

  test('kill -9 of freeway leaves no engine behind', async (t) => {
    const studio = await Studio.start(t);
    await studio.hold('sd-turbo');
    const { process_pid: pid } = await studio.status();
    await studio.gateway.kill();
    await until(() => dead(pid), 20_000, 'the engine died with freeway');
  });
});

describe('image service: the shipped fragments', { concurrency: 2 }, () => {
  /** Stands for sd-server: a program that notes how it was called. */
  function program(folder) {
    const file = path.join(folder, 'sd-server');
    fs.writeFileSync(file, `#!/bin/sh\nexec ${process.execPath} ${SD_SERVER} --notes ${folder}/notes "$@"\n`, { mode: 0o755 });
    return file;
  }
  const shipped = (t, env, folder) => Gateway.start(t, { configPath: path.join(ROOT, 'config'), env, data: path.join(folder, 'data') });
  const weights = (folder, ...names) => {
    fs.mkdirSync(path.join(folder, 'data/sdcpp/models'), { recursive: true });
    for (const name of names) fs.writeFileSync(path.join(folder, 'data/sdcpp/models', name), 'weights');
  };
  const load = (gateway, set, key) => gateway.send(`/${set}/v1/load?model=${key}`, {});

  test('flux is started with its four files and draws at 1024x1024', async (t) => {
    const folder = scratch();
    const gateway = await shipped(t, { SDCPP_CUDA: '1', SDCPP_CUDA_NATIVE: '1', SD_SERVER: program(folder) }, folder);
    const missing = await load(gateway, 'sdcpp-cuda', '');
    assert.equal(missing.json.code, 'load_failed');
    assert.match(missing.json.error, /flux1-schnell-Q4_0\.gguf is not here yet: run `freeway pull`/);
    weights(folder, 'flux1-schnell-Q4_0.gguf', 'ae.safetensors', 'clip_l.safetensors', 't5xxl_fp16.safetensors');
    assert.deepEqual((await load(gateway, 'sdcpp-cuda', '')).json, { loaded: true, model: 'flux-schnell' });
    const { args } = JSON.parse(fs.readFileSync(path.join(folder, 'notes'), 'utf8').split('\n')[0]);
    const after = (flag) => path.basename(args[args.indexOf(flag) + 1]);
    assert.deepEqual(['--diffusion-model', '--vae', '--clip_l', '--t5xxl'].map(after), ['flux1-schnell-Q4_0.gguf', 'ae.safetensors', 'clip_l.safetensors', 't5xxl_fp16.safetensors']);
    assert.deepEqual(['--cfg-scale', '--steps', '--sampling-method', '--listen-ip'].map(after), ['1', '4', 'euler', '127.0.0.1']);
    assert.ok(args.includes('--clip-on-cpu') && args.includes('--diffusion-fa') && !args.includes('--port'));
    const answer = await gateway.send('/sdcpp-cuda/v1/images/generations', { body: { model: 'flux-schnell', prompt: 'x' } });
    assert.deepEqual(sizeOf(answer), [1024, 1024]);
    assert.deepEqual((await gateway.get('/sdcpp-cuda/v1/status')).json.models, ['sd-turbo', 'sdxl-turbo', 'sdxl-lightning', 'flux-schnell', 'juggernaut-xi']);
  });

  test('on the CPU sd-turbo runs on all cores', async (t) => {
    const folder = scratch();
    weights(folder, 'sd_turbo-f16-q8_0.gguf');
    const gateway = await shipped(t, { SDCPP: '1', SDCPP_NATIVE: '1', SD_SERVER: program(folder) }, folder);
    assert.equal((await load(gateway, 'sdcpp', '')).json.loaded, true);
    const { args } = JSON.parse(fs.readFileSync(path.join(folder, 'notes'), 'utf8').split('\n')[0]);
    assert.equal(args[args.indexOf('-t') + 1], '-1');
    assert.equal(args[args.indexOf('--model') + 1], path.join(folder, 'data/sdcpp/models/sd_turbo-f16-q8_0.gguf'));
  });

  test('`freeway pull` fetches the weights into their folder and checks what the address states', async (t) => {
    const folder = scratch();
    const bytes = { 'a.gguf': 'weights of a', 'vae.safetensors': 'weights of the vae' };
    const server = http.createServer((request, response) => response.end(bytes[path.basename(request.url)]));
    await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
    t.after(() => { server.closeAllConnections(); server.close(); });
    const at = (name, text) => `http://127.0.0.1:${server.address().port}/x/${name}#sha256=${createHash('sha256').update(text).digest('hex')}`;
    const pull = (...urls) => run(['pull', '--config', writeConfig(folder, { model_list: [{
      model_name: `${PREFIX}a`, litellm_params: { model: `openai/${PREFIX}a`, api_key: 'unused' },
      model_info: { mode: 'image_generation', tier: 'local', engine: { command: ['sd-server', '--listen-port', '{port}', ...urls], models: 'sdcpp/models' } },
    }] }), '--data', path.join(folder, 'data')], { cwd: folder });
    const good = await pull('--model', at('a.gguf', bytes['a.gguf']), '--vae', at('vae.safetensors', bytes['vae.safetensors']));
    assert.equal(good.code, 0, good.stdout + good.stderr);
    const there = () => fs.readdirSync(path.join(folder, 'data/sdcpp/models')).filter((name) => !name.endsWith('.source')).sort();
    assert.deepEqual(there(), ['a.gguf', 'vae.safetensors']);
    fs.rmSync(path.join(folder, 'data/sdcpp/models/a.gguf'));
    const bad = await pull('--model', at('a.gguf', 'something else'));
    assert.equal(bad.code, 1);
    assert.match(bad.stderr, /wrong checksum/);
    assert.deepEqual(there(), ['vae.safetensors']);
  });

  test('without sd-server it says what to do', async (t) => {
    const folder = scratch();
    const gateway = await shipped(t, { SDCPP: '1', SDCPP_NATIVE: '1', SD_SERVER: '/nowhere/sd-server' }, folder);
    assert.match((await load(gateway, 'sdcpp', '')).json.error, /SD_SERVER is no program/);
  });

  test('the wrapper is used unless the flag says otherwise, and its address wins over the flag', async (t) => {
    const wrapper = await shipped(t, { SDCPP: '1' }, scratch());
    assert.equal((await wrapper.get('/sdcpp/v1/status')).json.code, 'unreachable');
    const check = async (env) => (await run(['check', '--config', path.join(ROOT, 'config')], { env })).stdout;
    assert.doesNotMatch(await check({ SDCPP: '1', SDCPP_NATIVE: '1' }), /SDCPP/);
    assert.match(await check({ SDCPP: '1', SDCPP_NATIVE: '1', SDCPP_API_BASE: 'http://127.0.0.1:1/v1' }), /warning: SDCPP_NATIVE=1 has no effect: SDCPP_API_BASE names a server/);
    assert.match(await check({ SDCPP_NATIVE: '1' }), /SDCPP_NATIVE=1 has no effect while SDCPP is off/);
    assert.match(await check({ SDCPP: '1', SDCPP_NATIVE: 'yes' }), /SDCPP_NATIVE is on only when it is exactly 1/);
  });
});
