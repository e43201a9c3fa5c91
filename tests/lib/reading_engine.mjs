// An engine for tests: `--port N --model FILE`. Answers with what stands in the file.
import fs from 'node:fs';
import http from 'node:http';

const option = (name) => process.argv[process.argv.indexOf(name) + 1];
const content = fs.readFileSync(option('--model'), 'utf8');
const answer = { id: 'c', object: 'chat.completion', model: 'read', choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }] };

process.on('SIGTERM', () => process.exit(0));
http.createServer((request, response) => {
  request.resume().on('end', () => response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer)));
}).listen(Number(option('--port')), '127.0.0.1');
