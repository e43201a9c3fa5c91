// The real llama-server, started and ended by the gateway, behind a chain whose first two fail.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { cerebras, Fake, groq } from '../providers/index.mjs';
import { Gateway, ROOT, scratch } from '../lib/gateway.mjs';
import { until } from '../lib/until.mjs';

const ENGINES = path.join(ROOT, '.data/engines');
const ENGINE = path.join(ENGINES, 'llamacpp/llama-server');
const skip = fs.existsSync(ENGINE) ? false : `no engine at ${path.relative(ROOT, ENGINE)}`;

/** `{pid, name, …}` of each child of `pid`. */
const childrenOf = (pid) => fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map(readStat).filter((stat) => stat?.parent === pid);

function readStat(pid) {
  try {
    const text = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
    const [, name, state, parent] = /\((.*)\) (\S) (\d+)/s.exec(text);
    return { pid: Number(pid), name, state, parent: Number(parent) };
  } catch { return undefined; }
}

const alive = (pid) => { const stat = readStat(pid); return stat !== undefined && stat.state !== 'Z'; };

/** The shipped configuration with one chain of ours: two that fail, then the embedded model. */
async function embedded(t) {
  const folder = scratch();
  fs.cpSync(path.join(ROOT, 'config'), path.join(folder, 'config'), { recursive: true });
  fs.mkdirSync(path.join(folder, 'data'));
  fs.symlinkSync(ENGINES, path.join(folder, 'data/engines'));
  const fakes = [await Fake.start(groq), await Fake.start(cerebras)];
  t.after(() => Promise.all(fakes.map((fake) => fake.close())));
  fakes[0].always(groq.errors.tpm);
  fakes[1].always(cerebras.errors.unavailable);
  const env = {
    LLAMACPP: '1', GROQ: '1', CEREBRAS: '1', GROQ_API_KEY: 'k', CEREBRAS_API_KEY: 'k',
    GROQ_API_BASE: fakes[0].base, CEREBRAS_API_BASE: fakes[1].base,
  };
  const alias = aliasIn(path.join(folder, 'config/providers/llamacpp.yaml'));
  const chains = { 'groq-llama-3.1-8b': ['cerebras-llama-3.1-8b', alias] };
  fs.writeFileSync(path.join(folder, 'config/fallbacks.json'), JSON.stringify(chains));
  const gateway = await Gateway.start(t, { configPath: path.join(folder, 'config'), env, cwd: ROOT, data: path.join(folder, 'data') });
  return { gateway, alias, fakes };
}

const aliasIn = (file) => /model_name:\s*"?(local-llamacpp-[\w.-]+)/.exec(fs.readFileSync(file, 'utf8'))[1];

/** Its process; its parent is the guard that the gateway started. */
async function engineOf(gateway) {
  const engine = () => childrenOf(gateway.pid).flatMap(({ pid }) => childrenOf(pid)).find(({ name }) => name.startsWith('llama'));
  const found = await until(engine, 5000, 'the engine runs below a guard');
  return found.pid;
}

describe('embedded model', { skip }, () => {
  test('a chain whose first two members fail is answered by the real model, plain and streamed', async (t) => {
    const { gateway, alias, fakes } = await embedded(t);
    assert.deepEqual(childrenOf(gateway.pid), [], 'nothing is started before it is asked for');
    const plain = await gateway.chat('groq-llama-3.1-8b', { max_tokens: 24 });
    assert.equal(plain.status, 200, `${plain.text}\n${gateway.log.slice(-3000)}`);
    assert.equal(plain.servedBy, alias, plain.trailText);
    assert.deepEqual(plain.trail.map(({ outcome }) => outcome), ['rate_limited', 'transient', 'served']);
    assert.ok(plain.json.choices[0].message.content.length > 0);
    assert.ok(plain.json.usage.completion_tokens > 0);
    const streamed = await gateway.stream('groq-llama-3.1-8b', { max_tokens: 24, stream_options: { include_usage: true } });
    assert.ok(streamed.content.length > 0, streamed.text);
    assert.ok(streamed.deltas.length > 2, 'token by token');
    assert.ok(streamed.usage.completion_tokens > 0);
    assert.deepEqual([streamed.models, streamed.errors, streamed.endsWithDone], [[alias], [], true]);
    assert.equal(fakes[0].calls.length, 1, 'the benched one was not asked again');
  });

  test('/v1/completions is answered too, plain and streamed', async (t) => {
    const { gateway, alias } = await embedded(t);
    const body = { model: alias, prompt: 'Once upon a time', max_tokens: 12 };
    const plain = await gateway.send('/v1/completions', { body });
    assert.equal(plain.status, 200, `${plain.text}\n${gateway.log.slice(-3000)}`);
    assert.deepEqual([plain.servedBy, plain.json.object, plain.json.model], [alias, 'text_completion', alias]);
    assert.ok(plain.json.choices[0].text.length > 0);
    assert.ok(plain.json.usage.completion_tokens > 0);
    const streamed = await gateway.send('/v1/completions', { body: { ...body, stream: true } });
    assert.ok(streamed.content.length > 0, streamed.text);
    assert.deepEqual([streamed.models, streamed.errors, streamed.endsWithDone], [[alias], [], true]);
  });

  test('the engine ends with SIGTERM of the gateway', async (t) => {
    const { gateway, alias } = await embedded(t);
    assert.equal((await gateway.chat(alias, { max_tokens: 4 })).status, 200);
    const pid = await engineOf(gateway);
    await gateway.stop();
    await until(() => !alive(pid), 5000, 'the engine is gone');
  });

  test('the engine ends even when the gateway is killed with -9', async (t) => {
    const { gateway, alias } = await embedded(t);
    assert.equal((await gateway.chat(alias, { max_tokens: 4 })).status, 200);
    const pid = await engineOf(gateway);
    await gateway.kill();
    await until(() => !alive(pid), 5000, 'the engine is gone');
  });

  test('an engine that dies is started again for the next request', async (t) => {
    const { gateway, alias } = await embedded(t);
    assert.equal((await gateway.chat(alias, { max_tokens: 4 })).status, 200);
    const pid = await engineOf(gateway);
    process.kill(pid, 'SIGKILL');
    await until(() => !alive(pid), 5000, 'the engine is dead');
    await gateway.clearBenches();
    await until(async () => (await gateway.chat(alias, { max_tokens: 4 })).status === 200, 20_000, 'it answers again');
    assert.notEqual(await engineOf(gateway), pid);
  });

  test('callers that come while it starts all get their answer', async (t) => {
    const { gateway, alias } = await embedded(t);
    const answers = await Promise.all(Array.from({ length: 4 }, (_, at) => gateway.chat(alias, { max_tokens: 8, stream: at % 2 === 1 })));
    for (const answer of answers) assert.equal(answer.status, 200, answer.text);
    assert.equal(childrenOf(gateway.pid).length, 1, 'one engine');
  });

  test('the log of the gateway holds the engine’s words', async (t) => {
    const { gateway, alias } = await embedded(t);
    await gateway.chat(alias, { max_tokens: 4 });
    assert.match(gateway.log, /llama/i);
  });
});
