// Command lines of agents that freeway runs itself: what they get, what the client gets, and that
// nothing of them is left.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { Fake, openai } from '../providers/index.mjs';
import { Gateway, ROOT, run, scratch } from '../lib/gateway.mjs';
import { fragment, writeFiles } from '../lib/folder.mjs';
import { alive, allGone, until } from '../lib/until.mjs';

const CLI = path.join(ROOT, 'tests/lib/fake_agent.mjs');
const KINDS = {
  claudebox: { flag: 'CLAUDEBOX', native: 'CLAUDEBOX_NATIVE', command: 'CLAUDE_COMMAND', alias: 'claudebox-haiku', model: 'haiku' },
  pibox: { flag: 'PIBOX_ZAI', native: 'PIBOX_NATIVE', command: 'PI_COMMAND', alias: 'pibox-zai-glm-4.7', model: 'glm-4.7' },
};

/** The shipped fragments' shape, with a plain fallback behind the agent. */
async function start(t, kind, { env = {}, command = CLI, info = {}, params = {}, data } = {}) {
  const it = KINDS[kind];
  const plain = await Fake.start(openai);
  t.after(() => plain.close());
  const entry = { model_name: it.alias, litellm_params: { model: `openai/${it.model}`, api_key: `os.environ/${it.flag}_API_TOKEN`, api_base: 'http://127.0.0.1:9/openai/v1', timeout: 60, ...params }, model_info: { mode: 'chat', agent: kind, capabilities: ['streaming', 'reasoning', 'agent'], ...info } };
  const folder = writeFiles(path.join(scratch(), 'config'), {
    [`providers/${it.flag.toLowerCase()}.yaml`]: fragment(kind, it.flag, [entry], { tier: 'flat' }),
    'providers/plain.yaml': fragment('plain', 'PLAIN', [{ model_name: 'plain', litellm_params: { model: 'openai/x', api_key: 'k', api_base: plain.base } }]),
    'fallbacks.json': { [it.alias]: ['plain'] },
  });
  const gateway = await Gateway.start(t, { configPath: folder, data, env: { [it.flag]: '1', [it.native]: '1', PLAIN: '1', ...(command && { [it.command]: command }), ...env } });
  const agents = path.join(data ?? path.join(gateway.folder, 'data'), 'agents', kind);
  const ask = (prompt, more = {}, options = {}) => gateway.chat(it.alias, { messages: [{ role: 'user', content: prompt }], ...more }, options);
  return { gateway, plain, agents, ask, ...it };
}

const contentOf = (answer) => answer.content ?? answer.json.choices[0].message.content;
const workspaces = (w) => (fs.existsSync(w.agents) ? fs.readdirSync(w.agents).filter((name) => !name.startsWith('.')) : []);

/** Asks it to spawn `count` children in a stream, and `more` once those are told; resolves with their pids and how to leave. */
async function spawned(w, count, { more = 0, ...options } = {}) {
  const controller = new AbortController();
  let pids;
  const pending = w.ask(`spawn ${count}+${more}`, { stream: true }, {
    ...options, signal: controller.signal,
    onChunk: (_, answer) => { const list = /\[[\d,]+\]/.exec(answer.text); if (list) pids = JSON.parse(list[0]); },
  });
  pending.catch(() => {});
  await until(() => pids, 10_000, 'its children are told');
  assert.equal(pids.length, count + 1);
  return { pids, pending, leave: () => controller.abort() };
}

for (const kind of Object.keys(KINDS)) {
  describe(`${kind} as a command line`, { concurrency: 4 }, () => {
    test('an answer, whole and streamed, with its usage, in a workspace that is gone afterwards', async (t) => {
      const w = await start(t, kind);
      const plain = await w.ask('say hello 0');
      assert.equal(plain.status, 200, plain.text);
      assert.equal(plain.servedBy, w.alias);
      assert.equal(contentOf(plain), 'hello');
      assert.deepEqual([plain.json.model, plain.json.usage.prompt_tokens, plain.json.usage.completion_tokens], [w.alias, 11, 7]);
      const streamed = await w.ask('say hello 300 again', { stream: true, stream_options: { include_usage: true } });
      assert.equal(streamed.content, 'helloagain');
      assert.ok(streamed.endsWithDone);
      assert.equal(streamed.finish, 'stop');
      assert.equal(streamed.usage.prompt_tokens, 11);
      assert.ok(streamed.chunks.at(-1).at - streamed.chunks[0].at > 150, 'as it comes');
      await until(() => workspaces(w).length === 0, 3000, 'fresh workspaces are removed');
      await w.gateway.stop();
    });

    test('it is given its own credentials and no others, and the prompt never passes a shell', async (t) => {
      const w = await start(t, kind, { env: { CLAUDE_CODE_OAUTH_TOKEN: 'oauth-1', PIBOX_ZAI_AUTH_TOKEN: 'zai-1', ANTHROPIC_API_KEY: 'sk-paid', OPENAI_API_KEY: 'sk-openai', SOME_SETTING: 'x', FREEWAY_MASTER_KEY: '', HTTPS_PROXY: 'http://proxy-user:proxy-word@127.0.0.1:9', LANG: 'de_DE.UTF-8@euro' } });
      const nasty = 'tell $(touch /tmp/pwned) `id` "; rm -rf / #\n--model evil';
      const told = JSON.parse(contentOf(await w.ask(nasty)));
      assert.equal(told.input, nasty);
      assert.ok(!told.args.some((word) => word.includes('pwned') || word.includes('evil')), told.args.join(' '));
      assert.equal(told.args[told.args.indexOf('--model') + 1], w.model);
      assert.equal(told.env.HOME, path.join(w.agents, '.home'));
      assert.deepEqual([told.env.HTTPS_PROXY, told.env.LANG], ['http://127.0.0.1:9', 'de_DE.UTF-8@euro']);
      assert.equal(path.dirname(told.cwd), fs.realpathSync(w.agents));
      const theirs = kind === 'pibox' ? 'zai-1' : undefined;
      assert.equal(told.env.ANTHROPIC_API_KEY, theirs);
      assert.equal(told.env.CLAUDE_CODE_OAUTH_TOKEN, kind === 'pibox' ? undefined : 'oauth-1');
      for (const name of ['OPENAI_API_KEY', 'SOME_SETTING', 'FREEWAY_MASTER_KEY', 'CLAUDEBOX', 'CLAUDE_COMMAND', 'PI_COMMAND']) assert.equal(told.env[name], undefined, name);
      if (kind === 'pibox') {
        const models = JSON.parse(fs.readFileSync(path.join(w.agents, '.home/.pi/agent/models.json'), 'utf8'));
        assert.deepEqual([models.providers.freeway.baseUrl, models.providers.freeway.apiKey], ['https://api.z.ai/api/anthropic', 'ANTHROPIC_API_KEY']);
        assert.deepEqual(models.providers.freeway.models, [{ id: 'glm-4.7' }]);
      }
    });

    test('a prompt larger than any argument, a system prompt, a conversation', async (t) => {
      const w = await start(t, kind);
      const long = `tell ${'word '.repeat(200_000)}`;
      const told = JSON.parse(contentOf(await w.ask(long)));
      assert.equal(told.input, long);
      const talk = await w.ask('', { messages: [{ role: 'system', content: 'Be brief.' }, { role: 'user', content: 'one' }, { role: 'assistant', content: 'two' }, { role: 'user', content: 'three' }] });
      assert.match(contentOf(talk), /you said: This is a conversation so far:[\s\S]*<user>\none\n<\/user>/);
      const system = JSON.parse(contentOf(await w.ask('tell', { messages: [{ role: 'system', content: 'Be brief.' }, { role: 'user', content: 'tell' }] })));
      assert.equal(system.args[system.args.indexOf('--append-system-prompt') + 1], 'Be brief.');
    });

    test('a named workspace is kept, used by one at a time, and its session can go on', async (t) => {
      const w = await start(t, kind);
      const headers = { 'x-claude-workspace': 'team/site' };
      const answers = await Promise.all(['a', 'b', 'c'].map((name) => w.ask(`write ${name}`, {}, { headers })));
      const seen = answers.map((answer) => JSON.parse(contentOf(answer)).length).sort();
      assert.deepEqual(seen, [0, 1, 2], 'each saw what those before it had written');
      const first = JSON.parse(contentOf(await w.ask('tell', {}, { headers })));
      assert.ok(!first.args.includes('--continue'));
      const on = JSON.parse(contentOf(await w.ask('tell', {}, { headers: { ...headers, 'x-claude-continue': '1' } })));
      assert.ok(on.args.includes('--continue'));
      const fresh = JSON.parse(contentOf(await w.ask('tell', {}, { headers: { 'x-claude-workspace': 'other', 'x-claude-continue': '1' } })));
      assert.ok(!fresh.args.includes('--continue'), 'there is nothing to go on with');
      for (const name of ['../x', '.home', 'a/.b', 'run-1', '/abs']) assert.equal((await w.ask('tell', {}, { headers: { 'x-claude-workspace': name } })).status, 400, name);
    });

    test('a workspace that is a file is the caller\'s mistake, and nobody else\'s', async (t) => {
      const w = await start(t, kind);
      await w.ask('tell', {}, { headers: { 'x-claude-workspace': 'team/site' } });
      fs.writeFileSync(path.join(w.agents, 'team/plain'), 'x');
      for (const name of ['team/plain', 'team/plain/site']) {
        const answer = await w.ask('tell', {}, { headers: { 'x-claude-workspace': name } });
        assert.equal(answer.status, 400, answer.text);
        assert.match(answer.error.message, /`team\/plain` is a file; name another/);
        assert.ok(!answer.text.includes(w.gateway.folder), answer.text);
      }
      assert.deepEqual(await w.gateway.benches(), []);
      assert.equal((await w.ask('tell')).servedBy, w.alias);
    });

    test('no path of this machine is in an answer', async (t) => {
      const data = scratch();
      fs.writeFileSync(path.join(data, 'agents'), 'a file');
      const w = await start(t, kind, { data });
      const answer = await w.ask('tell');
      assert.equal(answer.servedBy, 'plain', answer.text);
      const explained = await w.gateway.get(`/v1/requests/${answer.requestId}/explain`);
      assert.match(explained.json.candidates[0].detail, /its folder can't be made/);
      assert.ok(!explained.text.includes(data), explained.text);
      await until(() => /agent_not_started.*agents/.test(w.gateway.log), 3000, 'the log says where');
    });

    test('what it does with tools is told where that is asked', async (t) => {
      const w = await start(t, kind);
      assert.equal(contentOf(await w.ask('tools')), 'Let me look.\n\nDone.');
      const shown = await w.ask('tools', { stream: true }, { headers: { 'x-freeway-show-tools': '1' } });
      assert.match(shown.content, /^Let me look\.\n\n\[[Bb]ash\] ls -l\n\nDone\.$/);
    });

    test('what stays on after its last word keeps nobody waiting, and is ended', async (t) => {
      const w = await start(t, kind, { params: { timeout: 30 } });
      for (const output of ['open', 'closed'])
        for (const stream of [false, true]) {
          const answer = await w.ask(`linger ${output}`, { stream, ...(stream && { stream_options: { include_usage: true } }) });
          assert.equal(answer.servedBy ?? w.alias, w.alias, answer.text);
          assert.deepEqual(answer.errors ?? [], []);
          assert.equal((answer.usage ?? answer.json.usage).prompt_tokens, 11);
          await allGone(JSON.parse(contentOf(answer)));
        }
      await until(() => workspaces(w).length === 0, 5000, 'fresh workspaces are removed');
      const mute = await w.ask('mute');
      assert.equal(mute.servedBy, 'plain', mute.text);
      const explained = await w.gateway.get(`/v1/requests/${mute.requestId}/explain`);
      assert.match(explained.json.candidates[0].detail, /closed its output without an answer/);
    });

    test('failures are failures: the chain moves on, and a plan returns when it says', async (t) => {
      const w = await start(t, kind);
      for (const stream of [false, true]) {
        const crashed = await w.ask('crash', { stream });
        assert.equal(crashed.servedBy, 'plain', crashed.text);
        const explained = await w.gateway.get(`/v1/requests/${crashed.requestId}/explain`);
        assert.match(explained.json.candidates[0].detail, /exited with status 3 without an answer: the ground gave way/);
        await w.gateway.clearBenches();
        const refused = await w.ask('unauthorized', { stream });
        assert.deepEqual([refused.servedBy, refused.trail[0].outcome], ['plain', 'unauthorized']);
        await w.gateway.clearBenches();
      }
      if (kind === 'pibox') return;
      const epoch = Math.floor(Date.now() / 1000) + 7200;
      assert.equal((await w.ask(`used_up ${epoch}`)).trail[0].outcome, 'exhausted');
      const [bench] = await w.gateway.benches();
      assert.ok(bench.scope === 'account' && bench.back_in_s > 6000, JSON.stringify(bench));
    });

    test('C4 a key that it prints in its despair is not shown', async (t) => {
      const w = await start(t, kind, { env: { CLAUDE_CODE_OAUTH_TOKEN: 'oauth-secret-1', PIBOX_ZAI_AUTH_TOKEN: 'zai-secret-1' } });
      const answer = await w.ask('leak');
      const explained = await w.gateway.get(`/v1/requests/${answer.requestId}/explain`);
      assert.match(explained.json.candidates[0].detail, /my key is \[redacted\]/);
      assert.doesNotMatch(w.gateway.log, /(oauth|zai)-secret-1/);
    });

    test('every client protocol', async (t) => {
      const w = await start(t, kind);
      const messages = await w.gateway.send('/v1/messages', { body: { model: w.alias, max_tokens: 100, stream: true, messages: [{ role: 'user', content: 'say hello 0' }] } });
      assert.match(messages.text, /"text_delta","text":"hello"[\s\S]*message_stop/);
      const responses = await w.gateway.send('/v1/responses', { body: { model: w.alias, input: 'say hello 0' } });
      assert.equal(responses.json.output.at(-1).content[0].text, 'hello', responses.text);
    });

    test('T1 a hang-up ends it with all its processes, also those that went away from it', async (t) => {
      const w = await start(t, kind);
      const { pids, leave } = await spawned(w, 4);
      assert.ok(pids.every(alive));
      leave();
      await allGone(pids);
      await until(() => workspaces(w).length === 0, 3000, 'its workspace is removed');
      assert.deepEqual(await w.gateway.benches(), []);
    });

    test('the deadline ends it', async (t) => {
      const w = await start(t, kind, { params: { timeout: 2 } });
      const { pids, pending } = await spawned(w, 2);
      const answer = await pending;
      assert.equal(answer.errors.length, 1, answer.text);
      await allGone(pids);
    });

    test('so does the end of freeway, asked for or not', async (t) => {
      for (const end of ['kill', 'stop']) {
        const data = scratch();
        const w = await start(t, kind, { data });
        const { pids } = await spawned(w, 4);
        if (end === 'stop') w.gateway.signal('SIGTERM'); // twice: does not wait for the request
        await w.gateway[end]().catch(() => {});
        await allGone(pids);
        if (end === 'stop') continue;
        assert.equal(workspaces(w).length, 1, 'nobody could remove it');
        await start(t, kind, { data });
        await until(() => workspaces(w).length === 0, 3000, 'the next start removes it');
      }
    });

    test('too many processes, or too much output, end it', async (t) => {
      const w = await start(t, kind, { env: { AGENT_MAX_PROCESSES: '6', AGENT_MAX_OUTPUT_MB: '1' } });
      const { pids, pending } = await spawned(w, 4, { more: 8 });
      const answer = await pending;
      assert.equal(answer.errors.length, 1, answer.text);
      assert.match(answer.text, /more than 6 processes at once/);
      await allGone(pids);
      await w.gateway.clearBenches();
      const flooded = await w.ask('flood');
      assert.equal(flooded.servedBy, 'plain', flooded.text);
      const explained = await w.gateway.get(`/v1/requests/${flooded.requestId}/explain`);
      assert.match(explained.json.candidates[0].detail, /printed more than it may/);
    });

    test('a silent one is heard of in a stream', async (t) => {
      const w = await start(t, kind);
      const answer = await w.ask('silence 6000', { stream: true });
      assert.equal(answer.content, 'at last');
      assert.match(answer.text, new RegExp(`^: ${w.alias} is working$`, 'm'));
    });

    describe('on a disk that hangs', { timeout: 60_000 }, () => {
      /** A workspace whose files can't be written until `go` is called: who opens a pipe to write waits for a reader. */
      const hanging = (t, w, name) => {
        const folder = path.join(w.agents, name);
        fs.mkdirSync(folder, { recursive: true });
        const pipes = [0, 1, 2, 3].map((number) => path.join(folder, `.freeway-session.new-${number}`));
        execFileSync('mkfifo', pipes);
        return () => {
          const readers = pipes.map((pipe) => fs.openSync(pipe, fs.constants.O_RDWR | fs.constants.O_NONBLOCK));
          t.after(() => readers.forEach((reader) => fs.closeSync(reader)));
        };
      };
      const within = (workspace, more) => ({ headers: { 'x-claude-workspace': workspace }, ...more });
      const beingPrepared = (w) => until(() => fs.existsSync(path.join(w.agents, '.home')), 10_000, 'it is being prepared');

      test('nobody else waits', async (t) => {
        const w = await start(t, kind);
        const go = hanging(t, w, 'slow');
        const slow = w.ask('say hello 0', {}, within('slow'));
        try {
          await beingPrepared(w);
          assert.equal(contentOf(await w.ask('say hello 0')), 'hello');
          assert.equal(contentOf(await w.ask('say hello 0', {}, within('quick'))), 'hello');
        } finally { go(); }
        assert.equal(contentOf(await slow), 'hello');
      });

      test('L2 whose client leaves meanwhile, that one does not begin', async (t) => {
        const w = await start(t, kind);
        const go = hanging(t, w, 'slow');
        try {
          const leaver = new AbortController();
          const left = w.ask('write left', {}, within('slow', { signal: leaver.signal }));
          await beingPrepared(w);
          leaver.abort();
          await assert.rejects(left);
          await until(async () => (await w.gateway.get('/health/readiness')).json.active_requests === 0, 10_000, 'the gateway has noticed');
        } finally { go(); }
        assert.equal(contentOf(await w.ask('write mine', {}, within('slow'))), '[]');
      });
    });

    test('without the program it is skipped, and why is told', async (t) => {
      const w = await start(t, kind, { command: '/nowhere/agent' });
      const answer = await w.ask('hi');
      assert.equal(answer.servedBy, 'plain');
      assert.equal(answer.trail[0].skipped, 'engine');
      const explained = await w.gateway.get(`/v1/requests/${answer.requestId}/explain`);
      assert.match(explained.json.candidates[0].detail, new RegExp(`/nowhere/agent is not installed: install it, or set ${w.command}`));
      assert.equal(explained.json.attempts, 1);
    });
  });
}

describe('configuration of command lines', () => {
  test('no token and no address are needed; an assembled file says native', async (t) => {
    const w = await start(t, 'claudebox');
    assert.doesNotMatch(w.gateway.log, /error:/);
    const built = await run(['build', '--config', w.gateway.configFile, '--env', w.gateway.envFile], { env: { CLAUDEBOX: '1', CLAUDEBOX_NATIVE: '1' }, cwd: scratch() });
    assert.equal(built.code, 0, built.stderr + built.stdout);
  });

  test('the box\'s own paths are not there', async (t) => {
    const w = await start(t, 'claudebox');
    const answer = await w.gateway.get('/claudebox/files');
    assert.equal(answer.status, 404);
    assert.match(answer.error.message, /command line, where freeway runs that, has no paths/);
  });
});
