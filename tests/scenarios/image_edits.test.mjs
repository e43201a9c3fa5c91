// Edits: a form with pictures goes to those that edit, with the target's own model.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import OpenAI, { toFile } from 'openai';
import { PICTURE, huggingface, membersOf, openai, partsOf, png, pngSize, sdcpp } from '../providers/index.mjs';
import { world } from '../lib/world.mjs';

const BASE64 = PICTURE.toString('base64');
const MODELS = { a: 'openai/gpt-image-1', b: sdcpp.model, c: 'huggingface/black-forest-labs/FLUX.1-schnell', e: 'openai/dall-e-3', d: 'openai/dall-e-2' };
const WIRES = { a: openai, b: sdcpp, c: huggingface, d: openai, e: openai };

function gallery(t, aliases, more) {
  const each = (value) => Object.fromEntries([...aliases].map((alias) => [alias, value(alias)]));
  return world(t, each((alias) => WIRES[alias]), { params: each((alias) => ({ model: MODELS[alias] })), info: each(() => ({ mode: 'image_generation' })), ...more });
}

const client = (w) => new OpenAI({ apiKey: 'any', baseURL: `${w.gateway.url}/v1`, maxRetries: 0 });
const file = (bytes = PICTURE, name = 'a.png') => toFile(bytes, name, { type: 'image/png' });

/** A form written by hand: `[name, value]` or `[name, bytes, filename]`. */
async function edit(w, parts, { type = 'multipart/form-data; boundary=xyz', end = '--xyz--\r\n' } = {}) {
  const body = Buffer.concat([...parts.flatMap(([name, value, filename]) => [
    Buffer.from(`--xyz\r\nContent-Disposition: form-data; name="${name}"${filename ? `; filename="${filename}"` : ''}\r\n\r\n`),
    Buffer.from(value), Buffer.from('\r\n'),
  ]), Buffer.from(end)]);
  const answer = await fetch(`${w.gateway.url}/v1/images/edits`, { method: 'POST', body, headers: { 'content-type': type } });
  return { status: answer.status, servedBy: answer.headers.get('x-freeway-served-by'), trail: answer.headers.get('x-freeway-trail'), json: await answer.json() };
}

describe('image edits', { concurrency: 3 }, () => {
  test('the openai package edits several pictures with a mask', async (t) => {
    const w = await gallery(t, 'a');
    const pictures = [png({ colour: [1, 2, 3] }), png({ colour: [4, 5, 6] })];
    const answer = await client(w).images.edit({ model: 'a', prompt: 'both', image: await Promise.all(pictures.map((bytes, i) => file(bytes, `${i}.png`))), mask: await file(), n: 2, size: '1792x1024', quality: 'hd', response_format: 'b64_json' });
    assert.deepEqual(answer.data.map(({ b64_json }) => b64_json), [BASE64, BASE64]);
    assert.equal(w.a.last.path, '/v1/images/edits');
    assert.deepEqual(membersOf(w.a.last), { model: 'gpt-image-1', prompt: 'both', n: '2', size: '1536x1024', quality: 'high' });
    const files = partsOf(w.a.last).filter(({ filename }) => filename);
    assert.deepEqual(files.map(({ name, filename, type }) => [name, filename, type]), [['image[]', '0.png', 'image/png'], ['image[]', '1.png', 'image/png'], ['mask', 'a.png', 'image/png']]);
    assert.ok(files[0].bytes.equals(pictures[0]) && files[1].bytes.equals(pictures[1]) && files[2].bytes.equals(PICTURE));
  });

  test('an address where one is asked for', async (t) => {
    const w = await gallery(t, 'a');
    const answer = await client(w).images.edit({ model: 'a', prompt: 'x', image: await file(), response_format: 'url' });
    assert.deepEqual(pngSize(Buffer.from(await (await fetch(answer.data[0].url)).arrayBuffer())), [2, 2]);
  });

  test('those that can\'t edit are passed over', async (t) => {
    const w = await gallery(t, 'bcead');
    w.a.next(openai.errors.images_per_minute);
    const answer = await edit(w, [['model', 'b'], ['prompt', 'x'], ['image', PICTURE, 'a.png'], ['background', 'opaque']]);
    assert.equal(answer.servedBy, 'd', JSON.stringify(answer.json));
    assert.equal(answer.trail, 'b=skipped:unsupported, c=skipped:unsupported, e=skipped:unsupported, a=429:rate_limited, d=200');
    assert.deepEqual(membersOf(w.d.last), { model: 'dall-e-2', prompt: 'x' });
    const alone = await edit(await gallery(t, 'b'), [['model', 'b'], ['prompt', 'x'], ['image', PICTURE, 'a.png']]);
    assert.equal(alone.status, 400);
    assert.match(alone.json.error.message, /edits no images/);
  });

  test('a streamed edit passes its events', async (t) => {
    const w = await gallery(t, 'ad');
    const events = [];
    for await (const event of await client(w).images.edit({ model: 'a', prompt: 'x', image: await file(), stream: true, partial_images: 1 })) events.push(event.type);
    assert.deepEqual(events, ['image_edit.partial_image', 'image_edit.completed']);
    w.a.next(openai.errors.internal);
    events.length = 0;
    for await (const event of await client(w).images.edit({ model: 'a', prompt: 'x', image: await file(), stream: true })) events.push(event.type);
    assert.deepEqual(events, ['image_edit.completed']);
  });

  test('forms that are none are told what is wrong', async (t) => {
    const w = await gallery(t, 'a');
    const image = ['image', PICTURE, 'a.png'];
    const base = [['model', 'a'], ['prompt', 'x']];
    const WRONG = [
      [base, /`image` is missing/], [[['model', 'a'], image], /`prompt` is missing/], [[['prompt', 'x'], image], /`model` is missing/],
      [[...base, ['image', 'text', 'a.png']], /`image` is no image/], [[...base, image, ['n', '99']], /`n`.*1 to 10/],
      [[...base, image, ['prompt', 'y']], /twice/], [[...base, image, ['photo', PICTURE, 'b.png']], /`photo`/],
      [[...base, ...Array.from({ length: 18 }, () => image)], /17 files/],
    ];
    for (const [parts, words] of WRONG) {
      const answer = await edit(w, parts);
      assert.equal(answer.status, 400, JSON.stringify(answer.json));
      assert.match(answer.json.error.message, words);
    }
    assert.equal((await edit(w, [...base, image], { end: '' })).status, 400);
    assert.equal((await edit(w, [...base, image], { type: 'application/json' })).status, 400);
    assert.equal(w.a.calls.length, 0);
  });

  test('a body beyond the limit is 413', async (t) => {
    const w = await gallery(t, 'a', { general: { max_request_size_mb: 1 } });
    const answer = await edit(w, [['model', 'a'], ['prompt', 'x'], ['image', png({ width: 800, height: 800, noise: true }), 'a.png']]);
    assert.deepEqual([answer.status, answer.json.error.code], [413, 'body_too_large']);
  });
});
