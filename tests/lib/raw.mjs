// Bytes on a socket: for requests that no HTTP client would send.
import net from 'node:net';

/**
 * Writes `bytes` (a string, or a function of the socket) and collects what comes back until the
 * server closes or `within` ms pass: `{text, status, closed, ms}`.
 */
export function raw(port, bytes, { host = '127.0.0.1', within = 5000 } = {}) {
  return new Promise((resolve, reject) => {
    const started = performance.now();
    const socket = net.connect(port, host);
    let text = '';
    const finish = (closed) => {
      clearTimeout(timer);
      socket.destroy();
      const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(text)?.[1]) || undefined;
      resolve({ text, status, closed, ms: performance.now() - started });
    };
    const timer = setTimeout(() => finish(false), within);
    socket.setEncoding('latin1');
    socket.on('connect', () => (typeof bytes === 'string' ? socket.write(bytes, 'latin1') : bytes(socket)));
    socket.on('data', (part) => { text += part; });
    socket.on('close', () => finish(true));
    socket.on('error', (error) => (error.code === 'ECONNREFUSED' ? reject(error) : undefined));
  });
}

/** A chat request as text; `headers` are added lines, `body` an object or text. */
export function chatBytes(model, { target = '/v1/chat/completions', headers = [], body, length = true } = {}) {
  const text = typeof body === 'string' ? body : JSON.stringify(body ?? { model, messages: [{ role: 'user', content: 'hi' }] });
  const lines = [`POST ${target} HTTP/1.1`, 'Host: localhost', 'Content-Type: application/json',
    ...(length ? [`Content-Length: ${Buffer.byteLength(text)}`] : []), ...headers];
  return `${lines.join('\r\n')}\r\n\r\n${text}`;
}
