// Connections: reuse, TLS on both sides, proxies.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import { before, describe, test } from 'node:test';
import { Fake, openai } from '../providers/index.mjs';
import { entry, world } from '../lib/world.mjs';
import { Gateway, scratch } from '../lib/gateway.mjs';
import { authority } from '../lib/tls.mjs';
import { forwardProxy } from '../lib/proxy.mjs';

describe('connections', { concurrency: 4 }, () => {
  test('the connection to an upstream is used again', async (t) => {
    const w = await world(t, { a: openai });
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    t.after(() => agent.destroy());
    const once = () => new Promise((resolve, reject) => {
      const body = JSON.stringify({ model: 'a', messages: [{ role: 'user', content: 'hi' }] });
      const req = http.request(`${w.gateway.url}/v1/chat/completions`, { method: 'POST', agent, headers: { 'content-type': 'application/json' } }, (res) => {
        const { localPort } = res.socket;
        res.resume().on('end', () => resolve(localPort));
      });
      req.on('error', reject).end(body);
    });
    const ports = [];
    for (let round = 0; round < 10; round += 1) ports.push(await once());
    assert.equal(new Set(ports).size, 1, 'the client’s own connection stays open');
    assert.equal(w.a.connections, 1);
  });

  test('a streamed answer leaves its connection usable', async (t) => {
    const w = await world(t, { a: openai });
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    t.after(() => agent.destroy());
    for (let round = 0; round < 5; round += 1) {
      await new Promise((resolve, reject) => {
        const body = JSON.stringify({ model: 'a', stream: true, messages: [{ role: 'user', content: 'hi' }] });
        http.request(`${w.gateway.url}/v1/chat/completions`, { method: 'POST', agent, headers: { 'content-type': 'application/json' } }, (res) => res.resume().on('end', resolve)).on('error', reject).end(body);
      });
    }
    assert.equal(w.a.connections, 1);
  });

  test('a pooled connection that the upstream has closed is not a failure', async (t) => {
    const w = await world(t, { a: openai, b: openai });
    w.a.always({ closeIdle: true });
    for (let round = 0; round < 8; round += 1) {
      const answer = await w.gateway.chat('a');
      assert.equal(answer.servedBy, 'a', answer.trailText);
      await new Promise((resolve) => { setTimeout(resolve, round * 8); });
    }
    assert.equal(w.a.calls.length, 8);
    assert.deepEqual(await w.gateway.benches(), []);
  });

  test('an upstream that answers Connection: close is called anew', async (t) => {
    const w = await world(t, { a: openai });
    w.a.always({ headers: { connection: 'close' } });
    for (let round = 0; round < 3; round += 1) assert.equal((await w.gateway.chat('a')).status, 200);
    assert.equal(w.a.connections, 3);
  });

  test('an HTTP/1.0 answer that ends with the connection is read', async (t) => {
    const w = await world(t, { a: openai });
    const body = JSON.stringify({ id: 'x', object: 'chat.completion', created: 1, model: 'm', choices: [{ index: 0, message: { role: 'assistant', content: 'old' }, finish_reason: 'stop' }] });
    w.a.next({ raw: `HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n${body}` });
    const answer = await w.gateway.chat('a');
    assert.equal(answer.json?.choices[0].message.content, 'old', answer.text);
  });
});

describe('TLS', { concurrency: 4 }, () => {
  let ca;
  let good;
  let elsewhere;
  let own;
  before(() => {
    ca = authority(scratch());
    good = ca.issue(['DNS:localhost', 'IP:127.0.0.1']);
    elsewhere = ca.issue(['DNS:other.example']);
    own = ca.selfSigned(['DNS:localhost', 'IP:127.0.0.1']);
  });

  /** A TLS upstream `a` with a plain fallback `b`. */
  async function pair(t, certificate, { env = {}, base } = {}) {
    const [a, b] = [await Fake.start(openai, { tls: certificate }), await Fake.start(openai)];
    t.after(() => Promise.all([a.close(), b.close()]));
    const api_base = base?.(a) ?? a.base;
    const config = { model_list: [entry('a', a, { params: { api_base } }), entry('b', b)], router_settings: { fallbacks: [{ a: ['b'] }] } };
    const gateway = await Gateway.start(t, { config, env: { SSL_CERT_FILE: ca.caFile, ...env } });
    return { a, b, gateway };
  }

  test('an upstream with a certificate of SSL_CERT_FILE is served, SNI sent, the connection reused', async (t) => {
    const { a, gateway } = await pair(t, good, { base: (fake) => `https://localhost:${fake.port}/v1` });
    for (let round = 0; round < 30; round += 1) {
      const answer = await gateway.chat('a');
      assert.equal(answer.servedBy, 'a', answer.trailText);
    }
    assert.equal((await gateway.stream('a')).content, 'answer from openai');
    assert.equal(a.last.servername, 'localhost');
    assert.ok(a.connections < a.calls.length, `${a.connections} connections for ${a.calls.length} calls`);
  });

  test('a certificate may name an IP address', async (t) => {
    const { gateway } = await pair(t, good);
    assert.equal((await gateway.chat('a')).servedBy, 'a');
  });

  const REFUSED = {
    'of another host': () => [elsewhere, {}],
    'of nobody we trust (self-signed)': () => [own, {}],
    'of an authority that is not in SSL_CERT_FILE': () => [good, { env: { SSL_CERT_FILE: own.certFile } }],
  };
  for (const [what, make] of Object.entries(REFUSED)) {
    test(`X6 a certificate ${what} is refused, the key not sent`, async (t) => {
      const [certificate, options] = make();
      const { a, gateway } = await pair(t, certificate, options);
      const answer = await gateway.chat('a');
      assert.equal(answer.servedBy, 'b', answer.text);
      assert.deepEqual(answer.trail[0], { alias: 'a', outcome: 'transient' });
      assert.equal(a.calls.length, 0);
      const record = await gateway.get(`/v1/requests/${answer.requestId}/explain`);
      assert.match(record.text, /certificate|verify|TLS/i, 'the record says why');
    });
  }

  test('plain HTTP spoken to a TLS port fails cleanly', async (t) => {
    const { gateway } = await pair(t, good, { base: (fake) => `http://127.0.0.1:${fake.port}/v1` });
    assert.equal((await gateway.chat('a')).servedBy, 'b');
  });

  test('the listener speaks TLS with a certificate and key file', async (t) => {
    const w = await world(t, { a: openai }, { args: ['--tls-cert', good.certFile, '--tls-key', good.keyFile] });
    assert.match(w.gateway.url, /^https:/);
    const trust = { ca: fs.readFileSync(ca.caFile) };
    const answer = await w.gateway.chat('a', {}, trust);
    assert.equal(answer.status, 200, answer.text);
    assert.equal((await w.gateway.stream('a', {}, trust)).content, 'answer from openai');
  });
});

describe('proxies', { concurrency: 4 }, () => {
  const HOST = 'provider.invalid';

  async function behindProxy(t, { tls, env = () => ({}), envFile = () => '' }) {
    const fake = await Fake.start(openai, { tls });
    const proxy = await forwardProxy(fake.port);
    t.after(() => Promise.all([fake.close(), proxy.close()]));
    const api_base = `${tls ? 'https' : 'http'}://${HOST}:${fake.port}/v1`;
    const config = { model_list: [entry('a', fake, { params: { api_base } }), entry('local', fake)] };
    const gateway = await Gateway.start(t, { config, env: env(proxy.url), envFile: envFile(proxy.url) });
    return { fake, proxy, gateway };
  }

  for (const name of ['HTTP_PROXY', 'http_proxy']) {
    test(`${name} is honoured`, async (t) => {
      const { proxy, gateway, fake } = await behindProxy(t, { env: (url) => ({ [name]: url }) });
      const answer = await gateway.chat('a');
      assert.equal(answer.status, 200, answer.text);
      assert.equal((await gateway.stream('a')).content, 'answer from openai');
      assert.equal(proxy.requests.length, 2);
      assert.equal(proxy.requests[0].url, `http://${HOST}:${fake.port}/v1/chat/completions`);
      assert.equal(fake.last.headers.host, `${HOST}:${fake.port}`);
    });
  }

  test('HTTPS_PROXY is honoured with CONNECT, the certificate still verified', async (t) => {
    const folder = scratch();
    const ca = authority(folder);
    const tls = ca.issue([`DNS:${HOST}`]);
    const { proxy, gateway, fake } = await behindProxy(t, { tls, env: (url) => ({ HTTPS_PROXY: url, SSL_CERT_FILE: ca.caFile }) });
    const answer = await gateway.chat('a');
    assert.equal(answer.status, 200, answer.text);
    assert.deepEqual(proxy.tunnels, [`${HOST}:${fake.port}`]);
    assert.equal(fake.last.servername, HOST);
    const bad = await behindProxy(t, { tls: ca.issue(['DNS:other.example']), env: (url) => ({ HTTPS_PROXY: url, SSL_CERT_FILE: ca.caFile }) });
    assert.ok((await bad.gateway.chat('a')).status >= 500);
    assert.equal(bad.fake.calls.length, 0);
  });

  test('HTTP_PROXY, NO_PROXY and SSL_CERT_FILE act from .env alone', async (t) => {
    const ca = authority(scratch());
    const tls = ca.issue([`DNS:${HOST}`]);
    const plain = await behindProxy(t, { envFile: (url) => `HTTP_PROXY=${url}\nNO_PROXY=127.0.0.1\n` });
    assert.equal((await plain.gateway.chat('a')).status, 200);
    assert.equal((await plain.gateway.chat('local')).status, 200);
    assert.equal(plain.proxy.requests.length, 1);
    const secure = await behindProxy(t, { tls, envFile: (url) => `HTTPS_PROXY=${url}\nSSL_CERT_FILE=${ca.caFile}\n` });
    assert.equal((await secure.gateway.chat('a')).status, 200);
    assert.equal(secure.proxy.tunnels.length, 1);
  });

  test('NO_PROXY is honoured', async (t) => {
    const { proxy, gateway, fake } = await behindProxy(t, { env: (url) => ({ HTTP_PROXY: url, NO_PROXY: `example.org,127.0.0.1,${HOST}` }) });
    assert.equal((await gateway.chat('local')).status, 200);
    assert.equal(fake.calls.length, 1);
    assert.ok((await gateway.chat('a')).status >= 500, 'the host does not exist without the proxy');
    assert.equal(proxy.requests.length, 0);
  });

  test('a dead proxy is a failed attempt', async (t) => {
    const { gateway } = await behindProxy(t, { env: () => ({ HTTP_PROXY: 'http://127.0.0.1:1' }) });
    const answer = await gateway.chat('a');
    assert.ok([502, 503].includes(answer.status), answer.text);
    assert.equal(answer.error.attempts[0].outcome, 'transient');
  });
});
