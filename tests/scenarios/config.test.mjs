// C1: everything ignored, unknown, misplaced or unresolved is said once, with file:line.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { Fake, generic } from '../providers/index.mjs';
import { Gateway, ROOT, run, scratch, writeConfig } from '../lib/gateway.mjs';
import { fragment, lineOf, writeFiles } from '../lib/folder.mjs';

const MODEL = `model_list:
  - model_name: a
    litellm_params:
      model: openai/gpt-4o-mini
      api_base: http://127.0.0.1:9/v1
      api_key: os.environ/A_KEY
`;
const A_KEY = { A_KEY: 'sk-a' };

/** Runs check on a file and returns its diagnostics: `[{file, line, kind, text}]`. */
async function check({ text, folder, envFile = '', env = A_KEY, extra = [] }) {
  const home = folder ?? scratch();
  const config = text === undefined ? path.join(home, 'config') : writeConfig(home, text);
  const envPath = path.join(home, '.env');
  fs.writeFileSync(envPath, envFile);
  const result = await run(['check', '--config', config, '--env', envPath, ...extra], { env, cwd: home });
  const pattern = /^(.*?):(\d+): (error|warning): (.*)$/;
  const diagnostics = (result.stdout + result.stderr).split('\n').map((line) => pattern.exec(line)).filter(Boolean)
    .map(([, file, line, kind, said]) => ({ file: path.basename(file), line: Number(line), kind, text: said }));
  return { ...result, diagnostics, config, home };
}

const about = (diagnostics, word) => diagnostics.filter(({ text }) => text.includes(word));
const folderWith = (files) => writeFiles(scratch(), Object.fromEntries(Object.entries(files).map(([name, content]) => [`config/${name}`, content])));

function only(result, word, { file = 'config.yaml', line, kind }) {
  const found = about(result.diagnostics, word);
  assert.equal(found.length, 1, `one diagnostic about ${word}:\n${result.stdout}${result.stderr}`);
  assert.equal(found[0].file, file);
  if (line !== undefined) assert.equal(found[0].line, line, found[0].text);
  if (kind !== undefined) assert.equal(found[0].kind, kind, found[0].text);
  return found[0].text;
}

describe('C1', { concurrency: 6 }, () => {
  test('C1 a name that stands twice in .env: the last one counts, and that is said', async () => {
    const result = await check({ text: MODEL, envFile: 'A_KEY=sk-old\nOTHER=1\nA_KEY=sk-new\n', env: {} });
    const text = only(result, 'A_KEY', { file: '.env', line: 3, kind: 'warning' });
    assert.match(text, /line 1/);
    assert.doesNotMatch(result.stdout + result.stderr, /sk-/);
  });

  test('C1 a sound file has no diagnostics and exits 0', async () => {
    const result = await check({ text: `${MODEL}router_settings:\n  timeout: 30\n` });
    assert.deepEqual(result.diagnostics, [], result.stdout + result.stderr);
    assert.equal(result.code, 0);
  });

  const UNKNOWN = {
    'at the top': ['modle_list', `${MODEL}modle_list: []\n`],
    'in router_settings': ['retries_num', `${MODEL}router_settings:\n  retries_num: 3\n`],
    'in litellm_settings': ['drop_parms', `${MODEL}litellm_settings:\n  drop_parms: true\n`],
    'in general_settings': ['masterkey', `${MODEL}general_settings:\n  masterkey: sk-x\n`],
    'in litellm_params': ['api_bsae', `${MODEL}      api_bsae: http://127.0.0.1:9/v1\n`],
  };
  for (const [where, [key, text]] of Object.entries(UNKNOWN)) {
    test(`C1 an unknown key ${where}`, async () => {
      const result = await check({ text });
      only(result, key, { line: lineOf(text, key) });
    });
  }

  const MISPLACED = {
    cache: ['litellm_settings', 'general_settings', 'cache: true'],
    drop_params: ['litellm_settings', 'general_settings', 'drop_params: true'],
    master_key: ['general_settings', 'litellm_settings', 'master_key: sk-x'],
    routing_strategy: ['router_settings', 'general_settings', 'routing_strategy: simple-shuffle'],
  };
  for (const [key, [right, wrong, line]] of Object.entries(MISPLACED)) {
    test(`C1 ${key} under ${wrong}: its place is ${right}`, async () => {
      const text = `${MODEL}${wrong}:\n  ${line}\n`;
      const said = only(await check({ text }), key, { line: lineOf(text, line) });
      assert.ok(said.includes(right), said);
    });
  }

  test('C1 an unknown member of a chain', async () => {
    const text = `${MODEL}router_settings:\n  fallbacks:\n    - a: [nobody]\n`;
    const result = await check({ text });
    only(result, 'nobody', { line: lineOf(text, 'nobody') });
    assert.equal(result.code, 1);
  });

  test('C1 a chain of an unknown alias', async () => {
    const text = `${MODEL}router_settings:\n  fallbacks:\n    - ghost: [a]\n`;
    only(await check({ text }), 'ghost', { line: lineOf(text, 'ghost') });
  });

  test('C1 a chain that names itself', async () => {
    const text = `${MODEL}router_settings:\n  fallbacks:\n    - a: [a]\n`;
    const result = await check({ text });
    assert.equal(result.diagnostics.length, 1, result.stdout);
    assert.equal(result.diagnostics[0].line, lineOf(text, '- a: [a]'));
  });

  test('C1 an unresolved os.environ', async () => {
    const result = await check({ text: MODEL, env: {} });
    only(result, 'A_KEY', { line: lineOf(MODEL, 'os.environ/A_KEY') });
  });

  test('C1 an .env value resolves it', async () => {
    const result = await check({ text: MODEL, env: {}, envFile: 'A_KEY=sk-from-file\n' });
    assert.deepEqual(result.diagnostics, [], result.stdout);
  });

  test('C1 broken YAML is an error with its line', async () => {
    const result = await check({ text: `${MODEL}router_settings: [unclosed\n` });
    assert.equal(result.code, 1);
    assert.equal(result.diagnostics.length, 1, result.stdout + result.stderr);
    assert.equal(result.diagnostics[0].kind, 'error');
  });

  test('C1 an entry without a model is an error', async () => {
    const text = 'model_list:\n  - model_name: lonely\n    litellm_params:\n      api_key: x\n';
    const result = await check({ text });
    assert.equal(result.code, 1);
    assert.deepEqual(result.diagnostics.map(({ kind, line }) => [kind, line]), [['error', 2]], result.stdout);
  });

  test('C1 a wrong type is named', async () => {
    const text = `${MODEL}router_settings:\n  timeout: soon\n`;
    only(await check({ text }), 'timeout', { line: lineOf(text, 'timeout') });
  });

  const GROQ = fragment('groq', 'GROQ', [{ model_name: 'groq-x', litellm_params: { model: 'groq/x', api_key: 'os.environ/GROQ_API_KEY' } }]);

  test('C1 a flag without its key', async () => {
    const folder = folderWith({ 'providers/groq.yaml': GROQ, 'fallbacks.json': {} });
    const result = await check({ folder, env: {}, envFile: '# providers\nGROQ=1\n' });
    const found = about(result.diagnostics, 'GROQ_API_KEY');
    assert.equal(found.length, 1, result.stdout + result.stderr);
    assert.equal(found[0].file, '.env');
    assert.equal(found[0].line, 2);
  });

  test('C1 a key without its flag', async () => {
    const folder = folderWith({ 'providers/groq.yaml': GROQ, 'fallbacks.json': {} });
    const result = await check({ folder, env: {}, envFile: 'GROQ_API_KEY=gsk_x\n' });
    const found = about(result.diagnostics, 'GROQ_API_KEY');
    assert.equal(found.length, 1, result.stdout + result.stderr);
    assert.deepEqual([found[0].file, found[0].line], ['.env', 1]);
    assert.match(found[0].text, /GROQ=1/);
  });

  test('C1 a flag that is not exactly 1 is off', async () => {
    const folder = folderWith({ 'providers/groq.yaml': GROQ, 'fallbacks.json': {} });
    const models = await run(['models', '--json', '--config', path.join(folder, 'config'), '--env', path.join(folder, '.env')], { env: { GROQ: 'true', GROQ_API_KEY: 'x' }, cwd: folder });
    assert.equal(models.code, 0, models.stderr);
    assert.ok(!models.stdout.includes('groq-x'), models.stdout);
  });

  test('C1 an unknown member of fallbacks.json has its line', async () => {
    const folder = folderWith({ 'providers/groq.yaml': GROQ, 'fallbacks.json': '{\n "groq-x": [\n  "nobody"\n ]\n}\n' });
    const result = await check({ folder, env: {}, envFile: 'GROQ=1\nGROQ_API_KEY=x\n' });
    only(result, 'nobody', { file: 'fallbacks.json', line: 3 });
    assert.equal(result.code, 1);
  });

  test('C1 fallbacks.json may be a list of one-key objects', async () => {
    const second = { model_name: 'groq-y', litellm_params: { model: 'groq/y', api_key: 'os.environ/GROQ_API_KEY' } };
    const folder = folderWith({ 'providers/groq.yaml': { ...GROQ, models: [...GROQ.models, second] }, 'fallbacks.json': [{ 'groq-x': ['groq-y'] }] });
    const result = await check({ folder, env: {}, envFile: 'GROQ=1\nGROQ_API_KEY=x\n' });
    assert.equal(result.diagnostics.filter(({ kind }) => kind === 'error').length, 0, result.stdout);
  });

  test('C1 a duplicate key is not swallowed', async () => {
    const text = `${MODEL}router_settings:\n  timeout: 1\n  timeout: 2\n`;
    const result = await check({ text });
    assert.ok(about(result.diagnostics, 'timeout').length >= 1, result.stdout + result.stderr);
  });

  test('C1 a misspelt key is answered with the likely one', async () => {
    const result = await check({ text: `${MODEL}router_settings:\n  falbacks: []\n` });
    assert.match(only(result, 'falbacks', {}), /fallbacks/);
  });

  test('C1 check --json is read by machines', async () => {
    const result = await check({ text: `${MODEL}general_settings:\n  cache: true\n`, extra: ['--json'] });
    const said = JSON.stringify(JSON.parse(result.stdout));
    assert.match(said, /cache/);
    assert.match(said, /litellm_settings/);
  });

  test('C4 check shows no key', async () => {
    const result = await check({ text: `${MODEL}      bogus: 1\n`.replace('os.environ/A_KEY', 'sk-very-secret'), env: {} });
    assert.ok(!(result.stdout + result.stderr).includes('sk-very-secret'));
  });

  test('serve refuses a file with errors and says where', async () => {
    const folder = scratch();
    const config = writeConfig(folder, 'model_list: [unclosed\n');
    const result = await run(['serve', '--config', config, '--listen', '127.0.0.1:0', '--data', path.join(folder, 'd')], { cwd: folder });
    assert.equal(result.code, 1, result.stdout + result.stderr);
    assert.match(result.stdout + result.stderr, /config\.yaml:\d+: error:/);
  });

  test('PIBOX_ZAI_AVAILABLE_MODELS says which models of pibox are served', async (t) => {
    const pibox = await Fake.start(generic, { strict: false });
    t.after(() => pibox.close());
    const envFile = `PIBOX_ZAI=1\nPIBOX_ZAI_API_TOKEN=t\nPIBOX_ZAI_API_BASE=${pibox.base}\nPIBOX_ZAI_AVAILABLE_MODELS=glm-5.1, glm-9,glm-4.7\n`;
    const gateway = await Gateway.start(t, { configPath: path.join(ROOT, 'config'), envFile });
    const ids = (await gateway.get('/v1/models')).json.data.map(({ id }) => id);
    assert.deepEqual(ids, ['pibox-zai-glm-5.1', 'pibox-zai-glm-9', 'pibox-zai-glm-4.7']);
    const answer = await gateway.chat('pibox-zai-glm-9');
    assert.deepEqual([answer.status, answer.servedBy, pibox.last.model], [200, 'pibox-zai-glm-9', 'glm-9'], answer.text);
    assert.equal((await gateway.chat('pibox-zai-glm-4.5-air')).status, 404);
    const checked = await run(['check', '--config', path.join(ROOT, 'config'), '--env', gateway.envFile]);
    assert.equal(checked.code, 0, checked.stdout + checked.stderr);
    assert.ok(!/error:|pibox/.test(checked.stdout), checked.stdout);
  });

  const VARIABLES = [
    ['FREEWAY_FILES_KEEP=ever', 'error', /1h or 90s/],
    ['FREEWAY_PUBLIC_URL=ai.example.com', 'error', /http:\/\/ or https:\/\//],
    ['OLLAMA_API_BASE=localhost:11434', 'error', /http:\/\/ or https:\/\//],
    ['FREEWAY_IMAGE_HOSTS=10.0.0.0/8', 'warning', /HOST:PORT/],
    ['PULL=no', 'warning', /PULL=0 or PULL=1/],
  ];
  for (const [line, kind, text] of VARIABLES) {
    test(`C1 ${line}: check and serve say the same, once, and serving goes on`, async (t) => {
      const [name, value] = line.split('=');
      const envFile = `OLLAMA=1\n${line}\n`;
      const gateway = await Gateway.start(t, { configPath: path.join(ROOT, 'config'), envFile, env: { PULL: undefined } });
      const said = gateway.log.split('\n').filter((one) => one.includes(name) && /:\d+: (error|warning): /.test(one));
      assert.equal(said.length, 1, gateway.log);
      assert.match(said[0], new RegExp(`test\\.env:2: ${kind}: ${name}`));
      assert.match(said[0], text);
      const env = { PULL: undefined };
      const checked = await run(['check', '--config', path.join(ROOT, 'config'), '--env', gateway.envFile], { env });
      assert.equal(checked.stdout.trim(), said[0]);
      assert.equal(checked.code, kind === 'error' ? 1 : 0);
      fs.writeFileSync(gateway.envFile, 'OLLAMA=1\n');
      const exported = await run(['check', '--config', path.join(ROOT, 'config'), '--env', gateway.envFile], { env: { ...env, [name]: value } });
      assert.match(exported.stdout, new RegExp(`^environment:0: ${kind}: ${name}`));
      assert.equal((await gateway.get('/v1/models')).status, 200);
    });
  }

  test('a missing file is named', async () => {
    const result = await run(['check', '--config', path.join(scratch(), 'none.yaml')]);
    assert.equal(result.code, 1);
    assert.match(result.stdout + result.stderr, /none\.yaml/);
  });
});
