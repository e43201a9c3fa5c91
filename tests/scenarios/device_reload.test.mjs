// What a reload does to engines and models that are in use: no memory is given away that is still
// taken, and none stays counted that is not.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { OllamaService } from '../providers/ollama_service.mjs';
import { Gateway, ROOT, scratch, writeConfig } from '../lib/gateway.mjs';
import { chat, deviceOf, GB, ollama } from '../lib/devices.mjs';
import { until } from '../lib/until.mjs';

const SLOW = path.join(ROOT, 'tests/lib/slow_engine.mjs');
const LONG = 20_000;
const model = (gb) => ({ size: gb * GB });

/** A gateway whose `model_list` can be replaced while it runs. */
async function reloadable(t, models, devices = { cuda: { memory_gb: 8 }, cpu: { memory_gb: 8 } }) {
  const config = (list) => ({ model_list: list, general_settings: { devices } });
  const gateway = await Gateway.start(t, { config: config(models), env: { FREEWAY_NVML: '/nonexistent.so' } });
  const reload = async (list) => {
    writeConfig(gateway.folder, config(list));
    const before = gateway.log.length;
    gateway.signal('SIGHUP');
    await until(() => /configuration reloaded/.test(gateway.log.slice(before)), LONG, 'the new file is read');
  };
  return { gateway, reload };
}

const models = async (gateway, device) => (await deviceOf(gateway, device)).models;
const counted = async (gateway, device) => (await models(gateway, device)).map(({ model: name }) => name);

/** Engines that write when they begin and end into one journal. */
function engines() {
  const folder = scratch();
  const journal = path.join(folder, 'journal');
  const gate = path.join(folder, 'gate');
  const engine = (name, { device, gb = 5, words = [], ...more } = {}) => ({
    model_name: name,
    litellm_params: { model: 'openai/slow', api_key: 'none', timeout: 60 },
    model_info: {
      mode: 'chat', tier: 'local', ...(device && { device, memory_gb: gb }),
      engine: { command: [process.execPath, SLOW, '--start-ms', '0', '--journal', journal, '--name', name, ...words], ready: '/health', ...more },
    },
  });
  const lines = () => (fs.existsSync(journal) ? fs.readFileSync(journal, 'utf8').trim().split('\n') : []);
  const events = () => lines().filter((line) => !line.startsWith('asked'));
  const asked = (name) => until(() => lines().includes(`asked ${name}`), LONG, `${name} is asked`);
  return { engine, events, asked, gate, open: () => fs.writeFileSync(gate, '') };
}

describe('a model that a reload moves to another device', { concurrency: 3 }, () => {
  const on = (service, device) => [ollama('moves', service, 'moves:1b', 6, { info: { device } })];

  test('is counted there alone', async (t) => {
    const service = await OllamaService.start(t, { models: { 'moves:1b': model(6) } });
    const { gateway, reload } = await reloadable(t, on(service, 'cuda'));
    assert.equal((await chat(gateway, 'moves')).status, 200);
    await until(async () => (await counted(gateway, 'cuda')).includes('moves:1b'), LONG, 'it is counted');
    await reload(on(service, 'cpu'));
    await until(async () => !(await counted(gateway, 'cuda')).includes('moves:1b'), LONG, 'it is not counted where it was');
    assert.equal((await chat(gateway, 'moves')).status, 200);
    await until(async () => (await counted(gateway, 'cpu')).includes('moves:1b'), LONG, 'it is counted where it is');
  });

  test('is counted where it was until its leases there have ended', async (t) => {
    const service = await OllamaService.start(t, { models: { 'moves:1b': model(6) } });
    const { gateway, reload } = await reloadable(t, on(service, 'cuda'));
    service.stall();
    const holder = chat(gateway, 'moves');
    await until(() => service.running === 1, LONG, 'it is at work');
    await reload(on(service, 'cpu'));
    assert.deepEqual((await models(gateway, 'cuda')).map(({ leases }) => leases), [1]);
    service.proceed();
    assert.equal((await holder).status, 200);
    await until(async () => (await counted(gateway, 'cuda')).length === 0, LONG, 'then it is not');
  });

  test('an engine of ours that moves is counted where it was until it is gone, then starts anew', async (t) => {
    const { engine, events } = engines();
    const on = (device) => [engine('a', { device, words: ['--linger-ms', '1500'] }), engine('b', { device: 'cuda' })];
    const { gateway, reload } = await reloadable(t, on('cuda'));
    assert.equal((await chat(gateway, 'a')).status, 200);
    await reload(on('cpu'));
    assert.equal((await chat(gateway, 'b')).status, 200);
    assert.deepEqual(events(), ['begin a', 'end a', 'begin b']);
    assert.equal((await chat(gateway, 'a')).status, 200);
    await until(async () => (await models(gateway, 'cpu')).length === 1, LONG, 'it is counted where it is');
    assert.equal((await models(gateway, 'cuda')).length, 1);
  });
});

describe('an engine that a reload takes out', { concurrency: 2 }, () => {
  test('is counted until it is gone', async (t) => {
    const { engine, events } = engines();
    const a = engine('a', { device: 'cuda', words: ['--linger-ms', '1500'] });
    const b = engine('b', { device: 'cuda' });
    const { gateway, reload } = await reloadable(t, [a, b]);
    assert.equal((await chat(gateway, 'a')).status, 200);
    await reload([b]);
    assert.equal((await chat(gateway, 'b')).status, 200);
    assert.deepEqual(events(), ['begin a', 'end a', 'begin b']);
    await until(async () => (await models(gateway, 'cuda')).length === 1, LONG, 'and then no more');
  });

  test('goes on for who uses it, and what waits for its memory waits until then', async (t) => {
    const { engine, events, asked, gate, open } = engines();
    const a = engine('a', { device: 'cuda', words: ['--gate', gate] });
    const b = engine('b', { device: 'cuda' });
    const { gateway, reload } = await reloadable(t, [a, b]);
    const holder = gateway.stream('a');
    await asked('a');
    await reload([b]);
    const next = chat(gateway, 'b');
    await until(async () => (await deviceOf(gateway, 'cuda')).waiting.length === 1, LONG, 'the next one waits');
    assert.deepEqual(events(), ['begin a']);
    open();
    assert.equal((await holder).content, 'warm');
    assert.equal((await next).status, 200);
    assert.deepEqual(events(), ['begin a', 'end a', 'begin b']);
    await until(async () => (await models(gateway, 'cuda')).every(({ leases }) => leases === 0), LONG, 'no lease is stuck');
  });
});

test('an engine that a reload makes exclusive while it is used: the other one of its group waits', async (t) => {
  const { engine, events, asked, gate, open } = engines();
  const pair = (more) => [engine('a', { words: ['--gate', gate], ...more }), engine('b', more)];
  const { gateway, reload } = await reloadable(t, pair({}));
  const holder = gateway.stream('a');
  await asked('a');
  await reload(pair({ exclusive: 'images' }));
  const next = chat(gateway, 'b');
  assert.equal(await Promise.race([next, sleep(700)]), undefined, 'it waits');
  assert.deepEqual(events(), ['begin a']);
  open();
  assert.equal((await holder).content, 'warm');
  assert.equal((await next).status, 200);
  assert.deepEqual(events(), ['begin a', 'end a', 'begin b']);
});
