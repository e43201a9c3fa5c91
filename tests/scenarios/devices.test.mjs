// Local services that share a GPU: memory as a budget, leases, residency, eviction, turns.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Fake, generic, ollama as ollamaWire } from '../providers/index.mjs';
import { Memory, OllamaService } from '../providers/ollama_service.mjs';
import { SdcppService } from '../providers/sdcpp_service.mjs';
import { TalkiesService } from '../providers/talkies_service.mjs';
import { wav } from '../providers/talkies_audio.mjs';
import { calm, chat, deviceOf, deviceWorld, draw, draws, fakeGpu, GB, hears, ollama, speaks } from '../lib/devices.mjs';
import { entry } from '../lib/world.mjs';
import { until } from '../lib/until.mjs';

const model = (gb) => ({ size: gb * GB });

async function listen(gateway, alias, options = {}) {
  const form = new FormData();
  form.append('model', alias);
  form.append('file', new Blob([wav()], { type: 'audio/wav' }), 'talk.wav');
  const answer = await fetch(`${gateway.url}/v1/audio/transcriptions`, { method: 'POST', body: form, ...options });
  const text = await answer.text();
  return { status: answer.status, text, servedBy: answer.headers.get('x-freeway-served-by'), trail: answer.headers.get('x-freeway-trail') ?? '' };
}

/** talkies whose models take memory of a shared device. */
const talkiesOn = (t, memory, gb, options = {}) => TalkiesService.start(t, {
  device: 'cuda', ...options,
  onLoad: (slug) => { memory.take(`talkies ${slug}`, gb * GB); },
  onUnload: (slug) => { memory.free(`talkies ${slug}`); },
});

/** Ollama and talkies on one GPU of 8 GB: a model of 5 GB here, one of 4 GB there. */
async function sharedGpu(t, { chains = [], more = [], devices, talkies: talkiesOptions, ollama: ollamaOptions, env } = {}) {
  const memory = new Memory(8 * GB);
  const llm = await OllamaService.start(t, { models: { 'big:8b': model(5), 'small:1b': model(1), 'tiny:1b': model(1) }, memory, ...ollamaOptions });
  const talkies = await talkiesOn(t, memory, 4, talkiesOptions);
  const models = [ollama('big', llm, 'big:8b', 5), ollama('small', llm, 'small:1b', 1), ollama('tiny', llm, 'tiny:1b', 1),
    hears('ears', talkies, 'parakeet-tdt-0.6b-v3', 4), ...more];
  const gateway = await deviceWorld(t, models, { chains, devices, env });
  return { memory, llm, talkies, gateway };
}

describe('a shared device', { concurrency: 3 }, () => {
  test('H2 two models that fit together run together', async (t) => {
    const w = await sharedGpu(t);
    w.llm.stall();
    const both = ['small', 'tiny'].map((alias) => chat(w.gateway, alias));
    await until(() => w.llm.running === 2, 10_000, 'both are at work');
    const cuda = await deviceOf(w.gateway);
    assert.deepEqual(cuda.models.map(({ leases }) => leases), [1, 1]);
    w.llm.proceed();
    for (const answer of await Promise.all(both)) assert.equal(answer.status, 200, answer.text);
    assert.equal(w.llm.happened('unload').length, 0);
  });

  test('a budget of one job is the old mutex: one after the other', async (t) => {
    const w = await sharedGpu(t, { devices: { cuda: { memory_gb: 8, jobs: 1 } } });
    w.llm.stall();
    const first = chat(w.gateway, 'small');
    await until(() => w.llm.running === 1, 10_000, 'the first is at work');
    const second = chat(w.gateway, 'tiny');
    await until(async () => (await deviceOf(w.gateway)).waiting.length === 1, 10_000, 'the second waits');
    assert.equal(w.llm.running, 1);
    w.llm.proceed();
    assert.deepEqual((await Promise.all([first, second])).map(({ status }) => status), [200, 200]);
  });

  for (const memoryLeaves of ['after', 'before']) {
    test(`H3 a model of another service is sent away first, and gone before the next loads (memory leaves ${memoryLeaves})`, async (t) => {
      const w = await sharedGpu(t, { ollama: { memoryLeaves, unloadMs: 150 } });
      assert.equal((await chat(w.gateway, 'big')).status, 200);
      const heard = await listen(w.gateway, 'ears');
      assert.equal(heard.status, 200, heard.text);
      const [gone] = w.llm.happened('gone');
      assert.ok(gone.at <= w.talkies.loads[0].at, 'gone before the load');
      assert.ok(w.memory.peak <= 8 * GB || memoryLeaves === 'after', `peak ${w.memory.peak}`);
      const back = await chat(w.gateway, 'big');
      assert.equal(back.status, 200, back.text);
      assert.equal(w.talkies.unloads.length, 1);
    });
  }

  test('only as much goes as is needed, and only what is loaded is asked to', async (t) => {
    const w = await sharedGpu(t);
    for (const alias of ['small', 'tiny']) assert.equal((await chat(w.gateway, alias)).status, 200);
    assert.equal((await listen(w.gateway, 'ears')).status, 200);
    assert.equal(w.llm.happened('unload').length, 0, '1 + 1 + 4 fit into 8');
    assert.equal((await chat(w.gateway, 'big')).status, 200);
    assert.deepEqual([w.talkies.unloads.length, w.llm.happened('unload').length], [1, 0], 'the 4 GB alone make room');
  });

  test('H3 an engine that keeps its model is marked, the request hops to its CPU twin', async (t) => {
    const cpu = await TalkiesService.start(t, { device: 'cpu' });
    const w = await sharedGpu(t, {
      chains: [{ ears: ['cpu-ears'] }], more: [hears('cpu-ears', cpu, 'whisper-large-v3', 1, { info: { device: 'cpu' } })],
      devices: { cuda: { memory_gb: 8, wait: '2s' } },
    });
    assert.equal((await chat(w.gateway, 'big')).status, 200);
    w.llm.stuck = true;
    const heard = await listen(w.gateway, 'ears');
    assert.deepEqual([heard.status, heard.servedBy], [200, 'cpu-ears'], heard.text);
    assert.match(heard.trail, /ears=skipped:device/);
    assert.equal(w.talkies.loads.length, 0);
    const still = await chat(w.gateway, 'big');
    assert.equal(still.status, 200, 'what is loaded goes on serving');
    const { json } = await w.gateway.get('/v1/benches');
    assert.doesNotMatch(JSON.stringify(json), /"ears"/, 'no bench for a full device');
  });

  test('a GPU that is not free in time hops to the CPU twin at once after `wait`; alone it says when to come again', async (t) => {
    const cpu = await OllamaService.start(t, { models: { 'big:8b': model(5) }, device: 'cpu' });
    const third = await OllamaService.start(t, { models: { 'big:8b': model(5) } });
    const w = await sharedGpu(t, {
      chains: [{ big: ['cpu-big'] }], more: [ollama('cpu-big', cpu, 'big:8b', 5, { info: { device: 'cpu' } }), ollama('alone', third, 'big:8b', 5, { info: { device: 'cuda' }, params: { timeout: 2 } })],
      devices: { cuda: { memory_gb: 8, wait: '1s' }, cpu: { memory_gb: 8 } },
    });
    const release = w.talkies.hold();
    const busy = listen(w.gateway, 'ears');
    await until(() => w.talkies.residency.activeOf('parakeet-tdt-0.6b-v3') > 0, 10_000, 'the GPU is in use');
    const answer = await chat(w.gateway, 'big');
    assert.deepEqual([answer.status, answer.servedBy], [200, 'cpu-big'], answer.text);
    const alone = await chat(w.gateway, 'alone');
    assert.equal(alone.status, 503, alone.text);
    assert.ok(Number(alone.headers['retry-after']) >= 1, JSON.stringify(alone.headers));
    release();
    assert.equal((await busy).status, 200);
  });

  test('H1 a chain from the cloud takes the lease when it comes home, and gives it up', async (t) => {
    const cloud = await Fake.start(generic);
    t.after(() => cloud.close());
    cloud.always({ status: 500, text: 'no' });
    const w = await sharedGpu(t, { chains: [{ cloud: ['small'] }, { 'small-first': ['cloud'] }], more: [entry('cloud', cloud)] });
    w.llm.stall();
    const answer = chat(w.gateway, 'cloud');
    await until(() => w.llm.running === 1, 10_000, 'at home');
    assert.deepEqual((await deviceOf(w.gateway)).models.map(({ leases }) => leases), [1]);
    w.llm.proceed();
    assert.equal((await answer).servedBy, 'small');
    await calm(w.gateway);
  });

  test('H1 from home to the cloud the lease is given up before the cloud is asked', async (t) => {
    const cloud = await Fake.start(generic);
    t.after(() => cloud.close());
    let leases;
    const w = await sharedGpu(t, { chains: [{ small: ['cloud'] }], more: [entry('cloud', cloud)] });
    cloud.always({ waitFor: async () => { leases = (await deviceOf(w.gateway)).models.map((one) => one.leases); } });
    w.llm.always('chat', { status: 500, json: { error: 'llama runner process has terminated' } });
    const answer = await chat(w.gateway, 'small');
    assert.equal(answer.servedBy, 'cloud', answer.text);
    await calm(w.gateway);
  });

  for (const how of ['plain', 'stream']) {
    test(`H1 T1 a client that hangs up frees the device within a second (${how})`, async (t) => {
      const w = await sharedGpu(t, { devices: { cuda: { memory_gb: 8, jobs: 1 } } });
      w.llm.stall();
      const leaving = new AbortController();
      const gone = fetch(`${w.gateway.url}/v1/chat/completions`, {
        method: 'POST', signal: leaving.signal, body: JSON.stringify({ model: 'big', stream: how === 'stream', messages: [{ role: 'user', content: 'hi' }] }),
      }).then((res) => res.text()).catch(() => {});
      await until(() => w.llm.running === 1, 10_000, 'at work');
      const left = performance.now();
      leaving.abort();
      await calm(w.gateway);
      assert.ok(performance.now() - left < 1500, `free after ${performance.now() - left} ms`);
      await gone;
      w.llm.proceed();
    });
  }

  test('H5 a waiter that left causes no load and no eviction', async (t) => {
    const w = await sharedGpu(t);
    w.llm.stall();
    const holder = chat(w.gateway, 'big');
    await until(() => w.llm.running === 1, 10_000, 'the GPU is in use');
    const leaving = new AbortController();
    const waiter = listen(w.gateway, 'ears', { signal: leaving.signal }).catch(() => {});
    await until(async () => (await deviceOf(w.gateway)).waiting.length === 1, 10_000, 'it waits');
    leaving.abort();
    await waiter;
    await until(async () => (await deviceOf(w.gateway)).waiting.length === 0, 10_000, 'it waits no more');
    w.llm.proceed();
    assert.equal((await holder).status, 200);
    await calm(w.gateway);
    assert.deepEqual([w.llm.happened('unload').length, w.talkies.loads.length], [0, 0]);
  });

  test('the queue is bounded: one too many is told to come again', async (t) => {
    const w = await sharedGpu(t, { devices: { cuda: { memory_gb: 8, queue: 1 } } });
    w.llm.stall();
    const holder = chat(w.gateway, 'big');
    await until(() => w.llm.running === 1, 10_000, 'the GPU is in use');
    const waiter = listen(w.gateway, 'ears');
    await until(async () => (await deviceOf(w.gateway)).waiting.length === 1, 10_000, 'one waits');
    const over = await listen(w.gateway, 'ears');
    assert.equal(over.status, 503, over.text);
    assert.match(over.text, /waiting/);
    w.llm.proceed();
    assert.deepEqual([(await holder).status, (await waiter).status], [200, 200]);
  });

  test('a model that never fits is said so, and the chain moves on', async (t) => {
    const cloud = await Fake.start(generic);
    t.after(() => cloud.close());
    const w = await sharedGpu(t, { chains: [{ huge: ['cloud'] }], more: [entry('cloud', cloud), ollama('huge', { url: 'http://127.0.0.1:9' }, 'huge:70b', 40)] });
    const answer = await chat(w.gateway, 'huge');
    assert.equal(answer.servedBy, 'cloud', answer.text);
    assert.deepEqual(answer.trail[0], { alias: 'huge', skipped: 'device' });
  });
});

describe('engines that are busy', { concurrency: 3 }, () => {
  async function studio(t, options = {}, more = {}) {
    const memory = new Memory(8 * GB);
    const service = await SdcppService.start(t, { memory, sizes: { 'sd-turbo': 2 * GB, 'sdxl-turbo': 3 * GB }, ...options });
    const gateway = await deviceWorld(t, [draws('turbo', service, 'sd-turbo', 2), draws('xl', service, 'sdxl-turbo', 3), ...(more.models ?? [])], more);
    return { memory, service, gateway };
  }
  const direct = (service) => fetch(`${service.base}/images/generations`, { method: 'POST', body: JSON.stringify({ model: 'sd-turbo', prompt: 'x' }) }).then((res) => res.json());

  test('pictures of one alias wait for each other and never meet a 503', async (t) => {
    const w = await studio(t, { drawMs: 60 });
    const all = await Promise.all(Array.from({ length: 6 }, () => draw(w.gateway, 'turbo')));
    assert.deepEqual(all.map(({ status }) => status), Array(6).fill(200));
    assert.deepEqual(w.service.asked('/v1/images/generations').map(({ status }) => status), Array(6).fill(200));
  });

  test('two models of a service that holds one take turns, the first is gone before the second loads', async (t) => {
    const w = await studio(t, { drawMs: 30 });
    for (const alias of ['turbo', 'xl', 'turbo']) assert.equal((await draw(w.gateway, alias)).status, 200);
    assert.equal(w.service.asked('/sdcpp/v1/unload').length, 2);
    assert.ok(w.memory.peak <= 3 * GB);
  });

  test('H4 a service that others keep busy is waited for, not hammered', async (t) => {
    const w = await studio(t);
    const open = w.service.hold();
    const stranger = direct(w.service);
    await until(() => w.service.busy === 'draw', 5000, 'a stranger draws');
    const mine = draw(w.gateway, 'turbo');
    await until(() => w.service.asked('/v1/images/generations').some(({ status }) => status === 503), 10_000, 'it was busy');
    const refused = w.service.asked('/v1/images/generations').length;
    await until(() => w.service.asked('/sdcpp/v1/status').length >= 5, 10_000, 'freeway looks again');
    assert.equal(w.service.asked('/v1/images/generations').length, refused, 'but does not ask to draw');
    open();
    await stranger;
    const answer = await mine;
    assert.equal(answer.status, 200, answer.text);
  });

  test('the memory of a call that never reached its engine is free at once', async (t) => {
    const w = await sharedGpu(t);
    assert.equal((await chat(w.gateway, 'small')).status, 200);
    await w.llm.down();
    const lost = await chat(w.gateway, 'big');
    assert.notEqual(lost.status, 200);
    const heard = await listen(w.gateway, 'ears');
    assert.equal(heard.status, 200, heard.text);
    assert.ok(!(await deviceOf(w.gateway)).models.some(({ model: name }) => name === 'big:8b'));
  });

  test('what others load in an engine is seen although requests of ours end there all the time', async (t) => {
    const w = await sharedGpu(t);
    const ps = w.llm.on_ps.bind(w.llm);
    w.llm.on_ps = async (...args) => { await sleep(200); return ps(...args); };
    let busy = true;
    const client = async () => { const seen = new Set(); while (busy) seen.add((await chat(w.gateway, 'small')).status); return [...seen]; };
    const clients = [client(), client(), client()];
    await until(() => w.llm.asked('chat').length > 10, 20_000, 'requests come and go');
    await fetch(`${w.llm.url}/api/chat`, { method: 'POST', body: JSON.stringify({ model: 'big:8b', messages: [{ role: 'user', content: 'hi' }], stream: false }) });
    await until(async () => (await deviceOf(w.gateway)).models.some(({ model: name }) => name === 'big:8b'), 20_000, 'the other model is seen').finally(() => { busy = false; });
    assert.deepEqual(await Promise.all(clients), [[200], [200], [200]]);
    const looks = w.llm.asked('ps').map(({ at }) => at);
    assert.ok(looks.every((at, index) => index === 0 || at - looks[index - 1] < 9000), `no look is put off: ${looks}`);
  });

  test('H6 a load that failed is not waited for: the chain moves on at once', async (t) => {
    const second = await SdcppService.start(t, { prefix: 'local-sdcpp-cpu-', sizes: { 'sd-turbo': 2 * GB } });
    const spare = { model_name: 'spare', litellm_params: { model: 'openai/local-sdcpp-cpu-sd-turbo', api_base: second.base, api_key: 'unused' }, model_info: { mode: 'image_generation', device: 'cpu', service: 'sdcpp', memory_gb: 2 } };
    const w = await studio(t, { loadFails: true }, { models: [spare], chains: [{ turbo: ['spare'] }] });
    const answer = await draw(w.gateway, 'turbo');
    assert.deepEqual([answer.status, answer.servedBy], [200, 'spare'], answer.text);
    assert.equal(w.service.asked('/v1/images/generations').length, 1);
    const cuda = await deviceOf(w.gateway);
    assert.deepEqual(cuda.models, [], 'nothing of it is held');
  });

  test('H4 talkies that is at work for others (409, 429) is waited for', async (t) => {
    const talkies = await TalkiesService.start(t, { device: 'cuda' });
    const gateway = await deviceWorld(t, [hears('ears', talkies, 'parakeet-tdt-0.6b-v3', 2), speaks('mouth', talkies, 'qwen3-tts-0.6b', 2)]);
    const release = talkies.hold();
    const form = new FormData();
    form.append('model', 'parakeet-tdt-0.6b-v3');
    form.append('file', new Blob([wav()]), 'a.wav');
    const stranger = fetch(`${talkies.base}/audio/transcriptions`, { method: 'POST', body: form });
    await until(() => talkies.residency.activeOf('parakeet-tdt-0.6b-v3') > 0, 5000, 'a stranger is at work');
    const mine = listen(gateway, 'ears');
    await until(() => talkies.calls.some(({ status }) => status === 429), 10_000, 'it was full');
    release();
    await stranger;
    assert.equal((await mine).status, 200);
  });
});

describe('what the driver says', { concurrency: 2 }, () => {
  test('the budget is the GPU, and what others use of it is not ours', async (t) => {
    const gpu = fakeGpu();
    const memory = new Memory(8 * GB);
    const llm = await OllamaService.start(t, { models: { 'big:8b': model(5), 'small:1b': model(1) }, memory });
    const fallback = await Fake.start(ollamaWire);
    t.after(() => fallback.close());
    const gateway = await deviceWorld(t, [ollama('big', llm, 'big:8b', 5), ollama('small', llm, 'small:1b', 1), entry('elsewhere', fallback)],
      { devices: { cuda: { wait: '1500ms' } }, env: gpu.env, chains: [{ big: ['elsewhere'] }] });
    gpu.show(8 * GB, 4 * GB);
    const small = await chat(gateway, 'small');
    assert.equal(small.status, 200, small.text);
    gpu.show(8 * GB, 5 * GB);
    await until(async () => { const cuda = await deviceOf(gateway); return cuda.budget_bytes === 8 * GB && cuda.others_bytes === 4 * GB; }, 15_000, 'the hog is seen');
    const hog = await chat(gateway, 'big');
    assert.equal(hog.servedBy, 'elsewhere', hog.text);
    assert.equal(llm.happened('load').filter(({ model: name }) => name === 'big:8b').length, 0);
    gpu.show(8 * GB, 1 * GB);
    await until(async () => (await deviceOf(gateway)).others_bytes === 0, 15_000, 'the hog has left');
    assert.equal((await chat(gateway, 'big')).servedBy, 'big');
  });

  test('H3 the next load waits until the memory is really free', async (t) => {
    const gpu = fakeGpu();
    const memory = new Memory(8 * GB);
    const llm = await OllamaService.start(t, { models: { 'big:8b': model(5) }, memory });
    const talkies = await talkiesOn(t, memory, 4);
    const gateway = await deviceWorld(t, [ollama('big', llm, 'big:8b', 5), hears('ears', talkies, 'parakeet-tdt-0.6b-v3', 4)], { devices: { cuda: {} }, env: gpu.env });
    assert.equal((await chat(gateway, 'big')).status, 200);
    gpu.show(8 * GB, 5 * GB);
    const heard = listen(gateway, 'ears');
    await until(() => llm.happened('gone').length === 1, 10_000, 'it has left the list');
    const before = gateway.log.length;
    await until(() => llm.asked('ps').length >= 3, 10_000, 'freeway goes on looking');
    assert.equal(talkies.loads.length, 0, 'its memory is still taken');
    assert.ok(before >= 0);
    gpu.show(8 * GB, 0);
    assert.equal((await heard).status, 200);
  });

  test('without a driver and without a stated budget there is one model at a time', async (t) => {
    const llm = await OllamaService.start(t, { models: { 'small:1b': model(1), 'tiny:1b': model(1) } });
    const gateway = await deviceWorld(t, [ollama('small', llm, 'small:1b', 1), ollama('tiny', llm, 'tiny:1b', 1)], { devices: {}, env: { FREEWAY_NVML: '/nonexistent.so' } });
    for (const alias of ['small', 'tiny']) assert.equal((await chat(gateway, alias)).status, 200);
    assert.deepEqual(llm.loaded, ['tiny:1b']);
    assert.equal((await deviceOf(gateway)).budget_bytes, null);
  });
});

describe('operators', { concurrency: 2 }, () => {
  test('GET /v1/devices shows budgets, what is loaded, leases and who waits', async (t) => {
    const w = await sharedGpu(t);
    w.llm.stall();
    const holder = chat(w.gateway, 'big');
    await until(() => w.llm.running === 1, 10_000, 'the GPU is in use');
    const waiter = listen(w.gateway, 'ears');
    await until(async () => (await deviceOf(w.gateway)).waiting.length === 1, 10_000, 'one waits');
    const cuda = await until(async () => { const one = await deviceOf(w.gateway); return one.models[0]?.state === 'loaded' && one; }, 10_000, 'it is seen to be loaded');
    assert.deepEqual([cuda.object, cuda.budget_bytes, cuda.used_bytes, cuda.free_bytes, cuda.jobs], ['device', 8 * GB, 5 * GB, 3 * GB, null]);
    assert.deepEqual(cuda.models.map(({ model: name, bytes, leases }) => [name, bytes, leases]), [['big:8b', 5 * GB, 1]]);
    assert.deepEqual(cuda.waiting.map(({ model: name, priority }) => [name, priority]), [['parakeet-tdt-0.6b-v3', 'quick']]);
    assert.equal(cuda.engines.length, 2);
    w.llm.proceed();
    assert.deepEqual([(await holder).status, (await waiter).status], [200, 200]);
  });

  test('POST /v1/unload, /v1/unload/cuda and /v1/unload/cpu send away what is idle', async (t) => {
    const w = await sharedGpu(t);
    const unload = (what = '') => w.gateway.send(`/v1/unload${what}`, { method: 'POST', body: {} });
    assert.deepEqual((await unload()).json.class, 'all');
    for (const alias of ['small', 'tiny']) assert.equal((await chat(w.gateway, alias)).status, 200);
    const { json } = await unload('/cuda');
    const ofOllama = Object.entries(json.results).find(([engine]) => engine.startsWith('ollama '))[1];
    assert.deepEqual([json.class, ofOllama.status, ofOllama.unloaded.sort()], ['cuda', 'ok', ['small:1b', 'tiny:1b']]);
    assert.deepEqual(w.llm.loaded, []);
    const again = (await unload('/cuda')).json;
    assert.deepEqual(Object.values(again.results).map(({ status }) => status), ['empty', 'empty']);
    w.llm.stall();
    const holder = chat(w.gateway, 'big');
    await until(() => w.llm.running === 1, 10_000, 'the GPU is in use');
    const busy = (await unload('/cuda')).json;
    assert.ok(Object.values(busy.results).some(({ status }) => status === 'busy'), JSON.stringify(busy));
    w.llm.proceed();
    assert.equal((await holder).status, 200);
    assert.equal((await unload('/tpu')).status, 404);
  });

  test('a service that is down is said so, and does not hold up the others', async (t) => {
    const w = await sharedGpu(t);
    await w.talkies.close();
    const answer = await chat(w.gateway, 'small');
    assert.equal(answer.status, 200, answer.text);
    const cuda = await deviceOf(w.gateway);
    assert.deepEqual(cuda.engines.map(({ status }) => status).sort(), ['ok', 'unreachable']);
  });

  test('C1 what is wrong about a device is one line with its place', async (t) => {
    const gateway = await deviceWorld(t, [], { devices: { cuda: { memory_gb: -3, jbos: 1 }, cpu: 'much' } });
    for (const line of [/config\.yaml:\d+: error: memory_gb must be more than 0/, /config\.yaml:\d+: warning: unknown key `jbos` of a device/, /config\.yaml:\d+: error: device `cpu` must be a mapping/])
      assert.match(gateway.log, line);
  });
});
