// Anthropic, Cohere and Ollama behind the OpenAI surface, and whose usage is counted.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { anthropic, cohere, generic, groq, mistral, ollama, openai, openrouter } from '../providers/index.mjs';
import { world } from '../lib/world.mjs';

const PATHS = new Map([[anthropic, '/v1/messages'], [cohere, '/v2/chat'], [ollama, '/api/chat']]);
const CHAT = [{ role: 'system', content: 'Be brief.' }, { role: 'user', content: 'hi' }, { role: 'assistant', content: 'yes?' }, { role: 'user', content: [{ type: 'text', text: 'two ' }, { type: 'text', text: 'parts' }] }];
const ASK = { stream_options: { include_usage: true } };
const numbers = ({ prompt_tokens, completion_tokens, total_tokens }) => [prompt_tokens, completion_tokens, total_tokens];

describe('dialects', { concurrency: 4 }, () => {
  for (const [wire, path] of PATHS) {
    test(`${wire.name}: a plain chat`, async (t) => {
      const w = await world(t, { a: wire });
      const answer = await w.gateway.chat('a', { messages: CHAT, max_tokens: 64, temperature: 0.5, top_p: 0.9, stop: ['END'] });
      assert.equal(answer.status, 200, answer.text);
      assert.equal(w.a.last.path, path);
      const { object, choices, model, usage, id, created } = answer.json;
      assert.deepEqual([object, model, choices.length, typeof id, typeof created], ['chat.completion', 'a', 1, 'string', 'number']);
      assert.deepEqual([choices[0].message.role, choices[0].message.content, choices[0].finish_reason], ['assistant', `answer from ${wire.name}`, 'stop']);
      assert.deepEqual(numbers(usage), [11, 7, 18]);
    });

    test(`${wire.name}: a streamed chat`, async (t) => {
      const w = await world(t, { a: wire });
      const answer = await w.gateway.stream('a', { messages: CHAT, ...ASK });
      assert.equal(answer.status, 200, answer.text);
      assert.equal(answer.content, `answer from ${wire.name}`);
      assert.deepEqual([answer.finish, answer.models, answer.dones, answer.errors.length], ['stop', ['a'], 1, 0]);
      assert.equal(answer.deltas.filter(({ role }) => role).length, 1);
      assert.equal(new Set(answer.objects.map(({ id }) => id)).size, 1, 'one id for all chunks');
      assert.ok(answer.objects.every(({ object }) => object === 'chat.completion.chunk'));
      assert.deepEqual(numbers(answer.usage), [11, 7, 18]);
      assert.ok(w.a.last.body.stream !== false);
    });

    test(`${wire.name}: no usage chunk unless asked for`, async (t) => {
      const w = await world(t, { a: wire });
      const answer = await w.gateway.stream('a');
      assert.ok(!answer.objects.some(({ choices }) => choices.length === 0), answer.text);
    });

    test(`${wire.name}: tokens are passed on one by one`, async (t) => {
      const w = await world(t, { a: wire });
      w.a.always({ reply: 'one two three four', between: 60 });
      const answer = await w.gateway.stream('a');
      assert.deepEqual(answer.deltas.map(({ content }) => content).filter(Boolean), ['one', ' two', ' three', ' four']);
      assert.ok(answer.chunks.at(-1).at - answer.chunks[0].at > 120, 'not held until the end');
    });

    test(`${wire.name}: finish reasons`, async (t) => {
      const w = await world(t, { a: wire });
      w.a.always({ finish: 'length' });
      assert.equal((await w.gateway.chat('a')).json.choices[0].finish_reason, 'length');
      assert.equal((await w.gateway.stream('a')).finish, 'length');
    });

    test(`G13 ${wire.name}: an empty answer moves on`, async (t) => {
      const w = await world(t, { a: wire, b: openai });
      for (const more of [{}, { stream: true }]) {
        await w.gateway.clearBenches();
        w.a.next({ empty: true });
        assert.equal((await w.gateway.chat('a', more)).servedBy, 'b');
      }
    });
  }

  test('anthropic: system is hoisted, max_tokens is there, headers are its own', async (t) => {
    const w = await world(t, { a: anthropic });
    await w.gateway.chat('a', { messages: CHAT });
    const { body, headers } = w.a.last;
    assert.match(JSON.stringify(body.system), /Be brief\./);
    assert.deepEqual(body.messages.map(({ role }) => role), ['user', 'assistant', 'user']);
    assert.ok(Number.isInteger(body.max_tokens) && body.max_tokens > 0);
    assert.equal(headers['x-api-key'], 'sk-secret-of-a');
    assert.equal(headers['anthropic-version'], '2023-06-01');
    assert.equal(headers.authorization, undefined);
    assert.equal(body.model, 'claude-haiku-4-5');
  });

  test('anthropic: a base that ends in /v1 is not doubled', async (t) => {
    const w = await world(t, { a: anthropic, b: openai });
    const again = await world(t, { c: anthropic }, { more: [{ model_name: 'v', litellm_params: { model: 'anthropic/claude-haiku-4-5', api_base: `${w.a.url}/v1`, api_key: 'k' } }] });
    assert.equal((await again.gateway.chat('v')).status, 200);
    assert.equal(w.a.last.path, '/v1/messages');
  });

  test('anthropic: stop becomes stop_sequences, a refusal content_filter', async (t) => {
    const w = await world(t, { a: anthropic });
    w.a.always({ finish: 'content_filter' });
    const answer = await w.gateway.chat('a', { stop: 'END' });
    assert.deepEqual(w.a.last.body.stop_sequences, ['END']);
    assert.equal(answer.json.choices[0].finish_reason, 'content_filter');
  });

  test('cohere: its own names for parameters', async (t) => {
    const w = await world(t, { a: cohere });
    const answer = await w.gateway.chat('a', { messages: CHAT, top_p: 0.9, stop: ['END'], max_completion_tokens: 9, seed: 3, user: 'u' });
    assert.equal(answer.status, 200, answer.text);
    const { body } = w.a.last;
    assert.deepEqual([body.p, body.stop_sequences, body.max_tokens, body.seed], [0.9, ['END'], 9, 3]);
    assert.equal(w.a.last.headers.authorization, 'Bearer sk-secret-of-a');
  });

  test('ollama: options, an explicit stream, content as strings', async (t) => {
    const w = await world(t, { a: ollama });
    const answer = await w.gateway.chat('a', { messages: CHAT, max_tokens: 9, temperature: 0.1, seed: 3, stop: ['END'] });
    assert.equal(answer.status, 200, answer.text);
    const { body } = w.a.last;
    assert.equal(body.stream, false);
    assert.deepEqual([body.options.num_predict, body.options.temperature, body.options.seed, body.options.stop], [9, 0.1, 3, ['END']]);
    assert.equal(body.messages.at(-1).content, 'two parts');
    assert.equal(body.model, 'llama3.2:3b');
  });

  test('ollama: thinking becomes reasoning', async (t) => {
    const w = await world(t, { a: ollama });
    w.a.always({ reasoning: 'let me see', reply: 'done' });
    const plain = await w.gateway.chat('a');
    assert.equal(plain.json.choices[0].message.reasoning_content, 'let me see', plain.text);
    const streamed = await w.gateway.stream('a');
    assert.deepEqual([streamed.reasoning, streamed.content], ['let me see', 'done']);
  });

  test('ollama/ speaks the native chat route too', async (t) => {
    const w = await world(t, { a: ollama }, { params: { a: { model: 'ollama/llama3.2:3b' } } });
    assert.equal((await w.gateway.chat('a')).status, 200);
    assert.equal(w.a.last.path, '/api/chat');
  });
});

describe('usage', { concurrency: 4 }, () => {
  test('G14 usage of each provider is what it sent, plain and streamed alike', async (t) => {
    const w = await world(t, { a: openai, b: groq, c: mistral, d: openrouter, e: anthropic, f: cohere, g: ollama }, { chains: [] });
    for (const alias of Object.keys(w.fakes)) {
      const plain = await w.gateway.chat(alias);
      const streamed = await w.gateway.stream(alias, ASK);
      assert.deepEqual(numbers(plain.json.usage), [11, 7, 18], alias);
      assert.deepEqual(numbers(streamed.usage), [11, 7, 18], alias);
      for (const { requestId } of [plain, streamed]) {
        const record = await w.gateway.get(`/v1/requests/${requestId}/explain`);
        assert.match(record.text, /\b11\b/, `${alias}: the record knows the tokens: ${record.text}`);
        assert.doesNotMatch(record.text, /"estimated":\s*true/, alias);
      }
    }
  });

  test('groq usage in x_groq is enough', async (t) => {
    const w = await world(t, { a: groq });
    const answer = await w.gateway.stream('a');
    const record = await w.gateway.get(`/v1/requests/${answer.requestId}/explain`);
    assert.match(record.text, /\b11\b/, record.text);
  });

  test('a plain entry of a model that is known to think is asked to', async (t) => {
    const params = { a: { model: 'anthropic/claude-haiku-4-5' }, b: { model: 'ollama_chat/gpt-oss:20b' }, c: { model: 'mistral/magistral-medium-2509' }, d: { model: 'cohere_chat/command-a-reasoning-08-2025' }, e: { model: 'anthropic/claude-3-5-haiku-20241022' } };
    const w = await world(t, { a: anthropic, b: ollama, c: mistral, d: cohere, e: anthropic }, { chains: [], params, info: { d: { supports_vision: true } } });
    const asked = async (alias) => {
      const answer = await w.gateway.chat(alias, { reasoning_effort: 'low' });
      assert.equal(answer.status, 200, answer.text);
      return w[alias].last.body;
    };
    assert.deepEqual((await asked('a')).thinking, { type: 'enabled', budget_tokens: 2048 });
    assert.equal((await asked('b')).think, 'low');
    assert.equal((await asked('c')).reasoning_effort, 'high');
    assert.equal((await asked('d')).thinking.type, 'enabled');
    assert.equal((await asked('e')).thinking, undefined);
  });

  test('a file of plain text needs nobody who reads documents', async (t) => {
    const capabilities = ['streaming'];
    const w = await world(t, { a: generic, b: anthropic, c: cohere }, { chains: [], info: { a: { capabilities }, b: { capabilities }, c: { capabilities } } });
    const messages = [{ role: 'user', content: [{ type: 'file', file: { filename: 'a.txt', file_data: 'data:text/plain;base64,aGVsbG8=' } }] }];
    for (const alias of ['a', 'b', 'c']) {
      const answer = await w.gateway.chat(alias, { messages });
      assert.equal(answer.status, 200, answer.text);
    }
    assert.deepEqual(w.a.last.body.messages[0].content, [{ type: 'text', text: 'hello' }]);
    assert.deepEqual(w.b.last.body.messages[0].content[0].source, { type: 'text', media_type: 'text/plain', data: 'hello' });
    assert.equal(w.c.last.body.documents[0].data.text, 'hello');
    messages[0].content[0].file.file_data = 'data:application/pdf;base64,aGVsbG8=';
    const refused = await w.gateway.chat('a', { messages });
    assert.match(refused.trailText, /skipped:capability/, refused.text);
  });

  test('a client that wants no usage sees none, and the books have it all the same', async (t) => {
    const w = await world(t, { a: generic });
    for (const stream_options of [{ include_usage: false }, {}]) {
      const answer = await w.gateway.stream('a', { stream_options });
      assert.deepEqual([answer.status, answer.usage], [200, undefined], answer.text);
      assert.equal(w.a.last.body.stream_options.include_usage, true);
      const record = await w.gateway.get(`/v1/requests/${answer.requestId}/explain`);
      assert.deepEqual([...numbers(record.json.usage), record.json.usage.estimated], [11, 7, 18, false], record.text);
    }
  });

  test('without usage it is estimated and marked', async (t) => {
    const w = await world(t, { a: generic });
    w.a.always({ usage: null, reply: 'some words that count' });
    for (const more of [{}, { stream: true }]) {
      const answer = await w.gateway.chat('a', more);
      const record = await w.gateway.get(`/v1/requests/${answer.requestId}/explain`);
      assert.match(record.text, /"estimated":\s*true/, record.text);
    }
  });

  test('anthropic: cached tokens are part of the prompt', async (t) => {
    const w = await world(t, { a: anthropic });
    const { usage } = (await w.gateway.chat('a')).json;
    assert.equal(usage.prompt_tokens, 11);
    assert.equal(usage.prompt_tokens_details?.cached_tokens, 4);
  });
});
