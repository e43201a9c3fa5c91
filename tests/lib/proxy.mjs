// A forward proxy: absolute-form requests and CONNECT, every host led to one loopback port.
import http from 'node:http';
import net from 'node:net';

/** `{url, requests, tunnels, close()}`; whatever host is asked for, the bytes go to `port`. */
export async function forwardProxy(port) {
  const requests = [];
  const tunnels = [];
  const server = http.createServer((req, res) => {
    requests.push({ url: req.url, headers: req.headers });
    const { pathname, search } = new URL(req.url);
    const onward = http.request({ port, host: '127.0.0.1', method: req.method, path: pathname + search, headers: req.headers }, (answer) => {
      res.writeHead(answer.statusCode, answer.headers);
      answer.pipe(res);
      answer.on('error', () => res.destroy());
    });
    onward.on('error', () => res.destroy());
    res.on('close', () => onward.destroy());
    req.pipe(onward);
  });
  server.on('connect', (req, client, head) => {
    tunnels.push(req.url);
    const onward = net.connect(port, '127.0.0.1', () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n');
      onward.write(head);
      onward.pipe(client).pipe(onward);
    });
    for (const socket of [onward, client]) socket.on('error', () => { onward.destroy(); client.destroy(); });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const close = () => new Promise((resolve) => { server.closeAllConnections(); server.close(resolve); });
  return { url: `http://127.0.0.1:${server.address().port}`, requests, tunnels, close };
}
