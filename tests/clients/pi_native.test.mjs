// The real pi, run by freeway as pibox-zai-glm-4.7, in front of a fake Anthropic.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { Fake, anthropic } from '../providers/index.mjs';
import { Gateway, ROOT } from '../lib/gateway.mjs';
import { until } from '../lib/until.mjs';

const PI = path.join(ROOT, 'tests/node_modules/.bin/pi');
const LIMIT = 60_000;
const ALIAS = 'pibox-zai-glm-4.7';

const resultOf = ({ messages }) => messages.flatMap(({ content }) => (Array.isArray(content) ? content : [])).find(({ type }) => type === 'tool_result');

async function start(t) {
  const fake = await Fake.start(anthropic, { strict: false });
  t.after(() => fake.close());
  const gateway = await Gateway.start(t, {
    configPath: path.join(ROOT, 'config'),
    env: { PIBOX_ZAI: '1', PIBOX_NATIVE: '1', PI_COMMAND: PI, PIBOX_ZAI_AUTH_TOKEN: 'zai-of-the-box', PIBOX_ZAI_ANTHROPIC_BASE_URL: fake.url },
  });
  return { fake, gateway, agents: path.join(gateway.folder, 'data/agents/pibox') };
}

const ask = (w, stream, headers) => w.gateway.chat(ALIAS, { stream, messages: [{ role: 'user', content: 'Write hello into made.txt' }] }, { headers, within: LIMIT });

describe('pi, run by freeway', () => {
  test('it writes a file with its own tool, and answers', { timeout: LIMIT + 20_000 }, async (t) => {
    const w = await start(t);
    w.fake.always(({ body }) => (body.tools?.length && !resultOf(body)
      ? { toolCalls: [{ id: 'toolu_1', name: 'bash', arguments: JSON.stringify({ command: 'echo hello > made.txt; cat made.txt' }) }] }
      : { reply: 'It is written.' }));
    const answer = await ask(w, true, { 'x-claude-workspace': 'site', 'x-freeway-show-tools': '1' });
    assert.equal(answer.status, 200, answer.text);
    assert.match(answer.content, /\[bash\] echo hello > made\.txt; cat made\.txt\n\nIt is written\.$/, `${answer.text}\n${w.gateway.log}`);
    assert.ok(answer.endsWithDone);
    assert.equal(fs.readFileSync(path.join(w.agents, 'site/made.txt'), 'utf8'), 'hello\n');
    assert.equal(w.fake.last.headers['x-api-key'], 'zai-of-the-box');
    assert.equal(w.fake.last.body.model, 'glm-4.7');
    const plain = await ask(w, false, {});
    assert.match(plain.json.choices[0].message.content, /It is written\.$/);
    assert.ok(plain.json.usage.prompt_tokens > 0 && !plain.json.usage.freeway_estimated);
    await until(() => fs.readdirSync(w.agents).filter((name) => !name.startsWith('.')).join() === 'site', 5000, 'the fresh workspace is removed');
  });

  test('its session goes on in a named workspace', { timeout: LIMIT + 20_000 }, async (t) => {
    const w = await start(t);
    w.fake.always({ reply: 'Noted.' });
    const headers = { 'x-claude-workspace': 'site' };
    const first = await ask(w, false, headers);
    assert.equal(first.status, 200, first.text);
    assert.equal((await ask(w, false, { ...headers, 'x-claude-continue': '1' })).status, 200);
    assert.match(JSON.stringify(w.fake.last.body.messages), /Noted\./, 'it remembers what it said');
  });

  test('a refused key is told at once', { timeout: LIMIT + 20_000 }, async (t) => {
    const w = await start(t);
    w.fake.always({ status: 401, json: { type: 'error', error: { type: 'authentication_error', message: 'token expired or incorrect' } } });
    const answer = await ask(w, false, {});
    assert.equal(answer.status, 502, answer.text);
    const [bench] = await w.gateway.benches();
    assert.deepEqual([bench.scope, bench.cause], ['account', 'unauthorized'], w.gateway.log);
  });
});
