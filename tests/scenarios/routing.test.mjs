// X2 and X5: the path alone decides the route, and a client decides nothing else.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Fake, openai } from '../providers/index.mjs';
import { chatBytes, raw } from '../lib/raw.mjs';
import { world } from '../lib/world.mjs';

const KEY = 'sk-master-of-routing';
const get = (target, header = '') => {
  const host = header.startsWith('Host:') ? [] : ['Host: x'];
  const lines = [`GET ${target} HTTP/1.1`, ...host, 'Connection: close', ...(header ? [header] : [])];
  return `${lines.join('\r\n')}\r\n\r\n`;
};

describe('X2', { concurrency: 4 }, () => {
  let w;
  const cleanups = [];
  before(async () => {
    w = await world({ after: (f) => cleanups.push(f) }, { a: openai }, { env: { FREEWAY_MASTER_KEY: KEY } });
  });
  after(async () => { for (const cleanup of cleanups.reverse()) await cleanup(); });
  const ask = (bytes) => raw(w.gateway.port, bytes);

  test('X2 no spelling of a protected path is served without the key', async () => {
    const targets = ['/v1/models', '//v1/models', '/v1//models', '/health/../v1/models', '/health/%2e%2e/v1/models',
      '/health/..%2fv1/models', '/v1/models/', '/V1/models', '/v1/models;x=/health/liveness', '/%76%31/models',
      '/health/liveness/../../v1/models', 'http://x/v1/models', 'http://x/health/../v1/models', '/./v1/models', '/v1/models%00', '/v1/models?/health/liveness'];
    for (const target of targets) {
      const answer = await ask(get(target));
      assert.ok([400, 401, 403, 404].includes(answer.status), `${target}: ${answer.text.slice(0, 200)}`);
    }
  });

  test('X2 odd paths are never served as something else', async () => {
    const auth = `Authorization: Bearer ${KEY}`;
    for (const target of ['//v1/chat/completions', '/v1//chat/completions', '/v1/x/../chat/completions', '/v1/%2e/chat/completions', '/v1/chat%2fcompletions']) {
      const allowed = target.includes('//') ? [200, 400, 404] : [400, 404];
      const answer = await ask(chatBytes('a', { target, headers: [auth, 'Connection: close'] }));
      assert.ok(allowed.includes(answer.status), `${target}: ${answer.text.slice(0, 120)}`);
      if (answer.status === 200) assert.equal(w.a.last.path, '/v1/chat/completions', 'read as the plain path');
    }
  });

  test('X2 Host and forwarding headers change nothing', async () => {
    const odd = ['Host: evil.example', 'X-Forwarded-Host: evil.example', 'X-Forwarded-For: 127.0.0.1', 'X-Forwarded-Prefix: /health',
      'X-Original-URL: /health/liveness', 'X-Rewrite-URL: /health/liveness', 'X-Forwarded-Uri: /health/liveness', 'Forwarded: for=127.0.0.1;host=evil', 'X-HTTP-Method-Override: GET'];
    for (const header of odd) {
      const models = await ask(get('/v1/models', header));
      assert.equal(models.status, 401, `${header}: ${models.text.slice(0, 200)}`);
      const live = await ask(get('/health/liveness', header.replaceAll('/health/liveness', '/v1/models')));
      assert.equal(live.status, 200, header);
    }
  });

  test('X2 an absolute-form target is routed by its path, its host is ignored', async () => {
    const answer = await ask(chatBytes('a', { target: 'http://evil.example/v1/chat/completions', headers: [`Authorization: Bearer ${KEY}`, 'Connection: close'] }));
    assert.ok([200, 400].includes(answer.status), answer.text.slice(0, 200));
    if (answer.status === 200) assert.equal(w.a.last.path, '/v1/chat/completions');
  });

  test('X2 a path inside the query or the fragment of an absolute-form target is none', async () => {
    for (const target of ['http://evil?/v1/models', 'http://evil?x=/v1/models', 'http://evil#/v1/models', 'https://evil?/v1/models', 'http://evil?/health/liveness']) {
      const answer = await ask(get(target, `Authorization: Bearer ${KEY}`));
      assert.ok([400, 404].includes(answer.status), `${target}: ${answer.text.slice(0, 200)}`);
    }
    const sane = await ask(get('http://evil/v1/models?/health/liveness', `Authorization: Bearer ${KEY}`));
    assert.equal(sane.status, 200, sane.text);
  });

  test('a query string does not disturb the route', async () => {
    const answer = await w.gateway.send('/v1/chat/completions?beta=true', { body: { model: 'a', messages: [{ role: 'user', content: 'hi' }] }, headers: { authorization: `Bearer ${KEY}` } });
    assert.equal(answer.status, 200, answer.text);
  });
});

describe('X5', { concurrency: 4 }, () => {
  test('X5 a client cannot set base URL, key, chain or callbacks', async (t) => {
    const evil = await Fake.start(openai);
    t.after(() => evil.close());
    const w = await world(t, { a: openai, b: openai, c: openai }, { chains: [{ a: ['b'] }] });
    const tricks = [
      { api_base: evil.base, base_url: evil.base, api_key: 'sk-evil' },
      { fallbacks: ['c'], context_window_fallbacks: [{ a: ['c'] }] },
      { model_list: [{ model_name: 'a', litellm_params: { model: 'openai/x', api_base: evil.base } }] },
      { custom_llm_provider: 'anthropic', extra_headers: { authorization: 'Bearer sk-evil' }, headers: { authorization: 'Bearer sk-evil' } },
      { litellm_params: { api_base: evil.base }, user_config: { model_list: [] } },
      { success_callback: ['http://127.0.0.1:1'], callbacks: ['x'], metadata: { api_base: evil.base } },
      { extra_body: { api_base: evil.base }, organization: 'org-evil' },
      { mock_response: 'pwned', mock_testing_fallbacks: true },
    ];
    for (const trick of tricks) {
      const answer = await w.gateway.chat('a', trick);
      assert.ok([200, 400].includes(answer.status), `${JSON.stringify(trick)}: ${answer.text}`);
      assert.ok(!answer.text.includes('pwned'));
    }
    for (const call of w.a.calls) assert.equal(call.headers.authorization, 'Bearer sk-secret-of-a');
    w.a.always(openai.errors.internal);
    await w.gateway.chat('a', { fallbacks: ['c'] });
    assert.equal(w.c.calls.length, 0, 'the chain is the operator’s');
    assert.equal(evil.connections, 0);
  });

  test('X5 headers of the client do not reach the upstream’s credentials', async (t) => {
    const w = await world(t, { a: openai }, { env: { FREEWAY_MASTER_KEY: KEY } });
    const headers = { authorization: `Bearer ${KEY}`, 'x-api-key': KEY, 'api-key': KEY, cookie: 'session=1', 'x-litellm-api-key': 'sk-evil', 'openai-organization': 'org-evil' };
    const answer = await w.gateway.chat('a', {}, { headers });
    assert.equal(answer.status, 200, answer.text);
    assert.equal(w.a.last.headers.authorization, 'Bearer sk-secret-of-a');
    assert.ok(!JSON.stringify(w.a.last.headers).includes(KEY), 'the gateway’s own key goes no further');
    assert.equal(w.a.last.headers.cookie, undefined);
    assert.equal(w.a.last.headers.host, `127.0.0.1:${w.a.port}`);
  });

  test('X6 a redirect to another host is not followed, the key not sent', async (t) => {
    const evil = await Fake.start(openai);
    t.after(() => evil.close());
    const w = await world(t, { a: openai, b: openai });
    for (const status of [301, 302, 303, 307, 308]) {
      await w.gateway.clearBenches();
      w.a.next({ status, headers: { location: `${evil.base}/chat/completions` }, text: '' });
      const answer = await w.gateway.chat('a');
      assert.equal(answer.servedBy, 'b', `${status}: ${answer.text}`);
    }
    assert.equal(evil.connections, 0);
  });
});
