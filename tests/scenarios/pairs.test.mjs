// Every client's protocol in front of every kind of provider. Each cell of the table in
// docs/dialects.md is what the assertions here found; BLESS=1 writes it.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { Fake, anthropic, cohere, generic, groq, mistral, ollama, openai } from '../providers/index.mjs';
import { Gateway, ROOT } from '../lib/gateway.mjs';
import { forwardProxy } from '../lib/proxy.mjs';
import { entry } from '../lib/world.mjs';
import { SCHEMA, SPEAKERS, completions, heard, ollamaGenerate } from '../lib/speakers.mjs';

/** Groq without its small limits, which would end this test's requests. */
const WIRES = [generic, openai, { ...groq, headers: () => ({}) }, mistral, anthropic, cohere, ollama];
const NAMES = { generic: 'OpenAI-compatible', openai: 'OpenAI', groq: 'Groq', mistral: 'Mistral', anthropic: 'Anthropic', cohere: 'Cohere', ollama: 'Ollama' };
const CLIENTS = { chat: 'chat completions', completions: 'completions', responses: 'Responses', messages: 'Messages', 'ollama chat': 'Ollama chat', 'ollama generate': 'Ollama generate' };
const DOCUMENT = path.join(ROOT, 'docs/dialects.md');
const CAN = { mode: 'chat', supports_function_calling: true, supports_vision: true, supports_reasoning: true, supports_response_schema: true };
const IMAGE = 'iVBORw0KGgo=';
const OSLO = { id: 'call_oslo1', name: 'look', arguments: '{"city":"Oslo"}', result: 'rain' };
const ROME = { id: 'call_rome1', name: 'look', arguments: '{"city":"Rome"}', result: 'sun' };
const wanted = (calls) => calls.map(({ name, arguments: args }) => [name, JSON.parse(args)]);

/** Who has no member for what: there the test shows that nothing of it reaches the provider. */
const LACKS = new Map([
  [completions, ['system', 'tools', 'results', 'parallel', 'image', 'thinking']],
  [ollamaGenerate, ['tools', 'results', 'parallel']],
]);

/** A gateway whose `a` is the provider in question and whose `b` comes second. */
async function pairWorld(t, wire) {
  const [a, b] = [await Fake.start(wire), await Fake.start(generic)];
  // OpenAI is known by its host: requests for it come here through a proxy.
  const proxy = wire === openai && await forwardProxy(a.port);
  t.after(() => Promise.all([a.close(), b.close(), proxy && proxy.close()]));
  const at = { info: CAN, params: proxy ? { api_base: 'http://api.openai.com/v1' } : {} };
  const config = { model_list: [entry('a', a, at), entry('b', b, { info: CAN })], router_settings: { fallbacks: [{ a: ['b'] }] } };
  const env = proxy ? { HTTP_PROXY: proxy.url, NO_PROXY: '127.0.0.1' } : {};
  return { a, b, wire, gateway: await Gateway.start(t, { config, env }) };
}

/** One client's protocol facing one provider. */
class Pair {
  constructor(w, speaker) {
    Object.assign(this, { ...w, speaker, exact: [] });
  }

  /** Asks, plain or streamed, and reads the answer; remembers whether the bytes passed. */
  async ask(script, { stream = false, text = 'hi', ...more } = {}) {
    await this.gateway.clearBenches();
    this.a.queue = [script ?? {}];
    const before = this.a.calls.length;
    const body = JSON.stringify({ model: 'a', ...this.speaker.body({ text, ...more }), ...(stream ? this.speaker.stream : this.speaker.still) });
    const answer = await this.gateway.send(this.speaker.path, { body });
    const call = this.a.calls[before];
    if (call) this.exact.push(passed(body, call, answer));
    return { ...answer, call, body };
  }

  async plain(script, more) {
    const answer = await this.ask(script, more);
    assert.equal(answer.status, 200, answer.text);
    return { ...this.speaker.plain(answer.json), servedBy: answer.servedBy, heard: heard(answer.call), answer };
  }

  async streamed(script, more) {
    const answer = await this.ask(script, { stream: true, ...more });
    assert.equal(answer.status, 200, answer.text);
    return { ...this.speaker.streamed(answer.text), servedBy: answer.servedBy, heard: heard(answer.call), answer };
  }

  async both(script, more) { return [await this.plain(script, more), await this.streamed(script, more)]; }

  mark() { return this.exact.length > 0 && this.exact.every(Boolean) ? 'bytes' : 'yes'; }
}

/** Only the model is another one, on the way there and back. */
function passed(body, call, answer) {
  const there = `"model":${JSON.stringify(call.model)}`;
  return call.raw === body.replace('"model":"a"', there) && call.sent.replaceAll(there, '"model":"a"') === answer.text;
}

const CELLS = {
  async text(pair) {
    const seen = await pair.plain();
    assert.deepEqual([seen.text, seen.stop, seen.heard.text], [`answer from ${pair.wire.name}`, 'stop', 'hi']);
  },
  async stream(pair) {
    const seen = await pair.streamed({ reply: 'one two three' });
    assert.deepEqual([seen.text, seen.stop, seen.whole, seen.heard.text], ['one two three', 'stop', true, 'hi']);
  },
  async system(pair) {
    const seen = await pair.plain({}, { system: 'Be brief.' });
    assert.deepEqual([seen.heard.system, seen.heard.text], ['Be brief.', 'hi']);
  },
  async tools(pair) {
    for (const seen of await pair.both({ toolCalls: [OSLO] }, { tools: ['look'] })) {
      assert.deepEqual(seen.heard.tools, ['look']);
      assert.deepEqual([seen.calls, seen.stop, seen.text], [wanted([OSLO]), 'calls', '']);
    }
  },
  async results(pair) {
    const seen = await pair.plain({}, { tools: ['look'], results: [OSLO, ROME] });
    assert.deepEqual([seen.heard.calls, seen.heard.results], [wanted([OSLO, ROME]), ['rain', 'sun']]);
    assert.equal(seen.text, `answer from ${pair.wire.name}`);
  },
  async parallel(pair) {
    const seen = await pair.streamed({ toolCalls: [OSLO, ROME] }, { tools: ['look'] });
    assert.deepEqual([seen.calls, seen.stop, seen.whole], [wanted([OSLO, ROME]), 'calls', true]);
    assert.equal(new Set(seen.ids).size, seen.ids.length, 'ids differ');
  },
  async image(pair) {
    const seen = await pair.plain({}, { image: IMAGE });
    assert.deepEqual([seen.heard.image, seen.heard.text], [IMAGE, 'hi']);
  },
  async thinking(pair) {
    for (const seen of await pair.both({ reasoning: 'let me see', reply: 'so it is' }))
      assert.deepEqual([seen.thinking, seen.text], ['let me see', 'so it is']);
  },
  async schema(pair) {
    for (const seen of await pair.both({ reply: '{"n":1}' }, { schema: SCHEMA }))
      assert.deepEqual([seen.heard.schema, seen.text], [SCHEMA, '{"n":1}']);
  },
  async length(pair) {
    for (const seen of await pair.both({ finish: 'length', reply: 'and so' }))
      assert.deepEqual([seen.stop, seen.text, seen.whole], ['length', 'and so', true]);
  },
  async usage(pair) {
    for (const seen of await pair.both()) assert.deepEqual(seen.usage, [11, 7]);
  },
  async fallback(pair) {
    const failure = { status: 500, json: { error: { message: 'internal error' } } };
    for (const seen of [await pair.plain(failure), await pair.streamed(failure), await pair.streamed({ endAt: 0, noFinish: true })])
      assert.deepEqual([seen.text, seen.servedBy, seen.whole], ['answer from generic', 'b', true]);
  },
  async broken(pair) {
    const seen = await pair.streamed({ reply: 'one two three', cutAt: 2 });
    assert.deepEqual([seen.text, seen.whole], ['one two', false], seen.answer.text);
    assert.match(seen.error, /broke off/);
  },
  async hangUp(pair) {
    await pair.gateway.clearBenches();
    pair.a.queue = [{ reply: 'word '.repeat(200), between: 20 }];
    const leaving = new AbortController();
    const body = { model: 'a', ...pair.speaker.body({ text: 'hi' }), ...pair.speaker.stream };
    await pair.gateway.send(pair.speaker.path, { body, signal: leaving.signal, onChunk: () => leaving.abort() }).catch(() => {});
    await pair.a.last.hungUp(1500);
    assert.deepEqual(await pair.gateway.benches(), []);
  },
};

const HEADS = {
  text: 'text', stream: 'stream', system: 'system', tools: 'tools', results: 'results of tools', parallel: 'parallel calls', image: 'image',
  thinking: 'thinking', schema: 'JSON schema', length: 'length', usage: 'usage', fallback: 'falls back', broken: 'own error in mid-stream', hangUp: 'hang-up closes',
};

/** What the client's protocol has no member for reaches nobody as that, or is refused by name. */
const MISSING = {
  system: [{ system: 'Be brief.' }, 'system'],
  tools: [{ tools: ['look'] }, 'tools'],
  results: [{ results: [OSLO] }, 'results'],
  parallel: [{ tools: ['look'], stream: true }, 'tools'],
  image: [{ image: IMAGE }, 'image'],
};

async function lacking(pair, column) {
  if (column === 'thinking') {
    const seen = await pair.plain({ reasoning: 'let me see', reply: 'so it is' });
    assert.deepEqual([seen.text, seen.answer.text.includes('"text":"let me see')], ['so it is', false]);
    return;
  }
  const [ask, member] = MISSING[column];
  const answer = await pair.ask({}, ask);
  if (answer.status === 200) assert.equal([heard(answer.call)[member]].flat().filter(Boolean).length, 0, answer.call.raw);
  else assert.match(`${answer.status} ${pair.speaker.error(answer.json)}`, /^400 .*(tools|messages|system|images)/);
}

const matrix = new Map();
const rowOf = (speaker, wire) => `${CLIENTS[speaker.name]} → ${NAMES[wire.name]}`;

describe('pairs', { concurrency: 2 }, () => {
  for (const wire of WIRES) {
    test(`every client → ${wire.name}`, async (t) => {
      const w = await pairWorld(t, wire);
      for (const speaker of SPEAKERS) {
        const row = {};
        matrix.set(rowOf(speaker, wire), row);
        for (const [column, check] of Object.entries(CELLS)) await t.test(`${speaker.name} → ${wire.name}: ${column}`, async () => {
          const pair = new Pair(w, speaker);
          const lacks = LACKS.get(speaker)?.includes(column);
          await (lacks ? lacking(pair, column) : check(pair));
          row[column] = lacks ? '–' : pair.mark();
        });
      }
    });
  }
});

const START = '<!-- pairs: written by tests/scenarios/pairs.test.mjs -->\n';
const END = '<!-- end of pairs -->\n';

function table() {
  const columns = Object.keys(CELLS);
  const line = (cells) => `| ${cells.join(' | ')} |\n`;
  const rows = SPEAKERS.flatMap((speaker) => WIRES.map((wire) => {
    const name = rowOf(speaker, wire);
    const cells = columns.map((column) => matrix.get(name)?.[column]);
    assert.ok(cells.every(Boolean), `${name}: ${columns.filter((_, at) => !cells[at]).join(', ')} did not pass`);
    return line([name, ...cells]);
  }));
  return `${START}${line(['pair', ...columns.map((column) => HEADS[column])])}${line(['---', ...columns.map(() => '---')])}${rows.join('')}${END}`;
}

test('the table in docs/dialects.md is what the pairs do', () => {
  const written = fs.readFileSync(DOCUMENT, 'utf8');
  const [from, to] = [written.indexOf(START), written.indexOf(END)];
  assert.ok(from > 0 && to > from, 'docs/dialects.md has the place for the table');
  const fresh = table();
  if (process.env.BLESS) fs.writeFileSync(DOCUMENT, written.slice(0, from) + fresh + written.slice(to + END.length));
  else assert.equal(written.slice(from, to + END.length), fresh, 'run it with BLESS=1 to write the table');
});
