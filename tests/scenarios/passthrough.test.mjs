// Same protocol: bytes pass through; what a provider is known to refuse is removed or renamed.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { cerebras, generic, groq, huggingface, mistral, openai, openrouter, problem } from '../providers/index.mjs';
import { world } from '../lib/world.mjs';

const hi = [{ role: 'user', content: 'hi' }];
const CALL = { id: 'call_abcdefghij0123', type: 'function', function: { name: 'f', arguments: '{}' } };
const TOOLS = [{ type: 'function', function: { name: 'f', parameters: { type: 'object', properties: {} } } }];
const HISTORY = [
  { role: 'user', content: 'hi' },
  { role: 'assistant', content: null, tool_calls: [CALL] },
  { role: 'tool', tool_call_id: CALL.id, content: '42' },
];

/** Sends `more` to an alias of `wire` and returns what the upstream saw. */
async function seen(t, wire, more, options) {
  const w = await world(t, { a: wire }, options);
  const answer = await w.gateway.chat('a', more);
  assert.equal(answer.status, 200, answer.text);
  return { w, answer, call: w.a.last, body: w.a.last.body };
}

describe('requests', { concurrency: 4 }, () => {
  test('S6 a request passes byte for byte, only the model’s name differs', async (t) => {
    const w = await world(t, { a: generic });
    const bodies = [
      '{ "messages" : [ {"role":"user","content":"h\\u00efi \\ud83d\\ude00"} ],\n\t"model" : "a" , "x_custom":{"b":1.0,"a":1e3,"big":12345678901234567890}, "temperature":0.70 }',
      '{"model":"a","messages":[{"role":"user","content":"\\"model\\":\\"a\\""}],"metadata":{"model":"a"}}',
      '{"metadata":{"model":"other"},"messages":[{"role":"user","content":"x","model":"a"}],"model":"a"}',
      '{"\\u006dodel":"a","messages":[{"role":"user","content":"escaped key"}]}',
    ];
    for (const body of bodies) {
      const answer = await w.gateway.send('/v1/chat/completions', { body });
      assert.equal(answer.status, 200, answer.text);
      const [before, after] = split(body, w.a.last.raw);
      assert.equal(before, after, body);
    }
  });

  test('two models in one body are refused or the last one counts for both sides', async (t) => {
    const w = await world(t, { a: generic, b: openai }, { chains: [] });
    const answer = await w.gateway.send('/v1/chat/completions', { body: '{"model":"a","messages":[{"role":"user","content":"x"}],"model":"b"}' });
    if (answer.status === 400) return;
    const upstream = w[answer.servedBy].last.body.model;
    assert.equal(upstream, w[answer.servedBy].wire.model.replace('openai/', ''));
  });

  test('the upstream sees its own model id, key and JSON', async (t) => {
    const { call, w } = await seen(t, groq, {});
    assert.equal(call.body.model, 'llama-3.1-8b-instant');
    assert.equal(call.headers.authorization, 'Bearer sk-secret-of-a');
    assert.match(call.headers['content-type'], /application\/json/);
    assert.equal(call.headers.host, `127.0.0.1:${w.a.port}`);
    assert.equal(call.headers['accept-encoding'] ?? 'identity', 'identity');
  });

  test('groq: what it answers 400 to is removed', async (t) => {
    const { body } = await seen(t, groq, { logprobs: true, top_logprobs: 2, logit_bias: { 50256: -100 }, messages: [{ role: 'user', content: 'hi', name: 'Bob' }], temperature: 0.5 });
    for (const key of ['logprobs', 'top_logprobs', 'logit_bias']) assert.ok(!(key in body), key);
    assert.deepEqual(body.messages, hi);
    assert.equal(body.temperature, 0.5);
  });

  test('cerebras: unknown properties are removed, reasoning history is kept under its name', async (t) => {
    const messages = [...hi, { role: 'assistant', content: 'x', reasoning_content: 'because' }, { role: 'user', content: 'and?' }];
    const { body } = await seen(t, cerebras, { messages, reasoning: { effort: 'low' }, enable_thinking: true, prompt_cache_key: 'k', verbosity: 'low', seed: 7 });
    for (const key of ['reasoning', 'enable_thinking', 'prompt_cache_key', 'verbosity']) assert.ok(!(key in body), key);
    assert.ok(!('reasoning_content' in body.messages[1]));
    assert.equal(body.seed, 7);
  });

  test('openrouter: referer and title go along', async (t) => {
    const { call } = await seen(t, openrouter, {});
    assert.ok(call.headers['http-referer'], 'HTTP-Referer');
    assert.ok(call.headers['x-openrouter-title'] ?? call.headers['x-title'], 'title');
  });

  test('mistral: renamed, mapped and removed to fit the closed schema', async (t) => {
    const { body } = await seen(t, mistral, {
      seed: 7, max_completion_tokens: 50, store: true, user: 'u', logprobs: true, stream_options: { include_usage: true },
      service_tier: 'auto', top_k: 4, metadata: { x: 'y' },
      messages: [{ role: 'developer', content: 'be brief' }, { role: 'user', content: 'hi', name: 'Bob' }, { role: 'assistant', content: 'x', reasoning_content: 'y', refusal: null }, { role: 'user', content: 'more' }],
    });
    assert.equal(body.random_seed, 7);
    assert.equal(body.max_tokens, 50);
    for (const key of ['seed', 'max_completion_tokens', 'store', 'user', 'logprobs', 'stream_options', 'service_tier', 'top_k']) assert.ok(!(key in body), key);
    assert.equal(body.messages[0].role, 'system');
  });

  test('mistral: tool ids are nine characters, the same for call and result, the same every time', async (t) => {
    const w = await world(t, { a: mistral });
    const ids = new Set();
    for (let round = 0; round < 2; round += 1) {
      const answer = await w.gateway.chat('a', { messages: HISTORY, tools: TOOLS });
      assert.equal(answer.status, 200, answer.text);
      const [, assistant, tool] = w.a.last.body.messages;
      assert.equal(assistant.tool_calls[0].id, tool.tool_call_id);
      assert.match(tool.tool_call_id, /^[a-zA-Z0-9]{9}$/);
      ids.add(tool.tool_call_id);
    }
    assert.equal(ids.size, 1);
  });

  test('mistral: a user turn after a tool turn gets an assistant turn between', async (t) => {
    const { body } = await seen(t, mistral, { messages: [...HISTORY, { role: 'user', content: 'so?' }], tools: TOOLS });
    assert.deepEqual(body.messages.map(({ role }) => role), ['user', 'assistant', 'tool', 'assistant', 'user']);
  });

  test('mistral: array content and thinking become text and reasoning_content', async (t) => {
    const w = await world(t, { a: mistral });
    const content = [{ type: 'thinking', thinking: [{ type: 'text', text: 'hmm' }] }, { type: 'text', text: 'yes' }];
    w.a.next({ content });
    const plain = await w.gateway.chat('a');
    const { message } = plain.json.choices[0];
    assert.deepEqual([message.content, message.reasoning_content], ['yes', 'hmm'], plain.text);
    w.a.next({ finish: 'model_length' });
    assert.equal((await w.gateway.chat('a')).json.choices[0].finish_reason, 'length');
  });

  test('openai o-series: max_tokens is renamed, sampling removed', async (t) => {
    const { body } = await seen(t, openai, { max_tokens: 9, temperature: 0.2, top_p: 0.5 }, { params: { a: { model: 'openai/o3-mini' } } });
    assert.equal(body.max_completion_tokens, 9);
    for (const key of ['max_tokens', 'temperature', 'top_p']) assert.ok(!(key in body), key);
  });

  test('what was removed is said in the decision record', async (t) => {
    const { w, answer } = await seen(t, groq, { logit_bias: { 1: 1 } });
    const record = await w.gateway.get(`/v1/requests/${answer.requestId}/explain`);
    assert.match(record.text, /logit_bias/);
  });

  test('the same request fits each member of a chain in turn', async (t) => {
    const w = await world(t, { a: groq, b: cerebras, c: mistral, d: openai });
    w.a.always(groq.errors.tpm);
    w.b.always(cerebras.errors.queue);
    const answer = await w.gateway.chat('a', { messages: HISTORY, tools: TOOLS, seed: 3, logit_bias: {}, user: 'u', store: false });
    assert.equal(answer.servedBy, 'c', answer.trailText);
    assert.equal(w.c.last.body.random_seed, 3);
    assert.equal(w.b.last.body.seed, 3);
    assert.equal(w.b.last.body.messages[1].tool_calls[0].id, CALL.id);
  });

  test('defaults of litellm_params are sent, the request wins', async (t) => {
    const { body, w } = await seen(t, openai, {}, { params: { a: { temperature: 0.3, max_tokens: 77 } } });
    assert.deepEqual([body.temperature, body.max_tokens], [0.3, 77]);
    await w.gateway.chat('a', { temperature: 0.9 });
    assert.equal(w.a.last.body.temperature, 0.9);
  });

  test('extra_headers and extra_body of litellm_params are sent', async (t) => {
    const { call, body } = await seen(t, huggingface, {}, { params: { a: { extra_headers: { 'X-HF-Bill-To': 'my-org' }, extra_body: { guided: 1 } } } });
    assert.equal(call.headers['x-hf-bill-to'], 'my-org');
    assert.equal(body.guided, 1);
  });

  test('additional_drop_params removes what an operator lists', async (t) => {
    const { body } = await seen(t, openai, { seed: 1, user: 'u' }, { params: { a: { additional_drop_params: ['seed'] } } });
    assert.ok(!('seed' in body));
    assert.equal(body.user, 'u');
  });

  const unknown = (param) => problem(400, { message: `Unknown parameter: '${param}'.`, type: 'invalid_request_error', param, code: 'unknown_parameter' });
  const FULL = {
    seed: 7, stream: true, response_format: { type: 'json_object' },
    tools: [{ type: 'function', function: { name: 'f', parameters: { type: 'object', properties: {} } } }],
  };

  for (const param of ['messages', 'tools', 'model', 'stream', 'response_format']) {
    test(`an upstream that calls '${param}' unknown still gets it with every later request`, async (t) => {
      const w = await world(t, { a: openai, b: openai });
      for (const fake of [w.a, w.b]) fake.always({ reply: '{}' });
      w.a.next(unknown(param));
      await w.gateway.chat('a', FULL);
      await w.gateway.clearBenches();
      for (let round = 1; round <= 2; round += 1) {
        assert.equal((await w.gateway.chat('a', FULL)).servedBy, 'a');
        assert.deepEqual(w.a.last.body[param], w.a.calls[0].body[param]);
        assert.deepEqual(Object.keys(w.a.last.body), Object.keys(w.a.calls[0].body));
      }
    });
  }

  test("an upstream that calls 'seed' unknown gets no seed from the next request on, all else it does", async (t) => {
    const w = await world(t, { a: openai, b: openai });
    for (const fake of [w.a, w.b]) fake.always({ reply: '{}' });
    w.a.next(unknown('seed'));
    assert.equal((await w.gateway.chat('a', FULL)).servedBy, 'b');
    const { seed, ...rest } = w.a.calls[0].body;
    assert.equal(seed, 7);
    for (let round = 1; round <= 2; round += 1) {
      assert.equal((await w.gateway.chat('a', FULL)).servedBy, 'a');
      assert.deepEqual(w.a.last.body, rest);
    }
    assert.equal(w.b.last.body.seed, 7, 'the other target goes on getting it');
  });
});

/** The two texts without the value of their top-level model. */
function split(sent, received) {
  const without = (text) => {
    const key = /("model"|"\\u006dodel")(\s*:\s*)"[^"]*"/g;
    const spots = [...text.matchAll(key)];
    const top = spots.find((spot) => depthAt(text, spot.index) === 1);
    const from = top.index + top[1].length + top[2].length;
    return text.slice(0, from) + text.slice(top.index + top[0].length);
  };
  return [without(sent), without(received)];
}

function depthAt(text, end) {
  let depth = 0;
  let quoted = false;
  for (let at = 0; at < end; at += 1) {
    if (text[at] === '\\') at += 1;
    else if (text[at] === '"') quoted = !quoted;
    else if (!quoted && '{['.includes(text[at])) depth += 1;
    else if (!quoted && '}]'.includes(text[at])) depth -= 1;
  }
  return depth;
}
