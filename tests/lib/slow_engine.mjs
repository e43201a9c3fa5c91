// An engine for tests: `--port N --start-ms T`. Answers /health with 503 until it is ready. `--family
// FILE`: it has two children, one in a session of its own, and writes all their ids and its own there.
// `--journal FILE --name N`: adds `begin N`, `asked N` and `end N` there; `--gate FILE`: answers once the file is
// there; `--linger-ms T`: ends so long after it was asked to. `--crash-ms T`: listens no more from its first answer
// on, and crashes so long after it.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

const given = (name) => process.argv.includes(name);
const word = (name) => process.argv[process.argv.indexOf(name) + 1];
const option = (name) => Number(word(name));
const ready = Date.now() + option('--start-ms');

if (given('--family')) {
  const children = [false, true].map((detached) => spawn('sleep', ['600'], { detached, stdio: 'ignore' }));
  fs.writeFileSync(word('--family'), JSON.stringify([process.pid, ...children.map(({ pid }) => pid)]));
}

const note = (what) => { if (given('--journal')) fs.appendFileSync(word('--journal'), `${what} ${word('--name')}\n`); };
note('begin');
process.on('SIGTERM', () => setTimeout(() => { note('end'); process.exit(0); }, given('--linger-ms') ? option('--linger-ms') : 0));

const gate = async () => { while (given('--gate') && !fs.existsSync(word('--gate'))) await sleep(10); };
const chunk = (delta, finish_reason = null) => `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', model: 'slow', choices: [{ index: 0, delta, finish_reason }] })}\n\n`;

const server = http.createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
  if (request.url === '/health') {
    response.writeHead(Date.now() >= ready ? 200 : 503).end('{}');
    return;
  }
  let body = '';
  request.on('data', (piece) => { body += piece; }).on('end', async () => {
    note('asked');
    await gate();
    if (given('--crash-ms')) {
      server.close();
      response.setHeader('connection', 'close');
      response.on('finish', () => setTimeout(() => process.exit(1), option('--crash-ms')));
    }
    if (JSON.parse(body).stream !== true) {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ id: 'c', object: 'chat.completion', model: 'slow', choices: [{ index: 0, message: { role: 'assistant', content: 'warm' }, finish_reason: 'stop' }] }));
      return;
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(chunk({ role: 'assistant', content: 'warm' }));
    response.end(`${chunk({}, 'stop')}data: [DONE]\n\n`);
  });
});
server.listen(option('--port'), '127.0.0.1');
