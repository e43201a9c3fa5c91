// What a call costs, in each unit that providers charge by: a budget counts it.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { anthropic, openai, openaiAudio, sdcpp } from '../providers/index.mjs';
import { rowOf } from '../lib/storm.mjs';
import { world } from '../lib/world.mjs';

const BUDGET = { metric: 'usd', window: 'day', limit: 1, reset: 'fixed', scope: 'target' };

/** One target with a budget of a dollar a day. */
const priced = (t, wire, info, params = {}) => world(t, { a: wire }, { info: { a: { tier: 'paid', limits: [BUDGET], ...info } }, params: { a: params } });
const spent = async (w) => (await rowOf(w.gateway, 'a', 'usd')).used;

/** A WAV file of that many seconds: 8 kHz, 8 bit, mono. */
function wav(seconds) {
  const head = Buffer.alloc(44);
  head.write('RIFF'); head.writeUInt32LE(36 + seconds * 8000, 4); head.write('WAVEfmt ', 8);
  head.writeUInt32LE(16, 16); head.writeUInt16LE(1, 20); head.writeUInt16LE(1, 22);
  head.writeUInt32LE(8000, 24); head.writeUInt32LE(8000, 28); head.writeUInt16LE(1, 32); head.writeUInt16LE(8, 34);
  head.write('data', 36); head.writeUInt32LE(seconds * 8000, 40);
  return Buffer.concat([head, Buffer.alloc(seconds * 8000, 128)]);
}

async function transcribe(w, seconds) {
  const form = new FormData();
  form.append('model', 'a');
  form.append('response_format', 'text');
  form.append('file', new Blob([wav(seconds)], { type: 'audio/wav' }), 'talk.wav');
  return fetch(`${w.gateway.url}/v1/audio/transcriptions`, { method: 'POST', body: form });
}

describe('prices', { concurrency: 4 }, () => {
  test('sound costs by the second, and what a budget has no room for is not sent', async (t) => {
    const w = await priced(t, openaiAudio, { mode: 'audio_transcription', provider: 'openai', input_cost_per_second: 0.01 }, { model: 'openai/whisper-1' });
    assert.equal((await transcribe(w, 4)).status, 200);
    assert.equal(await spent(w), 0.04);
    assert.equal((await transcribe(w, 100)).status, 429);
    assert.equal(w.a.calls.length, 1);
  });

  test('speech costs by the character, whatever its bytes', async (t) => {
    const w = await priced(t, openaiAudio, { mode: 'audio_speech', provider: 'openai', input_cost_per_character: 0.01 }, { model: 'openai/tts-1' });
    const speak = (input) => w.gateway.send('/v1/audio/speech', { body: { model: 'a', input, voice: 'alloy' } });
    assert.equal((await speak('größer')).status, 200);
    assert.equal(await spent(w), 0.06);
    assert.equal((await speak('x'.repeat(100))).status, 429);
    assert.equal(w.a.calls.length, 1);
  });

  test('pictures cost by the piece', async (t) => {
    const w = await priced(t, sdcpp, { mode: 'image_generation', output_cost_per_image: 0.3 });
    const draw = (n) => w.gateway.send('/v1/images/generations', { body: { model: 'a', prompt: 'a bicycle', n } });
    assert.equal((await draw(2)).status, 200);
    assert.equal(await spent(w), 0.6);
    assert.equal((await draw(2)).status, 429);
  });

  test('tokens read from a cache and written to it have prices of their own', async (t) => {
    const w = await priced(t, anthropic, { input_cost_per_token: 0.001, output_cost_per_token: 0.002, cache_read_input_token_cost: 0.0001, cache_creation_input_token_cost: 0.01 });
    const once = 5 * 0.001 + 2 * 0.01 + 4 * 0.0001 + 7 * 0.002;
    let calls = 0;
    for (const more of [{}, { stream: true }]) {
      assert.equal((await w.gateway.chat('a', { max_tokens: 10, ...more })).status, 200);
      calls += 1;
      assert.ok(Math.abs((await spent(w)) - calls * once) < 1e-9, `${await spent(w)} after ${calls}`);
    }
  });

  test('what has no price costs nothing', async (t) => {
    const w = await priced(t, openai, {});
    assert.equal((await w.gateway.chat('a')).status, 200);
    assert.equal(await spent(w), 0);
  });
});
