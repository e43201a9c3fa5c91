// Agent boxes behind freeway: workspaces, failures that look like answers, silence, and what must
// never happen to somebody who only wanted a chat.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { AgentBox, Fake, claudebox, openai, pibox } from '../providers/index.mjs';
import { Gateway } from '../lib/gateway.mjs';
import { raw } from '../lib/raw.mjs';
import { until } from '../lib/until.mjs';
import { entry } from '../lib/world.mjs';

const TOKEN = 'box-token-of-the-box';
const KEY = 'sk-freeway-master';
const ALIAS = { claudebox: 'claudebox-haiku', pibox: 'pibox-zai-glm-4.7' };

const boxEntry = (box, alias = ALIAS[box.kind.name], more = {}) => ({
  model_name: alias,
  litellm_params: { model: 'openai/model-of-box', api_base: box.base, api_key: TOKEN, ...more.params },
  model_info: { mode: 'chat', agent: box.kind.name, ...more.info },
});

/** A gateway in front of one box of `kind` and, as `plain`, one ordinary provider. */
async function start(t, kind, { fallbacks = [], router = {}, info, params, litellm, second, ...rest } = {}) {
  const box = await AgentBox.start(kind, { token: TOKEN, ...rest.box });
  const plain = await Fake.start(openai);
  t.after(() => Promise.all([box.close(), plain.close()]));
  const gateway = await Gateway.start(t, {
    config: {
      model_list: [boxEntry(box, undefined, { info, params }), entry('plain', plain), ...(second ? [boxEntry(box, second)] : [])],
      router_settings: { ...(fallbacks.length > 0 && { fallbacks }), ...router },
      ...(litellm && { litellm_settings: litellm }),
    },
    ...rest.gateway,
  });
  const alias = ALIAS[kind.name];
  return { box, plain, gateway, alias, chat: (more2 = {}, options = {}) => gateway.chat(alias, more2, options), stream: (more2 = {}, options = {}) => gateway.stream(alias, more2, options) };
}

const workspaceOf = (kind) => (kind.name === 'pibox' ? 'x-aicodebox-workspace' : 'x-claude-workspace');

describe('workspaces of agent boxes', { concurrency: 4 }, () => {
  for (const kind of [claudebox, pibox]) {
    test(`${kind.name}: chats at the same time have workspaces of their own`, async (t) => {
      const w = await start(t, kind);
      w.box.always({ before: 200 });
      const answers = await Promise.all(Array.from({ length: 6 }, (_, at) => (at % 2 ? w.chat() : w.stream())));
      assert.deepEqual(answers.map(({ status }) => status), [200, 200, 200, 200, 200, 200], answers.map(({ text }) => text).join('\n'));
      const names = w.box.chats.map(({ workspace }) => workspace);
      assert.equal(new Set(names).size, 6, names.join(' '));
      for (const name of names) assert.match(name, /^freeway-req_[0-9a-f]+-1$/);
      if (kind.mustExist) for (const name of names) assert.ok(w.box.folder(name), `${name} was made first`);
      else assert.equal(w.box.asked('PUT', `/files/${names[0]}/.freeway`).length, 0);
    });

    test(`${kind.name}: requests for one workspace queue, first come first served, and never see a 409`, async (t) => {
      const w = await start(t, kind);
      let open;
      w.box.next({ gate: new Promise((resolve) => { open = resolve; }) });
      const headers = { [workspaceOf(kind)]: 'team/site' };
      const sent = [];
      for (let at = 0; at < 5; at += 1) {
        sent.push(w.chat({ messages: [{ role: 'user', content: `number ${at}` }] }, { headers }));
        await until(async () => (await w.gateway.get('/health/readiness')).json.active_requests === at + 1, 10_000, 'it is in the queue');
      }
      open();
      const answers = await Promise.all(sent);
      assert.deepEqual(answers.map(({ status }) => status), [200, 200, 200, 200, 200]);
      assert.deepEqual(w.box.chats.map(({ body }) => body.messages[0].content), [0, 1, 2, 3, 4].map((at) => `number ${at}`));
      assert.ok(w.box.chats.every(({ workspace }) => workspace === 'team/site'));
      assert.equal(w.box.most.get('team/site'), 1);
    });

    test(`${kind.name}: a waiter that leaves is gone, and the next has its turn`, async (t) => {
      const w = await start(t, kind);
      w.box.next({ before: 400 });
      const headers = { [workspaceOf(kind)]: 'site' };
      const first = w.chat({}, { headers });
      await w.box.chatted();
      const controller = new AbortController();
      const leaver = w.chat({ messages: [{ role: 'user', content: 'leaver' }] }, { headers, signal: controller.signal });
      leaver.catch(() => {});
      const third = w.chat({ messages: [{ role: 'user', content: 'third' }] }, { headers });
      controller.abort();
      assert.equal((await first).status, 200);
      assert.equal((await third).status, 200);
      assert.deepEqual(w.box.chats.map(({ body }) => body.messages[0].content), ['hi', 'third']);
    });

    test(`${kind.name}: who waits for a workspace longer than its time moves on`, async (t) => {
      const w = await start(t, kind, { second: 'patient', fallbacks: [{ [ALIAS[kind.name]]: ['plain'] }], params: { timeout: 2 } });
      w.box.next({ texts: ['on it', ' still', ' at', ' it', ' done'], between: 2000, before: 0 });
      const headers = { [workspaceOf(kind)]: 'site' };
      const first = w.gateway.stream('patient', {}, { headers });
      await w.box.chatted();
      const second = await w.chat({}, { headers });
      assert.equal(second.servedBy, 'plain', second.text);
      assert.equal(second.trail[0].outcome, 'busy');
      assert.equal((await first).content, 'on it still at it done');
      assert.equal(w.box.chats.length, 1, 'the second never reached the box');
    });

    test(`${kind.name}: a workspace that somebody else keeps busy is waited for, not hammered`, async (t) => {
      const w = await start(t, kind);
      const other = w.box.occupy('shared');
      w.box.files.set('shared/x', Buffer.from('x'));
      const pending = w.chat({}, { headers: { [workspaceOf(kind)]: 'shared' } });
      await until(() => w.box.asked('GET', '/status').length >= 2, 10_000, 'the box is asked who is busy');
      assert.equal(w.box.chats.length, 1, 'the chat itself is not repeated meanwhile');
      other.end();
      assert.equal((await pending).status, 200);
      assert.equal(w.box.chats.length, 2);
    });

    test(`${kind.name}: a run that began and broke is not begun again, though its workspace had been busy before`, async (t) => {
      const w = await start(t, kind);
      const other = w.box.occupy('shared');
      w.box.files.set('shared/x', Buffer.from('x'));
      w.box.next({}, { reset: true });
      const pending = w.chat({}, { headers: { [workspaceOf(kind)]: 'shared' } });
      await until(() => w.box.asked('GET', '/status').length >= 1, 10_000, 'the box is asked who is busy');
      other.end();
      const answer = await pending;
      assert.notEqual(answer.status, 200, answer.text);
      assert.equal(w.box.chats.length, 2, 'the prompt that may have acted is not sent a third time');
    });

    test(`${kind.name}: a workspace that stays busy ends with the attempt's time, and the chain moves on`, async (t) => {
      const w = await start(t, kind, { fallbacks: [{ [ALIAS[kind.name]]: ['plain'] }], params: { timeout: 2 } });
      w.box.occupy('shared');
      w.box.files.set('shared/x', Buffer.from('x'));
      const answer = await w.chat({}, { headers: { [workspaceOf(kind)]: 'shared' } });
      assert.equal(answer.servedBy, 'plain', answer.text);
      assert.deepEqual([answer.trail[0].status, answer.trail[0].outcome], [409, 'busy']);
    });

    test(`${kind.name}: only the agent's own headers go along`, async (t) => {
      const w = await start(t, kind, { fallbacks: [{ [ALIAS[kind.name]]: ['plain'] }] });
      const headers = {
        'x-claude-workspace': 'mine', 'x-claude-continue': '1', 'x-claude-append-system-prompt': 'be brief', 'x-claude-other': 'no',
        'x-aicodebox-no-tools': '1', 'x-aicodebox-other': 'no', 'x-other': 'no', cookie: 'a=b', 'x-forwarded-for': '1.2.3.4',
      };
      assert.equal((await w.chat({}, { headers })).status, 200);
      const [seen] = w.box.chats;
      assert.equal(seen.workspace, 'mine');
      assert.deepEqual([seen.headers['x-claude-continue'], seen.headers['x-claude-append-system-prompt']], ['1', 'be brief']);
      assert.equal(seen.headers['x-aicodebox-no-tools'], kind.name === 'pibox' ? '1' : undefined);
      for (const name of ['x-claude-other', 'x-aicodebox-other', 'x-other', 'cookie', 'x-forwarded-for']) assert.equal(seen.headers[name], undefined, name);
      w.box.always({ status: 500 });
      assert.equal((await w.chat({}, { headers })).servedBy, 'plain');
      for (const name of Object.keys(w.plain.last.headers)) assert.doesNotMatch(name, /^x-(claude|aicodebox)/);
    });

    test(`${kind.name}: a workspace that leads elsewhere is refused`, async (t) => {
      const w = await start(t, kind);
      for (const name of ['../other', 'a/../../b', '/etc', 'a//b', 'a/']) {
        const answer = await w.chat({}, { headers: { [workspaceOf(kind)]: name } });
        assert.equal(answer.status, 400, name);
        assert.match(answer.error.message, /workspace .*(relative path|slash)/);
      }
      assert.equal(w.box.calls.length, 0);
    });
  }

  test('claudebox: a workspace that is there is used as it is', async (t) => {
    const w = await start(t, claudebox);
    w.box.files.set('mine/notes.md', Buffer.from('x'));
    assert.equal((await w.chat({}, { headers: { 'x-claude-workspace': 'mine' } })).status, 200);
    assert.ok(!w.box.files.has('mine/.freeway'));
  });

  test('a box whose token is wrong is told as such, and the chain moves on', async (t) => {
    const w = await start(t, claudebox, { fallbacks: [{ 'claudebox-haiku': ['plain'] }], params: { api_key: 'another' } });
    const answer = await w.chat();
    assert.equal(answer.servedBy, 'plain', answer.text);
    assert.deepEqual([answer.trail[0].status, answer.trail[0].outcome], [401, 'unauthorized']);
  });

  test('without `agent` in model_info nothing of this happens', async (t) => {
    const w = await start(t, claudebox, { info: { agent: undefined } });
    assert.equal((await w.chat({}, { headers: { 'x-claude-workspace': 'mine' } })).status, 200);
    assert.deepEqual(w.box.calls.map(({ path }) => path), ['/openai/v1/chat/completions']);
    assert.equal(w.box.chats[0].workspace, '');
  });
});

describe('failures of agents that look like answers', { concurrency: 4 }, () => {
  const epoch = Math.floor(Date.now() / 1000) + 7200;
  const CASES = {
    'a used-up plan': [claudebox, { text: claudebox.texts.used_up(epoch) }, 'exhausted'],
    'a refused login': [claudebox, { text: claudebox.texts.unauthorized }, 'unauthorized'],
    'an inline error': [pibox, { text: pibox.texts.failed, finish: 'error' }, 'malformed'],
    'an inline error that ends as usual': [pibox, { text: pibox.texts.failed }, 'malformed'],
    'an inline error in pieces': [pibox, { texts: ['[error: ', 'boom]'], between: 50, finish: 'error' }, 'malformed'],
    'a used-up plan in pieces': [claudebox, { texts: ['Claude AI usage', ` limit reached|${epoch}`], between: 50 }, 'exhausted'],
    'an empty answer': [pibox, { texts: [''] }, 'malformed'],
  };
  for (const [what, [kind, script, outcome]] of Object.entries(CASES)) {
    for (const stream of [false, true]) {
      if (script.texts?.length > 1 && !stream) continue; // whole, it is no longer in pieces
      test(`${what}, ${stream ? 'streamed' : 'plain'}: ${outcome}, and the chain moves on`, async (t) => {
        const w = await start(t, kind, { fallbacks: [{ [ALIAS[kind.name]]: ['plain'] }] });
        w.box.always(script);
        const answer = await w.chat({ stream });
        assert.equal(answer.status, 200);
        assert.equal(answer.servedBy, 'plain', answer.text);
        assert.equal(answer.trail[0].outcome, outcome);
        assert.doesNotMatch(answer.text, /limit reached|OAuth|\[error/);
      });
    }
  }

  test('a used-up plan is set aside until it says it returns, for all its models', async (t) => {
    const w = await start(t, claudebox, { second: 'claudebox-sonnet', fallbacks: [{ 'claudebox-haiku': ['plain'] }, { 'claudebox-sonnet': ['plain'] }] });
    w.box.always({ text: claudebox.texts.used_up(epoch) });
    await w.chat();
    const [bench] = await w.gateway.benches();
    assert.deepEqual([bench.scope, bench.cause, bench.source], ['account', 'exhausted', 'stated']);
    assert.ok(bench.back_in_s > 6000 && bench.back_in_s <= 7200, `${bench.back_in_s}`);
    assert.equal((await w.chat()).trail[0].skipped, 'benched');
    assert.equal((await w.gateway.chat('claudebox-sonnet')).trail[0].skipped, 'benched');
    assert.equal(w.box.chats.length, 1);
  });

  test('an answer that speaks of errors is an answer', async (t) => {
    const w = await start(t, claudebox, { fallbacks: [{ 'claudebox-haiku': ['plain'] }] });
    const text = 'Claude AI usage limit reached is the text that Claude Code prints when your plan is used up. [error: x] is what pi prints.';
    w.box.always({ text });
    assert.equal((await w.chat()).json.choices[0].message.content, text);
    assert.equal((await w.stream()).content, text);
  });

  test('what may still become a failure is kept back, and then given, in every protocol', async (t) => {
    const w = await start(t, pibox, { fallbacks: [{ [ALIAS.pibox]: ['plain'] }] });
    const pieces = { 'In pieces.': ['I', 'n pie', 'ces.'], '[error: x] is what pi prints': ['[error: x]', ' is what', ' pi prints'] };
    for (const [text, texts] of Object.entries(pieces)) {
      w.box.always({ texts });
      assert.equal((await w.stream()).content, text);
    }
    const ask = () => w.gateway.send('/v1/messages', { body: { model: ALIAS.pibox, max_tokens: 100, stream: true, messages: [{ role: 'user', content: 'hi' }] } });
    assert.match((await ask()).text, /"text":"\[error: x\]"[\s\S]*"text":" pi prints"[\s\S]*message_stop/);
    w.box.always({ texts: ['[error: ', 'boom]'] });
    const moved = await ask();
    assert.equal(moved.servedBy, 'plain', moved.text);
    assert.doesNotMatch(moved.text, /boom/);
  });

  test('usage that a box does not send is estimated, and marked', async (t) => {
    const w = await start(t, pibox);
    const plain = await w.chat();
    assert.equal(plain.json.usage.freeway_estimated, true);
    const streamed = await w.stream({ stream_options: { include_usage: true } });
    assert.ok(streamed.usage.completion_tokens > 0);
    assert.equal(streamed.usage.freeway_estimated, true);
    await until(() => w.gateway.log.match(/usage=estimated/g)?.length === 2, 3000, 'both are logged as estimated');
  });
});

describe('an agent that works for long', { concurrency: 4 }, () => {
  test('a stream hears comments while the agent is silent, also before its head', async (t) => {
    const w = await start(t, claudebox);
    for (const headLate of [false, true]) {
      w.box.next({ before: 11_500, headLate });
      const answer = await w.stream();
      assert.equal(answer.content, 'answer from claudebox', answer.text);
      assert.ok(answer.text.match(/^: claudebox-haiku is working$/gm).length >= 2, answer.text);
      assert.ok(answer.endsWithDone);
    }
  });

  test('between two messages as well, longer than a plain model may be silent', async (t) => {
    const w = await start(t, claudebox, { router: { stream_timeout: 2 }, params: { stream_timeout: 60 } });
    w.box.next({ texts: ['first', ' second'], between: 6500 });
    const answer = await w.stream();
    assert.equal(answer.content, 'first second');
    assert.match(answer.text, /first[\s\S]*: claudebox-haiku is working[\s\S]*second/);
  });

  test('a plain client just waits', async (t) => {
    const w = await start(t, pibox);
    w.box.next({ before: 5500 });
    const answer = await w.chat();
    assert.equal(answer.status, 200);
    assert.equal(answer.json.choices[0].message.content, 'answer from pibox');
  });

  for (const kind of [claudebox, pibox]) {
    for (const stream of [false, true]) {
      test(`T1 ${kind.name}, ${stream ? 'streamed' : 'plain'}: a hang-up closes the run's connection within 1 s`, async (t) => {
        const w = await start(t, kind);
        w.box.always({ silence: true });
        const controller = new AbortController();
        const pending = w.chat({ stream }, { signal: controller.signal });
        pending.catch(() => {});
        await w.box.chatted();
        const at = performance.now();
        controller.abort();
        await until(() => w.box.runs[0].status === 'cancelled', 3000, 'the run ends');
        assert.ok(w.box.runs[0].hungUpAt - at < 1000);
        assert.deepEqual(await w.gateway.benches(), []);
      });
    }

    test(`${kind.name}: a run that never ends does not hold up the end of freeway`, async (t) => {
      const w = await start(t, kind, { gateway: { args: ['--drain', '0'] } });
      w.box.next({ silence: true, deaf: true });
      const pending = w.chat({ stream: true });
      pending.catch(() => {});
      const { workspace } = await w.box.chatted();
      w.box.running = () => [{ workspace, status: 'running' }];
      await w.gateway.stop();
      assert.doesNotMatch(w.gateway.log, /did not end/);
    });

    test(`${kind.name}: a run that goes on after the hang-up is cancelled, and its workspace stays taken until then`, async (t) => {
      const w = await start(t, kind);
      w.box.next({ silence: true, deaf: true });
      const headers = { [workspaceOf(kind)]: 'mine' };
      const controller = new AbortController();
      const pending = w.chat({ stream: true }, { headers, signal: controller.signal });
      pending.catch(() => {});
      await w.box.chatted();
      controller.abort();
      const next = await w.chat({}, { headers });
      assert.equal(next.status, 200);
      assert.equal(w.box.runs[0].status, 'cancelled');
      assert.equal(w.box.chats.length, 2, 'the next one met no 409');
    });
  }
});

describe('what an agent does is never done twice', { concurrency: 4 }, () => {
  test('it is never retried', async (t) => {
    const w = await start(t, claudebox, { router: { num_retries: 3, retry_policy: { InternalServerErrorRetries: 2 } }, params: { num_retries: 2 } });
    w.box.always({ status: 500 });
    assert.equal((await w.chat()).status, 502);
    assert.equal(w.box.chats.length, 1);
  });

  test('lists for everybody do not lead a plain model to it', async (t) => {
    const w = await start(t, claudebox, {
      router: {
        default_fallbacks: ['claudebox-haiku'], context_window_fallbacks: [{ plain: ['claudebox-haiku'] }],
        content_policy_fallbacks: [{ plain: ['claudebox-haiku'] }],
      },
    });
    for (const error of [openai.errors.internal, openai.errors.context, openai.errors.content_filter]) {
      w.plain.always(error);
      const answer = await w.gateway.chat('plain');
      assert.notEqual(answer.status, 200);
      await w.gateway.clearBenches();
    }
    assert.notEqual((await w.gateway.chat('no-such-model')).status, 200);
    assert.equal(w.box.calls.length, 0);
    for (const list of ['default_fallbacks', 'context_window_fallbacks', 'content_policy_fallbacks'])
      assert.match(w.gateway.log + w.gateway.output.stdout, new RegExp(`${list}.*claudebox-haiku.*agent with side effects`));
  });

  test('a chain that names it does', async (t) => {
    const w = await start(t, claudebox, { fallbacks: [{ plain: ['claudebox-haiku'] }] });
    w.plain.always(openai.errors.internal);
    assert.equal((await w.gateway.chat('plain')).servedBy, 'claudebox-haiku');
  });

  test('once it has said something nobody takes its place, whatever continue_streams says', async (t) => {
    const w = await start(t, claudebox, { fallbacks: [{ 'claudebox-haiku': ['plain'] }], info: { continue_streams: true } });
    w.box.always({ texts: ['I have deleted'], cut: true });
    const answer = await w.stream({}, { headers: { 'x-freeway-continue': 'on' } });
    assert.equal(answer.content, 'I have deleted');
    assert.equal(answer.errors.length, 1, answer.text);
    assert.equal(w.plain.calls.length, 0);
  });

  test('and it takes nobody else\'s place in the middle of an answer', async (t) => {
    const w = await start(t, claudebox, { fallbacks: [{ plain: ['claudebox-haiku'] }], info: { supports_assistant_prefill: true } });
    w.plain.always({ reply: 'one two three four', cutAt: 2 });
    const answer = await w.gateway.stream('plain', {}, { headers: { 'x-freeway-continue': 'on' } });
    assert.equal(answer.errors.length, 1, answer.text);
    assert.equal(w.box.calls.length, 0);
  });

  test('its answers are not kept: the same request is done again', async (t) => {
    const w = await start(t, claudebox, { litellm: { cache: true } });
    await w.chat();
    await w.chat();
    assert.equal(w.box.chats.length, 2);
  });

  test('it serves every client protocol', async (t) => {
    const w = await start(t, claudebox);
    const messages = await w.gateway.send('/v1/messages', { body: { model: w.alias, max_tokens: 100, messages: [{ role: 'user', content: 'hi' }] } });
    assert.equal(messages.json.content[0].text, 'answer from claudebox', messages.text);
    const responses = await w.gateway.send('/v1/responses', { body: { model: w.alias, input: 'hi' } });
    assert.equal(responses.json.output.at(-1).content[0].text, 'answer from claudebox', responses.text);
  });
});

describe('the boxes\' own paths', { concurrency: 4 }, () => {
  const headers = { authorization: `Bearer ${KEY}` };
  const guarded = { gateway: { env: { FREEWAY_MASTER_KEY: KEY } } };

  test('any method, with the box\'s token in place of the client\'s key', async (t) => {
    const w = await start(t, claudebox, { ...guarded, box: { prefix: '/boxes/one' } });
    const put = await w.gateway.send('/claudebox/files/a%20b/c.txt', { method: 'PUT', headers: { ...headers, 'x-forwarded-for': '1.2.3.4', cookie: 'a=b', connection: 'x-secret', 'x-secret': '1', 'x-mine': 'yes' }, body: 'hello' });
    assert.equal(put.status, 200, put.text);
    assert.deepEqual(put.json, { status: 'ok', path: 'a b/c.txt', size: 5 });
    const seen = w.box.calls[0];
    assert.equal(seen.headers.authorization, `Bearer ${TOKEN}`);
    assert.equal(seen.headers['x-mine'], 'yes');
    for (const name of ['cookie', 'x-forwarded-for', 'x-secret']) assert.equal(seen.headers[name], undefined, name);
    assert.ok(!JSON.stringify(seen.headers).includes(KEY));
    const got = await w.gateway.get('/claudebox/files/a%20b/c.txt', { headers });
    assert.equal(got.text, 'hello');
    assert.deepEqual([got.headers['x-box'], got.headers['x-hop']], ['yes', undefined]);
    assert.equal((await w.gateway.get('/claudebox/status?x=1', { headers })).json.busyWorkspaces.length, 0);
    assert.equal(w.box.calls.at(-1).url, '/status?x=1');
    assert.equal((await w.gateway.get('/claudebox/health', { headers })).json.status, 'ok');
    assert.equal((await w.gateway.send('/claudebox/files/a%20b/c.txt', { method: 'HEAD', headers })).status, 200);
    assert.equal((await w.gateway.send('/claudebox/files/a%20b/c.txt', { method: 'DELETE', headers })).status, 200);
    const run = await w.gateway.send('/claudebox/run', { headers, body: { prompt: 'hi' } });
    assert.equal(run.json.result, 'done');
    assert.ok(!w.gateway.log.includes(TOKEN) && !w.gateway.log.includes(KEY));
  });

  test('pibox-zai has its own, streams pass as they come, and a hang-up ends the run', async (t) => {
    const w = await start(t, pibox, guarded);
    w.box.next({ texts: ['one', ' two'], between: 300 });
    const body = { model: 'glm', stream: true, messages: [{ role: 'user', content: 'hi' }] };
    const answer = await w.gateway.send('/pibox-zai/openai/v1/chat/completions', { headers, body });
    assert.equal(answer.content, 'one two');
    assert.ok(answer.chunks.at(-1).at - answer.chunks[0].at > 150, 'in pieces');
    w.box.next({ silence: true });
    const controller = new AbortController();
    const pending = w.gateway.send('/pibox-zai/openai/v1/chat/completions', { headers, body, signal: controller.signal });
    pending.catch(() => {});
    await w.box.chatted(2);
    controller.abort();
    await until(() => w.box.runs[1].status === 'cancelled', 3000, 'the run ends');
  });

  test('large files go through both ways', async (t) => {
    const w = await start(t, pibox, guarded);
    const large = 'x'.repeat(20 << 20);
    const put = await w.gateway.send('/pibox-zai/files/large.bin', { method: 'PUT', headers, body: large });
    assert.equal(put.json.size, large.length);
    assert.equal((await w.gateway.get('/pibox-zai/files/large.bin', { headers })).text.length, large.length);
  });

  test('the gateway\'s key is needed, a path must stay below, and a box that is off is named', async (t) => {
    const w = await start(t, claudebox, guarded);
    assert.equal((await w.gateway.get('/claudebox/files')).status, 401);
    assert.equal((await w.gateway.get('/claudebox/files', { headers: { authorization: `Bearer ${TOKEN}` } })).status, 401);
    for (const path of ['/claudebox/files/../status', '/claudebox/files/%2e%2e/status', '/claudebox/files/%252e%252e/x', '/claudebox/files%2f..%2fstatus', '/claudebox//status'])
      assert.equal(await rawStatus(w.gateway, path), 400, path);
    const off = await w.gateway.get('/pibox-zai/files', { headers });
    assert.equal(off.status, 404);
    assert.match(off.error.message, /no pibox-zai here: set its flag/);
    assert.equal(w.box.calls.length, 0);
  });

  test('a box that is down is told as such', async (t) => {
    const w = await start(t, claudebox, guarded);
    await w.box.close();
    const answer = await w.gateway.get('/claudebox/status', { headers });
    assert.equal(answer.status, 502);
    assert.match(answer.error.message, /claudebox can't be reached/);
    w.box.close = async () => {};
  });

  /** As it stands: HTTP clients tidy paths up. */
  const rawStatus = async (gateway, path) =>
    (await raw(gateway.port, `GET ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${KEY}\r\nConnection: close\r\n\r\n`)).status;
});
