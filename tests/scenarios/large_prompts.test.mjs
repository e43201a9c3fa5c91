// Large prompts through translated pairs, and many streams of all protocols at once.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { describe, test } from 'node:test';
import { anthropic, cohere, generic, groq, mistral, ollama } from '../providers/index.mjs';
import { SPEAKERS, chat, heard, messages, responses } from '../lib/speakers.mjs';
import { world } from '../lib/world.mjs';

const LARGE = 'A sentence of a "long" report, with ünusual letters.\n'.repeat(8000).slice(0, 400_000);
const PAIRS = [[messages, 'openai', generic], [chat, 'anthropic', anthropic], [responses, 'cohere', cohere]];

const residentKb = (pid) => Number(/VmRSS:\s+(\d+) kB/.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))[1]);

describe('large prompts', () => {
  for (const [speaker, alias, wire] of PAIRS) {
    test(`400 KB from ${speaker.name} to ${alias} arrive whole, and memory stays flat`, async (t) => {
      const w = await world(t, { a: wire });
      const body = JSON.stringify({ model: 'a', store: speaker === responses ? false : undefined, ...speaker.body({ text: LARGE }) });
      const ask = async (times) => {
        for (let i = 0; i < times; ++i) {
          const answer = await w.gateway.send(speaker.path, { body });
          assert.equal(answer.status, 200, answer.text);
          assert.equal(speaker.plain(answer.json).text, `answer from ${wire.name}`);
          assert.equal(heard(w.a.last).text, LARGE);
          w.a.calls.length = 0;
        }
        return residentKb(w.gateway.pid);
      };
      const early = await ask(50);
      const late = await ask(150);
      t.diagnostic(`${speaker.name} → ${alias}: ${early} kB after 50 requests, ${late} kB after 200`);
      assert.ok(late - early < 5 * 1024, `${early} kB after 50 requests, ${late} kB after 200`);
    });
  }

  test('fifty streams of all protocols at once end complete', async (t) => {
    const wires = { o: generic, g: { ...groq, headers: () => ({}) }, m: mistral, a: anthropic, c: cohere, l: ollama };
    const w = await world(t, wires, { chains: [] });
    const reply = Array.from({ length: 200 }, (_, at) => `word${at}`).join(' ');
    for (const fake of Object.values(w.fakes)) fake.always({ reply, between: 1 });
    const aliases = Object.keys(wires);
    const streams = Array.from({ length: 50 }, (_, at) => [SPEAKERS[at % SPEAKERS.length], aliases[Math.floor(at / SPEAKERS.length) % aliases.length]]);
    const answers = await Promise.all(streams.map(([speaker, model]) =>
      w.gateway.send(speaker.path, { body: { model, ...speaker.body({ text: 'hi' }), ...speaker.stream } })));
    answers.forEach((answer, at) => {
      const [speaker, model] = streams[at];
      const { text, stop, whole } = speaker.streamed(answer.text);
      assert.deepEqual([text, stop, whole], [reply, 'stop', true], `${speaker.name} → ${model}`);
    });
  });
});
