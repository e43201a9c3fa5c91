// Real models behind aliases, each engine started and ended by freeway: flite speaks, Moonshine
// listens, llama.cpp chats, embeds and ranks. What comes back is what they make, not what a fake says.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { Gateway, ROOT, scratch } from '../lib/gateway.mjs';
import { readWav } from '../engines/wav.mjs';

const ENGINES = path.join(ROOT, '.data/engines');
const without = (file, how) => (fs.existsSync(file) ? false : `${path.relative(ROOT, file)} is not here: ${how}`);
const onPath = (name) => process.env.PATH.split(':').some((folder) => fs.existsSync(path.join(folder, name)));
const NO_MOONSHINE = without(path.join(ENGINES, 'moonshine/STAMP'), 'run dev/moonshine');
const NO_FLITE = onPath('flite') ? false : 'flite is not installed: run dev/setup';
const NO_LLAMA = without(path.join(ENGINES, 'llamacpp/llama-server'), 'run dev/engine');

const WORDS = /hello from the gateway.{1,3}this is a real speech test/i;
const TEXT = 'Hello from the gateway, this is a real speech test.';

const engine = (alias, model, mode, command, more = {}) => ({
  model_name: alias,
  litellm_params: { model: `openai/${model}`, api_key: 'none', timeout: 120 },
  model_info: { mode, tier: 'local', device: 'cpu', memory_gb: 0.1, engine: { command, ready: '/health', start_timeout: '2m' }, ...more },
});
const program = (name) => ['node', `tests/engines/${name}`];
const llama = (...more) => ['llama-server', '--model', path.join(ROOT, 'models/tinychat/tinychat-q8_0.gguf'), '--ctx-size', '512', '--threads', '1', ...more];

const MODELS = [
  engine('speech', 'flite', 'audio_speech', program('speak.mjs')),
  engine('listener', 'moonshine-tiny', 'audio_transcription', program('transcribe.mjs')),
  engine('chat', 'tinychat', 'chat', llama(), { max_input_tokens: 512, capabilities: ['streaming'] }),
  engine('vectors', 'tinychat', 'embedding', llama('--embedding', '--pooling', 'mean'), { embedding_space: 'tinychat' }),
  engine('ranker', 'tinychat', 'rerank', llama('--reranking', '--pooling', 'rank')),
];

function start(t) {
  const data = scratch();
  fs.symlinkSync(ENGINES, path.join(data, 'engines'));
  return Gateway.start(t, { config: { model_list: MODELS }, data, cwd: ROOT });
}

const served = (answer, alias) => assert.equal(answer.headers.get('x-freeway-served-by'), alias, `${answer.status}`);

async function speak(gateway, fields) {
  const body = JSON.stringify({ model: 'speech', input: TEXT, response_format: 'wav', ...fields });
  const answer = await fetch(`${gateway.url}/v1/audio/speech`, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
  return { status: answer.status, headers: answer.headers, bytes: Buffer.from(await answer.arrayBuffer()) };
}

async function listen(gateway, bytes, fields = {}) {
  const form = new FormData();
  for (const [name, value] of Object.entries({ model: 'listener', ...fields })) form.append(name, value);
  form.append('file', new Blob([bytes], { type: 'audio/wav' }), 'speech.wav');
  const answer = await fetch(`${gateway.url}/v1/audio/transcriptions`, { method: 'POST', body: form });
  return { status: answer.status, headers: answer.headers, text: await answer.text() };
}

describe('speech and transcription', { skip: NO_MOONSHINE || NO_FLITE, concurrency: 1 }, () => {
  test('a text that one alias speaks comes back as words from another', async (t) => {
    const gateway = await start(t);
    const spoken = await speak(gateway);
    assert.equal(spoken.status, 200, spoken.bytes.toString());
    served(spoken, 'speech');
    assert.ok(readWav(spoken.bytes).seconds > 1.5);
    const heard = await listen(gateway, spoken.bytes);
    assert.equal(heard.status, 200, `${heard.text}\n${gateway.log.slice(-2000)}`);
    served(heard, 'listener');
    assert.match(JSON.parse(heard.text).text, WORDS);

    for (const [format, pattern] of [['text', WORDS], ['srt', /^1\n00:00:0\d,\d{3} --> 00:00:0\d,\d{3}\nHello/], ['vtt', /^WEBVTT\n\n00:00:0\d\.\d{3} --> /]])
      assert.match((await listen(gateway, spoken.bytes, { response_format: format })).text, pattern);
    const verbose = JSON.parse((await listen(gateway, spoken.bytes, { response_format: 'verbose_json' })).text);
    assert.match(verbose.text, WORDS);
    assert.ok(Math.abs(verbose.duration - readWav(spoken.bytes).seconds) < 0.05);
    assert.ok(verbose.segments[0].end > verbose.segments[0].start);
  });

  test('voices, samples and speed of the speech engine, and what it can not do', async (t) => {
    const gateway = await start(t);
    const [wav, man, samples] = [await speak(gateway), await speak(gateway, { voice: 'rms' }), await speak(gateway, { response_format: 'pcm' })];
    assert.notDeepEqual(man.bytes, wav.bytes);
    assert.ok(Math.abs(samples.bytes.length / 2 / 24_000 - readWav(wav.bytes).seconds) < 0.05);
    const slow = await speak(gateway, { speed: 0.5 });
    assert.ok(readWav(slow.bytes).seconds > 1.5 * readWav(wav.bytes).seconds);
    const refused = await speak(gateway, { voice: 'nobody' });
    assert.equal(refused.status, 400, refused.bytes.toString());
    const { voices } = (await gateway.get('/v1/audio/voices')).json;
    assert.deepEqual(voices.map(({ voice, model, upstream_model }) => [voice, model, upstream_model])[0], ['slt', 'speech', 'flite']);
  });
});

describe('llama.cpp', { skip: NO_LLAMA, concurrency: 1 }, () => {
  test('chat, plain and streamed', async (t) => {
    const gateway = await start(t);
    const question = { messages: [{ role: 'user', content: 'What is the capital of France?' }], max_tokens: 24, temperature: 0 };
    const plain = await gateway.chat('chat', question, { within: 120_000 });
    assert.equal(plain.status, 200, `${plain.text}\n${gateway.log.slice(-2000)}`);
    assert.match(plain.json.choices[0].message.content, /Paris/);
    assert.deepEqual([plain.servedBy, plain.json.usage.completion_tokens > 3], ['chat', true]);
    const streamed = await gateway.stream('chat', question);
    assert.equal(streamed.content, plain.json.choices[0].message.content);
  });

  test('embeddings: the same text has the same vector, another text another', async (t) => {
    const gateway = await start(t);
    const input = ['the capital of France', 'the capital of France', 'a red bicycle'];
    const answer = await gateway.send('/v1/embeddings', { body: { model: 'vectors', input }, within: 120_000 });
    assert.equal(answer.status, 200, `${answer.text}\n${gateway.log.slice(-2000)}`);
    const [first, same, other] = answer.json.data.map(({ embedding }) => embedding);
    const cosine = (a, b) => a.reduce((sum, value, at) => sum + value * b[at], 0) / Math.hypot(...a) / Math.hypot(...b);
    assert.ok(first.length >= 64, `${first.length} numbers`);
    assert.ok(cosine(first, same) > 0.999);
    assert.ok(cosine(first, other) < 0.99, `${cosine(first, other)}`);
  });

  test('a ranking has a score of the model for each document, the best first', async (t) => {
    const gateway = await start(t);
    const documents = ['a red bicycle', 'Paris is the capital of France'];
    const answer = await gateway.send('/v1/rerank', { body: { model: 'ranker', query: 'capital of France', documents }, within: 120_000 });
    assert.equal(answer.status, 200, `${answer.text}\n${gateway.log.slice(-2000)}`);
    const { results } = answer.json;
    assert.deepEqual([answer.servedBy, results.map(({ index }) => index).sort()], ['ranker', [0, 1]]);
    assert.ok(results[0].relevance_score > results[1].relevance_score, answer.text);
  });
});
