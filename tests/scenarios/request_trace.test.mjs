// docs/request.md follows one real request; here the binary is asked whether the page tells the truth.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { cerebras, Fake, groq, mistral } from '../providers/index.mjs';
import { Gateway, ROOT } from '../lib/gateway.mjs';

const PAGE = fs.readFileSync(path.join(ROOT, 'docs/request.md'), 'utf8');
const TIMES_AND_IDS = new Set(['id', 'time', 'ms', 'at_ms', 'back_in_s']);

/** The contents of all fenced blocks of the page that are marked so, in order. */
const blocks = (mark) => [...PAGE.matchAll(new RegExp('^```' + mark + '\\n(.*?)^```$', 'gms'))].map(([, text]) => text.trim());

/** The value without the members that differ from run to run; they must be there all the same. */
function lasting(value) {
  if (Array.isArray(value)) return value.map(lasting);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, TIMES_AND_IDS.has(key) ? typeof one : lasting(one)]));
}

/** The shipped configuration with three providers on, two of which refuse. */
async function threeProviders(t) {
  const fakes = {};
  const env = {};
  for (const [flag, wire] of Object.entries({ GROQ: groq, CEREBRAS: cerebras, MISTRAL: mistral })) {
    fakes[flag] = await Fake.start(wire);
    t.after(() => fakes[flag].close());
    Object.assign(env, { [flag]: '1', [`${flag}_API_BASE`]: fakes[flag].base, [`${flag}_API_KEY`]: `sk-of-${flag}` });
  }
  fakes.GROQ.always(groq.errors.tpm);
  fakes.CEREBRAS.always(cerebras.errors.unavailable);
  const gateway = await Gateway.start(t, { configPath: path.join(ROOT, 'config'), env, cwd: ROOT });
  return { gateway, fakes };
}

describe('docs/request.md', () => {
  test('tells the trace that the binary makes', async (t) => {
    const [[request], [firstTrail, secondTrail], [record]] = [blocks('json request'), blocks('text trail'), blocks('json record')];
    const { gateway, fakes } = await threeProviders(t);

    const first = await gateway.send('/v1/chat/completions', { body: request });
    assert.equal(first.trailText, firstTrail);
    assert.equal(first.content, 'answer from mistral');
    assert.ok(first.endsWithDone);
    const told = (await gateway.get(`/v1/requests/${first.requestId}/explain`)).json;
    assert.equal(told.id, first.requestId);
    assert.deepEqual(lasting(told), lasting(JSON.parse(record)));
    assert.equal(told.candidates[0].back_in_s, 12, 'what Groq states');
    assert.ok(told.candidates[1].back_in_s <= 5, 'what is guessed of Cerebras');

    const second = await gateway.send('/v1/chat/completions', { body: request });
    assert.equal(second.trailText, secondTrail);
    assert.deepEqual(Object.values(fakes).map(({ calls }) => calls.length), [1, 1, 2]);
    assert.equal(fakes.MISTRAL.last.body.random_seed, 7);
  });

  test('names the chain that decides', async (t) => {
    const { gateway } = await threeProviders(t);
    const decision = (await gateway.send('/v1/explain', { body: { model: 'groq-llama-3.3-70b' } })).json;
    const aliases = decision.candidates.map(({ alias }) => alias);
    const step = PAGE.slice(PAGE.indexOf('### 5.'), PAGE.indexOf('### 6.'));
    const named = [...step.matchAll(/`([a-z]+-[a-z0-9.-]+)`/g)].map(([, alias]) => alias);
    assert.deepEqual(named, aliases);
  });

  test('names files that exist', () => {
    const files = [...PAGE.matchAll(/`((?:src|tests)\/[a-z0-9_/.]+)`/g)].map(([, file]) => file);
    assert.ok(files.length >= 8);
    for (const file of files) assert.ok(fs.existsSync(path.join(ROOT, file)), file);
  });
});
