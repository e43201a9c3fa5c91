// The official openai package's Responses against the real binary, and its published types.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import OpenAI from 'openai';
import { generic } from '../providers/index.mjs';
import { typeErrors } from '../lib/types.mjs';
import { world } from '../lib/world.mjs';

// `output_text` is made by the package; `store` is sent by OpenAI, but not in the types.
const IMPORTS = "import type { Response, ResponseStreamEvent } from 'openai/resources/responses/responses';\n"
  + "type Whole = Omit<Response, 'output_text'> & { store: boolean };\n"
  + "type Sent<E> = E extends { response: Response } ? Omit<E, 'response'> & { response: Whole } : E;\n"
  + 'type Event = Sent<ResponseStreamEvent>;';
const client = (w) => new OpenAI({ apiKey: 'any', baseURL: `${w.gateway.url}/v1`, maxRetries: 0 });
const TOOLS = [
  { type: 'function', name: 'get_weather', description: 'Weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } },
  { type: 'custom', name: 'patch', description: 'Edits files' },
];
const CALLS = [
  { id: 'call_1', name: 'get_weather', arguments: '{"city":"Oslo"}' },
  { id: 'call_2', name: 'patch', arguments: '{"input":"*** Begin"}' },
];
/** An answer, its request, and what the provider does. */
const CASES = {
  text: [{}, {}],
  reasoning: [{ reasoning: { effort: 'low', summary: 'auto' } }, { reasoning: 'let me see', reply: 'so' }],
  tools: [{ tools: TOOLS, tool_choice: 'required', parallel_tool_calls: true }, { toolCalls: CALLS }],
  length: [{ max_output_tokens: 16 }, { finish: 'length' }],
  filtered: [{ text: { verbosity: 'low' } }, { finish: 'content_filter' }],
  everything: [{
    instructions: 'Be brief.', metadata: { k: 'v' }, user: 'u', temperature: 0.5, top_p: 0.9, truncation: 'auto', store: false, service_tier: 'auto',
    prompt_cache_key: 'k', safety_identifier: 's', text: { format: { type: 'json_schema', name: 'n', schema: { type: 'object' }, strict: true } },
  }, { reply: '{}' }],
  broken: [{}, { reply: 'one two three', cutAt: 2 }],
};

describe('openai package: responses', { concurrency: 4 }, () => {
  test('every answer and event is of the published type', async (t) => {
    const w = await world(t, { a: generic });
    const values = [];
    for (const [name, [more, script]] of Object.entries(CASES)) {
      const body = { model: 'a', input: 'hi', ...more };
      if (name !== 'broken') {
        w.a.next(script);
        values.push(['Whole', (await w.gateway.send('/v1/responses', { body })).json]);
        assert.equal(values.at(-1)[1].object, 'response');
      }
      w.a.next(script);
      const stream = await w.gateway.send('/v1/responses', { body: { ...body, stream: true } });
      assert.ok(stream.objects.length > 4, stream.text);
      for (const event of stream.objects) values.push(['Event', event]);
      await w.gateway.clearBenches();
    }
    assert.deepEqual(typeErrors(IMPORTS, values), []);
    const spoilt = structuredClone(values[0][1]);
    spoilt.output[0].status = 'done';
    delete spoilt.parallel_tool_calls;
    assert.notDeepEqual(typeErrors(IMPORTS, [['Whole', spoilt]]), [], 'the check can fail');
    assert.notDeepEqual(typeErrors(IMPORTS, [['Event', { ...values[1][1], extra: 1 }]]), [], 'unknown members are seen');
  });

  test('create', async (t) => {
    const w = await world(t, { a: generic });
    const response = await client(w).responses.create({ model: 'a', input: 'hi' });
    assert.equal(response.output_text, 'answer from generic');
    assert.equal(response.usage.total_tokens, 18);
  });

  test('stream, and its helper', async (t) => {
    const w = await world(t, { a: generic });
    let text = '';
    for await (const event of await client(w).responses.create({ model: 'a', input: 'hi', stream: true }))
      if (event.type === 'response.output_text.delta') text += event.delta;
    assert.equal(text, 'answer from generic');
    const final = await client(w).responses.stream({ model: 'a', input: 'hi' }).finalResponse();
    assert.equal(final.output_text, 'answer from generic');
  });

  test('tools by the stream helper', async (t) => {
    const w = await world(t, { a: generic });
    w.a.next({ toolCalls: CALLS });
    const final = await client(w).responses.stream({ model: 'a', input: 'hi', tools: TOOLS }).finalResponse();
    assert.deepEqual(final.output.map(({ type, call_id }) => [type, call_id]), [['function_call', 'call_1'], ['custom_tool_call', 'call_2']]);
    assert.equal(final.output[0].arguments, '{"city":"Oslo"}');
    assert.equal(final.output[1].input, '*** Begin');
    const output = final.output.map(({ type, call_id }) => ({ type: `${type}_output`, call_id, output: 'ok' }));
    const next = await client(w).responses.create({ model: 'a', previous_response_id: final.id, input: output, tools: TOOLS });
    assert.equal(next.output_text, 'answer from generic');
    assert.deepEqual(w.a.last.body.messages.map(({ role }) => role), ['user', 'assistant', 'tool', 'tool']);
  });

  test('previous_response_id, retrieve and delete', async (t) => {
    const w = await world(t, { a: generic });
    const first = await client(w).responses.create({ model: 'a', input: 'one' });
    await client(w).responses.create({ model: 'a', input: 'two', previous_response_id: first.id });
    assert.deepEqual(w.a.last.body.messages.map(({ content }) => content), ['one', 'answer from generic', 'two']);
    assert.equal((await client(w).responses.retrieve(first.id)).id, first.id);
    await client(w).responses.delete(first.id);
    await assert.rejects(client(w).responses.retrieve(first.id), OpenAI.NotFoundError);
    const unknown = client(w).responses.create({ model: 'a', input: 'x', previous_response_id: first.id });
    await assert.rejects(unknown, (error) => error instanceof OpenAI.BadRequestError && error.code === 'previous_response_not_found');
  });
});
