// Many clients at once.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { anthropic, groq, openai } from '../providers/index.mjs';
import { world } from '../lib/world.mjs';

const crowd = (count, act) => Promise.all(Array.from({ length: count }, (_, at) => act(at)));
const tally = (values) => values.reduce((sum, value) => ({ ...sum, [value]: (sum[value] ?? 0) + 1 }), {});

describe('load', () => {
  test('G1 50 clients on a failing primary are all served; the next 50 do not ask it', async (t) => {
    const w = await world(t, { a: groq, b: openai });
    w.a.always({ ...groq.errors.tpm, headers: { 'retry-after': '60' } });
    const first = await crowd(50, (at) => w.gateway.chat('a', at % 2 ? { stream: true } : {}));
    assert.deepEqual(tally(first.map(({ servedBy }) => servedBy)), { b: 50 });
    assert.ok(w.a.calls.length <= 50);
    const asked = w.a.calls.length;
    const second = await crowd(50, () => w.gateway.chat('a'));
    assert.deepEqual(tally(second.map(({ servedBy }) => servedBy)), { b: 50 });
    assert.equal(w.a.calls.length, asked);
  });

  test('200 streams at once each get their own answer', async (t) => {
    const unlimited = (wire) => ({ ...wire, headers: () => ({}) });  // it states no limit below 200
    const w = await world(t, { a: unlimited(openai), b: unlimited(anthropic) }, { chains: [] });
    for (const alias of ['a', 'b']) {
      w[alias].always((call) => ({ reply: `for ${call.body.messages[0].content} only`, between: 5 }));
      const answers = await crowd(200, (at) => w.gateway.stream(alias, { messages: [{ role: 'user', content: `client-${at}` }] }));
      answers.forEach((answer, at) => assert.equal(answer.content, `for client-${at} only`));
    }
  });

  test('a slow reader does not hold up others, and loses nothing', async (t) => {
    const w = await world(t, { a: openai });
    const big = 'x'.repeat(200).concat(' ').repeat(5000);
    w.a.next({ reply: big });
    const { default: http } = await import('node:http');
    const body = JSON.stringify({ model: 'a', stream: true, messages: [{ role: 'user', content: 'hi' }] });
    const slow = await new Promise((resolve, reject) => {
      http.request(`${w.gateway.url}/v1/chat/completions`, { method: 'POST', agent: false, headers: { 'content-type': 'application/json' } }, resolve).on('error', reject).end(body);
    });
    slow.pause();
    const others = await crowd(20, () => w.gateway.chat('a'));
    for (const answer of others) assert.ok(answer.status === 200 && answer.ms < 1000, `${answer.ms} ms`);
    let text = '';
    slow.setEncoding('utf8').on('data', (part) => { text += part; });
    slow.resume();
    await new Promise((resolve) => { slow.on('end', resolve); });
    assert.equal((text.match(/x{200}/g) ?? []).length, 5000);
    assert.ok(text.trimEnd().endsWith('data: [DONE]'));
  });

  test('M3 a thousand failing requests leave nothing behind', async (t) => {
    const w = await world(t, { a: openai, b: openai });
    w.a.always({ reset: true });
    w.b.always(openai.errors.internal);
    for (let round = 0; round < 20; round += 1) await crowd(50, () => w.gateway.chat('a'));
    await w.gateway.clearBenches();
    for (const fake of [w.a, w.b]) fake.always({});
    assert.equal((await w.gateway.chat('a')).servedBy, 'a');
  });
});
