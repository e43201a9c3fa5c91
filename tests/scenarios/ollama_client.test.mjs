// Ollama's own clients in front of freeway: the official package, its lists and its streams.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Ollama } from 'ollama';
import { cohere, groq, groqMidstream, ollama, openai } from '../providers/index.mjs';
import { OllamaService } from '../providers/ollama_service.mjs';
import { SdcppService } from '../providers/sdcpp_service.mjs';
import { calm, chat, deviceWorld, draw, draws, GB, ollama as localModel } from '../lib/devices.mjs';
import { until } from '../lib/until.mjs';
import { world } from '../lib/world.mjs';

const messages = [{ role: 'user', content: 'hi' }];
const client = (w) => new Ollama({ host: w.gateway.url });
const TOOLS = [{ type: 'function', function: { name: 'get-weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } } }];
const CALLS = [{ id: 'call_a', name: 'get-weather', arguments: '{"city":"Oslo","days":3}' }, { id: 'call_b', name: 'get-weather', arguments: '{"city":"Rome"}' }];
const RFC3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/;

async function collect(stream) {
  const parts = [];
  for await (const part of stream) parts.push(part);
  return parts;
}

describe('ollama package', { concurrency: 4 }, () => {
  test('list, show, ps and version', async (t) => {
    const info = { a: { mode: 'chat', supports_function_calling: true, supports_vision: true, max_input_tokens: 8192 } };
    const w = await world(t, { a: groq, b: openai }, { info });
    const { models } = await client(w).list();
    assert.deepEqual(models.map(({ name, model }) => [name, model]), [['a', 'a'], ['b', 'b']]);
    assert.equal(models[0].details.family, 'groq');
    const shown = await client(w).show({ model: 'a' });
    assert.deepEqual(shown.capabilities, ['completion', 'tools', 'vision']);
    assert.equal(shown.model_info['groq.context_length'], 8192);
    assert.deepEqual((await client(w).ps()).models, []);
    assert.match((await client(w).version()).version, /^\d+\.\d+\.\d+$/);
    await assert.rejects(client(w).show({ model: 'nobody' }), /model 'nobody' not found/);
    await assert.rejects(client(w).delete({ model: 'a' }), /configuration/);
    await assert.rejects(client(w).pull({ model: 'a' }), /configuration/);
  });

  for (const wire of [openai, groq, cohere, ollama]) {
    test(`chat and generate, whole and streamed, served by ${wire.name}`, async (t) => {
      const w = await world(t, { a: wire });
      const text = `answer from ${wire.name}`;
      const whole = await client(w).chat({ model: 'a', messages, options: { temperature: 0.5, num_predict: 64 } });
      assert.deepEqual([whole.model, whole.message.role, whole.message.content], ['a', 'assistant', text]);
      assert.deepEqual([whole.done, whole.done_reason, whole.prompt_eval_count, whole.eval_count], [true, 'stop', 11, 7]);

      const parts = await collect(await client(w).chat({ model: 'a', messages, stream: true }));
      assert.equal(parts.map(({ message }) => message.content).join(''), text);
      assert.deepEqual(parts.map(({ done }) => done), parts.map((_, i) => i === parts.length - 1));
      assert.ok(parts.length > 2 && parts.every(({ model }) => model === 'a'));
      assert.deepEqual([parts.at(-1).prompt_eval_count, parts.at(-1).eval_count], [11, 7]);

      assert.equal((await client(w).generate({ model: 'a', prompt: 'hi' })).response, text);
      const pieces = await collect(await client(w).generate({ model: 'a', prompt: 'hi', system: 'Brief.', stream: true }));
      assert.equal(pieces.map(({ response }) => response).join(''), text);
    });
  }

  for (const wire of [openai, groq, cohere, ollama]) {
    test(`tools served by ${wire.name}: whole calls with objects, and their results go back`, async (t) => {
      const w = await world(t, { a: wire });
      const named = wire === cohere ? CALLS.map((call) => ({ ...call, name: 'get_weather' })) : CALLS;
      w.a.always({ toolCalls: named });
      const whole = await client(w).chat({ model: 'a', messages, tools: TOOLS });
      const wanted = [['get-weather', { city: 'Oslo', days: 3 }], ['get-weather', { city: 'Rome' }]];
      const seen = (calls) => calls.map((call) => [call.function.name, call.function.arguments]);
      assert.deepEqual(seen(whole.message.tool_calls), wanted);
      const parts = await collect(await client(w).chat({ model: 'a', messages, tools: TOOLS, stream: true }));
      assert.deepEqual(seen(parts.flatMap(({ message }) => message.tool_calls ?? [])), wanted);
      assert.equal(parts.map(({ message }) => message.content).join(''), '');

      w.a.always({});
      const results = ['3 degrees', '22 degrees'].map((content) => ({ role: 'tool', tool_name: 'get-weather', content }));
      const back = await client(w).chat({ model: 'a', messages: [...messages, whole.message, ...results], tools: TOOLS });
      assert.equal(back.message.content, `answer from ${wire.name}`);
    });
  }

  test('lines of a stream carry a time with nanoseconds; thinking has its own member', async (t) => {
    const w = await world(t, { a: groq });
    w.a.always({ reasoning: 'let me see', reply: 'done' });
    const answer = await w.gateway.send('/api/chat', { body: { model: 'a', messages } });
    assert.equal(answer.headers['content-type'], 'application/x-ndjson');
    const lines = answer.text.trimEnd().split('\n').map((line) => JSON.parse(line));
    assert.ok(lines.every(({ created_at: at }) => RFC3339.test(at)), answer.text);
    assert.equal(lines.map(({ message }) => message.thinking ?? '').join(''), 'let me see');
    assert.equal(lines.at(-1).total_duration, 0);
  });

  test('pictures reach a target that takes them', async (t) => {
    const w = await world(t, { a: openai });
    await client(w).chat({ model: 'a', messages: [{ role: 'user', content: 'what?', images: ['iVBORw0KGgo='] }] });
    assert.equal(w.a.last.body.messages[0].content[1].image_url.url, 'data:image/png;base64,iVBORw0KGgo=');
  });

  test('a schema reaches every protocol in its own shape', async (t) => {
    const w = await world(t, { a: openai, c: cohere, o: ollama }, { chains: [] });
    const schema = { type: 'object', properties: { n: { type: 'integer' } } };
    for (const fake of [w.a, w.c, w.o]) fake.always({ reply: '{"n":1}' });
    for (const model of ['a', 'c', 'o']) await client(w).chat({ model, messages, format: schema });
    assert.deepEqual(w.a.last.body.response_format.json_schema.schema, schema);
    assert.deepEqual(w.c.last.body.response_format, { type: 'json_object', json_schema: schema });
    assert.deepEqual(w.o.last.body.format, schema);
  });

  test('what only Ollama knows passes to it, byte for byte, and is refused elsewhere', async (t) => {
    const w = await world(t, { a: openai, o: ollama }, { chains: [] });
    const request = { prompt: 'def f(', suffix: 'return 1', raw: true, options: { num_keep: 4, mirostat: 1 } };
    await client(w).generate({ model: 'o', ...request });
    assert.deepEqual(w.o.last.body, { model: 'llama3.2:3b', ...request, stream: false });
    await assert.rejects(client(w).generate({ model: 'a', ...request }), /suffix/);
    assert.equal(w.a.calls.length, 0);
  });

  test('a model is loaded by asking nothing: no cloud hears of it', async (t) => {
    const w = await world(t, { a: openai });
    const loaded = await client(w).generate({ model: 'a', prompt: '', keep_alive: '5m' });
    assert.deepEqual([loaded.done, loaded.done_reason], [true, 'load']);
    assert.equal((await client(w).chat({ model: 'a', messages: [], keep_alive: 0 })).done_reason, 'unload');
    assert.equal(w.a.calls.length, 0);
    await assert.rejects(client(w).generate({ model: 'nobody', prompt: '' }), /does not exist/);
  });

  test('asking nothing loads nothing from an Ollama either; keep_alive 0 sends away what is idle', async (t) => {
    const service = await OllamaService.start(t, { models: { 'a:1b': { size: GB } } });
    const gateway = await deviceWorld(t, [localModel('mine', service, 'a:1b', 1, { params: { keep_alive: '5m' } }), localModel('free', service, 'a:1b', 1)]);
    const nothing = [['generate', { prompt: '' }], ['generate', { system: 'Be brief.' }], ['generate', { raw: true }], ['chat', { messages: [] }], ['chat', {}]];
    for (const model of ['mine', 'free'])
      for (const [route, body] of nothing)
        for (const [more, reason] of [[{ keep_alive: 0 }, 'unload'], [{ keep_alive: '0s' }, 'unload'], [{}, 'load'], [{ keep_alive: '10m' }, 'load']]) {
          const answer = await gateway.send(`/api/${route}`, { body: { model, ...body, ...more } });
          assert.deepEqual([answer.status, answer.json.done, answer.json.done_reason, answer.json.model], [200, true, reason, model], answer.text);
        }
    assert.deepEqual([service.asked('load'), service.asked('chat'), service.asked('generate')].flat(), []);
    assert.deepEqual(service.loaded, []);

    await chat(gateway, 'mine');
    assert.deepEqual(service.loaded, ['a:1b']);
    await calm(gateway);
    assert.equal((await gateway.send('/api/generate', { body: { model: 'mine', prompt: '' } })).json.done_reason, 'load');
    assert.deepEqual(service.loaded, ['a:1b']);
    await gateway.send('/api/generate', { body: { model: 'mine', prompt: '', keep_alive: 0 } });
    await until(() => service.loaded.length === 0, 10_000, 'it is sent away');
  });

  test('an Ollama that is on no device of ours is told itself, whatever keep_alive its alias states', async (t) => {
    const service = await OllamaService.start(t, { models: { 'a:1b': { size: GB } } });
    const gateway = await deviceWorld(t, [localModel('a', service, 'a:1b', 1, { params: { keep_alive: '5m' }, info: { device: '' } })]);
    await chat(gateway, 'a');
    assert.deepEqual(service.loaded, ['a:1b']);
    const answer = await gateway.send('/api/chat', { body: { model: 'a', messages: [], keep_alive: 0 } });
    assert.deepEqual([answer.status, answer.json.done_reason], [200, 'unload'], answer.text);
    await until(() => service.loaded.length === 0, 10_000, 'it is sent away');
    assert.deepEqual(service.asked('load'), []);
  });

  test('fallback before content; an error line after it', async (t) => {
    const w = await world(t, { a: groq, b: openai });
    w.a.next({ insertAt: 0, insert: groqMidstream });
    const parts = await collect(await client(w).chat({ model: 'a', messages, stream: true }));
    assert.equal(parts.map(({ message }) => message.content).join(''), 'answer from openai');
    const broken = await world(t, { a: groq });
    broken.a.next({ insertAt: 2, insert: groqMidstream });
    await assert.rejects(collect(await client(broken).chat({ model: 'a', messages, stream: true })), /broke off/);
  });

  test('errors are texts, with the attempts behind them', async (t) => {
    const w = await world(t, { a: openai, b: openai });
    for (const fake of [w.a, w.b]) fake.always(openai.errors.internal);
    const answer = await w.gateway.send('/api/chat', { body: { model: 'a', messages } });
    assert.ok(answer.status >= 500);
    assert.equal(typeof answer.json.error, 'string', answer.text);
    assert.equal(answer.json.attempts.length, 2);
    const wrong = await w.gateway.send('/api/chat', { body: { model: 'a', messages: [{ role: 'robot', content: '' }] } });
    assert.equal(wrong.status, 400);
    assert.match(wrong.json.error, /robot/);
  });
});

describe('ollama.ps()', { concurrency: 4 }, () => {
  const gpu = { mode: 'chat', device: 'cuda', memory_gb: 5 };
  const local = (alias, service, tag, info) => ({ model_name: alias, litellm_params: { model: `ollama_chat/${tag}`, api_base: service.url }, model_info: { ...gpu, ...info } });
  const ps = async (gateway) => (await new Ollama({ host: gateway.url }).ps()).models;

  test('lists the aliases whose model is loaded, as Ollama does', async (t) => {
    const service = await OllamaService.start(t, { models: { 'big:8b': { size: 5 * GB }, small: { size: GB } } });
    const studio = await SdcppService.start(t, { sizes: { 'sd-turbo': 2 * GB } });
    const gateway = await deviceWorld(t, [local('big', service, 'big:8b'), local('twin', service, 'big:8b'), local('small', service, 'small'), draws('turbo', studio, 'sd-turbo', 2)], { devices: { cuda: { memory_gb: 16 } } });
    assert.deepEqual(await ps(gateway), []);
    assert.equal((await gateway.chat('big')).status, 200);
    await until(async () => (await ps(gateway)).length === 2, 10_000, 'the model is listed under both its aliases');
    const [big, twin] = await ps(gateway);
    assert.deepEqual([big.name, big.model, big.size, big.size_vram, big.digest, big.details.family], ['big', 'big', 5 * GB, 5 * GB, '', 'ollama']);
    assert.equal(twin.name, 'twin');
    const own = (await (await fetch(`${service.url}/api/ps`)).json()).models[0].expires_at;
    await until(async () => (await ps(gateway))[0].expires_at === own, 20_000, 'it says when Ollama lets go of it');
    assert.equal((await draw(gateway, 'turbo')).status, 200);
    await until(async () => (await ps(gateway)).some(({ name }) => name === 'turbo'), 10_000, 'other engines are listed too');
    const turbo = (await ps(gateway)).find(({ name }) => name === 'turbo');
    assert.ok(Date.parse(turbo.expires_at) > Date.now() + 1e12, `nobody says when it goes: ${turbo.expires_at}`);
    assert.equal((await gateway.send('/v1/unload', { body: {} })).status, 200);
    await until(async () => (await ps(gateway)).length === 0, 10_000, 'nothing is listed once it is gone');
  });

  test('main memory is no VRAM; the key is asked for', async (t) => {
    const service = await OllamaService.start(t, { models: { m: { size: GB } }, device: 'cpu' });
    const gateway = await deviceWorld(t, [local('m', service, 'm', { device: 'cpu' })], { devices: { cpu: { memory_gb: 8 } }, env: { FREEWAY_MASTER_KEY: 'sk-gate' } });
    const headers = { authorization: 'Bearer sk-gate' };
    assert.equal((await gateway.chat('m', {}, { headers })).status, 200);
    const held = () => gateway.get('/api/ps', { headers }).then(({ json }) => json.models);
    await until(async () => (await held())[0]?.size === GB, 10_000, 'the model is listed with the size that its service tells');
    assert.deepEqual((await held()).map(({ size_vram: vram }) => vram), [0]);
    assert.equal((await gateway.get('/api/ps')).status, 401);
  });
});

describe('tools through OpenAI clients', { concurrency: 4 }, () => {
  for (const wire of [cohere, ollama]) {
    test(`S5 ${wire.name}: calls have stable indexes and ids, streamed and whole`, async (t) => {
      const w = await world(t, { a: wire });
      const named = wire === cohere ? CALLS.map((call) => ({ ...call, name: 'get_weather' })) : CALLS;
      w.a.always({ toolCalls: named, reasoning: 'hm' });
      const streamed = await w.gateway.stream('a', { messages, tools: TOOLS });
      const deltas = streamed.deltas.flatMap(({ tool_calls: calls }) => calls ?? []);
      const begun = deltas.filter(({ id }) => id);
      assert.deepEqual(begun.map((call) => [call.index, call.function.name]), [[0, 'get-weather'], [1, 'get-weather']]);
      assert.equal(new Set(begun.map(({ id }) => id)).size, 2);
      const joined = (index) => JSON.parse(deltas.filter((call) => call.index === index).map((call) => call.function.arguments).join(''));
      assert.deepEqual([joined(0), joined(1)], [{ city: 'Oslo', days: 3 }, { city: 'Rome' }]);
      assert.deepEqual([streamed.finish, streamed.content, streamed.reasoning], ['tool_calls', '', 'hm']);
      const whole = await w.gateway.chat('a', { messages, tools: TOOLS, parallel_tool_calls: false });
      const [choice] = whole.json.choices;
      assert.deepEqual([choice.finish_reason, choice.message.tool_calls.length], ['tool_calls', 1]);
      const results = [{ role: 'assistant', content: null, tool_calls: choice.message.tool_calls }, { role: 'tool', tool_call_id: choice.message.tool_calls[0].id, content: '3' }];
      w.a.always({});
      assert.equal((await w.gateway.chat('a', { messages: [...messages, ...results], tools: TOOLS })).status, 200);
    });
  }
});
