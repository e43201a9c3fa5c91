// POST /v1/embeddings: every provider behind it, every shape before it, one space of vectors.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import OpenAI from 'openai';
import { cohere, Fake, generic, mistral, ollama, openai } from '../providers/index.mjs';
import { base64Of, vectorOf } from '../providers/vectors.mjs';
import { Gateway, ROOT, scratch } from '../lib/gateway.mjs';
import { until } from '../lib/until.mjs';
import { world } from '../lib/world.mjs';

const MODELS = { openai: 'openai/text-embedding-3-small', mistral: 'mistral/mistral-embed', cohere: 'cohere/embed-v4.0', ollama: 'ollama/bge-m3', generic: 'openai/bge-m3' };

/** A world of embedding models. They share a space unless `spaces` says another one for an alias. */
function embedders(t, targets, { spaces = {}, info = {}, params = {}, ...more } = {}) {
  const all = Object.entries(targets);
  return world(t, targets, {
    info: Object.fromEntries(all.map(([alias, wire]) => [alias, { mode: 'embedding', embedding_space: spaces[alias] ?? 'one', ...(wire === openai && { provider: 'openai' }), ...info[alias] }])),
    params: Object.fromEntries(all.map(([alias, wire]) => [alias, { model: MODELS[wire.name], ...params[alias] }])),
    ...more,
  });
}

const embed = (w, body, options) => w.gateway.send('/v1/embeddings', { body, ...options });
const vectorsOf = (answer) => answer.json.data.map(({ embedding }) => embedding);
const TEXTS = ['alpha', 'beta', 'gamma'];
const ALL = { a: openai, b: mistral, c: cohere, d: ollama, e: generic };

describe('embeddings', { concurrency: 4 }, () => {
  test('the openai package, base64 by default, with every provider behind it', async (t) => {
    const w = await embedders(t, ALL, { chains: [] });
    const client = new OpenAI({ apiKey: 'any', baseURL: `${w.gateway.url}/v1`, maxRetries: 0 });
    for (const [alias, wire] of Object.entries(ALL)) {
      const answer = await client.embeddings.create({ model: alias, input: TEXTS });
      assert.deepEqual(answer.data.map(({ embedding }) => [...embedding]), TEXTS.map((text) => vectorOf(text)), wire.name);
      assert.deepEqual(answer.data.map(({ index, object }) => [index, object]), [[0, 'embedding'], [1, 'embedding'], [2, 'embedding']]);
      assert.equal(answer.model, alias);
      assert.ok(answer.usage.prompt_tokens > 0 && answer.usage.total_tokens === answer.usage.prompt_tokens);
    }
    const paths = Object.keys(ALL).map((alias) => w[alias].last.path);
    assert.deepEqual(paths, ['/v1/embeddings', '/v1/embeddings', '/v2/embed', '/api/embed', '/v1/embeddings']);
    assert.deepEqual([w.a.last.body.encoding_format, w.b.last.body.encoding_format, w.e.last.body.encoding_format], ['base64', 'base64', undefined]);
    assert.equal(w.c.last.body.input_type, 'search_document');
  });

  test('both formats, whatever the provider gave', async (t) => {
    const w = await embedders(t, ALL, { chains: [] });
    for (const alias of Object.keys(ALL)) {
      const float = await embed(w, { model: alias, input: 'alpha' });
      assert.deepEqual(vectorsOf(float), [vectorOf('alpha')], float.text);
      const base64 = await embed(w, { model: alias, input: 'alpha', encoding_format: 'base64' });
      assert.deepEqual(vectorsOf(base64), [base64Of(vectorOf('alpha'))], alias);
    }
    w.a.always({ json: { data: [{ index: 0, embedding: base64Of([1, -0.5]) }] } });
    const turned = await embed(w, { model: 'a', input: 'x' });
    assert.deepEqual(vectorsOf(turned), [[1, -0.5]]);
    assert.deepEqual(turned.json.usage, { prompt_tokens: 1, total_tokens: 1, freeway_estimated: true });
  });

  test('dimensions in each provider\'s name, and only where it has them', async (t) => {
    const w = await embedders(t, { ...ALL, f: cohere }, { chains: [{ f: ['a'] }] });
    for (const alias of Object.keys(ALL)) {
      const answer = await embed(w, { model: alias, input: 'alpha', dimensions: 256 });
      assert.equal(vectorsOf(answer)[0].length, 256, answer.text);
    }
    assert.equal(w.b.last.body.output_dimension, 256);
    assert.equal(w.c.last.body.output_dimension, 256);
    assert.equal(w.d.last.body.dimensions, 256);
    const moved = await embed(w, { model: 'f', input: 'alpha', dimensions: 300 });
    assert.deepEqual([moved.status, moved.servedBy, w.f.calls.length], [200, 'a', 0], moved.text);
    assert.equal(moved.trail[0].skipped, 'unsupported');
  });

  test('a provider that ignores the dimensions does not serve the request', async (t) => {
    const w = await embedders(t, { a: { ...generic, plain: (call) => ({ data: [{ index: 0, embedding: vectorOf(call.body.input, 8) }] }) }, b: openai });
    for (let i = 0; i < 2; ++i) {
      const answer = await embed(w, { model: 'a', input: 'alpha', dimensions: 4 });
      assert.deepEqual([answer.servedBy, vectorsOf(answer)[0].length], ['b', 4], answer.text);
      assert.equal(w.a.last.body.dimensions, 4);
    }
    assert.equal((await embed(w, { model: 'a', input: 'alpha' })).servedBy, 'a');
  });

  test('300 texts go to Cohere in parts of 96 and come back in order', async (t) => {
    const w = await embedders(t, { a: { ...cohere, headers: undefined } }, { info: { a: { limits: [
      { metric: 'inputs', window: 'minute', limit: 1000, reset: 'rolling' }, { metric: 'requests', window: 'minute', limit: 10, reset: 'rolling' }] } } });
    const input = Array.from({ length: 300 }, (_, i) => `text ${i}`);
    const answer = await embed(w, { model: 'a', input });
    assert.deepEqual(vectorsOf(answer), input.map((text) => vectorOf(text)));
    assert.deepEqual(answer.json.data.map(({ index }) => index), input.map((_, i) => i));
    assert.deepEqual(w.a.calls.map(({ body }) => body.texts.length), [96, 96, 96, 12]);
    assert.equal(answer.headers['x-freeway-attempts'], '4');
    assert.equal(answer.json.usage.prompt_tokens, 600);
    const lines = (await w.gateway.get('/v1/quota')).json.data;
    const used = (metric) => lines.find((line) => line.metric === metric).used;
    assert.deepEqual([used('inputs'), used('requests')], [300, 4], JSON.stringify(lines));
  });

  test('a later part that fails hands the whole request on: never vectors of two', async (t) => {
    const w = await embedders(t, { a: cohere, b: openai });
    w.a.next({}, cohere.errors.minute);
    const input = Array.from({ length: 150 }, (_, i) => `text ${i}`);
    const answer = await embed(w, { model: 'a', input });
    assert.deepEqual([answer.status, answer.servedBy, answer.attempts], [200, 'b', 3], answer.trailText);
    assert.deepEqual(w.b.calls.map(({ body }) => body.input.length), [150]);
    assert.deepEqual(vectorsOf(answer), input.map((text) => vectorOf(text)));
  });

  test('a chain hops inside one space on 429, never into another', async (t) => {
    const w = await embedders(t, { a: ollama, b: openai, c: generic }, { spaces: { a: 'bge-m3', b: 'openai-small', c: 'bge-m3' } });
    w.a.always(ollama.errors.busy);
    const answer = await embed(w, { model: 'a', input: 'alpha' });
    assert.deepEqual([answer.servedBy, w.b.calls.length], ['c', 0], answer.text);
    assert.equal(answer.trail.find(({ alias }) => alias === 'b').skipped, 'capability');
    const record = (await w.gateway.get(`/v1/requests/${answer.requestId}/explain`)).json;
    assert.match(record.candidates[1].detail, /openai-small.*can't be compared.*bge-m3/);
    w.c.always(generic.errors.rate);
    const failed = await embed(w, { model: 'a', input: 'alpha' });
    assert.deepEqual([failed.status >= 429, w.b.calls.length], [true, 0], failed.text);
  });

  test('token ids go where they are understood', async (t) => {
    const w = await embedders(t, { a: cohere, b: openai });
    for (const [input, inputs] of [[[1, 2, 3], 1], [[[1, 2], [3]], 2]]) {
      const answer = await embed(w, { model: 'a', input });
      assert.deepEqual([answer.servedBy, answer.json.data.length], ['b', inputs], answer.text);
      assert.deepEqual(w.b.last.body.input, input);
    }
    assert.equal(w.a.calls.length, 0);
  });

  test('input_type reaches Cohere and is kept from OpenAI', async (t) => {
    const w = await embedders(t, { a: cohere, b: openai }, { chains: [] });
    await embed(w, { model: 'a', input: 'x', input_type: 'search_query' });
    assert.equal(w.a.last.body.input_type, 'search_query');
    const answer = await embed(w, { model: 'b', input: 'x', input_type: 'search_query', user: 'u' });
    assert.deepEqual(w.b.last.body, { model: 'text-embedding-3-small', input: 'x', user: 'u' });
    const record = (await w.gateway.get(`/v1/requests/${answer.requestId}/explain`)).json;
    assert.deepEqual(record.candidates[0].changes, ['removed input_type']);
  });

  test('wrong, empty and huge inputs are told what is wrong', async (t) => {
    const w = await embedders(t, { a: generic });
    const cases = [
      [{ model: 'a' }, /`input` is missing/], [{ model: 'a', input: '' }, /`input` is empty/],
      [{ model: 'a', input: [] }, /`input` is empty/], [{ model: 'a', input: ['x', ''] }, /`input\[1\]` is empty/],
      [{ model: 'a', input: ['x', 3] }, /`input\[1\]` is a number/], [{ model: 'a', input: { x: 1 } }, /not an object/],
      [{ model: 'a', input: 'x', encoding_format: 'int8' }, /`encoding_format` must be/],
      [{ model: 'a', input: 'x', dimensions: -1 }, /`dimensions` must be/],
      [{ model: 'a', input: Array(2049).fill('x') }, /more than 2048 inputs/], ['{"model":"a","input":["x"', /not valid JSON/],
    ];
    for (const [body, text] of cases) {
      const answer = await embed(w, body);
      assert.equal(answer.status, 400, answer.text);
      assert.match(answer.error.message, text);
    }
    assert.equal(w.a.calls.length, 0);
    const unknown = await embed(w, { model: 'nobody', input: 'x' });
    assert.deepEqual([unknown.status, unknown.error.code], [404, 'model_not_found']);
    const huge = await embed(w, { model: 'a', input: 'x'.repeat(3_000_000) });
    assert.equal(huge.status, 200, huge.text);
  });

  test('a chat model does not embed, an embedding model does not chat', async (t) => {
    const w = await world(t, { a: generic, b: openai }, { chains: [], info: { b: { mode: 'embedding' } } });
    assert.equal((await embed(w, { model: 'a', input: 'x' })).status, 400);
    assert.equal((await w.gateway.chat('b')).status, 400);
  });

  test('inputs a minute are a limit', async (t) => {
    const w = await embedders(t, { a: cohere }, { info: { a: { limits: [{ metric: 'inputs', window: 'minute', limit: 5, reset: 'rolling' }] } } });
    assert.equal((await embed(w, { model: 'a', input: ['1', '2', '3'] })).status, 200);
    const over = await embed(w, { model: 'a', input: ['4', '5', '6'] });
    assert.equal(over.status, 429, over.text);
    assert.ok(Number(over.headers['retry-after']) > 0);
    assert.equal((await embed(w, { model: 'a', input: ['4', '5'] })).status, 200);
    assert.equal(w.a.calls.length, 2);
  });

  test('answers that are none move on', async (t) => {
    const w = await embedders(t, { a: generic, b: openai }, { router: { disable_cooldowns: true } });
    const data = (...vectors) => ({ json: { data: vectors.map((embedding, index) => ({ index, embedding })) } });
    for (const script of [data([]), data([null]), data('***'), data(), data([1], [2]), { text: '<html>' }]) {
      w.a.next(script);
      const answer = await embed(w, { model: 'a', input: 'x' });
      assert.deepEqual([answer.servedBy, answer.trail[0].outcome], ['b', 'malformed'], JSON.stringify(script));
    }
  });

  test('a client that hangs up ends the call', async (t) => {
    const w = await embedders(t, { a: cohere, b: openai });
    w.a.always({ silence: true });
    const leave = new AbortController();
    const sent = embed(w, { model: 'a', input: 'x' }, { signal: leave.signal });
    const call = await w.a.called();
    leave.abort();
    await assert.rejects(sent);
    await call.hungUp();
    assert.equal(w.b.calls.length, 0);
  });

  test('Ollama\'s own endpoints, over every provider', async (t) => {
    const w = await embedders(t, ALL, { chains: [] });
    for (const alias of Object.keys(ALL)) {
      const many = await w.gateway.send('/api/embed', { body: { model: alias, input: TEXTS, truncate: true, keep_alive: '1m' } });
      assert.deepEqual(many.json.embeddings, TEXTS.map((text) => vectorOf(text)), many.text);
      assert.equal(many.json.model, alias);
      assert.ok(many.json.prompt_eval_count > 0 && Number.isInteger(many.json.total_duration));
      const one = await w.gateway.send('/api/embeddings', { body: { model: alias, prompt: 'alpha', options: { num_ctx: 512 } } });
      assert.deepEqual(one.json, { embedding: vectorOf('alpha') }, one.text);
    }
    assert.deepEqual(w.d.calls.at(-2).body, { model: 'bge-m3', input: TEXTS, truncate: true, keep_alive: '1m' });
    assert.equal(w.d.last.body.options, undefined, 'how a model is loaded is the alias\'s own');
    assert.equal((await w.gateway.send('/api/embed', { body: { model: 'a' } })).status, 400);
  });

  test('the shipped aliases', async (t) => {
    const folder = scratch();
    fs.cpSync(path.join(ROOT, 'config'), path.join(folder, 'config'), { recursive: true });
    const fakes = {};
    for (const [name, wire] of Object.entries({ mistral, cohere, cpu: ollama, cuda: ollama })) {
      fakes[name] = await Fake.start(wire);
      t.after(() => fakes[name].close());
    }
    for (const [file, port, fake] of [['ollama', 11434, fakes.cpu], ['ollama-cuda', 11435, fakes.cuda]]) {
      const yaml = path.join(folder, `config/providers/${file}.yaml`);
      fs.writeFileSync(yaml, fs.readFileSync(yaml, 'utf8').replaceAll(`http://127.0.0.1:${port}`, fake.url));
    }
    const env = { MISTRAL: '1', COHERE: '1', OLLAMA: '1', OLLAMA_CUDA: '1', MISTRAL_API_KEY: 'k', COHERE_API_KEY: 'k', MISTRAL_API_BASE: fakes.mistral.base, COHERE_API_BASE: fakes.cohere.base };
    const gateway = await Gateway.start(t, { configPath: path.join(folder, 'config'), env });
    const aliases = ['mistral-embed', 'cohere-embed', ...['cpu', 'cuda'].flatMap((device) => [`local-ollama-${device}-bge-m3`, `local-ollama-${device}-qwen3-embed-0.6b`])];
    for (const model of aliases) {
      const answer = await gateway.send('/v1/embeddings', { body: { model, input: TEXTS } });
      assert.deepEqual([answer.status, answer.servedBy], [200, model], answer.text);
      assert.deepEqual(vectorsOf(answer), TEXTS.map((text) => vectorOf(text)));
    }
    assert.deepEqual(fakes.cpu.last.body, { model: 'qwen3-embedding:0.6b', input: TEXTS, keep_alive: '5m', options: { num_ctx: 8192, num_gpu: 0 } });
    fakes.cpu.always(ollama.errors.busy);
    const hopped = await gateway.send('/v1/embeddings', { body: { model: 'local-ollama-cpu-bge-m3', input: 'x' } });
    assert.equal(hopped.servedBy, 'local-ollama-cuda-bge-m3', hopped.text);
    const ranked = await gateway.send('/v2/rerank', { body: { model: 'cohere-rerank', query: 'be', documents: TEXTS } });
    assert.deepEqual(ranked.json.results.map(({ index }) => index), [1, 0, 2], ranked.text);
    assert.equal(fakes.cohere.last.path, '/v2/rerank');
    await until(() => fakes.cuda.calls.filter(({ kind }) => kind === 'embed').length === 3, 1000, 'the other device was asked');
  });
});
