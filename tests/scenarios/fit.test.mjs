// Who can't serve a request by their own statement is not asked, and the record names every need.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { cohere, generic, groq, openai } from '../providers/index.mjs';
import { world } from '../lib/world.mjs';

const PLAIN = { capabilities: ['streaming'] };
const ALL = { capabilities: ['streaming', 'tools', 'vision', 'audio_input', 'documents', 'json_schema'] };
const TOOLS = [{ type: 'function', function: { name: 'f', parameters: { type: 'object', properties: {} } } }];
const said = (...content) => ({ messages: [{ role: 'user', content: [{ type: 'text', text: 'look' }, ...content] }] });
const IMAGE = { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } };
const AUDIO = { type: 'input_audio', input_audio: { data: 'AAAA', format: 'wav' } };
const FILE = { type: 'file', file: { filename: 'a.pdf', file_data: 'data:application/pdf;base64,AAAA' } };

const NEEDS = [
  ['images', said(IMAGE)],
  ['audio input', said(AUDIO)],
  ['documents', said(FILE)],
  ['tools', { tools: TOOLS }],
  ['images and tools', { ...said(IMAGE), tools: TOOLS }],
];

describe('fit', { concurrency: 4 }, () => {
  for (const [what, ask] of NEEDS)
    test(`a request that needs ${what} passes by who lacks it`, async (t) => {
      const w = await world(t, { a: generic, b: openai }, { info: { a: PLAIN, b: ALL } });
      const answer = await w.gateway.chat('a', ask);
      assert.deepEqual([answer.status, answer.trailText], [200, 'a=skipped:capability, b=200']);
      const { json } = await w.gateway.get(`/v1/requests/${answer.requestId}/explain`);
      assert.match(JSON.stringify(json.candidates[0]), new RegExp(`the request needs ${what}"`));
      const preview = await w.gateway.send('/v1/explain', { body: { model: 'a', messages: [{ role: 'user', content: 'hi' }], ...ask } });
      assert.deepEqual([preview.json.candidates[0].reason, preview.json.candidates[0].why], ['capability', `the request needs ${what}`]);
      assert.equal(w.a.calls.length, 0);
    });

  test('a target that does not stream is not asked for a stream', async (t) => {
    const w = await world(t, { a: generic, b: openai }, { info: { a: { capabilities: ['tools'] } } });
    assert.equal((await w.gateway.stream('a')).servedBy, 'b');
    assert.equal((await w.gateway.chat('a')).servedBy, 'a');
  });

  test('several choices: only who gives them', async (t) => {
    const w = await world(t, { a: groq, b: cohere, c: openai });
    const answer = await w.gateway.chat('a', { n: 2 });
    assert.equal(answer.trailText, 'a=skipped:capability, b=skipped:capability, c=200');
    assert.equal(w.c.last.body.n, 2);
  });

  test('a prompt too large for the alias goes to its context_window_fallbacks', async (t) => {
    const w = await world(t, { a: generic, b: openai, large: groq }, {
      info: { a: { max_input_tokens: 100 }, large: { max_input_tokens: 100_000 } },
      chains: [{ a: ['b'] }], router: { context_window_fallbacks: [{ a: ['large'] }] },
    });
    const answer = await w.gateway.chat('a', { messages: [{ role: 'user', content: 'x'.repeat(2000) }] });
    assert.equal(answer.trailText, 'a=skipped:context, b=skipped:context, large=200');
  });

  test('/v1/models shows what a model can do', async (t) => {
    const w = await world(t, { a: openai }, { info: { a: ALL } });
    const { json } = await w.gateway.get('/v1/models');
    assert.deepEqual(json.data[0].capabilities, ALL.capabilities);
  });
});
