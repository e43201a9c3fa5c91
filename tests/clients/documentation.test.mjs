// Every piece of docs/clients.md, run as it stands there.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';
import { cohere, groqAudio, openai } from '../providers/index.mjs';
import { ROOT, scratch } from '../lib/gateway.mjs';
import { world } from '../lib/world.mjs';

const TESTS = path.join(ROOT, 'tests');
const PIECE = /^## (.+?)\n[^]*?^```(js|sh)\n([^]*?)^```/gm;
const WANTED = {
  Cohere: '1', Mistral: 'answer from openai\n8',
  LangChain: 'answer from openai\n8\nanswer from openai', Groq: 'answer from openai\nHello there. How are you?',
};
const pieces = [...fs.readFileSync(path.join(ROOT, 'docs/clients.md'), 'utf8').matchAll(PIECE)].map(([, title, language, text]) => ({ title, language, text }));
const TARGETS = {
  smart: [openai, 'openai/gpt-4o-mini', 'chat'], vectors: [openai, 'openai/text-embedding-3-small', 'embedding'],
  ranking: [cohere, 'cohere/rerank-v3.5', 'rerank'], ears: [groqAudio, groqAudio.model, 'audio_transcription'],
};
const each = (value) => Object.fromEntries(Object.entries(TARGETS).map(([alias, target]) => [alias, value(target, alias)]));

describe('docs/clients.md', { concurrency: 2 }, () => {
  test('has a piece for every client', () => assert.equal(pieces.length, 9));

  for (const { title, language, text } of pieces) {
    test(title, async (t) => {
      const w = await world(t, each(([wire]) => wire), {
        chains: [], params: each(([, model]) => ({ model })),
        info: each(([, , mode]) => ({ mode, ...(mode === 'embedding' && { provider: 'openai' }) })),
      });
      const code = text.replaceAll('http://localhost:4000', w.gateway.url);
      const [command, args] = language === 'js' ? [process.execPath, ['--input-type=module', '-e', code]] : ['bash', ['-ec', code]];
      const env = { PATH: `${TESTS}/node_modules/.bin:${process.env.PATH}`, HOME: scratch(), CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1', DISABLE_TELEMETRY: '1', DISABLE_AUTOUPDATER: '1' };
      const running = promisify(execFile)(command, args, { cwd: TESTS, env, timeout: 60_000, killSignal: 'SIGKILL' });
      running.child.stdin.end();
      const { stdout } = await running;
      const wanted = WANTED[title.split(' ')[0]];
      if (wanted) assert.equal(stdout.trim(), wanted);
      else assert.match(stdout.trim(), /^(answer from openai\n?)+$/);
    });
  }
});
