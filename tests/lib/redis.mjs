// A Redis server of the test's own on a free loopback port, without a file on disk.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import { until } from './until.mjs';

/** The server and the checking tool are one program that looks at its own name. */
const PROGRAM = ['/usr/bin/redis-server', '/usr/bin/redis-check-rdb', '/usr/bin/valkey-server'].find((file) => fs.existsSync(file));

/** For `test(…, {skip})`: a reason while there is no server on this machine. */
export const withoutRedis = PROGRAM === undefined ? 'no redis-server: apt-get install redis-tools' : false;

export async function freePort() {
  const server = net.createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export class Redis {
  /** Starts a server that ends with the test; with `password` it wants that one. */
  static async start(t, { port, password } = {}) {
    const redis = new Redis();
    redis.port = port ?? await freePort();
    redis.password = password;
    await redis.start();
    t.after(() => redis.stop());
    return redis;
  }

  get url() { return `redis://${this.password ? `:${this.password}@` : ''}127.0.0.1:${this.port}`; }

  /** Starts it, again after stop(), on the same port and empty. */
  async start() {
    const args = ['--port', String(this.port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', os.tmpdir(),
      ...(this.password ? ['--requirepass', this.password] : [])];
    this.child = spawn(PROGRAM, args, { argv0: 'redis-server', stdio: ['ignore', 'pipe', 'pipe'] });
    this.child.on('error', () => {});
    this.exited = new Promise((resolve) => this.child.on('close', resolve));
    this.kill = () => this.child.kill('SIGKILL');
    process.once('exit', this.kill);
    let log = '';
    for (const stream of [this.child.stdout, this.child.stderr]) stream.on('data', (part) => { log += part; });
    await until(() => log.includes('Ready to accept connections') || this.child.exitCode !== null, 5000, 'redis accepts connections');
    if (this.child.exitCode !== null) throw new Error(`redis-server ended with ${this.child.exitCode}:\n${log}`);
  }

  async stop() {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill('SIGKILL');
    await this.exited;
    process.off('exit', this.kill);
  }

  /** Neither answers nor closes: what a cut line looks like. */
  freeze() { this.child.kill('SIGSTOP'); }
  thaw() { this.child.kill('SIGCONT'); }

  /** One command over its own connection: the raw reply. */
  command(...words) {
    return new Promise((resolve, reject) => {
      const socket = net.connect(this.port, '127.0.0.1');
      const text = `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`;
      socket.on('connect', () => socket.write(text));
      socket.once('data', (part) => { resolve(part.toString()); socket.destroy(); });
      socket.on('error', reject);
      socket.setTimeout(3000, () => { reject(new Error('redis does not answer')); socket.destroy(); });
    });
  }
}
