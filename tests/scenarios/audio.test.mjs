// Speech to text and back: what each target is asked, what the client gets, and uploads of any size.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, test } from 'node:test';
import OpenAI, { toFile } from 'openai';
import { cohereAudio, groqAudio, kokoro, mistralAudio, openaiAudio, sha256, talkies } from '../providers/index.mjs';
import { raw } from '../lib/raw.mjs';
import { world } from '../lib/world.mjs';
import { until } from '../lib/until.mjs';

const TEXT = 'Hello there. How are you?';
const client = (w) => new OpenAI({ apiKey: 'any', baseURL: `${w.gateway.url}/v1`, maxRetries: 0 });

/** A WAV file of that many seconds: 16 kHz, 16 bit, mono. */
function wav(seconds, fill = 7) {
  const data = Buffer.alloc(seconds * 32_000, fill);
  const head = Buffer.alloc(44);
  head.write('RIFF'); head.writeUInt32LE(36 + data.length, 4); head.write('WAVEfmt ', 8);
  head.writeUInt32LE(16, 16); head.writeUInt16LE(1, 20); head.writeUInt16LE(1, 22);
  head.writeUInt32LE(16_000, 24); head.writeUInt32LE(32_000, 28); head.writeUInt16LE(2, 32); head.writeUInt16LE(16, 34);
  head.write('data', 36); head.writeUInt32LE(data.length, 40);
  return Buffer.concat([head, data]);
}

const file = (bytes = wav(4), name = 'talk.wav') => toFile(bytes, name, { type: 'audio/wav' });
const OPENAI = { whisper: 'whisper-1', transcribe: 'gpt-4o-transcribe', tts: 'tts-1', mini: 'gpt-4o-mini-tts' };

/** A world of one mode; an alias that OPENAI names is that model of OpenAI's. */
function audioWorld(t, mode, targets, { info = {}, ...more } = {}) {
  const openai = Object.keys(targets).filter((alias) => targets[alias] === openaiAudio);
  const infoOf = (alias) => ({ mode, ...(openai.includes(alias) && { provider: 'openai' }), ...info[alias] });
  return world(t, targets, {
    ...more, info: Object.fromEntries(Object.keys(targets).map((alias) => [alias, infoOf(alias)])),
    params: Object.fromEntries(openai.map((alias) => [alias, { model: `openai/${OPENAI[alias]}` }])),
  });
}

const listening = (t, targets, more) => audioWorld(t, 'audio_transcription', targets, more);
const speaking = (t, targets, more) => audioWorld(t, 'audio_speech', targets, more);

async function post(w, fields, { path = '/v1/audio/transcriptions', bytes = wav(4), ...options } = {}) {
  const form = new FormData();
  for (const [key, value] of Object.entries(fields)) form.append(key, value);
  if (bytes) form.append('file', new Blob([bytes], { type: 'audio/wav' }), 'talk.wav');
  const answer = await fetch(w.gateway.url + path, { method: 'POST', body: form, ...options });
  const text = await answer.text();
  let json;
  try { json = JSON.parse(text); } catch { json = undefined; }
  return { status: answer.status, headers: answer.headers, text, json, trail: answer.headers.get('x-freeway-trail') };
}

const ALL = { groq: groqAudio, whisper: openaiAudio, voxtral: mistralAudio, talkies };

describe('transcriptions', { concurrency: 3 }, () => {
  test('every format from every target that knows times, with the openai package', async (t) => {
    const w = await listening(t, ALL, { chains: [] });
    for (const model of Object.keys(ALL)) {
      const ask = async (response_format) => client(w).audio.transcriptions.create({ model, file: await file(), response_format });
      assert.equal((await ask('json')).text, TEXT, model);
      assert.equal((await ask('text')).trim(), TEXT, model);
      const srt = await ask('srt');
      assert.match(srt, /^1\n00:00:00,000 --> 00:00:01,500\nHello there\.\n\n2\n00:00:01,500 --> 00:00:03,250\nHow are you\?/, model);
      assert.match(await ask('vtt'), /^WEBVTT\n\n00:00:00\.000 --> 00:00:01\.500\nHello there\./, model);
      const verbose = await ask('verbose_json');
      assert.deepEqual([verbose.text, verbose.segments.length, verbose.segments[1].end], [TEXT, 2, 3.25], model);
      assert.ok(verbose.duration > 0, model);
      assert.equal(w.fakes[model].last.file.sha256, sha256(wav(4)), model);
    }
    assert.equal(w.fakes.groq.calls[2].body.response_format, 'verbose_json');
    assert.equal(w.whisper.calls[2].body.response_format, 'srt');
  });

  test('content types are those of OpenAI, whoever answers', async (t) => {
    const w = await listening(t, { talkies, groq: groqAudio }, { chains: [] });
    for (const model of ['talkies', 'groq'])
      for (const [format, type] of [['json', 'application/json'], ['srt', 'text/plain; charset=utf-8'], ['vtt', 'text/plain; charset=utf-8']])
        assert.equal((await post(w, { model, response_format: format })).headers.get('content-type'), type, `${model} ${format}`);
  });

  test('fields that a target does not know stay here, and the record says so', async (t) => {
    const w = await listening(t, { voxtral: mistralAudio, groq: groqAudio }, { chains: [] });
    const answer = await post(w, { model: 'voxtral', prompt: 'names', temperature: '0.2', language: 'en' });
    assert.equal(answer.status, 200, answer.text);
    assert.deepEqual(w.voxtral.last.body, { model: 'voxtral-small-2507', temperature: '0.2', language: 'en' });
    const record = await w.gateway.get(`/v1/requests/${answer.headers.get('x-freeway-request-id')}/explain`);
    assert.ok(record.json.candidates[0].changes.includes('removed prompt'), record.text);
  });

  test('who speaks: channels and speakers become OpenAI segments; who cannot tell is passed over', async (t) => {
    const w = await listening(t, { groq: groqAudio, voxtral: mistralAudio, talkies }, {
      chains: [{ groq: ['talkies'] }] });
    const answer = await post(w, { model: 'groq', response_format: 'diarized_json' });
    assert.deepEqual(answer.json?.segments?.map(({ type, speaker }) => [type, speaker]), [['transcript.text.segment', 'L'], ['transcript.text.segment', 'R']], answer.text);
    assert.match(answer.trail, /groq=skipped:unsupported/);
    assert.equal(w.talkies.last.body.diarization, 'true');
    const voxtral = await post(w, { model: 'voxtral', response_format: 'diarized_json' });
    assert.equal(voxtral.json.segments[0].speaker, 'speaker_1', voxtral.text);
  });

  test('without times: one cue over a length that the file states, else the next candidate', async (t) => {
    const w = await listening(t, { cohere: cohereAudio, groq: groqAudio });
    const fields = { model: 'cohere', language: 'en', response_format: 'srt' };

    assert.match((await post(w, fields)).text, /^1\n00:00:00,000 --> 00:00:04,000\nHello there\. How are you\?/);
    const unknown = await post(w, fields, { bytes: Buffer.from('no header at all') });
    assert.match(unknown.trail, /cohere=200:unsupported, groq=200/);
    const unstated = await post(w, { model: 'cohere' });
    assert.match(unstated.trail, /cohere=skipped:unsupported, groq=200/);
  });

  test('translations go only to those who translate', async (t) => {
    const w = await listening(t, { voxtral: mistralAudio, groq: groqAudio });
    const answer = await client(w).audio.translations.create({ model: 'voxtral', file: await file(), response_format: 'verbose_json' });
    assert.equal(answer.task, 'translate');
    assert.match(w.groq.last.path, /\/audio\/translations$/);
    assert.equal(w.voxtral.calls.length, 0);
  });

  test('the next candidate gets the same bytes', async (t) => {
    const w = await listening(t, { groq: groqAudio, talkies });
    w.groq.always(groqAudio.errors.rpm);
    const bytes = Buffer.concat([wav(2), Buffer.from('\r\n--not-the-boundary\r\n'), Buffer.alloc(3_000_000, 9)]);
    const answer = await post(w, { model: 'groq', language: 'en' }, { bytes });
    assert.match(answer.trail, /groq=429:rate_limited, talkies=200/);
    assert.equal(w.groq.last.file.sha256, sha256(bytes));
    assert.deepEqual(w.talkies.last.file, w.groq.last.file);
    assert.equal(w.talkies.last.body.model, 'whisper-large-v3');
  });

  test('talkies: busy, full and without weights are told apart', async (t) => {
    for (const [error, outcome] of [['other_model', 'busy'], ['capacity', 'busy'], ['weights', 'gone']]) {
      const w = await listening(t, { talkies, groq: groqAudio });
      w.talkies.always(talkies.errors[error]);
      assert.match((await post(w, { model: 'talkies' })).trail, new RegExp(`talkies=\\d+:${outcome}, groq=200`));
    }
  });

  test('seconds of audio are held before a call and settled after it', async (t) => {
    const limits = [{ metric: 'audio_seconds', window: 'hour', limit: 10, reset: 'rolling', scope: 'target' }];
    const w = await listening(t, { groq: groqAudio, talkies }, { info: { groq: { limits } } });
    assert.match((await post(w, { model: 'groq' }, { bytes: wav(8) })).trail, /groq=200/);
    assert.match((await post(w, { model: 'groq' }, { bytes: wav(8) })).trail, /groq=skipped:quota, talkies=200/);
    assert.match((await post(w, { model: 'groq' }, { bytes: wav(1) })).trail, /groq=200/);
  });
});

describe('streamed transcriptions', { concurrency: 3 }, () => {
  test('OpenAI passes, Mistral is translated, a whole answer becomes two events', async (t) => {
    const targets = { transcribe: openaiAudio, voxtral: mistralAudio, whisper: openaiAudio };
    const w = await listening(t, targets, { chains: [] });
    for (const model of Object.keys(targets)) {
      const events = [];
      for await (const event of await client(w).audio.transcriptions.create({ model, file: await file(), stream: true })) events.push(event);
      const deltas = events.filter(({ type }) => type === 'transcript.text.delta');
      assert.equal(deltas.map(({ delta }) => delta).join(''), TEXT, model);
      assert.deepEqual([events.at(-1).type, events.at(-1).text], ['transcript.text.done', TEXT], model);
      assert.equal(deltas.length, model === 'whisper' ? 1 : 5, model);
    }
  });

  test('before the first delta the chain goes on; after it the stream ends with an error', async (t) => {
    const w = await listening(t, { transcribe: openaiAudio, voxtral: mistralAudio });
    w.transcribe.always({ cutAt: 0 });
    assert.match((await post(w, { model: 'transcribe', stream: 'true' })).text, /transcript\.text\.done/);
    await w.gateway.clearBenches();
    w.transcribe.always({ cutAt: 2, between: 20 });
    const broken = await post(w, { model: 'transcribe', stream: 'true' });
    assert.match(broken.text, /"delta":"Hello"[\s\S]*event: error\ndata: \{"error"/);
    assert.equal(w.voxtral.calls.length, 1);
  });
});

/** Sends a large form with a socket of its own; `pace` is awaited before each piece. */
function upload(w, model, size, { piece = 1 << 20, pace, cutAt } = {}) {
  const head = Buffer.from(`--b\r\nContent-Disposition: form-data; name="model"\r\n\r\n${model}\r\n--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n`);
  const tail = Buffer.from('\r\n--b--\r\n');
  const req = http.request(`${w.gateway.url}/v1/audio/transcriptions`, { method: 'POST', agent: false, headers: {
    'content-type': 'multipart/form-data; boundary=b', 'content-length': head.length + size + tail.length } });
  const response = new Promise((resolve, reject) => {
    req.on('error', reject);
    req.on('response', async (res) => {
      let text = '';
      for await (const part of res) text += part;
      resolve({ status: res.statusCode, text, trail: res.headers['x-freeway-trail'] });
    });
  });
  response.catch(() => {});
  const write = async () => {
    req.write(head);
    for (let at = 0; at < size; at += piece) {
      if (cutAt !== undefined && at >= cutAt) return req.destroy();
      if (pace) await pace(at);
      if (!req.write(Buffer.alloc(Math.min(piece, size - at), at & 255))) await new Promise((resolve) => req.once('drain', resolve));
    }
    req.end(tail);
  };
  return { req, response, written: write() };
}

const resident = (pid) => Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024;

describe('uploads', () => {
  test('100 MB pass, twice after a refusal, without standing in memory', async (t) => {
    const w = await listening(t, { groq: groqAudio, talkies });
    await post(w, { model: 'talkies' });
    w.groq.always(groqAudio.errors.too_large_413);
    const before = resident(w.gateway.pid);
    let most = before;
    const watch = setInterval(() => { most = Math.max(most, resident(w.gateway.pid)); }, 5);
    const answer = await upload(w, 'groq', 100 << 20).response.finally(() => clearInterval(watch));
    assert.equal(answer.status, 200, answer.text);
    assert.match(answer.trail, /groq=413:too_large, talkies=200/);
    assert.equal(w.talkies.last.file.size, 100 << 20);
    assert.equal(w.talkies.last.file.sha256, w.groq.last.file.sha256);
    t.diagnostic(`resident memory grew by ${(most - before).toFixed(1)} MB`);
    assert.ok(most - before < 10, `${before} MB → ${most} MB`);
    assert.deepEqual(fs.readdirSync(`${w.gateway.folder}/data`).filter((name) => name.startsWith('upload')), []);
  });

  test('of several files the first `file` counts; more than a handful are refused', async (t) => {
    const w = await listening(t, { talkies });
    const sent = async (names, bytes = (at) => wav(1, at)) => {
      const form = new FormData();
      form.append('model', 'talkies');
      names.forEach((name, at) => form.append(name, new Blob([bytes(at + 1)], { type: 'audio/wav' }), 'talk.wav'));
      const answer = await fetch(`${w.gateway.url}/v1/audio/transcriptions`, { method: 'POST', body: form });
      return { status: answer.status, json: await answer.json() };
    };
    assert.equal((await sent(['other', 'file', 'file'])).status, 200);
    assert.equal(w.talkies.last.file.sha256, sha256(wav(1, 2)));
    const many = await sent(Array(20).fill('file'), () => 'x');
    assert.deepEqual([many.status, /more than 8 files/.test(many.json.error.message)], [400, true], JSON.stringify(many.json));
    assert.equal(w.talkies.calls.length, 1);
  });

  test('a slow one arrives, a cut one leaves nothing behind', async (t) => {
    const w = await listening(t, { talkies });
    const slow = await upload(w, 'talkies', 200_000, { piece: 20_000, pace: () => sleep(30) }).response;
    assert.equal(slow.status, 200, slow.text);
    await upload(w, 'talkies', 4 << 20, { cutAt: 2 << 20 }).response.catch(() => {});
    assert.equal((await post(w, { model: 'talkies' })).status, 200);
    assert.equal(w.talkies.calls.length, 2);
  });

  test('two at once do not mix', async (t) => {
    const w = await listening(t, { talkies });
    const files = [wav(3, 1), wav(90, 2)];
    await Promise.all(files.map((bytes) => post(w, { model: 'talkies' }, { bytes })));
    assert.deepEqual(new Set(w.talkies.calls.map(({ file: seen }) => seen.sha256)), new Set(files.map(sha256)));
  });

  test('larger than max_upload_size_mb is 413; it does not bound other bodies', async (t) => {
    const w = await listening(t, { talkies }, { general: { max_upload_size_mb: 1 } });
    const answer = await post(w, { model: 'talkies' }, { bytes: Buffer.alloc(1_100_000) }).catch(() => ({ status: 413, json: { error: { code: 'body_too_large' } } }));
    assert.deepEqual([answer.status, answer.json.error.code], [413, 'body_too_large']);
    assert.equal(w.talkies.calls.length, 0);
  });

  test('what can not be read is told by name', async (t) => {
    const w = await listening(t, { talkies });
    const says = async (fields, pattern, options) => {
      const answer = await post(w, fields, options);
      assert.equal(answer.status, 400, answer.text);
      assert.match(answer.json.error.message, pattern);
    };
    await says({}, /`model` is missing/);
    await says({ model: 'talkies' }, /`file` is missing/, { bytes: null });
    await says({ model: 'talkies', response_format: 'docx' }, /`response_format` must be one of/);
    await says({ model: 'talkies', stream: 'maybe' }, /`stream` must be true or false/);
    const json = await w.gateway.send('/v1/audio/transcriptions', { body: { model: 'talkies' } });
    assert.deepEqual([json.status, /multipart\/form-data/.test(json.error.message)], [400, true], json.text);
    const cut = await raw(w.gateway.port, 'POST /v1/audio/transcriptions HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 10\r\nConnection: close\r\n\r\n--b\r\nConte');
    assert.match(cut.text, /ends before its closing boundary/);
    assert.equal((await post(w, { model: 'nobody' })).status, 404);
  });

  test('a client that hangs up ends the upstream call within a second', async (t) => {
    const w = await listening(t, { talkies });
    w.talkies.always({ silence: true });
    const one = upload(w, 'talkies', 100_000);
    await one.written;
    const call = await w.talkies.called();
    const left = performance.now();
    one.req.destroy();
    await call.hungUp();
    assert.ok(call.closedEarlyAt - left < 1000);
  });
});

const say = (w, body, options) => w.gateway.send('/v1/audio/speech', { body: { input: 'Hello', voice: 'alloy', ...body }, ...options });

describe('speech', { concurrency: 3 }, () => {
  test('with the openai package, streamed, bytes as they come', async (t) => {
    const w = await speaking(t, { kokoro });
    w.kokoro.always({ between: 150 });
    const answer = await client(w).audio.speech.create({ model: 'kokoro', input: 'Hello', voice: 'af_heart', response_format: 'mp3' });
    assert.equal(answer.headers.get('content-type'), 'audio/mpeg');
    const seen = [];
    for await (const part of answer.body) seen.push([performance.now(), Buffer.from(part).toString()]);
    assert.equal(seen.map(([, text]) => text).join(''), 'ID3-one-two-three');
    assert.ok(seen[0][0] < w.kokoro.last.writes.at(-1), 'the first piece came before the last was made');
    assert.equal(w.kokoro.last.body.model, 'kokoro-82m');
  });

  test('along a chain a voice keeps its nearest name, the record says which', async (t) => {
    const w = await speaking(t, { tts: openaiAudio, kokoro });
    w.tts.always({ status: 500, json: { error: { message: 'no' } } });
    const answer = await say(w, { model: 'tts', voice: 'onyx', instructions: 'calm' });
    assert.deepEqual([answer.status, w.kokoro.last.body.voice, w.tts.last.body.voice], [200, 'am_onyx', 'onyx']);
    const record = await w.gateway.get(`/v1/requests/${answer.requestId}/explain`);
    assert.deepEqual(record.json.candidates.map(({ changes }) => changes), [['removed instructions'], ['voice onyx became am_onyx']]);
  });

  test('what a target can not do goes to the next: too long a text', async (t) => {
    const w = await speaking(t, { tts: openaiAudio, kokoro });
    const long = await say(w, { model: 'tts', input: 'a'.repeat(5000) });
    assert.deepEqual(long.trail.map(({ alias, skipped, status }) => [alias, skipped ?? status]), [['tts', 'unsupported'], ['kokoro', 200]]);
  });

  test('what is no audio is not served as such, whatever its status', async (t) => {
    const w = await speaking(t, { tts: openaiAudio, kokoro });
    const page = { text: '<html>sorry</html>', headers: { 'content-type': 'Text/HTML; charset=utf-8' } };
    const failed = { json: { error: { message: 'overloaded', type: 'server_error' } }, headers: { 'content-type': 'Application/JSON' } };
    for (const script of [page, failed]) {
      w.tts.always(script);
      const answer = await say(w, { model: 'tts' });
      assert.deepEqual([answer.status, answer.servedBy, answer.text], [200, 'kokoro', 'ID3-one-two-three']);
      assert.match(answer.trailText, /^tts=200:\w+, kokoro=200$/);
      await w.gateway.clearBenches();
    }
    for (const type of ['Audio/MPEG', 'application/octet-stream']) {
      w.tts.always({ bytes: Buffer.from('ID3'), headers: { 'content-type': type } });
      const answer = await say(w, { model: 'tts' });
      assert.deepEqual([answer.servedBy, answer.text], ['tts', 'ID3']);
    }
  });

  test('tokens of a text that is spoken are estimated', async (t) => {
    const w = await speaking(t, { kokoro });
    for (const more of [{}, { stream_format: 'sse' }]) {
      const answer = await say(w, { model: 'kokoro', input: 'a'.repeat(400), ...more });
      const { json } = await w.gateway.get(`/v1/requests/${answer.requestId}/explain`);
      assert.equal(json.usage.prompt_tokens, 100, JSON.stringify(json.usage));
    }
  });

  test('events are made where the target only sends bytes', async (t) => {
    const w = await speaking(t, { kokoro });
    const answer = await say(w, { model: 'kokoro', stream_format: 'sse' });
    const deltas = answer.objects.filter(({ type }) => type === 'speech.audio.delta');
    assert.equal(deltas.map(({ audio }) => Buffer.from(audio, 'base64').toString()).join(''), 'ID3-one-two-three');
    assert.equal(answer.objects.at(-1).type, 'speech.audio.done');
    assert.ok(!('stream_format' in w.kokoro.last.body));
  });

  test('speech that breaks off is no whole answer', async (t) => {
    const w = await speaking(t, { kokoro });
    w.kokoro.always({ cutAt: 2 });
    const answer = await say(w, { model: 'kokoro' });
    assert.deepEqual([answer.text, answer.broken], ['ID3-one-two-', true]);
  });

  test('bad requests are told by member', async (t) => {
    const w = await speaking(t, { kokoro });
    for (const [body, pattern] of [[{ model: undefined }, /`model`/], [{ model: 'kokoro', input: ' ' }, /`input`/], [{ model: 'kokoro', response_format: 'doc' }, /`response_format`/], [{ model: 'kokoro', stream_format: 7 }, /`stream_format`/]]) {
      const answer = await say(w, body);
      assert.deepEqual([answer.status, pattern.test(answer.error?.message)], [400, true], answer.text);
    }
  });
});

test('voices of all targets, by alias; a service that is silent is left out', async (t) => {
  const w = await speaking(t, { tts: openaiAudio, kokoro, dead: kokoro }, { chains: [] });
  w.dead.always({ silence: true });
  const all = (await w.gateway.get('/v1/audio/voices')).json.voices;
  assert.deepEqual(new Set(all.map(({ model }) => model)), new Set(['tts', 'kokoro']));
  const mine = (await w.gateway.get('/v1/audio/voices?model=kokoro')).json.voices;
  assert.deepEqual(mine, [
    { voice: 'af_heart', model: 'kokoro', upstream_model: 'kokoro-82m', default: true, origin: 'builtin' },
    { voice: 'bm_george', model: 'kokoro', upstream_model: 'kokoro-82m', default: false, origin: 'builtin' }]);
  await until(() => w.kokoro.calls.length >= 1, 1000, 'asked');
});

test('a voice of Kokoro falls back to one that tts-1 has, and the list says which those are', async (t) => {
  const w = await speaking(t, { kokoro, tts: openaiAudio, mini: openaiAudio });
  w.kokoro.always({ status: 500, body: {} });
  for (const [voice, sent] of [['af_heart', 'alloy'], ['am_michael', 'onyx']]) {
    const answer = await say(w, { model: 'kokoro', voice });
    assert.equal(answer.status, 200, answer.text);
    assert.equal(w.tts.calls.at(-1).body.voice, sent);
  }
  const voices = async (model) => (await w.gateway.get(`/v1/audio/voices?model=${model}`)).json.voices.map(({ voice }) => voice);
  assert.deepEqual(await voices('tts'), ['alloy', 'ash', 'coral', 'echo', 'fable', 'nova', 'onyx', 'sage', 'shimmer']);
  assert.ok((await voices('mini')).includes('marin'));
});
