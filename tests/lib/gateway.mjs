// Starts the real binary, talks to it, stops it.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { send } from './client.mjs';
import { toYaml } from './yaml.mjs';
import { inTime, until } from './until.mjs';

export const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
export const BINARY = path.resolve(process.env.FREEWAY_BIN ?? path.join(ROOT, 'build/freeway'));
const LISTENING = /listening on (https?:\/\/\S+)/;
const running = new Set();

const folders = [];

process.on('exit', () => {
  running.forEach((child) => child.kill('SIGKILL'));
  folders.forEach((folder) => fs.rmSync(folder, { recursive: true, force: true, maxRetries: 3 }));
});
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => process.exit(1));

/** A folder that is gone when this test file is done: after every gateway that writes into it. */
export function scratch() {
  folders.push(fs.mkdtempSync(path.join(os.tmpdir(), 'freeway-test-')));
  return folders.at(-1);
}

/** Writes a LiteLLM-style config.yaml and returns its path. */
export function writeConfig(folder, config, name = 'config.yaml') {
  const file = path.join(folder, name);
  fs.writeFileSync(file, typeof config === 'string' ? config : toYaml(config).trimStart());
  return file;
}

/** Only what a test names is in the environment of the binary; models are pulled where it says so. */
export const environment = (env = {}) => ({ PATH: process.env.PATH, HOME: os.tmpdir(), PULL: '0', ...env });

/** Runs one command to its end: `{code, signal, stdout, stderr}`. */
export async function run(args, { env, cwd, within = 20_000 } = {}) {
  const child = launch(args, { env, cwd });
  const output = collect(child);
  await ended(child, within, `freeway ${args[0]}`);
  return { code: child.exitCode, signal: child.signalCode, ...output };
}

function launch(args, { env, cwd }) {
  const child = spawn(BINARY, args, { env: environment(env), cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  running.add(child);
  child.exited = new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', () => { running.delete(child); resolve(); });
  });
  child.exited.catch(() => {});
  return child;
}

function collect(child) {
  const output = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text) => { output.stdout += text; });
  child.stderr.setEncoding('utf8').on('data', (text) => {
    output.stderr += text;
    if (process.env.FREEWAY_TEST_LOG) process.stderr.write(text);
  });
  return output;
}

async function ended(child, within, what) {
  try { await inTime(child.exited, within, `${what} ends`); } finally { if (child.exitCode === null) child.kill('SIGKILL'); }
}

export class Gateway {
  /**
   * Starts `freeway serve` and waits until it listens. `config` is an object, YAML text or a path
   * (`configPath`). It is stopped with SIGTERM after the test and must then exit with 0.
   */
  static async start(t, { config, configPath, env = {}, envFile = '', args = [], listen = '127.0.0.1:0', within = 10_000, cwd, data } = {}) {
    const folder = scratch();
    const gateway = new Gateway();
    gateway.folder = folder;
    gateway.configFile = configPath ?? writeConfig(folder, config);
    gateway.envFile = path.join(folder, 'test.env');
    fs.writeFileSync(gateway.envFile, envFile);
    const flags = ['--config', gateway.configFile, '--env', gateway.envFile, '--listen', listen, '--data', data ?? path.join(folder, 'data')];
    gateway.child = launch(['serve', ...flags, ...args], { env, cwd: cwd ?? folder });
    gateway.output = collect(gateway.child);
    t.after(() => gateway.stop());
    await gateway.#listening(within);
    return gateway;
  }

  get pid() { return this.child.pid; }
  get log() { return this.output.stderr; }
  get ended() { return this.child.exitCode !== null || this.child.signalCode !== null; }

  async #listening(within) {
    const line = () => LISTENING.exec(this.output.stdout) ?? this.ended;
    const found = await until(line, within, `freeway listens; its log:\n${this.log}`);
    if (found === true) throw new Error(`freeway ended with ${this.child.exitCode} before it listened:\n${this.output.stdout}${this.log}`);
    this.url = found[1];
    this.port = Number(new URL(this.url).port);
  }

  signal(name) { this.child.kill(name); }

  /** Ends it as an operator does; a crash, a hang or another exit code fails the test. */
  async stop({ within = 8000 } = {}) {
    if (this.stopped) return;
    this.stopped = true;
    if (!this.ended) this.signal('SIGTERM');
    await ended(this.child, within, 'freeway after SIGTERM');
    assert.deepEqual([this.child.exitCode, this.child.signalCode], [0, null], `exit after SIGTERM; log:\n${this.log.slice(-4000)}`);
  }

  /** Waits until it has ended, however; nothing is asserted about its exit code. */
  async gone(within) {
    this.stopped = true;
    await ended(this.child, within, 'freeway');
  }

  /** Ends it as a crash would; the test goes on. */
  async kill() {
    this.stopped = true;
    this.signal('SIGKILL');
    await this.child.exited;
  }

  send(target, options = {}) { return send(this.url + target, options); }
  get(target, options = {}) { return this.send(target, { method: 'GET', ...options }); }

  /** One chat request; `more` is merged into the body. */
  chat(model, more = {}, options = {}) {
    const body = { model, messages: [{ role: 'user', content: 'hi' }], ...more };
    return this.send('/v1/chat/completions', { body, ...options });
  }

  stream(model, more = {}, options = {}) { return this.chat(model, { stream: true, ...more }, options); }

  /** The benches as text, and those of one alias. */
  async benches(alias) {
    const answer = await this.get('/v1/benches');
    assert.equal(answer.status, 200, answer.text);
    const all = listOf(answer.json);
    return alias === undefined ? all : all.filter((bench) => JSON.stringify(bench).includes(JSON.stringify(alias)));
  }

  clearBenches(alias) {
    return this.send(`/v1/benches${alias === undefined ? '' : `/${encodeURIComponent(alias)}`}`, { method: 'DELETE' });
  }
}

const listOf = (json) => (Array.isArray(json) ? json : json.benches ?? json.data ?? []);

/** Seconds from now until a bench ends, from whichever way it says it. */
export function secondsLeft(bench) {
  const until = bench.until ?? bench.expires ?? bench.expires_at;
  if (typeof until === 'string') return (Date.parse(until) - Date.now()) / 1000;
  if (typeof until === 'number') return (until > 1e11 ? until / 1000 : until) - Date.now() / 1000;
  return bench.seconds_left ?? bench.remaining_s ?? bench.retry_after ?? bench.seconds;
}
