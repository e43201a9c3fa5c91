// Bodies that are packed: nobody here unpacks them, so none is asked for and each is told apart.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { generic, openai } from '../providers/index.mjs';
import { counts, world } from '../lib/world.mjs';

const ANSWER = { id: 'c', object: 'chat.completion', created: 1, model: 'm', choices: [{ index: 0, message: { role: 'assistant', content: 'hi' }, finish_reason: 'stop' }] };
const packed = (value) => gzipSync(JSON.stringify(value));

describe('content encodings', { concurrency: 4 }, () => {
  test('upstreams are asked for bodies as they are', async (t) => {
    const w = await world(t, { a: openai });
    assert.equal((await w.gateway.chat('a')).status, 200);
    assert.equal(w.a.last.headers['accept-encoding'], 'identity');
  });

  test('an answer that comes packed all the same moves on, and the record says why', async (t) => {
    const w = await world(t, { a: generic, b: generic });
    w.a.always({ status: 200, headers: { 'content-type': 'application/json', 'content-encoding': 'gzip' }, bytes: packed(ANSWER) });
    const answer = await w.gateway.chat('a');
    assert.equal(answer.servedBy, 'b', answer.text);
    const { text } = await w.gateway.get(`/v1/requests/${answer.requestId}/explain`);
    assert.match(text, /Content-Encoding: gzip/);
  });

  test('a request that is packed gets 415 naming the encoding, and nobody is called', async (t) => {
    const w = await world(t, { a: openai });
    const body = packed({ model: 'a', messages: [{ role: 'user', content: 'hi' }] });
    for (const path of ['/v1/chat/completions', '/v1/messages', '/v1/embeddings', '/v1/audio/speech', '/v1/images/generations']) {
      const answer = await fetch(w.gateway.url + path, { method: 'POST', body, headers: { 'content-type': 'application/json', 'content-encoding': 'gzip' } });
      const text = await answer.text();
      assert.deepEqual([path, answer.status], [path, 415], text);
      assert.match(text, /gzip/);
    }
    assert.deepEqual(counts(w), { a: 0 });
    const plain = await w.gateway.chat('a', {}, { headers: { 'content-encoding': 'identity' } });
    assert.equal(plain.status, 200, plain.text);
  });
});
