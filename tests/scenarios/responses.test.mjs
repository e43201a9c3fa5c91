// OpenAI's Responses API in front of providers that know chats only.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { cohere, generic, groq, ollama, openai } from '../providers/index.mjs';
import { world } from '../lib/world.mjs';

const responses = (w, more = {}, options = {}) =>
  w.gateway.send('/v1/responses', { body: { model: 'a', input: 'hi', ...more }, ...options });
const textOf = (response) => response.output.flatMap((item) => item.content ?? []).map((part) => part.text ?? '').join('');
const WEATHER = { type: 'function', name: 'get_weather', parameters: { type: 'object', properties: {} } };
const CALLS = [{ id: 'call_1', name: 'get_weather', arguments: '{"city":"Oslo"}' }];

/** Events are numbered from 0, and named twice. */
function eventsOf(answer) {
  answer.objects.forEach((event, at) => assert.equal(event.sequence_number, at));
  answer.events.forEach(({ frame }, at) => assert.ok(frame.startsWith(`event: ${answer.objects[at].type}\n`), frame));
  return answer.objects;
}

describe('Responses', { concurrency: 4 }, () => {
  test('a whole answer of every kind of provider', async (t) => {
    const wires = { a: generic, b: groq, c: cohere, d: ollama };
    const w = await world(t, wires, { chains: [] });
    for (const [alias, wire] of Object.entries(wires)) {
      const answer = await responses(w, { model: alias, instructions: 'Be brief.' });
      assert.equal(answer.status, 200, answer.text);
      const { json } = answer;
      assert.equal(textOf(json), `answer from ${wire.name}`);
      assert.deepEqual([json.object, json.status, json.model], ['response', 'completed', alias]);
      assert.deepEqual([json.usage.input_tokens, json.usage.output_tokens, json.usage.total_tokens], [11, 7, 18]);
      assert.match(json.id, /^resp_fw/);
    }
  });

  test('a stream is the sequence of events that OpenAI sends', async (t) => {
    const w = await world(t, { a: generic });
    w.a.always({ reasoning: 'let me see', reply: 'two words' });
    const answer = await responses(w, { stream: true });
    const events = eventsOf(answer);
    assert.deepEqual(events.map(({ type }) => type.replace('response.', '')), [
      'created', 'in_progress',
      'output_item.added', 'reasoning_summary_part.added',
      ...Array(3).fill('reasoning_summary_text.delta'), 'reasoning_summary_text.done', 'reasoning_summary_part.done', 'output_item.done',
      'output_item.added', 'content_part.added',
      'output_text.delta', 'output_text.delta', 'output_text.done', 'content_part.done', 'output_item.done',
      'completed',
    ]);
    const { response } = events.at(-1);
    assert.deepEqual(response.output.map(({ type }) => type), ['reasoning', 'message']);
    assert.equal(response.output[0].summary[0].text, 'let me see');
    assert.equal(textOf(response), 'two words');
    assert.equal(new Set(events.filter((event) => event.response).map((event) => event.response.id)).size, 1);
  });

  test('a round trip of tools', async (t) => {
    const w = await world(t, { a: generic });
    w.a.next({ toolCalls: CALLS });
    const first = (await responses(w, { tools: [WEATHER] })).json;
    const [call] = first.output;
    assert.deepEqual([call.type, call.call_id, call.name, call.arguments], ['function_call', 'call_1', 'get_weather', '{"city":"Oslo"}']);
    const input = [{ role: 'user', content: 'hi' }, ...first.output, { type: 'function_call_output', call_id: 'call_1', output: 'rain' }];
    const second = await responses(w, { input, tools: [WEATHER] });
    assert.equal(second.status, 200, second.text);
    const { messages, tools } = w.a.last.body;
    assert.deepEqual(messages.map(({ role }) => role), ['user', 'assistant', 'tool']);
    assert.equal(messages[1].tool_calls[0].id, 'call_1');
    assert.deepEqual([messages[2].tool_call_id, messages[2].content], ['call_1', 'rain']);
    assert.equal(tools[0].function.name, 'get_weather');
  });

  test('a failure before content moves on, and the client sees one answer', async (t) => {
    const w = await world(t, { a: generic, b: groq });
    for (const script of [generic.errors.internal, { empty: true }]) {
      w.a.next(script);
      const answer = await responses(w, { stream: true });
      const events = eventsOf(answer);
      assert.equal(events.filter(({ type }) => type === 'response.created').length, 1);
      assert.equal(textOf(events.at(-1).response), 'answer from groq');
      assert.equal(answer.servedBy, 'b');
      await w.gateway.clearBenches();
    }
  });

  test('a break after content is response.failed', async (t) => {
    const w = await world(t, { a: generic, b: groq });
    w.a.next({ reply: 'one two three', cutAt: 2 });
    const answer = await responses(w, { stream: true });
    const events = eventsOf(answer);
    const last = events.at(-1);
    assert.equal(last.type, 'response.failed');
    assert.equal(last.response.status, 'failed');
    assert.equal(last.response.error.code, 'server_error');
    assert.match(last.response.error.message, /broke off/);
    assert.equal(textOf(last.response), 'one two');
    assert.equal(w.b.calls.length, 0);
    const kept = await w.gateway.get(`/v1/responses/${last.response.id}`);
    assert.equal(kept.status, 404, 'a broken answer is not kept');
  });

  test('nobody can serve: an error as OpenAI has it', async (t) => {
    const w = await world(t, { a: generic });
    w.a.always(generic.errors.internal);
    for (const stream of [false, true]) {
      const answer = await responses(w, { stream });
      assert.ok(answer.status >= 500, answer.text);
      assert.ok(answer.error.message);
    }
  });

  test('previous_response_id goes on with whatever target', async (t) => {
    const w = await world(t, { a: generic, b: groq });
    const first = (await responses(w, { input: 'my name is Ann' })).json;
    const streamed = await responses(w, { input: 'and my name?', previous_response_id: first.id, stream: true });
    const second = streamed.objects.at(-1).response;
    assert.equal(second.previous_response_id, first.id);
    assert.deepEqual(w.a.last.body.messages.map(({ role, content }) => [role, content]), [
      ['user', 'my name is Ann'], ['assistant', 'answer from generic'], ['user', 'and my name?'],
    ]);
    w.a.next(generic.errors.internal);
    const third = await responses(w, { input: [{ role: 'user', content: 'sure?' }], previous_response_id: second.id });
    assert.equal(third.servedBy, 'b', third.text);
    assert.equal(w.b.last.body.messages.length, 5);
    assert.equal(w.b.last.body.previous_response_id, undefined);
  });

  test('a kept response can be read and deleted', async (t) => {
    const w = await world(t, { a: generic });
    const made = (await responses(w)).json;
    const read = await w.gateway.get(`/v1/responses/${made.id}`);
    assert.deepEqual(read.json, made);
    const gone = await w.gateway.send(`/v1/responses/${made.id}`, { method: 'DELETE' });
    assert.deepEqual(gone.json, { id: made.id, object: 'response', deleted: true });
    assert.equal((await w.gateway.get(`/v1/responses/${made.id}`)).status, 404);
    const next = await responses(w, { previous_response_id: made.id });
    assert.equal(next.status, 400);
    assert.deepEqual([next.error.code, next.error.param], ['previous_response_not_found', 'previous_response_id']);
    assert.match(next.error.message, /not found/);
  });

  test('what a target refuses by name still reaches it with every later request', async (t) => {
    const wire = { ...openai, kind: (call) => (call.path.endsWith('/responses') ? 'responses' : openai.kind(call)) };
    const w = await world(t, { a: wire }, { info: { a: { provider: 'openai' } } });
    const message = "Unsupported parameter: 'instructions' is not supported with this model.";
    const error = { message, type: 'invalid_request_error', param: 'instructions', code: 'unsupported_parameter' };
    const ok = { id: 'resp_1', object: 'response', status: 'completed', output: [{ type: 'message', id: 'msg_1', role: 'assistant', status: 'completed', content: [{ type: 'output_text', text: 'yes', annotations: [] }] }], usage: { input_tokens: 1, output_tokens: 1, total_tokens: 2 } };
    w.a.next({ status: 400, json: { error } });
    w.a.always({ json: ok });
    for (let round = 0; round < 3; round += 1) {
      await responses(w, { instructions: 'Be brief.' });
      await w.gateway.clearBenches();
    }
    assert.ok(w.a.calls.length >= 2);
    assert.ok(w.a.calls.every(({ body }) => body.instructions === 'Be brief.'), JSON.stringify(w.a.calls.map(({ body }) => body)));
  });

  test('store: false is not kept', async (t) => {
    const w = await world(t, { a: generic });
    const made = (await responses(w, { store: false })).json;
    assert.equal(made.store, false);
    assert.equal((await w.gateway.get(`/v1/responses/${made.id}`)).status, 404);
  });

  test('what only OpenAI can do is refused with its name', async (t) => {
    const w = await world(t, { a: generic });
    const cases = [
      [{ tools: [{ type: 'web_search' }] }, /web_search/],
      [{ input: [{ type: 'item_reference', id: 'msg_1' }] }, /item_reference/],
      [{ conversation: 'conv_1' }, /conversation/],
      [{ background: true }, /background/],
      [{ input: [] }, /`input` is empty/],
    ];
    for (const [more, expected] of cases) {
      const answer = await responses(w, more);
      assert.equal(answer.status, 400, answer.text);
      assert.match(answer.error.message, expected);
    }
    assert.equal(w.a.calls.length, 0);
  });

  test('a hang-up in the middle ends the upstream call', async (t) => {
    const w = await world(t, { a: generic });
    w.a.always({ reply: 'word '.repeat(500), between: 50 });
    const controller = new AbortController();
    let heard;
    const hearing = new Promise((resolve) => { heard = resolve; });
    const pending = responses(w, { stream: true }, { signal: controller.signal, onChunk: () => heard() });
    pending.catch(() => {});
    await hearing;
    controller.abort();
    await w.a.last.hungUp(1500);
    assert.deepEqual(await w.gateway.benches(), []);
  });
});
