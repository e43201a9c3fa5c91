// X7: what a server must refuse on the wire. Each refusal is 4xx, closes the connection, and
// reaches no upstream.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { openai } from '../providers/index.mjs';
import { chatBytes, raw } from '../lib/raw.mjs';
import { world } from '../lib/world.mjs';

const bodyFor = (model) => JSON.stringify({ model, messages: [{ role: 'user', content: 'hi' }] });
/** What must be refused asks for `a`, what must be served for `b`. */
const BODY = bodyFor('a');
const SANE = bodyFor('b');
const head = (...lines) => `${['POST /v1/chat/completions HTTP/1.1', 'Host: x', 'Content-Type: application/json', ...lines].join('\r\n')}\r\n\r\n`;
const chunked = (body) => `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
const CHUNKED = chunked(BODY);
const length = `Content-Length: ${BODY.length}`;

/** 501 is for a transfer coding nobody knows; a flood may be cut off without a word. */
const REFUSALS = [undefined, 400, 408, 413, 414, 431, 501];

const SMUGGLING = {
  'Content-Length and Transfer-Encoding': head(length, 'Transfer-Encoding: chunked') + CHUNKED,
  'Transfer-Encoding and Content-Length': head('Transfer-Encoding: chunked', length) + CHUNKED,
  'two Content-Length that differ': head(length, 'Content-Length: 5') + BODY,
  'two Content-Length that agree': head(length, length) + BODY,
  'a Content-Length list': head(`Content-Length: ${BODY.length}, ${BODY.length}`) + BODY,
  'a signed Content-Length': head(`Content-Length: +${BODY.length}`) + BODY,
  'a negative Content-Length': head('Content-Length: -1') + BODY,
  'a hexadecimal Content-Length': head('Content-Length: 0x10') + BODY,
  'an overlong Content-Length': head('Content-Length: 99999999999999999999999') + BODY,
  'an obsolete line folding': head('X-A: b\r\n folded', length) + BODY,
  'a bare LF in the headers': head(length).replace('Host: x\r\n', 'Host: x\n') + BODY,
  'a bare LF in the request line': head(length).replace('HTTP/1.1\r\n', 'HTTP/1.1\n') + BODY,
  'a space before the colon': head('Transfer-Encoding : chunked') + CHUNKED,
  'a second coding': head('Transfer-Encoding: chunked, identity') + CHUNKED,
  'an unknown coding': head('Transfer-Encoding: xchunked') + CHUNKED,
  'two Transfer-Encoding': head('Transfer-Encoding: chunked', 'Transfer-Encoding: identity') + CHUNKED,
  'a bad chunk size': `${head('Transfer-Encoding: chunked')}zz\r\n${BODY}\r\n0\r\n\r\n`,
  'a NUL in a header': head('X-A: b\0c', length) + BODY,
  'a header without a name': head(': b', length) + BODY,
  'a header without a colon': head('nonsense', length) + BODY,
  'no version': `POST /v1/chat/completions\r\n${length}\r\n\r\n${BODY}`,
};

describe('X7', { concurrency: 6 }, () => {
  let w;
  const cleanups = [];
  before(async () => { w = await world({ after: (f) => cleanups.push(f) }, { a: openai, b: openai }, { chains: [] }); });
  after(async () => { for (const cleanup of cleanups.reverse()) await cleanup(); });

  const refused = async (bytes, within) => {
    const answer = await raw(w.gateway.port, bytes, { within });
    assert.ok(answer.closed, `the connection is still open: ${answer.text.slice(0, 200)}`);
    assert.ok(REFUSALS.includes(answer.status), answer.text.slice(0, 300));
    assert.equal(w.a.calls.length, 0, 'nothing reached the upstream');
    return answer;
  };

  test('X7 smuggling shapes are refused with 400 and close', async (t) => {
    for (const [what, bytes] of Object.entries(SMUGGLING)) {
      await t.test(what, async () => {
        const answer = await refused(bytes);
        assert.ok([400, 413, 501].includes(answer.status), `${answer.status}`);
      });
    }
  });

  test('X7 the sane request of the same shape is served', async () => {
    const plain = await raw(w.gateway.port, head(length, 'Connection: close') + SANE);
    assert.equal(plain.status, 200, plain.text);
    const parts = await raw(w.gateway.port, head('Transfer-Encoding: chunked', 'Connection: close') + chunked(SANE));
    assert.equal(parts.status, 200, parts.text);
    assert.equal(w.b.calls.length, 2);
  });

  test('X7 a second request hidden behind a refused one is not served', async () => {
    const hidden = chatBytes('a');
    await refused(head(length, 'Transfer-Encoding: chunked') + CHUNKED + hidden);
  });

  test('X7 one huge header', async () => {
    const answer = await refused(head(`X-Big: ${'a'.repeat(1 << 20)}`, length) + BODY);
    assert.ok([undefined, 400, 431].includes(answer.status), answer.status);
  });

  test('X7 too many headers', async () => {
    const many = Array.from({ length: 5000 }, (_, at) => `X-${at}: 1`);
    const answer = await refused(head(...many, length) + BODY);
    assert.ok([undefined, 400, 431].includes(answer.status), answer.status);
  });

  test('X7 an overlong request line', async () => {
    const answer = await refused(`GET /v1/models?${'a'.repeat(1 << 18)} HTTP/1.1\r\nHost: x\r\n\r\n`);
    assert.ok([undefined, 400, 414, 431].includes(answer.status), answer.status);
  });

  test('X7 a body that is announced too large is refused before it is sent', async () => {
    const answer = await refused(head('Content-Length: 20000000000'));
    assert.equal(answer.status, 413, answer.text);
  });

  test('X7 a chunked body that grows too large is refused', async () => {
    const part = `100000\r\n${'a'.repeat(1 << 20)}\r\n`;
    let left = 300;
    const pour = (socket) => { while (left-- > 0 && !socket.destroyed) if (!socket.write(part)) return void socket.once('drain', () => pour(socket)); };
    const answer = await refused((socket) => { socket.write(head('Transfer-Encoding: chunked')); pour(socket); }, 20_000);
    assert.ok(left > 0, 'refused before 300 MB were read');
    assert.ok([undefined, 413].includes(answer.status), answer.text.slice(0, 200));
  });

  test('X7 a sender that drips its headers is cut off', async () => {
    let timer;
    const answer = await refused((socket) => {
      socket.write('POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nX-Slow: ');
      timer = setInterval(() => socket.writable && socket.write('a'), 500);
    }, 40_000).finally(() => clearInterval(timer));
    assert.ok(answer.ms < 35_000, `${answer.ms} ms`);
  });

  test('X7 a connection that sends nothing is closed', async () => {
    await refused(() => {}, 90_000);
  });

  test('X7 a sender that announces a body and never sends it is cut off', async () => {
    await refused(head('Content-Length: 50') + '{"model"', 90_000);
  });

  test('two pipelined requests get two answers in order', async () => {
    const first = 'GET /health/liveness HTTP/1.1\r\nHost: x\r\n\r\n';
    const second = 'GET /v1/models HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';
    const answer = await raw(w.gateway.port, first + second);
    assert.equal(answer.text.match(/HTTP\/1\.1 200/g)?.length, 2, answer.text);
    assert.ok(answer.text.includes('"object"'));
  });

  test('Expect: 100-continue is answered', async () => {
    const answer = await raw(w.gateway.port, (socket) => {
      socket.write(head(length, 'Expect: 100-continue', 'Connection: close'));
      socket.once('data', () => socket.write(SANE));
    });
    assert.match(answer.text, /^HTTP\/1\.1 100 /);
    assert.match(answer.text, /HTTP\/1\.1 200 /);
  });

  test('X7 a client that pours out 60 MB gets its 413', async () => {
    const answer = await w.gateway.send('/v1/chat/completions', { body: 'x'.repeat(60 << 20) });
    assert.equal(answer.status, 413, answer.text);
    assert.match(answer.error.message, /MB|bytes|large/i);
    assert.equal(w.a.calls.length, 0);
  });

  test('one CRLF before a request line is ignored', async () => {
    const get = 'GET /v1/models HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';
    const leading = await raw(w.gateway.port, `\r\n${get}`);
    assert.equal(leading.status, 200, leading.text);
    const unknown = bodyFor('nobody');
    const behind = await raw(w.gateway.port, `${head(`Content-Length: ${unknown.length}`)}${unknown}\r\n${get}`);
    assert.deepEqual(behind.text.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 404', 'HTTP/1.1 200'], behind.text);
  });
});
