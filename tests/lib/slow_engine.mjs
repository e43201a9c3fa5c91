// An engine for tests: `--port N --start-ms T`. Answers /health with 503 until it is ready.
import http from 'node:http';

const option = (name) => Number(process.argv[process.argv.indexOf(name) + 1]);
const ready = Date.now() + option('--start-ms');

const chunk = (delta, finish_reason = null) => `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', model: 'slow', choices: [{ index: 0, delta, finish_reason }] })}\n\n`;

http.createServer((request, response) => {
  if (request.url === '/health') {
    response.writeHead(Date.now() >= ready ? 200 : 503).end('{}');
    return;
  }
  request.resume().on('end', () => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(chunk({ role: 'assistant', content: 'warm' }));
    response.end(`${chunk({}, 'stop')}data: [DONE]\n\n`);
  });
}).listen(option('--port'), '127.0.0.1');
