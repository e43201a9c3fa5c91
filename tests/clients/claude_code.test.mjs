// The Claude Code command line in front of providers that don't speak its protocol: it reads a file
// because a model asks for it, and prints what the model makes of that.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { cohere, ollama, openai } from '../providers/index.mjs';
import { ROOT, scratch } from '../lib/gateway.mjs';
import { world } from '../lib/world.mjs';

const CLAUDE = path.join(ROOT, 'tests/node_modules/.bin/claude');
const MODEL = 'claude-sonnet-4-5';
const LIMIT = 60_000;

/** Runs it in `folder`, at home nowhere: `{code, stdout, stderr}`. */
async function claude(w, folder, args) {
  const env = {
    PATH: process.env.PATH, HOME: scratch(), ANTHROPIC_BASE_URL: w.gateway.url, ANTHROPIC_API_KEY: 'sk-right',
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1', DISABLE_TELEMETRY: '1', DISABLE_AUTOUPDATER: '1',
  };
  const child = spawn(CLAUDE, args, { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] });
  const timer = setTimeout(() => child.kill('SIGKILL'), LIMIT);
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr']) child[name].setEncoding('utf8').on('data', (text) => { output[name] += text; });
  await new Promise((resolve, reject) => child.on('close', resolve).on('error', reject));
  clearTimeout(timer);
  return { code: child.exitCode ?? child.signalCode, ...output };
}

const textOf = (content) => (typeof content === 'string' ? content : content.map((part) => part.text ?? part.document.data).join(''));
const resultsOf = ({ messages }) => messages.filter(({ role }) => role === 'tool').map(({ content }) => textOf(content));

describe('claude code', () => {
  for (const wire of [openai, cohere, ollama]) {
    test(`a turn with a tool, served by ${wire.name}`, { timeout: LIMIT + 20_000 }, async (t) => {
      const w = await world(t, { [MODEL]: wire }, { env: { FREEWAY_MASTER_KEY: 'sk-right' } });
      const fake = w[MODEL];
      const folder = scratch();
      const file = path.join(folder, 'note.txt');
      fs.writeFileSync(file, 'the bird is a heron\n');
      fake.always(({ body }) => {
        const [result] = resultsOf(body);
        return result ? { reply: `It says: ${/the bird is a \w+/.exec(result)?.[0]}.` }
          : { toolCalls: [{ id: 'call_1', name: 'Read', arguments: JSON.stringify({ file_path: file }) }] };
      });
      const { code, stdout, stderr } = await claude(w, folder, ['-p', 'What is in note.txt?', '--model', MODEL, '--allowedTools', 'Read']);
      assert.equal(code, 0, `${stdout}\n${stderr}\n${w.gateway.log}`);
      assert.equal(stdout.trim(), 'It says: the bird is a heron.');
      assert.ok(fake.calls.every(({ script }) => (script.status ?? 200) === 200), 'the provider refused nothing');
      assert.match(resultsOf(fake.last.body)[0], /the bird is a heron/);
      assert.ok(fake.last.body.tools.some((tool) => tool.function.name === 'Read'));
      assert.doesNotMatch(w.gateway.log, / status=[45]\d\d /);
    });
  }
});
