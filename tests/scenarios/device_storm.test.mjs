// Chat, pictures, speech, transcription and an agent at once, most of it on one GPU, with clients that
// leave when they like: nothing is held in the end, and memory was never over-committed.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Memory, OllamaService } from '../providers/ollama_service.mjs';
import { SdcppService } from '../providers/sdcpp_service.mjs';
import { TalkiesService } from '../providers/talkies_service.mjs';
import { wav } from '../providers/talkies_audio.mjs';
import { calm, deviceOf, deviceWorld, draws, GB, hears, ollama, speaks } from '../lib/devices.mjs';
import { ROOT } from '../lib/gateway.mjs';
import { SD_SERVER } from '../lib/studio.mjs';
import { until } from '../lib/until.mjs';

const STORM_MS = 8000;
const CLIENTS = 16;
const AGENT = `${ROOT}/tests/lib/fake_agent.mjs`;
const SPEECH = `${ROOT}/tests/engines/speak.mjs`;

const childrenOf = (pid) => fs.readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(/\s+/).filter(Boolean);
const tasksOf = (pid) => fs.readdirSync(`/proc/${pid}/task`).flatMap((task) => fs.readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').trim().split(/\s+/).filter(Boolean));

/** Whatever runs with the agents' home, wherever it hangs in the tree of processes. */
function agentsOf(folder) {
  const home = `HOME=${path.join(folder, 'data/agents')}`;
  const environmentOf = (pid) => { try { return fs.readFileSync(`/proc/${pid}/environ`, 'utf8'); } catch { return ''; } };
  return fs.readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && environmentOf(pid).includes(home));
}

function form(alias) {
  const body = new FormData();
  body.append('model', alias);
  body.append('file', new Blob([wav()]), 'a.wav');
  return body;
}

const json = (body) => ({ body: JSON.stringify(body), headers: { 'content-type': 'application/json' } });
const say = (model, content, stream) => json({ model, stream, messages: [{ role: 'user', content }] });
const picture = (model) => json({ model, prompt: 'a cat', response_format: 'b64_json' });
/** `[what, path, request of round n, whether its client always leaves]` */
const WORK = [
  ['chat', '/v1/chat/completions', (n) => say(['big', 'small'][n % 2], 'hi', n % 3 === 0)],
  ['picture', '/v1/images/generations', (n) => picture(['turbo', 'xl'][n % 2])],
  ['speech', '/v1/audio/speech', () => json({ model: 'mouth', input: 'Hello.', response_format: 'wav' })],
  ['transcription', '/v1/audio/transcriptions', () => ({ body: form('ears') })],
  ['own speech', '/v1/audio/speech', () => json({ model: 'own', input: 'Hello.', voice: 'slt', response_format: 'wav' })],
  ['own picture', '/v1/images/generations', () => picture('easel')],
  ['agent', '/v1/chat/completions', (n) => say('agent', 'say hello 50 again', n % 2 === 0)],
  ['agent with children', '/v1/chat/completions', () => say('agent', 'spawn 3', true), true],
];

test('H1 H2 H3 H5 L3 a mixed storm with hang-ups leaves no lease, no waiter, no child', async (t) => {
  const memory = new Memory(8 * GB);
  const llm = await OllamaService.start(t, { models: { 'big:8b': { size: 5 * GB }, 'small:1b': { size: GB } }, memory, memoryLeaves: 'before', loadMs: 30, tokenMs: 4, unloadMs: 20 });
  const booked = (slug) => `talkies ${slug}`;
  const talkies = await TalkiesService.start(t, { device: 'cuda', loadMs: 30, workMs: 20, onLoad: (slug) => { memory.take(booked(slug), 3 * GB); }, onUnload: (slug) => { memory.free(booked(slug)); } });
  const studio = await SdcppService.start(t, { memory, sizes: { 'sd-turbo': 2 * GB, 'sdxl-turbo': 3 * GB }, loadMs: 30, drawMs: 40 });
  const own = { model_name: 'own', litellm_params: { model: 'openai/flite', api_key: 'unused', timeout: 60 }, model_info: { mode: 'audio_speech', device: 'cpu', memory_gb: 0.2, engine: { command: ['node', SPEECH], ready: '/health', ttl: '2s' } } };
  const easel = { model_name: 'easel', litellm_params: { model: 'openai/easel', api_key: 'unused', timeout: 60 }, model_info: { mode: 'image_generation', device: 'cuda', memory_gb: 1, engine: { command: ['node', SD_SERVER, '--listen-ip', '{host}', '--listen-port', '{port}'], ready: '/v1/models', exclusive: 'sdcpp', on_hangup: 'kill', ttl: '2s' } } };
  const agent = { model_name: 'agent', litellm_params: { model: 'openai/haiku', api_key: 'unused', timeout: 60 }, model_info: { mode: 'chat', agent: 'claudebox', native: true, capabilities: ['streaming', 'agent'] } };
  const gateway = await deviceWorld(t, [ollama('big', llm, 'big:8b', 5), ollama('small', llm, 'small:1b', 1), draws('turbo', studio, 'sd-turbo', 2), draws('xl', studio, 'sdxl-turbo', 3),
    hears('ears', talkies, 'parakeet-tdt-0.6b-v3', 3), speaks('mouth', talkies, 'qwen3-tts-0.6b', 3), own, easel, agent], { env: { CLAUDE_COMMAND: AGENT } });

  const seen = {};
  const until_ = performance.now() + STORM_MS;
  const client = async (number) => {
    for (let round = number; performance.now() < until_; round += 1) {
      const [what, target, make, leaves] = WORK[round % WORK.length];
      const leaving = new AbortController();
      const patience = Math.random() * (leaves ? 2000 : 400);
      const timer = leaves || Math.random() < 0.3 ? setTimeout(() => leaving.abort(), patience) : undefined;
      const status = await fetch(gateway.url + target, { method: 'POST', signal: leaving.signal, ...make(round) })
        .then(async (res) => { await res.arrayBuffer(); return res.status; }).catch(() => 'left');
      clearTimeout(timer);
      (seen[`${what} ${status}`] ??= []).push(round);
      await sleep(10);
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, (_, number) => client(number)));

  await calm(gateway, 20_000);
  const counts = Object.fromEntries(Object.entries(seen).map(([what, rounds]) => [what, rounds.length]));
  t.diagnostic(JSON.stringify(counts));
  for (const [what, , , leaves] of WORK) assert.ok(seen[`${what} ${leaves ? 'left' : '200'}`]?.length > 0, `${what} was served: ${JSON.stringify(counts)}`);
  const odd = Object.keys(counts).filter((what) => !/ (200|left|503)$/.test(what));
  assert.deepEqual(odd, [], JSON.stringify(counts));
  assert.ok(memory.peak <= 8 * GB, `peak ${memory.peak / GB} GB of 8`);
  await until(() => llm.running === 0 && studio.busy === undefined, 10_000, 'nobody works any more');
  const cuda = await deviceOf(gateway);
  assert.deepEqual(cuda.waiting, []);
  assert.equal((await gateway.send('/v1/unload', { method: 'POST', body: {} })).status, 200);
  await until(() => memory.used === 0, 10_000, 'all memory is free');
  await until(() => agentsOf(gateway.folder).length === 0, 20_000, 'no process of an agent is left');
  const agents = path.join(gateway.folder, 'data/agents/claudebox');
  await until(() => fs.readdirSync(agents).every((name) => name.startsWith('.')), 10_000, 'no workspace is left');
  await until(() => tasksOf(gateway.pid).length + childrenOf(gateway.pid).length === 0, 20_000, 'no child is left');
});
