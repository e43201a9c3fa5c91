// Answers that a client binds to a JSON schema: sent natively, emulated where a target can't, checked.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { generic, groq, ollama, openai } from '../providers/index.mjs';
import { world } from '../lib/world.mjs';

const SCHEMA = { type: 'object', properties: { city: { type: 'string' }, people: { type: 'integer' } }, required: ['city', 'people'], additionalProperties: false };
const FORMAT = { type: 'json_schema', json_schema: { name: 'city_facts', strict: true, schema: SCHEMA } };
const ASK = { response_format: FORMAT };
const GOOD = '{"city": "Rome", "people": 3}';
const BAD = '{"city": "Rome", "people": "secret"}';
const PLAIN = { capabilities: ['streaming', 'tools'] };
const BARE = { capabilities: ['streaming'] };
const call = (args) => ({ toolCalls: [{ id: 'call_1', name: 'city_facts', arguments: args }] });

describe('structured outputs', { concurrency: 4 }, () => {
  test('a target that can is asked natively, byte for byte', async (t) => {
    const w = await world(t, { a: openai });
    w.a.always({ reply: GOOD });
    const answer = await w.gateway.chat('a', ASK);
    assert.equal(answer.json.choices[0].message.content, GOOD);
    assert.deepEqual(w.a.last.body.response_format, FORMAT);
    assert.equal(w.a.last.body.tools, undefined);
  });

  test('an answer that violates its schema is malformed and the chain moves on', async (t) => {
    const w = await world(t, { a: openai, b: groq });
    w.a.always({ reply: BAD });
    w.b.always({ reply: GOOD });
    const answer = await w.gateway.chat('a', ASK);
    assert.deepEqual([answer.status, answer.servedBy, answer.trailText], [200, 'b', 'a=200:malformed, b=200']);
    const { json: record } = await w.gateway.get(`/v1/requests/${answer.requestId}/explain`);
    const detail = record.candidates[0].detail;
    assert.match(detail, /at `\/people`: Value type not permitted/);
    assert.doesNotMatch(JSON.stringify(record), /secret/);
  });

  test('nobody keeps to it: 502 that says what was violated, without the answer', async (t) => {
    const w = await world(t, { a: openai });
    w.a.always({ reply: BAD });
    const answer = await w.gateway.chat('a', ASK);
    assert.deepEqual([answer.status, answer.error.code], [502, 'upstream_malformed']);
    assert.match(answer.error.message, /`\/people`/);
    assert.doesNotMatch(answer.text, /secret/);
  });

  test('the old completions are checked as well, whole and streamed, and emulated', async (t) => {
    const w = await world(t, { a: generic, b: generic }, { info: { b: BARE } });
    const complete = (more = {}) => w.gateway.send('/v1/completions', { body: { model: 'a', prompt: 'Rome?', ...ASK, ...more } });
    w.a.always({ reply: GOOD });
    const native = await complete();
    assert.deepEqual([native.status, native.servedBy, native.json.choices[0].text], [200, 'a', GOOD], native.text);
    assert.deepEqual([w.a.last.path, w.a.last.body.response_format], ['/v1/completions', FORMAT]);
    const live = await complete({ stream: true });
    assert.deepEqual([live.servedBy, live.content, live.endsWithDone], ['a', GOOD, true]);
    w.a.always({ reply: BAD });
    w.b.always({ reply: `\`\`\`json\n${GOOD}\n\`\`\`` });
    for (const stream of [false, true]) {
      const moved = await complete({ stream });
      assert.equal(moved.trailText, 'a=200:malformed, b=200', moved.text);
      assert.equal(stream ? moved.content : moved.json.choices[0].text, GOOD);
    }
    assert.match(JSON.stringify(w.b.last.body.messages), /JSON Schema/);
    const echoed = await complete({ echo: true });
    assert.equal(echoed.servedBy, 'a', 'its prompt is no part of the answer');
    const wrong = await complete({ response_format: { type: 'json_schema', json_schema: { name: 'x', schema: { $ref: 'http://a' } } } });
    assert.equal(wrong.status, 400);
    assert.match(wrong.error.message, /response_format\.json_schema\.schema/);
  });

  test('a refusal, a call of the client\'s tool and an answer cut off are no violations', async (t) => {
    const w = await world(t, { a: openai });
    w.a.next({ reply: '{"city": "Ro', finish: 'length' });
    assert.equal((await w.gateway.chat('a', ASK)).json.choices[0].finish_reason, 'length');
    const tools = [{ type: 'function', function: { name: 'look', parameters: { type: 'object', properties: {} } } }];
    w.a.next({ toolCalls: [{ id: 'c1', name: 'look', arguments: '{}' }] });
    assert.equal((await w.gateway.chat('a', { ...ASK, tools })).json.choices[0].finish_reason, 'tool_calls');
  });

  test('a stream is held until it is valid while somebody else is left', async (t) => {
    const w = await world(t, { a: openai, b: groq });
    w.a.always({ reply: BAD, between: 5 });
    w.b.always({ reply: GOOD, between: 5 });
    const answer = await w.gateway.stream('a', ASK);
    assert.equal(answer.content, GOOD, 'nothing of the first answer');
    assert.deepEqual([answer.finish, answer.dones, answer.errors.length], ['stop', 1, 0]);
  });

  test('the last one\'s stream is passed live, and a violation is an error at its end', async (t) => {
    const w = await world(t, { a: openai });
    w.a.next({ reply: GOOD, between: 80 });
    const live = await w.gateway.stream('a', ASK);
    assert.equal(live.content, GOOD);
    assert.ok(live.chunks.at(-1).at - live.chunks[0].at > 100, 'not held');
    w.a.next({ reply: BAD, between: 40 });
    const broken = await w.gateway.stream('a', ASK);
    assert.equal(broken.status, 200);
    assert.equal(broken.errors.length, 1);
    assert.match(broken.errors[0].message, /`\/people`/);
    assert.doesNotMatch(broken.errors[0].message, /secret/);
  });

  test('the client of a held stream hears a comment now and then', { timeout: 30_000 }, async (t) => {
    const w = await world(t, { a: openai, b: groq });
    const slow = '{"city": "Rome", "people": 3 }';
    w.a.always({ reply: slow, between: 1900 });
    const answer = await w.gateway.stream('a', ASK);
    assert.match(answer.text, /^: a is answering$/m);
    assert.equal(answer.content, slow);
    assert.deepEqual([w.a.calls.length, w.b.calls.length], [1, 0]);
  });

  test('by one tool that must be called, where the target has tools', async (t) => {
    const w = await world(t, { a: generic }, { info: { a: PLAIN } });
    w.a.always(call(GOOD));
    const answer = await w.gateway.chat('a', ASK);
    assert.equal(answer.status, 200, answer.text);
    const { message, finish_reason } = answer.json.choices[0];
    assert.deepEqual([JSON.parse(message.content), message.tool_calls, finish_reason], [JSON.parse(GOOD), undefined, 'stop']);
    assert.equal(w.a.last.body.response_format, undefined);
    assert.deepEqual(w.a.last.body.tools.map((tool) => [tool.function.name, tool.function.parameters]), [['city_facts', SCHEMA]]);
    assert.ok(w.a.last.body.tool_choice);
    const streamed = await w.gateway.stream('a', ASK);
    assert.deepEqual([JSON.parse(streamed.content), streamed.finish, streamed.dones], [JSON.parse(GOOD), 'stop', 1]);
    w.a.always(call('{"city": "Rome"}'));
    assert.equal((await w.gateway.chat('a', ASK)).error.code, 'upstream_malformed');
  });

  for (const [wire, info] of [[generic, BARE], [ollama, PLAIN]])
    test(`${wire.name}: by an instruction, and without the fence of a code block`, async (t) => {
      const w = await world(t, { a: wire }, { info: { a: info } });
      w.a.always({ reply: `\`\`\`json\n${GOOD}\n\`\`\`` });
      const answer = await w.gateway.chat('a', { ...ASK, messages: [{ role: 'system', content: 'Be brief.' }, { role: 'user', content: 'Rome?' }] });
      assert.equal(answer.json.choices[0].message.content, GOOD);
      const { messages, tools } = w.a.last.body;
      assert.match(JSON.stringify(messages[0]), /Be brief\..*JSON Schema.*city/);
      assert.deepEqual([messages.length, tools], [2, undefined]);
      assert.equal((await w.gateway.stream('a', ASK)).content, GOOD);
    });

  test('tools of the client\'s own: the schema goes by instruction', async (t) => {
    const w = await world(t, { a: generic }, { info: { a: PLAIN } });
    w.a.always({ reply: GOOD });
    const tools = [{ type: 'function', function: { name: 'look', parameters: { type: 'object', properties: {} } } }];
    assert.equal((await w.gateway.chat('a', { ...ASK, tools })).status, 200);
    assert.deepEqual(w.a.last.body.tools.map(({ function: { name } }) => name), ['look']);
    assert.match(JSON.stringify(w.a.last.body.messages), /JSON Schema/);
  });

  test('a target that lacks schemas is no reason to change the order', async (t) => {
    const w = await world(t, { a: generic, b: openai }, { info: { a: PLAIN, b: { capabilities: ['streaming', 'tools', 'json_schema'] } } });
    w.a.always(call(GOOD));
    assert.equal((await w.gateway.chat('a', ASK)).servedBy, 'a');
  });

  test('json_object: one JSON object, else malformed', async (t) => {
    const w = await world(t, { a: openai, b: groq });
    w.a.always({ reply: 'Sure! {"a": 1}' });
    w.b.always({ reply: '{"a": 1}' });
    for (const ask of ['chat', 'stream']) {
      await w.gateway.clearBenches();
      const answer = await w.gateway[ask]('a', { response_format: { type: 'json_object' } });
      assert.equal(answer.content ?? answer.json.choices[0].message.content, '{"a": 1}');
    }
  });

  test('a schema that can\'t be used is a 400 that names the place', async (t) => {
    const w = await world(t, { a: openai });
    const refused = async (schema) => {
      const answer = await w.gateway.chat('a', { response_format: { type: 'json_schema', json_schema: { name: 'x', schema } } });
      assert.equal(answer.status, 400, answer.text);
      return answer.error.message;
    };
    assert.match(await refused({ properties: { a: { $ref: 'https://example.com/a.json' } } }), /response_format\.json_schema\.schema.*`\/properties\/a`.*nothing is fetched/);
    assert.match(await refused({ type: 'object', properties: { a: 3 } }), /`\/properties\/a`: a schema is an object, true or false/);
    assert.equal(w.a.calls.length, 0);
  });

  test('enable_json_schema_validation: false passes on what comes', async (t) => {
    const w = await world(t, { a: openai, b: generic }, { litellm: { enable_json_schema_validation: false }, info: { b: PLAIN }, chains: [] });
    w.a.always({ reply: BAD });
    assert.equal((await w.gateway.chat('a', ASK)).json.choices[0].message.content, BAD);
    w.b.always(call(BAD));
    assert.equal((await w.gateway.chat('b', ASK)).json.choices[0].message.content, BAD, 'still emulated');
  });
});
