// Images from every kind of provider, in the form that the client asked for.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { describe, test } from 'node:test';
import OpenAI from 'openai';
import { IMAGE_USAGE, PICTURE, huggingface, openai, png, pngSize, sdcpp } from '../providers/index.mjs';
import { until } from '../lib/until.mjs';
import { keyFor, world } from '../lib/world.mjs';

const FLUX = 'black-forest-labs/FLUX.1-schnell';
const IMAGE = { mode: 'image_generation' };
const BASE64 = PICTURE.toString('base64');

const DALL_E = { params: { model: 'openai/dall-e-3' }, wire: openai };
const GPT_IMAGE = { params: { model: 'openai/gpt-image-1' }, wire: openai };
const SDCPP = { params: { model: sdcpp.model, size: '512x512' }, wire: sdcpp };
const flux = (backend) => ({ params: { model: `huggingface/${FLUX}${backend ? `:${backend}` : ''}` }, wire: huggingface });

/** A world of image targets; `{alias: {wire, params}}`. */
function gallery(t, targets, more = {}) {
  const each = (value) => Object.fromEntries(Object.entries(targets).map(([alias, target]) => [alias, value(target)]));
  return world(t, each(({ wire }) => wire), {
    params: each(({ params }) => params), info: each(({ info }) => ({ ...IMAGE, ...info })), ...more,
  });
}

const draw = (w, model, more = {}, options = {}) =>
  w.gateway.send('/v1/images/generations', { body: { model, prompt: 'a red square', ...more }, ...options });
const client = (w) => new OpenAI({ apiKey: 'any', baseURL: `${w.gateway.url}/v1`, maxRetries: 0 });
const bytesAt = async (url, options) => Buffer.from(await (await fetch(url, options)).arrayBuffer());
const explain = async (w, answer) => (await w.gateway.get(`/v1/requests/${answer.requestId}/explain`)).json;
const changesOf = async (w, answer) => (await explain(w, answer)).candidates.at(-1).changes ?? [];

describe('images: what the client asked for', { concurrency: 3 }, () => {
  const EVERYBODY = {
    dalle: DALL_E, gptimage: GPT_IMAGE, sdcpp: SDCPP, hf: flux(), together: flux('together'), nscale: flux('nscale'),
    fal: flux('fal-ai'), replicate: flux('replicate'), wavespeed: flux('wavespeed'),
  };

  test('the openai package gets base64 and addresses from every provider', async (t) => {
    const w = await gallery(t, EVERYBODY, { chains: [] });
    for (const model of Object.keys(EVERYBODY)) {
      const inside = await client(w).images.generate({ model, prompt: 'a red square', response_format: 'b64_json' });
      assert.deepEqual(pngSize(Buffer.from(inside.data[0].b64_json, 'base64')), [2, 2], model);
      assert.equal(inside.data[0].url, undefined, model);
      const outside = await client(w).images.generate({ model, prompt: 'a red square', response_format: 'url' });
      assert.equal(outside.data[0].b64_json, undefined, model);
      assert.deepEqual(pngSize(await bytesAt(outside.data[0].url)), [2, 2], model);
      assert.equal(typeof outside.created, 'number');
    }
  });

  test('the usual form is base64 for gpt-image models and an address for others', async (t) => {
    const w = await gallery(t, { pictures: GPT_IMAGE, dalle: DALL_E, sdcpp: SDCPP });
    assert.equal((await draw(w, 'pictures')).json.data[0].b64_json, BASE64);
    assert.match((await draw(w, 'dalle')).json.data[0].url, /\/pictures\//, 'the provider\'s own address is passed on');
    assert.match((await draw(w, 'sdcpp')).json.data[0].url, /\/v1\/files\/[0-9a-f]{32}$/);
    w.pictures.next(openai.errors.internal);
    const hopped = await draw(w, 'pictures');
    assert.equal(hopped.servedBy, 'dalle');
    assert.equal(hopped.json.data[0].b64_json, BASE64, 'the alias decides, not who served');
  });

  test('what a provider says besides the picture is kept', async (t) => {
    const w = await gallery(t, { dalle: DALL_E, gptimage: GPT_IMAGE }, { chains: [] });
    assert.equal((await draw(w, 'dalle', { response_format: 'b64_json' })).json.data[0].revised_prompt, 'a picture, revised');
    const answer = (await draw(w, 'gptimage', { size: '1536x1024', quality: 'high' })).json;
    assert.deepEqual([answer.size, answer.quality, answer.background, answer.output_format], ['1536x1024', 'high', 'opaque', 'png']);
    assert.deepEqual(answer.usage, IMAGE_USAGE);
  });
});

describe('images: what each provider is sent', { concurrency: 3 }, () => {
  test('dall-e-3: sizes and qualities of its own, nothing it rejects', async (t) => {
    const w = await gallery(t, { a: DALL_E });
    const answer = await draw(w, 'a', { size: '1024x1536', quality: 'high', background: 'transparent', seed: 5, style: 'vivid', user: 'u' });
    assert.equal(answer.status, 200, answer.text);
    assert.deepEqual(w.a.last.body, { model: 'dall-e-3', prompt: 'a red square', size: '1024x1792', quality: 'hd', style: 'vivid', user: 'u' });
    const changes = await changesOf(w, answer);
    for (const change of ['changed size 1024x1536 to 1024x1792', 'changed quality high to hd', 'removed background', 'removed seed']) assert.ok(changes.includes(change), `${change}: ${changes}`);
    await draw(w, 'a', { size: 'auto', quality: 'low', response_format: 'b64_json' });
    assert.deepEqual(w.a.last.body, { model: 'dall-e-3', prompt: 'a red square', quality: 'standard', response_format: 'b64_json' });
  });

  test('gpt-image: no response_format, its own words', async (t) => {
    const w = await gallery(t, { a: GPT_IMAGE });
    await draw(w, 'a', { size: '1792x1024', quality: 'hd', response_format: 'url', n: 2, background: 'transparent', output_format: 'png', moderation: 'low', style: 'vivid' });
    assert.deepEqual(w.a.last.body, { model: 'gpt-image-1', prompt: 'a red square', size: '1536x1024', quality: 'high', n: 2, background: 'transparent', output_format: 'png', moderation: 'low' });
    assert.equal((await draw(w, 'a', { quality: 'standard' })).status, 200);
    assert.equal(w.a.last.body.quality, 'auto');
  });

  test('sdcpp: its size where none is given, knobs in the tag, a tag of the client is none', async (t) => {
    const w = await gallery(t, { a: SDCPP });
    await draw(w, 'a', { quality: 'hd', user: 'u', size: 'auto' });
    assert.deepEqual(w.a.last.body, { model: 'local-sdcpp-cpu-sd-turbo', prompt: 'a red square', size: '512x512' });
    await draw(w, 'a', { prompt: 'x<sd_cpp_extra_args>{"batch_count":99}</sd_cpp_extra_args>', seed: 7, steps: 4, cfg_scale: 1.5, negative_prompt: 'blur </sd_cpp_extra_args>', size: '700x500' });
    assert.deepEqual(sdcpp.extraOf(w.a.last), { seed: 7, cfg_scale: 1.5, steps: 4, negative_prompt: 'blur ' });
    assert.equal(w.a.last.body.size, '704x512');
    assert.doesNotMatch(w.a.last.body.prompt.slice(0, w.a.last.body.prompt.indexOf('<')), /sd_cpp/);
  });

  test('huggingface: the native route of the backend that the model names', async (t) => {
    const w = await gallery(t, { hf: flux(), together: flux('together'), nscale: flux('nscale'), fal: flux('fal-ai'), replicate: flux('replicate'), wavespeed: flux('wavespeed'), policy: flux('cheapest') }, { chains: [] });
    const more = { size: '512x256', seed: 3, steps: 2, response_format: 'b64_json', quality: 'hd' };
    const first = async (alias, extra) => { const answer = await draw(w, alias, { ...more, ...extra }); assert.equal(answer.status, 200, answer.text); return w.fakes[alias].calls[0]; };
    const seen = async (alias, extra) => { const { path, body } = await first(alias, extra); return [path, body]; };
    const parameters = { width: 512, height: 256, seed: 3, num_inference_steps: 2 };
    assert.deepEqual(await seen('hf'), [`/hf-inference/models/${FLUX}`, { inputs: 'a red square', parameters }]);
    assert.deepEqual(await seen('policy'), [`/hf-inference/models/${FLUX}`, { inputs: 'a red square', parameters }]);
    assert.deepEqual(await seen('together', { n: 2 }), ['/together/v1/images/generations', { prompt: 'a red square', model: FLUX, n: 2, width: 512, height: 256, seed: 3, steps: 2, response_format: 'base64' }]);
    assert.deepEqual(await seen('nscale', { n: 2 }), ['/nscale/v1/images/generations', { prompt: 'a red square', model: FLUX, n: 2, size: '512x256', seed: 3, num_inference_steps: 2, response_format: 'b64_json' }]);
    assert.deepEqual(await seen('fal'), ['/fal-ai/fal-ai/flux/schnell?_subdomain=queue', { prompt: 'a red square', image_size: { width: 512, height: 256 }, seed: 3, num_inference_steps: 2 }]);
    assert.deepEqual(await seen('replicate'), ['/replicate/v1/models/black-forest-labs/flux-schnell/predictions', { input: { prompt: 'a red square', ...parameters } }]);
    assert.equal(w.replicate.calls[0].headers.prefer, 'wait');
    assert.deepEqual(await seen('wavespeed'), ['/wavespeed/api/v3/wavespeed-ai/flux-schnell', { prompt: 'a red square', size: '512*256', seed: 3, num_inference_steps: 2 }]);
    assert.ok((await changesOf(w, await draw(w, 'hf', more))).includes('removed quality'));
  });

  test('a queue is looked into every half second, with the key, until it is done', async (t) => {
    const w = await gallery(t, { a: flux('fal-ai') });
    w.a.always({ looks: 2 });
    const answer = await draw(w, 'a', { response_format: 'b64_json' });
    assert.equal(answer.json.data[0].b64_json, BASE64);
    assert.deepEqual(w.a.calls.map(({ kind }) => kind), ['fal-ai', 'fal-state', 'fal-state', 'fal-state', 'fal-result', 'picture']);
    assert.ok(w.a.calls[2].at - w.a.calls[1].at >= 450);
    assert.ok(w.a.calls.slice(0, 5).every(({ headers }) => headers.authorization === `Bearer ${keyFor('a')}`));
    assert.equal(w.a.calls[5].headers.authorization, undefined, 'a picture is fetched without the key');
  });

  test('a look that fails is made again: the work goes on and is paid', async (t) => {
    const w = await gallery(t, { a: flux('fal-ai'), b: SDCPP });
    let looks = 0;
    w.a.always((call) => {
      if (call.kind !== 'fal-state') return { looks: 0 };
      looks += 1;
      if (looks === 1) return { status: 503, text: 'try later' };
      if (looks === 2) return { status: 429, json: { error: 'slow down' }, headers: { 'retry-after': '1' } };
      return looks === 3 ? { reset: true } : { looks: 0 };
    });
    const answer = await draw(w, 'a', { response_format: 'b64_json' });
    assert.deepEqual([answer.servedBy, answer.json.data?.[0].b64_json], ['a', BASE64], answer.text);
    assert.equal(w.a.calls.filter(({ kind }) => kind === 'fal-ai').length, 1, 'the work is ordered once');
    assert.ok(looks >= 4);
  });
});

describe('images: who serves', { concurrency: 3 }, () => {
  test('the chain moves on: 429, busy, a failed load, a job that fails, a picture that is none', async (t) => {
    const w = await gallery(t, { a: GPT_IMAGE, b: SDCPP, c: flux('replicate'), d: flux('fal-ai'), e: flux() });
    w.a.next(openai.errors.images_per_minute);
    w.b.next(sdcpp.errors.busy);
    w.c.next({ failed: 'cuda out of memory' });
    w.d.always((call) => (call.kind === 'picture' ? { text: '<html>', headers: { 'content-type': 'image/png' } } : {}));
    const answer = await draw(w, 'a');
    assert.equal(answer.servedBy, 'e', answer.text);
    assert.deepEqual(answer.trail.map(({ status, outcome }) => [status, outcome]), [[429, 'rate_limited'], [503, 'busy'], [200, 'malformed'], [200, 'malformed'], [200, 'served']]);
    await w.gateway.clearBenches();
    w.a.next(openai.errors.internal);
    w.b.next(sdcpp.errors.load_failed);
    w.c.next({});
    assert.deepEqual((await draw(w, 'a')).trail.slice(0, 2).map(({ outcome }) => outcome), ['transient', 'transient']);
  });

  test('several images go to those that draw several at once', async (t) => {
    const w = await gallery(t, { a: DALL_E, b: flux(), c: SDCPP });
    const answer = await draw(w, 'a', { n: 3 });
    assert.equal(answer.servedBy, 'c');
    assert.equal(answer.json.data.length, 3);
    assert.deepEqual(answer.trail.slice(0, 2).map(({ skipped }) => skipped), ['unsupported', 'unsupported']);
    assert.equal(w.a.calls.length + w.b.calls.length, 0);
  });

  test('a refusal of the content is the answer; money moves on', async (t) => {
    const w = await gallery(t, { a: GPT_IMAGE, b: SDCPP });
    w.a.next(openai.errors.moderation_blocked);
    const refused = await draw(w, 'a');
    assert.deepEqual([refused.status, refused.error.code], [400, 'content_policy_violation']);
    assert.equal(w.b.calls.length, 0);
    w.a.next(openai.errors.billing_hard_limit);
    const paid = await draw(w, 'a');
    assert.equal(paid.trailText, 'a=400:exhausted, b=200');
    assert.match((await draw(w, 'a')).trailText, /^a=skipped:benched/);
  });

  test('hf-inference without credit is set aside until the month ends', async (t) => {
    const w = await gallery(t, { a: flux(), b: SDCPP });
    w.a.next(huggingface.errors.credits);
    assert.equal((await draw(w, 'a')).servedBy, 'b');
    const [bench] = await w.gateway.benches();
    assert.deepEqual([bench.cause, (await draw(w, 'a')).trail[0].skipped], ['exhausted', 'benched']);
  });

  test('a chat model draws nothing', async (t) => {
    const w = await world(t, { a: openai });
    const answer = await draw(w, 'a');
    assert.equal(answer.status, 400);
    assert.match(answer.error.message, /mode/);
  });

  test('the ledger counts images and their price', async (t) => {
    const limits = [{ metric: 'images', window: 'day', limit: 3, reset: 'fixed', scope: 'target' }];
    const w = await gallery(t, { a: { ...SDCPP, info: { limits, output_cost_per_image: 0.5 } }, b: { ...flux(), info: { output_cost_per_image: 0.003, limits: [{ metric: 'usd', window: 'month', limit: 0.005, reset: 'calendar_month', scope: 'target' }] } } });
    assert.equal((await draw(w, 'a', { n: 2 })).servedBy, 'a');
    assert.match((await draw(w, 'a', { n: 2 })).trailText, /^a=skipped:quota/, 'two of three are gone');
    assert.equal((await draw(w, 'a')).servedBy, 'a');
    assert.equal((await draw(w, 'b')).servedBy, 'b');
    const broke = await draw(w, 'b');
    assert.equal(broke.status, 429, 'a second picture would cost more than is left');
  });

  test('a hang-up frees the upstream', async (t) => {
    const w = await gallery(t, { a: SDCPP });
    w.a.always({ delay: 20_000 });
    const leave = new AbortController();
    const answer = draw(w, 'a', {}, { signal: leave.signal }).catch(() => 'left');
    const call = await w.a.called();
    leave.abort();
    assert.equal(await answer, 'left');
    await call.hungUp(2000);
    w.a.always({});
    assert.equal((await draw(w, 'a')).status, 200, 'the lock of the engine is free again');
  });

  test('a hang-up ends the looks into a queue', async (t) => {
    const w = await gallery(t, { a: flux('fal-ai') });
    w.a.always({ looks: 1000 });
    const leave = new AbortController();
    const answer = draw(w, 'a', {}, { signal: leave.signal }).catch(() => 'left');
    await w.a.called(2);
    leave.abort();
    assert.equal(await answer, 'left');
    await new Promise((resolve) => setTimeout(resolve, 700));
    const calls = w.a.calls.length;
    await new Promise((resolve) => setTimeout(resolve, 1200));
    assert.equal(w.a.calls.length, calls);
  });
});

describe('images: requests that are none', { concurrency: 3 }, () => {
  const WRONG = [
    ['', /body is empty/], ['[]', /JSON object/], ['{"model":"a","prompt":', /not valid JSON/],
    [{ prompt: 'x' }, /`model` is missing/], [{ model: 'a' }, /`prompt` is missing/], [{ model: 'a', prompt: '  ' }, /`prompt`/],
    [{ model: 'a', prompt: ['x'] }, /`prompt`/], [{ model: 'a', prompt: 'x', n: 0 }, /`n`.*1 to 10/], [{ model: 'a', prompt: 'x', n: 11 }, /`n`/],
    [{ model: 'a', prompt: 'x', n: 1.5 }, /`n`/], [{ model: 'a', prompt: 'x', size: 'huge' }, /`size`.*WIDTHxHEIGHT/], [{ model: 'a', prompt: 'x', size: 512 }, /`size`/],
    [{ model: 'a', prompt: 'x', response_format: 'png' }, /`response_format`.*b64_json/], [{ model: 'a', prompt: 'x', stream: 'maybe' }, /`stream`/],
    [{ model: 'a', prompt: 'x', partial_images: 9 }, /`partial_images`.*0 to 3/], [{ model: 'a', prompt: 'x', quality: 3 }, /`quality`/],
    ['{"model":"a","model":"b","prompt":"x"}', /given twice/],
  ];

  test('each is told what is wrong and what to send', async (t) => {
    const w = await gallery(t, { a: SDCPP });
    for (const [body, words] of WRONG) {
      const answer = await w.gateway.send('/v1/images/generations', { body });
      assert.equal(answer.status, 400, `${JSON.stringify(body)}: ${answer.text}`);
      assert.match(answer.error.message, words);
      assert.equal(answer.error.type, 'invalid_request_error');
    }
    assert.equal(w.a.calls.length, 0);
    assert.equal((await draw(w, 'nobody')).error.code, 'model_not_found');
    assert.equal((await w.gateway.get('/v1/images/generations')).status, 405);
  });

  test('the key is asked for', async (t) => {
    const w = await gallery(t, { a: SDCPP }, { general: { master_key: 'sk-gateway' } });
    assert.equal((await draw(w, 'a')).status, 401);
    assert.equal((await draw(w, 'a', {}, { headers: { authorization: 'Bearer sk-gateway' } })).status, 200);
  });
});

describe('images: files', { concurrency: 3 }, () => {
  const filesOf = (w) => path.join(w.gateway.folder, 'data', 'files');

  test('are served without a key, to GET and HEAD, for a while', async (t) => {
    const w = await gallery(t, { a: SDCPP }, { general: { master_key: 'sk-gateway' }, env: { FREEWAY_FILES_KEEP: '3s' } });
    const { url } = (await draw(w, 'a', {}, { headers: { authorization: 'Bearer sk-gateway' } })).json.data[0];
    assert.ok(url.startsWith(`${w.gateway.url}/v1/files/`), url);
    const got = await fetch(url);
    assert.deepEqual([got.status, got.headers.get('content-type'), got.headers.get('x-content-type-options'), got.headers.get('content-length')], [200, 'image/png', 'nosniff', String(PICTURE.length)]);
    assert.match(got.headers.get('cache-control'), /^private, max-age=\d$/);
    assert.deepEqual(Buffer.from(await got.arrayBuffer()), PICTURE);
    const head = await fetch(url, { method: 'HEAD' });
    assert.deepEqual([head.status, head.headers.get('content-length')], [200, String(PICTURE.length)]);
    assert.equal(fs.readdirSync(filesOf(w)).length, 1);
    await until(() => fs.readdirSync(filesOf(w)).length === 0, 6000, 'the file is removed though nobody asks');
    assert.equal((await fetch(url)).status, 404);
    for (const id of ['..%2ffreeway.db', '0'.repeat(32), '%2e%2e', 'x']) assert.equal((await w.gateway.get(`/v1/files/${id}`)).status, 404, id);
    assert.equal((await w.gateway.send('/v1/files/x', { method: 'DELETE' })).status, 405);
  });

  test('a restart serves them on and removes what does not belong there', async (t) => {
    const w = await gallery(t, { a: SDCPP });
    const { url } = (await draw(w, 'a')).json.data[0];
    fs.writeFileSync(path.join(filesOf(w), 'left-over.tmp'), 'x');
    await w.gateway.stop();
    const again = await world(t, {}, { more: [], data: path.join(w.gateway.folder, 'data') });
    const { pathname } = new URL(url);
    assert.deepEqual(await bytesAt(again.gateway.url + pathname), PICTURE);
    assert.deepEqual(fs.readdirSync(filesOf(w)).map((name) => path.extname(name)), ['.png']);
  });

  test('FREEWAY_PUBLIC_URL names the gateway; a Host that is no host gives base64', async (t) => {
    const w = await gallery(t, { a: SDCPP }, { env: { FREEWAY_PUBLIC_URL: 'https://pictures.example/free/' } });
    assert.match((await draw(w, 'a')).json.data[0].url, /^https:\/\/pictures\.example\/free\/v1\/files\/[0-9a-f]{32}$/);
    const plain = await gallery(t, { a: SDCPP });
    assert.match((await draw(plain, 'a', {}, { headers: { host: 'ai.example:8443' } })).json.data[0].url, /^http:\/\/ai\.example:8443\/v1\/files\//);
    const odd = await draw(plain, 'a', {}, { headers: { host: 'ai.example/x?y#' } });
    assert.equal(odd.json.data[0].b64_json, BASE64);
  });

  test('a folder that takes no files gives base64 instead, and says so', async (t) => {
    const w = await gallery(t, { a: SDCPP });
    fs.rmSync(filesOf(w), { recursive: true });
    const answer = await draw(w, 'a');
    assert.equal(answer.json.data[0].b64_json, BASE64);
    assert.match((await changesOf(w, answer)).join(), /answered b64_json/);
  });
});

describe('images: addresses of others', { concurrency: 3 }, () => {
  /** A server that must not be reached. */
  async function inner(t, answer = (req, res) => res.writeHead(200, { 'content-type': 'image/png' }).end(PICTURE)) {
    const server = http.createServer((req, res) => { server.hits += 1; answer(req, res); });
    server.hits = 0;
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.after(() => { server.closeAllConnections(); server.close(); });
    server.url = `http://127.0.0.1:${server.address().port}/secret.png`;
    return server;
  }

  test('nothing private is fetched for an upstream, whatever name it gives', async (t) => {
    const server = await inner(t);
    const port = server.address().port;
    const w = await gallery(t, { a: flux('fal-ai'), b: SDCPP });
    const hosts = [`127.0.0.1:${port}`, `localhost:${port}`, `[::1]:${port}`, `127.1:${port}`, `2130706433:${port}`, `0x7f000001:${port}`, `[::ffff:127.0.0.1]:${port}`, `0.0.0.0:${port}`, '10.0.0.1', '192.168.0.1', '169.254.169.254', '[fd00::1]', '[fe80::1]'];
    for (const host of hosts) {
      w.a.always({ url: `http://${host}/secret.png`, looks: 0 });
      const answer = await draw(w, 'a', { response_format: 'b64_json' });
      assert.equal(answer.servedBy, 'b', `${host}: ${answer.text}`);
      assert.equal(answer.trail[0].outcome, 'malformed', host);
    }
    for (const url of ['file:///etc/passwd', 'ftp://127.0.0.1/x', `http://user:secret@127.0.0.1:${port}/`, 'http://']) {
      w.a.always({ url, looks: 0 });
      assert.equal((await draw(w, 'a', { response_format: 'b64_json' })).servedBy, 'b', url);
    }
    assert.equal(server.hits, 0);
  });

  test('a redirect leads nowhere else', async (t) => {
    const server = await inner(t);
    const w = await gallery(t, { a: DALL_E, b: SDCPP });
    w.a.always((call) => {
      if (call.kind !== 'picture') return { json: { created: 1, data: [{ url: `http://${call.headers.host}/pictures/a.png` }] } };
      return call.path.endsWith('b.png') ? {} : { status: 302, headers: { location: server.url }, text: '' };
    });
    assert.equal((await draw(w, 'a', { response_format: 'b64_json' })).servedBy, 'b');
    assert.equal(server.hits, 0);
    w.a.always((call) => {
      if (call.kind !== 'picture') return { json: { created: 1, data: [{ url: `http://${call.headers.host}/pictures/a.png` }] } };
      return call.path.endsWith('b.png') ? {} : { status: 302, headers: { location: '/pictures/b.png' }, text: '' };
    });
    const near = await draw(w, 'a', { response_format: 'b64_json' });
    assert.deepEqual([near.servedBy, near.json.data[0].b64_json], ['a', BASE64], 'the same host may redirect within itself');
  });
});

describe('images: large ones', () => {
  const residentMb = (pid) => Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024;

  test('20 MB of base64 pass, and memory comes back', async (t) => {
    const large = png({ width: 2240, height: 2240, noise: true });
    assert.ok(large.length > 15_000_000);
    const w = await gallery(t, { a: SDCPP });
    w.a.always({ picture: large });
    const one = await draw(w, 'a', { response_format: 'b64_json' });
    assert.equal(one.json.data[0].b64_json.length, Math.ceil(large.length / 3) * 4);
    const { url } = (await draw(w, 'a')).json.data[0];
    assert.ok((await bytesAt(url)).equals(large));
    const rounds = async (count) => {
      for (let i = 0; i < count; i += 1) assert.equal((await draw(w, 'a', { response_format: i % 2 ? 'url' : 'b64_json' })).status, 200);
      return residentMb(w.gateway.pid);
    };
    const [early, late] = [await rounds(6), await rounds(12)];
    assert.ok(late < Math.max(early, 120) + 40, `${early} MB, then ${late} MB`);
  });
});
