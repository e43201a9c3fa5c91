// The official cohere-ai package against the real binary: rankings.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CohereClient, CohereClientV2, CohereError } from 'cohere-ai';
import { cohere, generic } from '../providers/index.mjs';
import { caught } from '../lib/caught.mjs';
import { world } from '../lib/world.mjs';

const ask = { model: 'a', query: 'Paris', documents: ['Carson City is a city in Nevada.', 'Paris', 'The capital of France is Paris.', 'Oslo'] };
/** Told by the fakes' scores: those that hold the query, then the shorter. */
const ORDER = [1, 2, 3, 0];
const place = (w, more) => ({ token: 'any', environment: w.gateway.url, baseUrl: w.gateway.url, maxRetries: 0, ...more });
const orderOf = ({ results }) => results.map(({ index }) => index);

function ranking(t, wire, more) {
  const model = wire === cohere ? 'cohere/rerank-v3.5' : wire.model;
  return world(t, { a: wire }, { info: { a: { mode: 'rerank' } }, params: { a: { model } }, ...more });
}

describe('cohere package', { concurrency: 4 }, () => {
  for (const wire of [cohere, generic]) {
    test(`rerank of both versions, served by ${wire.name}`, async (t) => {
      const w = await ranking(t, wire);
      const answer = await new CohereClientV2(place(w)).rerank({ ...ask, topN: 3 });
      assert.deepEqual(orderOf(answer), ORDER.slice(0, 3));
      assert.ok(answer.results[0].relevanceScore > answer.results[1].relevanceScore);
      assert.ok(answer.id.length > 0);
      assert.equal(answer.meta.billedUnits.searchUnits, 1);
      const first = await new CohereClient(place(w)).rerank({ ...ask, returnDocuments: true });
      assert.deepEqual(orderOf(first), ORDER);
      assert.equal(first.results[0].document.text, 'Paris');
    });
  }

  test('errors have their status', async (t) => {
    const w = await ranking(t, cohere, { env: { FREEWAY_MASTER_KEY: 'sk-right' } });
    const status = async (token, more) => {
      const error = await caught(new CohereClientV2(place(w, { token })).rerank({ ...ask, ...more }));
      assert.ok(error === undefined || error instanceof CohereError, String(error));
      return error?.statusCode;
    };
    assert.equal(await status('sk-wrong'), 401);
    assert.equal(await status('sk-right', { model: 'nobody' }), 404);
    assert.equal(await status('sk-right', { documents: [] }), 400);
    w.a.always(cohere.errors.minute);
    assert.equal(await status('sk-right'), 429);
  });
});
