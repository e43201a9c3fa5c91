#!/usr/bin/env node
// Stands in for `claude` and `pi`: does what its prompt says and tells of it in the events that
// the real ones print (claude 2.1, pi 0.74; ids left out).
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const args = process.argv.slice(2);
const pi = args.includes('--mode');
const input = fs.readFileSync(0, 'utf8');
const line = (event) => fs.writeSync(1, `${JSON.stringify(event)}\n`);

const claude = {
  begin: () => line({ type: 'system', subtype: 'init', cwd: process.cwd(), tools: ['Bash'] }),
  message: () => line({ type: 'stream_event', event: { type: 'message_start', message: { id: 'msg_01' } }, parent_tool_use_id: null }),
  say: (text) => line({ type: 'stream_event', event: { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } }, parent_tool_use_id: null }),
  tool: (command) => line({ type: 'assistant', message: { id: 'msg_01', content: [{ type: 'tool_use', id: 'toolu_1', name: 'Bash', input: { command } }] }, parent_tool_use_id: null }),
  end: () => line({ type: 'result', subtype: 'success', is_error: false, api_error_status: null, num_turns: 1, result: 'over', usage: { input_tokens: 5, cache_creation_input_tokens: 2, cache_read_input_tokens: 4, output_tokens: 7 } }),
  fail: (status, text) => {
    line({ type: 'assistant', message: { model: '<synthetic>', content: [{ type: 'text', text }] }, parent_tool_use_id: null, error: 'rate_limit' });
    line({ type: 'result', subtype: 'success', is_error: true, api_error_status: status, result: text, usage: { input_tokens: 0, output_tokens: 0 } });
    process.exit(1);
  },
};

const usage = { input: 5, output: 7, cacheRead: 4, cacheWrite: 2, totalTokens: 18 };
const pibox = {
  begin: () => line({ type: 'session', version: 3, cwd: process.cwd() }),
  message: () => line({ type: 'message_start', message: { role: 'assistant', content: [] } }),
  say: (delta) => line({ type: 'message_update', assistantMessageEvent: { type: 'text_delta', contentIndex: 0, delta, partial: {} } }),
  tool: (command) => line({ type: 'tool_execution_start', toolCallId: 't', toolName: 'bash', args: { command } }),
  end: () => {
    line({ type: 'message_end', message: { role: 'assistant', content: [], usage, stopReason: 'stop' } });
    line({ type: 'agent_end', messages: [] });
  },
  fail: (status, text) => {
    line({ type: 'message_end', message: { role: 'assistant', content: [], usage, stopReason: 'error', errorMessage: `${status} ${text}` } });
    line({ type: 'agent_end', messages: [] });
    process.exit(0);
  },
};
const cli = pi ? pibox : claude;

const ACTIONS = {
  /** Everything that it was given. */
  tell: () => cli.say(JSON.stringify({ args, env: process.env, cwd: process.cwd(), input })),
  /** What is in its folder, then one more file. */
  write: (name) => {
    cli.say(JSON.stringify(fs.readdirSync('.').filter((file) => !file.startsWith('.'))));
    fs.writeFileSync(name, 'x');
  },
  say: async (first, ms, second) => {
    cli.say(first);
    await sleep(Number(ms));
    if (second) cli.say(second);
  },
  silence: async (ms) => { await sleep(Number(ms)); cli.say('at last'); },
  tools: () => {
    cli.say('Let me look.');
    cli.tool('ls -l');
    cli.message();
    cli.say('Done.');
  },
  /** So many children, half of them in sessions of their own; tells their ids, has more, and waits. */
  spawn: async (counts) => {
    const [count, more = 0] = counts.split('+').map(Number);
    const children = (length) => Array.from({ length }, (_, at) => spawn('sleep', ['300'], { detached: at % 2 === 1, stdio: 'ignore' }));
    cli.say(JSON.stringify([process.pid, ...children(count).map(({ pid }) => pid)]));
    children(more);
    await sleep(300_000);
  },
  /** Is done, and stays for minutes, with its output open or closed. */
  linger: async (output) => {
    cli.say(JSON.stringify([process.pid]));
    cli.end();
    if (output === 'closed') fs.closeSync(1);
    await sleep(300_000);
  },
  /** Will never say more, and stays. */
  mute: async () => { fs.closeSync(1); await sleep(300_000); },
  flood: async () => { for (;;) { line({ type: 'noise', text: 'x'.repeat(10_000) }); await sleep(0); } },
  used_up: (epoch) => cli.fail(429, `Claude AI usage limit reached|${epoch}`),
  unauthorized: () => cli.fail(401, '{"type":"error","error":{"type":"authentication_error","message":"OAuth token has expired."}}'),
  crash: () => { fs.writeSync(2, 'the ground gave way\n'); process.exit(3); },
  leak: () => { fs.writeSync(2, `my key is ${process.env.ANTHROPIC_API_KEY ?? process.env.CLAUDE_CODE_OAUTH_TOKEN}\n`); process.exit(3); },
};

const [action, ...words] = input.trim().split(' ', 4);
cli.begin();
cli.message();
await (ACTIONS[action] ?? (() => cli.say(`you said: ${input.slice(0, 200)}`)))(...words);
cli.end();
