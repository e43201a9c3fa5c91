// A loopback port whose connections never complete: a listener that never accepts, its backlog full.
import { spawn } from 'node:child_process';
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const LISTENER = `
const server = require('node:net').createServer();
server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
  require('node:fs').writeSync(1, server.address().port + '\\n');
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
});`;

/** The port of a listener to which a connect hangs; it is gone after the test. */
export async function blackhole(t) {
  const child = spawn(process.execPath, ['-e', LISTENER], { stdio: ['ignore', 'pipe', 'inherit'] });
  const fillers = [];
  t.after(() => {
    fillers.forEach((socket) => socket.destroy());
    child.kill('SIGKILL');
  });
  const port = Number(await new Promise((resolve) => child.stdout.setEncoding('utf8').once('data', resolve)));
  for (let full = false; !full;) {
    const socket = net.connect(port, '127.0.0.1').on('error', () => {});
    fillers.push(socket);
    const connected = new Promise((resolve) => { socket.once('connect', () => resolve(true)); });
    full = !(await Promise.race([connected, sleep(300, false)]));
  }
  return port;
}
