// POST /v1/rerank and /v2/rerank: Cohere's and Jina's shapes before Cohere and any compatible server.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { cohere, generic, ollama } from '../providers/index.mjs';
import { world } from '../lib/world.mjs';

const DOCUMENTS = ['Carson City is a city in Nevada.', 'Paris', 'The capital of France is Paris.', 'Oslo'];
/** By the fakes' scores: those that hold the query first, the shorter before the longer. */
const ORDER = [1, 2, 3, 0];

const ranking = (t, targets, more = {}) => world(t, targets, {
  info: Object.fromEntries(Object.keys(targets).map((alias) => [alias, { mode: 'rerank', ...more.info?.[alias] }])),
  params: Object.fromEntries(Object.entries(targets).map(([alias, wire]) => [alias, { model: wire.name === 'cohere' ? 'cohere/rerank-v3.5' : wire.model }])),
  ...more.world,
});
const rank = (w, more = {}, where = '/v1/rerank', options = {}) =>
  w.gateway.send(where, { body: { model: 'a', query: 'Paris', documents: DOCUMENTS, ...more }, ...options });
const orderOf = (answer) => answer.json.results.map(({ index }) => index);

describe('rerank', { concurrency: 4 }, () => {
  for (const [name, wire, upstream] of [['Cohere', cohere, '/v2/rerank'], ['a compatible server', generic, '/v1/rerank']]) {
    test(`${name}, at every path`, async (t) => {
      const w = await ranking(t, { a: wire });
      for (const where of ['/v1/rerank', '/v2/rerank', '/rerank']) {
        const answer = await rank(w, {}, where);
        assert.deepEqual([answer.status, orderOf(answer)], [200, ORDER], answer.text);
        assert.deepEqual([answer.json.model, answer.json.meta.billed_units.search_units], ['a', 1]);
        assert.ok(answer.json.id.length > 0);
        assert.ok(answer.json.results.every(({ document }) => document === undefined));
        const scores = answer.json.results.map(({ relevance_score }) => relevance_score);
        assert.deepEqual(scores, [...scores].sort((a, b) => b - a));
      }
      assert.equal(w.a.last.path, upstream);
    });

    test(`${name}: top_n, documents as objects, documents echoed`, async (t) => {
      const w = await ranking(t, { a: wire });
      const documents = DOCUMENTS.map((text, at) => (at % 2 === 0 ? { text, title: 'x' } : text));
      const answer = await rank(w, { documents, top_n: 2, return_documents: true });
      assert.deepEqual(answer.json.results.map(({ index, document }) => [index, document]), [[1, { text: DOCUMENTS[1] }], [2, { text: DOCUMENTS[2] }]], answer.text);
      assert.deepEqual([w.a.last.body.documents, w.a.last.body.top_n, 'return_documents' in w.a.last.body], [DOCUMENTS, 2, false]);
      assert.deepEqual(orderOf(await rank(w, { top_n: 99 })), ORDER);
      assert.equal(w.a.last.body.top_n, 4);
    });
  }

  test('a stated number of tokens is told, max_tokens_per_doc reaches Cohere', async (t) => {
    const w = await ranking(t, { a: generic, b: cohere }, { world: { chains: [] } });
    assert.deepEqual((await rank(w)).json.usage, { total_tokens: 40 });
    await rank(w, { model: 'b', max_tokens_per_doc: 512 });
    assert.equal(w.b.last.body.max_tokens_per_doc, 512);
  });

  test('moves on past refusals, nonsense and who ranks nothing', async (t) => {
    const w = await ranking(t, { a: cohere, b: ollama, c: generic, d: generic });
    w.a.always(cohere.errors.minute);
    w.c.always({ json: { results: [{ index: 9, relevance_score: 1 }] } });
    const answer = await rank(w);
    assert.deepEqual([answer.status, answer.servedBy, orderOf(answer)], [200, 'd', ORDER], answer.text);
    assert.deepEqual(answer.trail.map(({ outcome, skipped }) => outcome ?? skipped), ['rate_limited', 'unsupported', 'malformed', 'served']);
  });

  test('wrong requests are told what is wrong', async (t) => {
    const w = await ranking(t, { a: generic });
    const cases = [
      [{ query: undefined }, /`query` is missing/], [{ query: 7 }, /`query` must be a string/],
      [{ documents: undefined }, /`documents` is missing/], [{ documents: [] }, /`documents` is empty/],
      [{ documents: ['x', 7] }, /`documents\[1\]` must be a string/], [{ documents: [{ title: 'x' }] }, /`documents\[0\]`/],
      [{ top_n: 0 }, /`top_n` must be/], [{ return_documents: 'yes' }, /`return_documents` must be/],
    ];
    for (const [more, text] of cases) {
      const answer = await rank(w, more);
      assert.equal(answer.status, 400, answer.text);
      assert.match(answer.error.message, text);
    }
    assert.equal(w.a.calls.length, 0);
    assert.equal((await rank(w, {}, '/v1/rerank', { method: 'PUT' })).status, 405);
  });

  test('requests a minute and documents are limits', async (t) => {
    const w = await ranking(t, { a: { ...cohere, headers: undefined } }, { info: { a: { limits: [
      { metric: 'requests', window: 'minute', limit: 2, reset: 'rolling' }, { metric: 'inputs', window: 'minute', limit: 100, reset: 'rolling' }] } } });
    assert.equal((await rank(w)).status, 200);
    const lines = (await w.gateway.get('/v1/quota')).json.data;
    assert.equal(lines.find((line) => line.metric === 'inputs').used, 4);
    assert.equal((await rank(w)).status, 200);
    assert.equal((await rank(w)).status, 429);
    assert.equal(w.a.calls.length, 2);
  });

  test('the key is asked for', async (t) => {
    const w = await ranking(t, { a: cohere }, { world: { general: { master_key: 'sk-master' } } });
    assert.equal((await rank(w)).status, 401);
    assert.equal((await rank(w, {}, '/v2/rerank', { headers: { authorization: 'Bearer sk-master' } })).status, 200);
  });
});
