// The whole shipped configuration with every flag on: every cloud refuses in its own words, the GPU
// is full, a local model on the CPU is healthy.
import assert from 'node:assert/strict';
import path from 'node:path';
import { describe, test } from 'node:test';
import { anthropic, cerebras, cohere, Fake, generic, groq, huggingface, mistral, ollama, openai, openrouter } from '../providers/index.mjs';
import { Gateway, ROOT } from '../lib/gateway.mjs';
import { counts, world } from '../lib/world.mjs';

const credits = huggingface.errors.credits;
// Its minutes are the clock's: without a Retry-After the bench may end between two requests.
const spent = { ...mistral.errors.rate, headers: { ...mistral.errors.rate.headers, 'retry-after': '60' } };
/** flag → its provider, the 429 (or what it sends instead), the name of its key. */
const CLOUDS = {
  GROQ: [groq, groq.errors.tpd, 'GROQ_API_KEY'],
  CEREBRAS: [cerebras, cerebras.errors.rpm, 'CEREBRAS_API_KEY'],
  OPENROUTER: [openrouter, openrouter.errors.free_day, 'OPENROUTER_API_KEY'],
  HUGGINGFACE: [huggingface, { ...credits, status: 429 }, 'HF_TOKEN'],
  MISTRAL: [mistral, spent, 'MISTRAL_API_KEY'],
  COHERE: [cohere, cohere.errors.month, 'COHERE_API_KEY'],
  CLAUDEBOX: [generic, generic.errors.rate, 'CLAUDEBOX_API_TOKEN'],
  PIBOX_ZAI: [generic, generic.errors.zai_window, 'PIBOX_ZAI_API_TOKEN'],
  ANTHROPIC: [anthropic, anthropic.errors.rate_429, 'ANTHROPIC_API_KEY'],
  OPENAI: [openai, openai.errors.insufficient_quota, 'OPENAI_API_KEY'],
};
const SILENT = ['TALKIES', 'TALKIES_CUDA', 'SDCPP', 'SDCPP_CUDA'];

async function everything(t) {
  const fakes = {};
  const env = { LLAMACPP: '1' };
  for (const [flag, [wire, refusal, keyName]] of Object.entries(CLOUDS)) {
    fakes[flag] = (await Fake.start(wire, { strict: false })).always(refusal);
    Object.assign(env, { [flag]: '1', [`${flag}_API_BASE`]: fakes[flag].base, [keyName]: `sk-of-${flag.toLowerCase()}` });
  }
  fakes.OLLAMA = await Fake.start(ollama);
  fakes.OLLAMA_CUDA = (await Fake.start(ollama)).always(ollama.errors.out_of_memory);
  for (const flag of ['OLLAMA', 'OLLAMA_CUDA']) Object.assign(env, { [flag]: '1', [`${flag}_API_BASE`]: fakes[flag].base });
  for (const flag of SILENT) Object.assign(env, { [flag]: '1', [`${flag}_API_BASE`]: 'http://127.0.0.1:1' });
  t.after(() => Promise.all(Object.values(fakes).map((fake) => fake.close())));
  const gateway = await Gateway.start(t, { configPath: path.join(ROOT, 'config'), env, cwd: ROOT });
  const calls = () => Object.values(fakes).flatMap((fake) => fake.calls);
  return { gateway, fakes, calls };
}

describe('all clouds refuse', () => {
  test('B1 all 120 aliases are listed', async (t) => {
    const { gateway } = await everything(t);
    const ids = (await gateway.get('/v1/models')).json.data.map(({ id }) => id);
    assert.ok(ids.length >= 120, `${ids.length} aliases`);
    for (const id of ['groq-llama-3.3-70b', 'or-hermes-3-405b', 'hf-qwen3-8b', 'cohere-command-r7b', 'pibox-zai-glm-4.7', 'local-ollama-cpu-llama3.2-3b']) assert.ok(ids.includes(id), id);
  });

  for (const [mode, more] of [['plain', {}], ['streamed', { stream: true }]]) {
    test(`G1 G2 G6 groq-llama-3.1-8b is answered by a local model, the second request makes one call (${mode})`, async (t) => {
      const { gateway, calls, fakes } = await everything(t);
      const first = await gateway.chat('groq-llama-3.1-8b', more);
      assert.equal(first.status, 200, first.text);
      assert.match(first.servedBy, /^local-ollama-cpu-/, first.trailText);
      const perTarget = new Map();
      for (const call of calls()) perTarget.set(`${call.headers.host} ${call.model}`, (perTarget.get(`${call.headers.host} ${call.model}`) ?? 0) + 1);
      assert.deepEqual([...perTarget.values()].filter((count) => count !== 1), [], 'one call a member at most');
      assert.equal(first.attempts, calls().length, first.trailText);
      assert.ok(first.ms < 1000, `${first.ms} ms: nobody sleeps`);
      const before = calls().length;
      const second = await gateway.chat('groq-llama-3.1-8b', more);
      assert.equal(second.servedBy, first.servedBy, second.trailText);
      const extra = calls().length - before;
      assert.equal(extra, 1, `second request: ${second.trailText}`);
      assert.equal(fakes.OLLAMA.calls.length, 2);
      t.diagnostic(`first request: ${before} upstream calls in ${first.ms.toFixed(1)} ms; second request: ${extra} in ${second.ms.toFixed(1)} ms`);
    });
  }

  test('every chat alias is answered, whoever is asked for', async (t) => {
    const { gateway } = await everything(t);
    const aliases = ['groq-llama-3.1-8b', 'groq-gpt-oss-120b', 'cerebras-gpt-oss-120b', 'or-qwen3-80b', 'hf-llama-3.3-70b', 'mistral-small', 'cohere-command-a'];
    for (const alias of aliases) {
      const answer = await gateway.chat(alias);
      assert.ok([200, 429].includes(answer.status), `${alias}: ${answer.status} ${answer.text.slice(0, 300)}`);
      if (answer.status === 200) assert.match(answer.servedBy, /^local-/);
    }
  });

  test('G11 a keyless member among spent ones does not hide that all is quota', async (t) => {
    const w = await world(t, { a: openai, b: openai, c: openai }, { params: { b: { api_key: 'os.environ/NOT_SET_ANYWHERE' } } });
    for (const fake of [w.a, w.c]) fake.always({ ...openai.errors.rpm, headers: { 'retry-after': '7' } });
    for (const moment of ['when they refuse', 'when they are benched']) {
      const answer = await w.gateway.chat('a');
      assert.equal(answer.status, 429, `${moment}: ${answer.text}`);
      const seconds = Number(answer.headers['retry-after']);
      assert.ok(seconds >= 1 && seconds <= 20, `${moment}: retry-after ${answer.headers['retry-after']}`);
    }
    assert.deepEqual(counts(w), { a: 1, b: 0, c: 1 });
  });
});
