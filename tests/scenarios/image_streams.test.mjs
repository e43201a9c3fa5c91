// Streams of pictures: events pass, the first picture commits, everybody ends with `completed`.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import OpenAI from 'openai';
import { IMAGE_USAGE, PICTURE, generic, openai, sdcpp } from '../providers/index.mjs';
import { world } from '../lib/world.mjs';

const BASE64 = PICTURE.toString('base64');
const GPT_IMAGE = { model: 'openai/gpt-image-1' };
const INFO = { mode: 'image_generation' };

const gallery = (t, targets, params, more) => world(t, targets, { params, info: Object.fromEntries(Object.keys(targets).map((alias) => [alias, INFO])), ...more });
const stream = (w, model, more = {}, options = {}) => w.gateway.send('/v1/images/generations', { body: { model, prompt: 'a red square', stream: true, ...more }, ...options });
const typesOf = (answer) => answer.objects.map(({ type }) => type);

describe('image streams', { concurrency: 3 }, () => {
  test('the openai package sees partial pictures and the whole one', async (t) => {
    const w = await gallery(t, { a: openai }, { a: GPT_IMAGE });
    const client = new OpenAI({ apiKey: 'any', baseURL: `${w.gateway.url}/v1`, maxRetries: 0 });
    const events = [];
    for await (const event of await client.images.generate({ model: 'a', prompt: 'x', stream: true, partial_images: 2 })) events.push(event);
    assert.deepEqual(events.map(({ type }) => type), ['image_generation.partial_image', 'image_generation.partial_image', 'image_generation.completed']);
    assert.equal(events.at(-1).b64_json, BASE64);
    assert.deepEqual(events.at(-1).usage, IMAGE_USAGE);
    assert.deepEqual([w.a.last.body.stream, w.a.last.body.partial_images, w.a.last.body.model], [true, 2, 'gpt-image-1']);
  });

  test('events come as the upstream sends them, byte for byte', async (t) => {
    const w = await gallery(t, { a: openai }, { a: GPT_IMAGE });
    w.a.always({ between: 80 });
    const answer = await stream(w, 'a', { partial_images: 3 });
    assert.equal(answer.text, w.a.last.sent);
    assert.ok(answer.chunks.at(-1).at - answer.chunks[0].at > 120, 'not held until the end');
    w.a.always({ bytewise: true });
    assert.equal((await stream(w, 'a', { partial_images: 1 })).text, w.a.last.sent);
  });

  test('who can\'t stream answers with one event for each picture', async (t) => {
    const w = await gallery(t, { a: sdcpp }, { a: { model: sdcpp.model } });
    const answer = await stream(w, 'a', { n: 2, partial_images: 2 });
    assert.deepEqual(typesOf(answer), ['image_generation.completed', 'image_generation.completed']);
    assert.ok(answer.objects.every(({ b64_json, created_at }) => b64_json === BASE64 && created_at > 0));
    assert.deepEqual([w.a.last.body.stream, w.a.last.body.partial_images], [undefined, undefined]);
    assert.equal(answer.servedBy, 'a');
  });

  test('until the first picture a failure moves on', async (t) => {
    const w = await gallery(t, { a: openai, b: sdcpp }, { a: GPT_IMAGE, b: { model: sdcpp.model } });
    for (const script of [openai.errors.images_per_minute, { endAt: 0 }, { cutAt: 0 }, { json: { created: 1, data: [] } }]) {
      await w.gateway.clearBenches();
      w.a.next(script);
      const answer = await stream(w, 'a', { partial_images: 1 });
      assert.equal(answer.servedBy, 'b', JSON.stringify(script));
      assert.deepEqual(typesOf(answer), ['image_generation.completed']);
    }
  });

  test('after one the stream ends with an error event', async (t) => {
    const w = await gallery(t, { a: openai, b: sdcpp }, { a: GPT_IMAGE, b: { model: sdcpp.model } });
    w.a.next({ cutAt: 1 });
    const answer = await stream(w, 'a', { partial_images: 2 });
    assert.equal(answer.objects.length, 2);
    assert.deepEqual(typesOf(answer), ['image_generation.partial_image', 'error']);
    assert.match(answer.objects[1].error.message, /broke off/);
    assert.equal(w.b.calls.length, 0);
    assert.ok(!answer.broken);
  });

  test('an answer that is no stream, though one was asked for, becomes one', async (t) => {
    const w = await gallery(t, { a: { ...generic, kind: () => 'image' } }, { a: { model: 'openai/my-gpt-image-1' } });
    w.a.always({ json: { created: 1, data: [{ b64_json: BASE64 }], size: '1024x1024' } });
    const answer = await stream(w, 'a');
    assert.deepEqual(typesOf(answer), ['image_generation.completed']);
    assert.equal(answer.objects[0].size, '1024x1024');
  });

  test('usage and images of a stream are booked', async (t) => {
    const w = await gallery(t, { a: openai }, { a: GPT_IMAGE });
    const answer = await stream(w, 'a', { partial_images: 1 });
    const record = (await w.gateway.get(`/v1/requests/${answer.requestId}/explain`)).json;
    assert.deepEqual([record.usage.prompt_tokens, record.usage.completion_tokens, record.stream], [50, 272, true]);
  });

  test('a hang-up frees the upstream', async (t) => {
    const w = await gallery(t, { a: openai }, { a: GPT_IMAGE });
    w.a.always({ stallAt: 1 });
    const leave = new AbortController();
    const answer = stream(w, 'a', { partial_images: 2 }, { signal: leave.signal, onChunk: () => leave.abort() }).catch(() => 'left');
    const call = await w.a.called();
    await answer;
    await call.hungUp(2000);
  });
});
