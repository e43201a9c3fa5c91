// A plain HTTP client that shows everything: status, headers, bytes and when each chunk came.
import http from 'node:http';
import https from 'node:https';

/**
 * Sends one request on its own connection and resolves when the answer is complete or broken.
 * `onChunk(text, answer)` is called for each chunk as it arrives. Without an end `within` ms it fails.
 */
export async function send(url, { within = 30_000, ...options } = {}) {
  const { method = 'POST', headers = {}, body, signal, onChunk, ca } = options;
  const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body);
  const { req, response } = open(url, { method, headers, text, signal, ca });
  const late = setTimeout(() => req.destroy(new Error(`${method} ${url}: no end within ${within} ms`)), within);
  try { return await receive(await response, onChunk); } finally { clearTimeout(late); }
}

async function receive(res, onChunk) {
  const started = res.req.startedAt;
  const answer = { status: res.statusCode, headers: res.headers, chunks: [], text: '', broken: false, at: performance.now() };
  await new Promise((resolve) => {
    res.setEncoding('utf8');
    res.on('data', (chunk) => {
      answer.chunks.push({ at: performance.now(), text: chunk });
      answer.text += chunk;
      onChunk?.(chunk, answer);
    });
    res.on('end', resolve);
    res.on('error', () => { answer.broken = true; });
    res.on('close', resolve);
  });
  answer.ms = performance.now() - started;
  return describe(answer);
}

function open(url, { method, headers, text, signal, ca }) {
  const lib = url.startsWith('https:') ? https : http;
  const length = text === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) };
  const req = lib.request(url, { method, headers: { ...length, ...headers }, agent: false, signal, ca });
  req.startedAt = performance.now();
  const response = new Promise((resolve, reject) => {
    req.on('response', resolve);
    req.on('error', reject);
  });
  response.catch(() => {});
  req.end(text);
  return { req, response };
}

function describe(answer) {
  if (answer.headers['content-type']?.startsWith('text/event-stream')) return { ...answer, ...readStream(answer.text), ...trailOf(answer.headers) };
  let json;
  try { json = JSON.parse(answer.text); } catch { json = undefined; }
  return { ...answer, json, error: json?.error, ...trailOf(answer.headers) };
}

/** Splits an SSE body into events and sums up what a chat client would see. */
export function readStream(text) {
  const events = text.split('\n\n').filter(Boolean).map((frame) => ({ frame, data: dataOf(frame) }));
  const payloads = events.map(({ data }) => data).filter((data) => data !== undefined && data !== '[DONE]');
  const objects = payloads.map((data) => { try { return JSON.parse(data); } catch { return { unparsable: data }; } });
  const deltas = objects.map((object) => object.choices?.[0]?.delta).filter(Boolean);
  return {
    events, objects, deltas,
    content: objects.map((object) => object.choices?.[0]?.delta?.content ?? object.choices?.[0]?.text ?? '').join(''),
    reasoning: deltas.map((delta) => delta.reasoning_content ?? delta.reasoning ?? '').join(''),
    finish: objects.map((object) => object.choices?.[0]?.finish_reason).find(Boolean),
    usage: objects.map((object) => object.usage).filter(Boolean).at(-1),
    errors: objects.filter((object) => object.error).map((object) => object.error),
    models: [...new Set(objects.map((object) => object.model).filter(Boolean))],
    dones: events.filter(({ data }) => data === '[DONE]').length,
    endsWithDone: events.at(-1)?.data === '[DONE]',
  };
}

function dataOf(frame) {
  const lines = frame.split('\n').filter((line) => line.startsWith('data:'));
  return lines.length === 0 ? undefined : lines.map((line) => line.slice(5).replace(/^ /, '')).join('\n');
}

/** The gateway's own headers: who served, after how many calls, past whom. */
export function trailOf(headers) {
  const attempts = headers['x-freeway-attempts'];
  return {
    requestId: headers['x-freeway-request-id'],
    servedBy: headers['x-freeway-served-by'],
    attempts: attempts === undefined ? undefined : Number(attempts),
    trailText: headers['x-freeway-trail'],
    trail: (headers['x-freeway-trail'] ?? '').split(',').map((item) => item.trim()).filter(Boolean).map(parseItem),
  };
}

/** `alias=429:rate_limited`, `alias=timeout`, `alias=skipped:benched`, `alias=200`. */
function parseItem(item) {
  const at = item.indexOf('=');
  const alias = item.slice(0, at);
  const [first, second] = item.slice(at + 1).split(':');
  if (first === 'skipped') return { alias, skipped: second ?? 'unknown' };
  if (!/^\d+$/.test(first)) return { alias, outcome: first };
  return { alias, status: Number(first), outcome: second ?? 'served' };
}
