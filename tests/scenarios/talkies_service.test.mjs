// The stand-in for talkies keeps to talkies' contract: what the device tests build on.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { TalkiesService } from '../providers/talkies_service.mjs';
import { wav } from '../providers/talkies_audio.mjs';
import { until } from '../lib/until.mjs';

async function ask(service, method, target, body) {
  const answer = await fetch(service.url + target, { method, body });
  const text = await answer.text();
  let json;
  try { json = JSON.parse(text); } catch { json = undefined; }
  return [answer.status, json ?? text];
}

function listen(service, model, fields = {}) {
  const form = new FormData();
  for (const [name, value] of Object.entries({ model, ...fields })) form.append(name, value);
  if (!fields.file_path) form.append('file', new Blob([wav()]), 'a.wav');
  return ask(service, 'POST', '/v1/audio/transcriptions', form);
}

const loaded = async (service) => (await ask(service, 'GET', '/api/ps'))[1].models.map(({ id }) => id);
const WHISPER = 'whisper-large-v3';

describe('the stand-in for talkies', { concurrency: 4 }, () => {
  test('one model at a time: a sibling evicts the one that is idle', async (t) => {
    const service = await TalkiesService.start(t, { loadMs: 5, unloadMs: 5 });
    for (const slug of [WHISPER, 'canary-180m-flash', WHISPER]) {
      assert.equal((await listen(service, slug))[0], 200);
      assert.deepEqual(await loaded(service), [slug]);
    }
    assert.deepEqual(service.loads.map(({ slug }) => slug), [WHISPER, 'canary-180m-flash', WHISPER]);
    assert.equal(service.unloads.length, 2);
  });

  test('from 0.14: full is 429, another at work 409, and neither can be unloaded then', async (t) => {
    const service = await TalkiesService.start(t);
    const release = service.hold();
    const first = listen(service, WHISPER);
    await until(async () => (await loaded(service)).length === 1, 5000, 'loaded');
    assert.equal((await listen(service, WHISPER))[0], 429);
    assert.equal((await listen(service, 'canary-180m-flash'))[0], 409);
    assert.equal((await ask(service, 'DELETE', `/api/ps/${WHISPER}`))[0], 409);
    assert.equal((await ask(service, 'POST', '/unload'))[0], 409);
    release();
    assert.equal((await first)[0], 200);
    assert.deepEqual(await ask(service, 'DELETE', `/api/ps/${WHISPER}`), [200, { unloaded: WHISPER }]);
    assert.equal((await ask(service, 'DELETE', `/api/ps/${WHISPER}`))[0], 404);
    assert.deepEqual(await ask(service, 'POST', '/unload'), [200, { unloaded: [] }]);
  });

  test('before 0.14 all wait; who leaves the line causes no load', async (t) => {
    const service = await TalkiesService.start(t, { version: 0.13 });
    const release = service.hold();
    const first = listen(service, WHISPER);
    await until(() => service.residency.activeOf(WHISPER) === 1, 5000, 'at work');
    const left = new AbortController();
    const form = new FormData();
    form.append('model', 'whisper-large-v3-turbo');
    form.append('file', new Blob([wav()]), 'a.wav');
    const gone = fetch(`${service.base}/audio/transcriptions`, { method: 'POST', body: form, signal: left.signal }).catch(() => undefined);
    await until(() => service.calls[1]?.slug, 5000, 'the second waits');
    left.abort();
    await gone;
    await until(() => service.calls[1].closedEarly, 5000, 'the second has left');
    const third = listen(service, 'canary-180m-flash');
    release();
    assert.deepEqual([(await first)[0], (await third)[0]], [200, 200]);
    assert.deepEqual(service.loads.map(({ slug }) => slug), [WHISPER, 'canary-180m-flash']);
  });

  test('an unload may take its time, fail, or fail silently', async (t) => {
    const service = await TalkiesService.start(t, { unloadLater: true, unloadMs: 2000 });
    await listen(service, WHISPER);
    assert.equal((await ask(service, 'DELETE', `/api/ps/${WHISPER}`))[0], 200);
    assert.deepEqual([await loaded(service), service.unloads.length], [[WHISPER], 0]);
    await until(async () => (await loaded(service)).length === 0, 20_000, 'unloaded');
    await listen(service, WHISPER);
    for (const [fails, status] of [[true, 500], ['silently', 200]]) {
      service.options.unloadFails = fails;
      assert.equal((await ask(service, 'DELETE', `/api/ps/${WHISPER}`))[0], status);
      assert.deepEqual(await loaded(service), [WHISPER]);
    }
  });

  test('a load fails by missing weights, or as the owner of the device says', async (t) => {
    const service = await TalkiesService.start(t, { missing: new Set([WHISPER]), onLoad: (slug) => (slug.includes('turbo') ? 'CUDA out of memory' : undefined) });
    assert.equal((await listen(service, WHISPER))[0], 503);
    assert.deepEqual(await listen(service, 'whisper-large-v3-turbo'), [500, { detail: 'CUDA out of memory' }]);
    assert.deepEqual([await loaded(service), service.residency.busy], [[], false]);
    assert.equal((await listen(service, 'canary-180m-flash'))[0], 200);
  });

  test('files are staged, used, listed and deleted; a path stays inside', async (t) => {
    const service = await TalkiesService.start(t);
    assert.deepEqual(await ask(service, 'PUT', '/v1/files/talks/a.wav', wav()), [201, { path: 'talks/a.wav', size: wav().length }]);
    assert.equal((await listen(service, WHISPER, { file_path: 'talks/a.wav' }))[0], 200);
    assert.equal((await ask(service, 'GET', '/v1/files'))[1].files[0].path, 'talks/a.wav');
    assert.equal((await ask(service, 'PUT', '/v1/files/a%2F..%2F..%2Fb', 'x'))[0], 400);
    assert.deepEqual(await ask(service, 'DELETE', '/v1/files/talks/a.wav'), [200, { deleted: 'talks/a.wav' }]);
    assert.equal((await listen(service, WHISPER, { file_path: 'talks/a.wav' }))[0], 404);
  });
});
