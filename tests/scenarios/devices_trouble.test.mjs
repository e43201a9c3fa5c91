// Services on a shared GPU that die, hiccup, go on working for nobody, or are used behind freeway's back.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Memory, OllamaService } from '../providers/ollama_service.mjs';
import { SdcppService } from '../providers/sdcpp_service.mjs';
import { calm, chat, deviceOf, deviceWorld, draw, draws, fakeGpu, GB, ollama } from '../lib/devices.mjs';
import { send } from '../lib/client.mjs';
import { ROOT } from '../lib/gateway.mjs';
import { until } from '../lib/until.mjs';

const model = (gb) => ({ size: gb * GB });
const statusOf = async (gateway, service) => (await deviceOf(gateway)).engines.find(({ engine }) => engine.includes(service.url)).status;
const unload = (gateway) => gateway.send('/v1/unload/cuda', { method: 'POST', body: {} });

/** Two Ollamas on a GPU of 8 GB; each has a model of 7. */
async function twoServices(t, { first: options, params, ...more } = {}) {
  const memory = new Memory(8 * GB);
  const first = await OllamaService.start(t, { models: { 'a:7b': model(7) }, memory, ...options });
  const second = await OllamaService.start(t, { models: { 'b:7b': model(7) }, memory });
  const gateway = await deviceWorld(t, [ollama('a', first, 'a:7b', 7, { params }), ollama('b', second, 'b:7b', 7, { params })], more);
  return { memory, first, second, gateway };
}

describe('a service that is gone', { concurrency: 3 }, () => {
  test('what it held is free for the others', async (t) => {
    const w = await twoServices(t);
    assert.equal((await chat(w.gateway, 'a')).status, 200);
    await w.first.die();
    const answer = await chat(w.gateway, 'b');
    assert.equal(answer.status, 200, answer.text);
    const cuda = await deviceOf(w.gateway);
    assert.deepEqual(cuda.models.map((one) => one.model), ['b:7b']);
    await until(async () => await statusOf(w.gateway, w.first) === 'unreachable', 10_000, 'it is said so');
  });

  test('what it was loading is free for the others', async (t) => {
    const w = await twoServices(t, { first: { loadMs: 8000 } });
    const loads = chat(w.gateway, 'a');
    await until(() => w.first.happened('load').length === 1, 10_000, 'it loads');
    await w.first.die();
    assert.notEqual((await loads).status, 200);
    const answer = await chat(w.gateway, 'b');
    assert.equal(answer.status, 200, answer.text);
  });

  test('what it was loading for a client that hung up is free too', async (t) => {
    const w = await twoServices(t, { first: { loadMs: 8000 } });
    const leaving = new AbortController();
    const gone = w.gateway.chat('a', {}, { signal: leaving.signal }).catch(() => {});
    await until(() => w.first.happened('load').length === 1, 10_000, 'it loads');
    leaving.abort();
    await gone;
    await w.first.die();
    const answer = await chat(w.gateway, 'b');
    assert.equal(answer.status, 200, answer.text);
  });

  test('POST /v1/unload says that it is gone', async (t) => {
    const w = await twoServices(t);
    assert.equal((await chat(w.gateway, 'a')).status, 200);
    await w.first.die();
    const { json } = await unload(w.gateway);
    assert.deepEqual(Object.entries(json.results).map(([engine, { status }]) => [engine.includes(w.first.url), status]).sort(),
      [[false, 'empty'], [true, 'gone']]);
    await until(async () => (await deviceOf(w.gateway)).used_bytes === 0, 10_000, 'nothing is booked');
  });

  test('one that comes back is found to be empty, and serves', async (t) => {
    const w = await twoServices(t);
    assert.equal((await chat(w.gateway, 'a')).status, 200);
    await w.first.die();
    assert.equal((await chat(w.gateway, 'b')).status, 200);
    await w.first.up();
    const answer = await chat(w.gateway, 'a');
    assert.equal(answer.status, 200, answer.text);
    assert.deepEqual(w.second.loaded, []);
  });

  test('one that only says nothing keeps its memory until the driver says that it is free', async (t) => {
    const gpu = fakeGpu();
    const w = await twoServices(t, { first: { memory: new Memory(8 * GB) }, devices: { cuda: {} }, env: gpu.env });
    assert.equal((await chat(w.gateway, 'a')).status, 200);
    gpu.show(8 * GB, 7 * GB);
    w.first.always('ps', { silence: true });
    await until(async () => await statusOf(w.gateway, w.first) !== 'ok', 20_000, 'it is silent');
    const waits = w.gateway.chat('b', {}, { within: 60_000 });
    await until(async () => (await deviceOf(w.gateway)).others_bytes === 7 * GB, 40_000, 'somebody has the memory');
    assert.equal(w.second.happened('load').length, 0);
    gpu.show(8 * GB, 0);
    const answer = await waits;
    assert.equal(answer.status, 200, answer.text);
  });
});

describe('a service that stumbles', { concurrency: 3 }, () => {
  for (const [how, answer] of [['does not answer', { silence: true }], ['answers nonsense', { raw: 'oops' }]]) {
    test(`one list that ${how} holds nobody up for long`, async (t) => {
      const service = await OllamaService.start(t, { models: { 'a:3b': model(3), 'd:7b': model(7) } });
      const gateway = await deviceWorld(t, [ollama('a', service, 'a:3b', 3), ollama('d', service, 'd:7b', 7)]);
      assert.equal((await chat(gateway, 'a')).status, 200);
      service.next('ps', answer);
      await until(async () => await statusOf(gateway, service) !== 'ok', 20_000, 'it stumbled');
      const from = performance.now();
      const big = await chat(gateway, 'd');
      assert.equal(big.status, 200, big.text);
      const took = performance.now() - from;
      assert.ok(took < 10_000, `looked at again soon, not after half a minute: ${took} ms`);
      assert.equal(await statusOf(gateway, service), 'ok');
    });
  }

  test('one that serves and does not say what it holds is not called unreachable', async (t) => {
    const service = await OllamaService.start(t, { models: { 'a:3b': model(3) } });
    const gateway = await deviceWorld(t, [ollama('a', service, 'a:3b', 3)]);
    service.always('ps', { silence: true });
    assert.equal((await chat(gateway, 'a')).status, 200);
    await until(async () => await statusOf(gateway, service) === 'does not list', 10_000, 'it is said so');
    service.always('ps', null);
    await until(async () => (await chat(gateway, 'a')).status === 200 && await statusOf(gateway, service) === 'ok', 10_000, 'it says so again');
  });

  test('a list of null is an empty one', async (t) => {
    const service = await OllamaService.start(t, { models: { 'a:3b': model(3) } });
    const gateway = await deviceWorld(t, [ollama('a', service, 'a:3b', 3)]);
    service.always('ps', { json: { models: null } });
    assert.equal((await chat(gateway, 'a')).status, 200);
    assert.equal(await statusOf(gateway, service), 'ok');
  });
});

describe('an image service whose client left', { concurrency: 2 }, () => {
  async function studio(t, more = {}) {
    const memory = new Memory(8 * GB);
    const service = await SdcppService.start(t, { memory, sizes: { 'sd-turbo': 2 * GB, 'flux-schnell': 7 * GB } });
    const gateway = await deviceWorld(t, [draws('turbo', service, 'sd-turbo', 2, more), draws('flux', service, 'flux-schnell', 7, more)]);
    return { memory, service, gateway };
  }
  const drawing = (w, count = 1) => until(() => w.service.busy === 'draw' && w.service.asked('/v1/images/generations').length === count, 10_000, 'it draws');

  test('H1 it is told to stop, and the device is free within a second', async (t) => {
    const w = await studio(t);
    const open = w.service.hold();
    const leaving = new AbortController();
    const gone = draw(w.gateway, 'turbo', { signal: leaving.signal }).catch(() => {});
    await drawing(w);
    const left = performance.now();
    leaving.abort();
    await gone;
    await calm(w.gateway);
    assert.ok(performance.now() - left < 1500, `free after ${performance.now() - left} ms`);
    assert.equal(w.service.asked('/sdcpp/v1/cancel').length, 1);
    assert.equal(w.service.busy, undefined);
    open();
    const next = await draw(w.gateway, 'flux');
    assert.equal(next.status, 200, next.text);
    assert.deepEqual(w.service.asked('/v1/images/generations').map(({ status }) => status).slice(1), [200], 'it never met a busy service');
  });

  test('it draws on where another client of ours has a lease on it', async (t) => {
    const w = await studio(t, { info: { slots: 2 } });
    const open = w.service.hold();
    const leaving = new AbortController();
    const gone = draw(w.gateway, 'turbo', { signal: leaving.signal }).catch(() => {});
    await drawing(w);
    const stays = draw(w.gateway, 'turbo');
    await until(async () => (await deviceOf(w.gateway)).models[0]?.leases === 2, 10_000, 'both have a lease');
    leaving.abort();
    await gone;
    await until(async () => (await deviceOf(w.gateway)).models[0]?.leases === 1, 10_000, 'one has left');
    open();
    assert.equal((await stays).status, 200);
    assert.equal(w.service.asked('/sdcpp/v1/cancel').length, 0);
  });

  test('one that can not stop holds the lease for a moment only', async (t) => {
    const w = await studio(t);
    const open = w.service.hold();
    w.service.refusesCancel = true;
    const leaving = new AbortController();
    const gone = draw(w.gateway, 'turbo', { signal: leaving.signal }).catch(() => {});
    await drawing(w);
    leaving.abort();
    await gone;
    await calm(w.gateway);
    assert.equal((await deviceOf(w.gateway)).models.length, 1, 'it is at work, and counted');
    open();
    assert.equal((await draw(w.gateway, 'flux')).status, 200);
  });
});

test('H3 without a driver the next one loads when the memory of the last has had time to come back', async (t) => {
  const w = await twoServices(t, { first: { settleMs: 400 }, devices: { cuda: { memory_gb: 8, settle: '1s' } } });
  assert.equal((await chat(w.gateway, 'a')).status, 200);
  const answer = await chat(w.gateway, 'b');
  assert.equal(answer.status, 200, answer.text);
  assert.ok(w.memory.peak <= 8 * GB, `peak ${w.memory.peak / GB} GB of 8`);
});

describe('others on the same service', { concurrency: 2 }, () => {
  test('a model that they loaded a moment ago is seen before the next load', async (t) => {
    const memory = new Memory(8 * GB);
    const service = await OllamaService.start(t, { models: { 'a:1b': model(1), 'x:6b': model(6) }, memory });
    const other = await OllamaService.start(t, { models: { 'd:7b': model(7) }, memory });
    const gateway = await deviceWorld(t, [ollama('a', service, 'a:1b', 1), ollama('d', other, 'd:7b', 7)]);
    assert.equal((await chat(gateway, 'a')).status, 200);
    await send(`${service.url}/api/generate`, { body: { model: 'x:6b' } });
    await sleep(700);  // whatever was seen before that is too old now
    const answer = await chat(gateway, 'd');
    assert.equal(answer.status, 200, answer.text + gateway.log);
    assert.ok(memory.peak <= 8 * GB, `peak ${memory.peak / GB} GB of 8`);
  });

  test('what is loaded already is served without a look', async (t) => {
    const service = await OllamaService.start(t, { models: { 'a:1b': model(1) } });
    const gateway = await deviceWorld(t, [ollama('a', service, 'a:1b', 1)]);
    assert.equal((await chat(gateway, 'a')).status, 200);
    await until(async () => (await deviceOf(gateway)).models[0]?.state === 'loaded', 10_000, 'it is loaded');
    await until(async () => {
      await sleep(700);
      const before = service.calls.length;
      assert.equal((await chat(gateway, 'a')).status, 200);
      return service.calls[before].kind === 'chat';
    }, 20_000, 'no list was asked for first');
  });
});

describe('an engine of our own', { concurrency: 2 }, () => {
  const own = (alias, engine) => ({
    model_name: alias, litellm_params: { model: 'openai/flite', api_key: 'unused', timeout: 60 },
    model_info: { mode: 'audio_speech', device: 'cuda', memory_gb: 2, engine },
  });
  const speak = (gateway, alias) => gateway.send('/v1/audio/speech', { body: { model: alias, input: 'Hello.', voice: 'slt', response_format: 'wav' } });

  test('is off the list as soon as it has stopped', async (t) => {
    const gateway = await deviceWorld(t, [own('voice', { command: ['node', `${ROOT}/tests/engines/speak.mjs`], ready: '/health', ttl: '1s' })]);
    const answer = await speak(gateway, 'voice');
    assert.equal(answer.status, 200, answer.text);
    await until(async () => (await gateway.get('/health/readiness')).json.engines[0].state === 'stopped', 20_000, 'it has stopped');
    assert.deepEqual((await deviceOf(gateway)).models, []);
  });

  test('that could not be started is not called loaded', async (t) => {
    const gateway = await deviceWorld(t, [own('voice', { command: ['sh', '-c', 'trap "" TERM; while :; do sleep 1; done'], ready: '/health', start_timeout: '1s' })]);
    const states = new Set();
    const answer = speak(gateway, 'voice');
    await until(async () => (await deviceOf(gateway)).models.some(({ state }) => { states.add(state); return state === 'leaving'; }), 20_000, 'it is on its way out');
    assert.notEqual((await answer).status, 200);
    await until(async () => (await deviceOf(gateway)).models.length === 0, 20_000, 'it is gone');
    assert.deepEqual([...states].sort(), ['leaving', 'loading']);
  });
});
