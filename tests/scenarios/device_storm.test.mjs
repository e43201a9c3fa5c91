// Chat, pictures, speech and transcription at once on one GPU, with clients that leave when they like:
// nothing is held in the end, and memory was never over-committed.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Memory, OllamaService } from '../providers/ollama_service.mjs';
import { SdcppService } from '../providers/sdcpp_service.mjs';
import { TalkiesService } from '../providers/talkies_service.mjs';
import { wav } from '../providers/talkies_audio.mjs';
import { calm, deviceOf, deviceWorld, draws, GB, hears, ollama, speaks } from '../lib/devices.mjs';
import { ROOT } from '../lib/gateway.mjs';
import { until } from '../lib/until.mjs';

const STORM_MS = 8000;
const CLIENTS = 16;
const SPEECH = `${ROOT}/tests/engines/speak.mjs`;

const childrenOf = (pid) => fs.readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(/\s+/).filter(Boolean);
const tasksOf = (pid) => fs.readdirSync(`/proc/${pid}/task`).flatMap((task) => fs.readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').trim().split(/\s+/).filter(Boolean));

function form(alias) {
  const body = new FormData();
  body.append('model', alias);
  body.append('file', new Blob([wav()]), 'a.wav');
  return body;
}

const json = (body) => ({ body: JSON.stringify(body), headers: { 'content-type': 'application/json' } });
const WORK = [
  ['/v1/chat/completions', (n) => json({ model: ['big', 'small'][n % 2], stream: n % 3 === 0, messages: [{ role: 'user', content: 'hi' }] })],
  ['/v1/images/generations', (n) => json({ model: ['turbo', 'xl'][n % 2], prompt: 'a cat', response_format: 'b64_json' })],
  ['/v1/audio/speech', () => json({ model: 'mouth', input: 'Hello.', response_format: 'wav' })],
  ['/v1/audio/transcriptions', () => ({ body: form('ears') })],
  ['/v1/audio/speech', () => json({ model: 'own', input: 'Hello.', voice: 'slt', response_format: 'wav' })],
];

test('H1 H2 H3 H5 L3 a mixed storm with hang-ups leaves no lease, no waiter, no child', async (t) => {
  const memory = new Memory(8 * GB);
  const llm = await OllamaService.start(t, { models: { 'big:8b': { size: 5 * GB }, 'small:1b': { size: GB } }, memory, loadMs: 30, tokenMs: 4, unloadMs: 20 });
  const booked = (slug) => `talkies ${slug}`;
  const talkies = await TalkiesService.start(t, { device: 'cuda', loadMs: 30, workMs: 20, onLoad: (slug) => { memory.take(booked(slug), 3 * GB); }, onUnload: (slug) => { memory.free(booked(slug)); } });
  const studio = await SdcppService.start(t, { memory, sizes: { 'sd-turbo': 2 * GB, 'sdxl-turbo': 3 * GB }, loadMs: 30, drawMs: 40 });
  const own = { model_name: 'own', litellm_params: { model: 'openai/flite', api_key: 'unused', timeout: 60 }, model_info: { mode: 'audio_speech', device: 'cpu', memory_gb: 0.2, engine: { command: ['node', SPEECH], ready: '/health', ttl: '2s' } } };
  const gateway = await deviceWorld(t, [ollama('big', llm, 'big:8b', 5), ollama('small', llm, 'small:1b', 1), draws('turbo', studio, 'sd-turbo', 2), draws('xl', studio, 'sdxl-turbo', 3),
    hears('ears', talkies, 'parakeet-tdt-0.6b-v3', 3), speaks('mouth', talkies, 'qwen3-tts-0.6b', 3), own]);

  const seen = {};
  const until_ = performance.now() + STORM_MS;
  const client = async (number) => {
    for (let round = number; performance.now() < until_; round += 1) {
      const [path, make] = WORK[round % WORK.length];
      const leaving = new AbortController();
      const timer = Math.random() < 0.3 ? setTimeout(() => leaving.abort(), Math.random() * 400) : undefined;
      const status = await fetch(gateway.url + path, { method: 'POST', signal: leaving.signal, ...make(round) })
        .then(async (res) => { await res.arrayBuffer(); return res.status; }).catch(() => 'left');
      clearTimeout(timer);
      (seen[`${path} ${status}`] ??= []).push(round);
      await sleep(10);
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, (_, number) => client(number)));

  await calm(gateway, 20_000);
  const counts = Object.fromEntries(Object.entries(seen).map(([what, rounds]) => [what, rounds.length]));
  t.diagnostic(JSON.stringify(counts));
  for (const [path] of WORK) assert.ok(seen[`${path} 200`]?.length > 0, `${path} was served: ${JSON.stringify(counts)}`);
  const odd = Object.keys(counts).filter((what) => !/ (200|left|503)$/.test(what));
  assert.deepEqual(odd, [], JSON.stringify(counts));
  assert.ok(memory.peak <= 8 * GB, `peak ${memory.peak / GB} GB of 8`);
  await until(() => llm.running === 0 && studio.busy === undefined, 10_000, 'nobody works any more');
  const cuda = await deviceOf(gateway);
  assert.deepEqual(cuda.waiting, []);
  assert.equal((await gateway.send('/v1/unload', { method: 'POST', body: {} })).status, 200);
  await until(() => memory.used === 0, 10_000, 'all memory is free');
  await until(() => tasksOf(gateway.pid).length + childrenOf(gateway.pid).length === 0, 20_000, 'no child is left');
});
