// talkies behind its aliases: every format of a transcript, who speaks on which channel, speech and
// voices, and its refusals told apart. The service keeps its whole contract; only the models are missing.
import assert from 'node:assert/strict';
import path from 'node:path';
import { describe, test } from 'node:test';
import OpenAI, { toFile } from 'openai';
import { TalkiesService } from '../providers/talkies_service.mjs';
import { VOICES, wav } from '../providers/talkies_audio.mjs';
import { sha256 } from '../providers/fake.mjs';
import { Gateway, ROOT } from '../lib/gateway.mjs';
import { until } from '../lib/until.mjs';

const WHISPER = 'local-talkies-whisper-large-v3';
const STEREO = wav({ seconds: 4, channels: 2 });

/** The shipped aliases of talkies, on the CPU and on the GPU, in front of one service each. */
async function talkiesWorld(t, options = {}) {
  const cpu = await TalkiesService.start(t, { device: 'cpu', ...options });
  const cuda = await TalkiesService.start(t, { device: 'cuda', ...options });
  const env = { TALKIES: '1', TALKIES_CUDA: '1', TALKIES_API_BASE: cpu.base, TALKIES_CUDA_API_BASE: cuda.base };
  const gateway = await Gateway.start(t, { configPath: path.join(ROOT, 'config'), env });
  return { cpu, cuda, gateway };
}

const entry = (alias, slug, service, mode = 'audio_transcription') => ({
  model_name: alias, litellm_params: { model: `openai/${slug}`, api_base: service.base, api_key: 'none' }, model_info: { mode, capabilities: mode === 'audio_transcription' ? ['diarization'] : [] },
});

/** One alias at a service of its own, which falls back to a second one. */
async function pair(t, options = {}) {
  const first = await TalkiesService.start(t, options);
  const second = await TalkiesService.start(t);
  const model_list = [entry('first', 'whisper-large-v3', first), entry('second', 'whisper-large-v3', second)];
  const gateway = await Gateway.start(t, { config: { model_list, router_settings: { fallbacks: [{ first: ['second'] }] } } });
  return { first, second, gateway };
}

const last = (service, kind) => service.calls.findLast((call) => call.kind === kind);
const asked = (service, kind = 'transcribe') => service.calls.filter((call) => call.kind === kind).length;

async function listen(url, fields, bytes = wav()) {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) for (const one of [value].flat()) form.append(name, one);
  if (bytes) form.append('file', new Blob([bytes], { type: 'audio/wav' }), 'talk.wav');
  const answer = await fetch(`${url}/v1/audio/transcriptions`, { method: 'POST', body: form });
  const text = await answer.text();
  let json;
  try { json = JSON.parse(text); } catch { json = undefined; }
  return { status: answer.status, text, json, trail: answer.headers.get('x-freeway-trail'), servedBy: answer.headers.get('x-freeway-served-by') };
}

/** A request that is at work in the service until `finish` is called; it does not pass freeway. */
async function occupied(service, slug) {
  const release = service.hold();
  const answer = listen(service.url, { model: slug });
  await until(() => service.residency.activeOf(slug) > 0, 5000, `${slug} is at work`);
  return async () => { release(); return answer; };
}

describe('transcripts of talkies', { concurrency: 2 }, () => {
  test('every format, from every alias that listens', async (t) => {
    const { cpu, cuda, gateway } = await talkiesWorld(t);
    const { data } = (await gateway.get('/v1/models')).json;
    const aliases = data.map(({ id }) => id).filter((id) => id.startsWith('local-talkies') && !id.endsWith('-tts'));
    assert.equal(aliases.length, 9, aliases.join());
    for (const model of aliases) {
      const timeless = model.endsWith('canary-qwen-2.5b');
      const ask = (response_format) => listen(gateway.url, { model, ...(response_format && { response_format }) });
      const plain = await ask();
      assert.deepEqual([plain.status, plain.servedBy, plain.json?.text], [200, model, 'Hello there. How are you?'], plain.text);
      assert.equal((await ask('text')).text.trim(), 'Hello there. How are you?');
      const [one, two] = timeless ? ['00:00:04,000\nHello there. How are you?', ''] : ['00:00:02,000\nHello there.', '2\n00:00:02,000 --> 00:00:04,000\nHow are you?'];
      const srt = (await ask('srt')).text;
      assert.ok(srt.startsWith(`1\n00:00:00,000 --> ${one}`) && srt.includes(two), `${model}: ${srt}`);
      const vtt = (await ask('vtt')).text;
      assert.ok(vtt.startsWith('WEBVTT\n\n00:00:00.000 --> ') && vtt.includes('How are you?'), `${model}: ${vtt}`);
      const verbose = (await ask('verbose_json')).json;
      assert.deepEqual([verbose.task, verbose.duration, verbose.segments.length, verbose.words.length], ['transcribe', 4, timeless ? 0 : 2, timeless ? 0 : 5], model);
    }
    assert.deepEqual([cpu, cuda].map((service) => new Set(service.loads.map(({ slug }) => slug)).size), [3, 6]);
  });

  test('diarization: the channels of a stereo file are the speakers, in every format', async (t) => {
    const { cpu, gateway } = await talkiesWorld(t);
    const ask = (fields, bytes = STEREO) => listen(gateway.url, { model: WHISPER, diarization: 'true', ...fields }, bytes);
    const turns = 'L: Hello there.\nR: How are you?';
    assert.equal((await ask({})).json.text, turns);
    assert.equal((await ask({ response_format: 'text' })).text.trim(), turns);
    assert.match((await ask({ response_format: 'srt' })).text, /00:00:02,000\nL: Hello there\.\n\n2\n.*\nR: How are you\?/);
    assert.match((await ask({ response_format: 'vtt' })).text, /00:00:02\.000\nL: Hello there\.\n\n.*\nR: How are you\?/);
    const verbose = (await ask({ response_format: 'verbose_json' })).json;
    assert.deepEqual(verbose.segments.map(({ channel }) => channel), ['L', 'R']);
    assert.deepEqual(verbose.words.map(({ word, channel }) => channel + word), ['LHello', 'Lthere.', 'RHow', 'Rare', 'Ryou?']);
    const speakers = (await listen(gateway.url, { model: WHISPER, response_format: 'diarized_json' }, STEREO)).json;
    assert.deepEqual(speakers.segments.map(({ speaker, text }) => speaker + text), ['L Hello there.', 'R How are you?']);
    assert.equal(last(cpu, 'transcribe').body.response_format, 'verbose_json');
  });

  test('a file with one channel can not be parted: the service says so, nobody else is asked', async (t) => {
    const { first, second, gateway } = await pair(t);
    const answer = await listen(gateway.url, { model: 'first', diarization: 'true' });
    assert.deepEqual([answer.status, /stereo/.test(answer.json?.error?.message)], [400, true], answer.text);
    assert.deepEqual([asked(first), asked(second)], [1, 0]);
  });

  test('what the client sends arrives: the file, the language, both granularities', async (t) => {
    const { cpu, gateway } = await talkiesWorld(t);
    const fields = { model: WHISPER, language: 'de', prompt: 'names', 'timestamp_granularities[]': ['word', 'segment'], response_format: 'verbose_json' };
    const answer = await listen(gateway.url, fields, STEREO);
    const { body, file } = last(cpu, 'transcribe');
    assert.equal(answer.json.language, 'de', answer.text);
    assert.deepEqual(body, { ...fields, model: 'whisper-large-v3' });
    assert.deepEqual([file.field, file.name, file.type, file.sha256], ['file', 'talk.wav', 'audio/wav', sha256(STEREO)]);
    assert.equal(answer.json.words.length, 5);
  });

  test('with the openai package', async (t) => {
    const { gateway } = await talkiesWorld(t);
    const client = new OpenAI({ apiKey: 'any', baseURL: `${gateway.url}/v1`, maxRetries: 0 });
    const file = await toFile(wav(), 'talk.wav', { type: 'audio/wav' });
    const verbose = await client.audio.transcriptions.create({ model: WHISPER, file, response_format: 'verbose_json', timestamp_granularities: ['word', 'segment'] });
    assert.deepEqual([verbose.segments[1].end, verbose.words[0].word], [4, 'Hello']);
  });

  test('what is no recording, and too large a one', async (t) => {
    const { first, second, gateway } = await pair(t, { uploadBytes: 100_000 });
    const noise = await listen(gateway.url, { model: 'first' }, Buffer.from('this is a letter'));
    assert.deepEqual([noise.status, /decode/.test(noise.json?.error?.message)], [400, true], noise.text);
    assert.equal(asked(second), 0);
    const large = await listen(gateway.url, { model: 'first' });
    assert.match(large.trail, /^first=413:too_large, second=200$/, large.text);
    assert.equal(asked(first), 2);
  });
});

describe('speech of talkies', { concurrency: 2 }, () => {
  const say = async (gateway, body) => {
    const answer = await fetch(`${gateway.url}/v1/audio/speech`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ input: 'Hello', ...body }) });
    return { status: answer.status, type: answer.headers.get('content-type'), trail: answer.headers.get('x-freeway-trail'), answer };
  };
  const bytesOf = async ({ answer }) => Buffer.from(await answer.arrayBuffer());
  const KOKORO = 'local-talkies-kokoro-tts';
  const QWEN = 'local-talkies-cuda-qwen3-tts';

  test('every format, each with its type', async (t) => {
    const { cpu, gateway } = await talkiesWorld(t);
    for (const [response_format, type, magic] of [['mp3', 'audio/mpeg', 'ID3'], ['opus', 'audio/ogg', 'OggS'], ['aac', 'audio/aac', '\xff\xf1'], ['flac', 'audio/flac', 'fLaC'], ['wav', 'audio/wav', 'RIFF']]) {
      const answer = await say(gateway, { model: KOKORO, response_format });
      assert.deepEqual([answer.status, answer.type], [200, type]);
      assert.equal((await bytesOf(answer)).toString('latin1', 0, magic.length), magic);
      assert.equal(last(cpu, 'speak').body.response_format, response_format);
    }
    assert.equal((await bytesOf(await say(gateway, { model: KOKORO, response_format: 'pcm' }))).length, 'Hello'.length * 4800);
  });

  test('samples of qwen3-tts stream: the first is here before the last is made', async (t) => {
    const { cuda, gateway } = await talkiesWorld(t, { betweenMs: 200 });
    const answer = await say(gateway, { model: QWEN, response_format: 'pcm', input: 'A text of some length.' });
    assert.equal(answer.status, 200);
    let [firstAt, size] = [undefined, 0];
    for await (const part of answer.answer.body) { firstAt ??= performance.now(); size += part.length; }
    const { pieces } = last(cuda, 'speak');
    assert.equal(size, 'A text of some length.'.length * 4800);
    assert.ok(pieces.length === 4 && firstAt < pieces[3], `${firstAt} ${pieces}`);
  });

  test('voices of all services in one list, by alias', async (t) => {
    const { gateway } = await talkiesWorld(t);
    const { voices } = (await gateway.get('/v1/audio/voices')).json;
    const of = (alias) => voices.filter(({ model }) => model === alias);
    for (const alias of [KOKORO, 'local-talkies-cuda-kokoro-tts']) assert.deepEqual(of(alias).map(({ voice }) => voice), VOICES['kokoro-82m'], alias);
    assert.deepEqual(of(QWEN)[0], { voice: 'alloy', model: QWEN, upstream_model: 'qwen3-tts-0.6b', default: true, origin: 'builtin' });
    assert.equal(voices.length, 2 * VOICES['kokoro-82m'].length + VOICES['qwen3-tts-0.6b'].length);
  });

  test('a voice that a service does not have is its nearest; a blank text is refused here', async (t) => {
    const { cpu, gateway } = await talkiesWorld(t);
    assert.equal((await say(gateway, { model: KOKORO, voice: 'onyx' })).status, 200);
    assert.equal(last(cpu, 'speak').body.voice, 'am_onyx');
    assert.equal((await say(gateway, { model: KOKORO, input: ' ' })).status, 400);
    assert.equal(asked(cpu, 'speak'), 1);
  });

  test('what talkies knows beyond OpenAI arrives; what it refuses is told in its words', async (t) => {
    const { cuda, gateway } = await talkiesWorld(t);
    const knobs = { instructions: 'calm', language: 'en', temperature: 0.5, top_k: 40, speed: 1.5 };
    assert.equal((await say(gateway, { model: QWEN, ...knobs })).status, 200);
    assert.deepEqual(last(cuda, 'speak').body, { input: 'Hello', ...knobs, model: 'qwen3-tts-0.6b', response_format: 'mp3' });
    const { status, answer } = await say(gateway, { model: QWEN, speed: 9 });
    assert.deepEqual([status, /between 0\.25 and 4/.test((await answer.json()).error.message)], [422, true]);
  });

  test('Kokoro also speaks on the CPU inside the GPU service', async (t) => {
    const { cpu, cuda, gateway } = await talkiesWorld(t);
    const answer = await say(gateway, { model: 'local-talkies-cuda-kokoro-tts', voice: 'af_heart' });
    assert.deepEqual([answer.status, cuda.resident, cpu.resident], [200, 'kokoro-82m', undefined]);
  });
});

describe('refusals of talkies', { concurrency: 2 }, () => {
  test('another model at work (409) and a full one (429) are busy: back in a moment', async (t) => {
    for (const [slug, status] of [['canary-180m-flash', 409], ['whisper-large-v3', 429]]) {
      const { first, gateway } = await pair(t);
      const finish = await occupied(first, slug);
      const moved = await listen(gateway.url, { model: 'first' });
      assert.equal(moved.trail, `first=${status}:busy, second=200`, moved.text);
      const [bench] = await gateway.benches('first');
      assert.deepEqual([bench.cause, bench.back_in_s <= 30], ['busy', true], JSON.stringify(bench));
      await finish();
      await until(async () => (await listen(gateway.url, { model: 'first' })).servedBy === 'first', 20_000, 'the first is asked again');
    }
  });

  test('weights that are missing (503) are gone for long: the next request does not ask again', async (t) => {
    const { first, second, gateway } = await pair(t, { missing: new Set(['whisper-large-v3']) });
    const moved = await listen(gateway.url, { model: 'first' });
    assert.equal(moved.trail, 'first=503:gone, second=200', moved.text);
    const [bench] = await gateway.benches('first');
    assert.ok(bench.back_in_s > 60, JSON.stringify(bench));
    assert.match((await listen(gateway.url, { model: 'first' })).trail, /^first=skipped:benched, second=200$/);
    assert.deepEqual([asked(first), asked(second)], [1, 2]);
  });

  test('before version 0.14 everybody waits: no request is lost, one model at a time', async (t) => {
    const { cpu, gateway } = await talkiesWorld(t, { version: 0.13, workMs: 20 });
    const models = [WHISPER, 'local-talkies-canary-180m-flash', WHISPER, 'local-talkies-whisper-large-v3-turbo'];
    const answers = await Promise.all(models.map((model) => listen(gateway.url, { model })));
    assert.deepEqual(answers.map(({ status, servedBy }) => [status, servedBy]), models.map((model) => [200, model]), answers.map(({ text, trail }) => `${trail} ${text}`).join('\n'));
    assert.equal(cpu.loads.length, cpu.unloads.length + 1);
  });

  test('a wrong token and an unknown model move on; the log never has the token', async (t) => {
    const first = await TalkiesService.start(t, { token: 'right' });
    const second = await TalkiesService.start(t);
    const model_list = [entry('first', 'whisper-large-v3', first), entry('odd', 'nobody', second), entry('second', 'whisper-large-v3', second)];
    model_list[0].litellm_params.api_key = 'wrong-token';
    const gateway = await Gateway.start(t, { config: { model_list, router_settings: { fallbacks: [{ first: ['odd', 'second'] }] } } });
    assert.match((await listen(gateway.url, { model: 'first' })).trail, /^first=401:unauthorized, odd=404:gone, second=200$/);
    assert.ok(!gateway.log.includes('wrong-token'));
  });
});
