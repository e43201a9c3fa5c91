// A conversation with tools that hops between providers: each sees ids that it takes, call and
// result together; the client sees and sends its own all the way.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { anthropic, groq, mistral } from '../providers/index.mjs';
import { world } from '../lib/world.mjs';

const TOOLS = [{ type: 'function', function: { name: 'look', parameters: { type: 'object', properties: {} } } }];
const openaiIds = ({ messages }) => ({
  calls: messages.flatMap(({ tool_calls = [] }) => tool_calls.map(({ id }) => id)),
  results: messages.filter(({ role }) => role === 'tool').map(({ tool_call_id }) => tool_call_id),
});
const anthropicIds = ({ messages }) => {
  const blocks = messages.flatMap(({ content }) => (Array.isArray(content) ? content : []));
  return {
    calls: blocks.filter(({ type }) => type === 'tool_use').map(({ id }) => id),
    results: blocks.filter(({ type }) => type === 'tool_result').map(({ tool_use_id }) => tool_use_id),
  };
};

test('pitfall 12: tool call ids through Groq, Mistral, Anthropic and back', async (t) => {
  const w = await world(t, { g: groq, m: mistral, a: anthropic }, { chains: [] });
  const messages = [{ role: 'user', content: 'look' }];
  const ids = [];
  const turn = async (alias, id) => {
    w[alias].next({ toolCalls: [{ id, name: 'look', arguments: '{}' }] });
    const answer = await w.gateway.chat(alias, { messages, tools: TOOLS });
    assert.equal(answer.status, 200, answer.text);
    const { message } = answer.json.choices[0];
    assert.equal(message.tool_calls[0].id, id, 'the client sees what the provider gave');
    ids.push(id);
    messages.push({ role: 'assistant', content: null, tool_calls: message.tool_calls }, { role: 'tool', tool_call_id: id, content: `seen ${ids.length}` });
  };

  await turn('g', 'functions.look:0');
  await turn('m', 'AbC123xyZ');
  const seenByMistral = openaiIds(w.m.last.body);
  assert.deepEqual(seenByMistral.calls, seenByMistral.results);
  assert.match(seenByMistral.calls[0], /^[a-zA-Z0-9]{9}$/);
  await turn('a', 'toolu_01AbC');
  const seenByAnthropic = anthropicIds(w.a.last.body);
  assert.deepEqual(seenByAnthropic.calls, seenByAnthropic.results);
  assert.ok(seenByAnthropic.calls.length === 2 && seenByAnthropic.calls.every((id) => /^[a-zA-Z0-9_-]+$/.test(id)), seenByAnthropic.calls.join());
  assert.equal(new Set(seenByAnthropic.calls).size, 2);
  await turn('g', 'call_4');
  assert.deepEqual(openaiIds(w.g.last.body), { calls: ids.slice(0, 3), results: ids.slice(0, 3) });
});
