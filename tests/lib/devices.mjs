// A gateway whose local services share devices.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { Gateway, scratch } from './gateway.mjs';
import { send } from './client.mjs';
import { until } from './until.mjs';

export const GB = 1_000_000_000;

const local = (alias, params, info) => ({ model_name: alias, litellm_params: { api_key: 'unused', timeout: 60, ...params }, model_info: info });

/** `model_list` entries of the page's kinds. */
export const ollama = (alias, service, model, gb, more = {}) => local(alias,
  { model: `ollama_chat/${model}`, api_base: service.url, ...more.params },
  { mode: 'chat', device: 'cuda', memory_gb: gb, ...more.info });
export const hears = (alias, service, slug, gb, more = {}) => local(alias,
  { model: `openai/${slug}`, api_base: service.base, ...more.params },
  { mode: 'audio_transcription', device: 'cuda', service: 'talkies', memory_gb: gb, ...more.info });
export const speaks = (alias, service, slug, gb, more = {}) => hears(alias, service, slug, gb, { ...more, info: { mode: 'audio_speech', ...more.info } });
export const draws = (alias, service, key, gb, more = {}) => local(alias,
  { model: `openai/local-sdcpp-cuda-${key}`, api_base: service.base, num_retries: 0, ...more.params },
  { mode: 'image_generation', device: 'cuda', service: 'sdcpp', memory_gb: gb, ...more.info });

/** Starts it; `devices` is what devices.yaml would say. Stand-ins free memory 20 ms after the name has left their list. */
export const deviceWorld = (t, models, { devices = { cuda: { memory_gb: 8 } }, chains = [], env, ...start } = {}) =>
  Gateway.start(t, {
    config: { model_list: models, router_settings: { fallbacks: chains }, general_settings: { devices: Object.fromEntries(Object.entries(devices).map(([name, device]) => [name, Object(device).constructor === Object ? { settle: '250ms', ...device } : device])) } },
    env: { PULL: '0', ...env }, ...start,
  });

/** One device of GET /v1/devices. */
export async function deviceOf(gateway, id = 'cuda') {
  const answer = await gateway.get('/v1/devices');
  assert.equal(answer.status, 200, answer.text);
  const found = answer.json.data.find((device) => device.id === id);
  assert.ok(found, answer.text);
  return found;
}

/** Waits until nothing is leased on any device and nobody waits. */
export const calm = (gateway, within = 10_000) => until(async () => {
  const { json } = await gateway.get('/v1/devices');
  return json.data.every(({ models, waiting }) => waiting.length === 0 && models.every(({ leases }) => leases === 0));
}, within, 'no lease is held and nobody waits');

export const chat = (gateway, model, more = {}) => gateway.chat(model, { messages: [{ role: 'user', content: 'hi' }], ...more });
export const draw = (gateway, model, options) => gateway.send('/v1/images/generations', { body: { model, prompt: 'a cat', response_format: 'b64_json' }, ...options });

const NVML = `
#include <stdio.h>
#include <stdlib.h>
struct memory { unsigned long long total, free, used; };
int nvmlInit_v2(void) { return 0; }
int nvmlShutdown(void) { return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void** handle) { *handle = (void*)1; return index == 0 ? 0 : 6; }
int nvmlDeviceGetMemoryInfo(void* handle, struct memory* memory) {
  FILE* file = fopen(getenv("FAKE_GPU"), "r");
  if (!handle || !file) return 1;
  int read = fscanf(file, "%llu %llu", &memory->total, &memory->used);
  fclose(file);
  memory->free = memory->total - memory->used;
  return read == 2 ? 0 : 1;
}`;

/** A GPU that the driver's library reports: `env` for the gateway, `show(total, used)` what it says. */
export function fakeGpu() {
  const folder = scratch();
  const [source, library, state] = ['nvml.c', 'libnvml.so', 'gpu'].map((name) => path.join(folder, name));
  fs.writeFileSync(source, NVML);
  const built = spawnSync('clang-19', ['-shared', '-fPIC', '-o', library, source], { encoding: 'utf8' });
  assert.equal(built.status, 0, built.stderr);
  const show = (total, used) => {
    fs.writeFileSync(`${state}.new`, `${Math.round(total)} ${Math.round(used)}\n`);
    fs.renameSync(`${state}.new`, state);
  };
  show(8 * GB, 0);
  return { env: { FREEWAY_NVML: library, FAKE_GPU: state }, show };
}
