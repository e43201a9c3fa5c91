// `freeway pull`: models over a line that breaks, verified, resumed, shown.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { describe, test } from 'node:test';
import { run, scratch } from '../lib/gateway.mjs';

const BYTES = randomBytes(2_000_000);
const SHA = createHash('sha256').update(BYTES).digest('hex');

/** A file server that breaks the first `cuts` answers in the middle and honours Range. */
async function fileServer(t, { cuts = 0, ranges = true, status } = {}) {
  const requests = [];
  const server = http.createServer((req, res) => {
    requests.push(req.headers.range);
    if (status) return res.writeHead(status).end('no');
    const from = ranges ? Number(/bytes=(\d+)-/.exec(req.headers.range ?? '')?.[1] ?? 0) : 0;
    if (from >= BYTES.length) return res.writeHead(416, { 'content-range': `bytes */${BYTES.length}` }).end();
    const part = BYTES.subarray(from);
    res.writeHead(from > 0 ? 206 : 200, {
      'content-length': part.length, etag: '"v1"', 'accept-ranges': 'bytes',
      ...(from > 0 && { 'content-range': `bytes ${from}-${BYTES.length - 1}/${BYTES.length}` }),
    });
    if (requests.length > cuts) return res.end(part);
    res.write(part.subarray(0, 600_000), () => setTimeout(() => res.socket?.destroy(), 50));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => { server.closeAllConnections(); server.close(); });
  return { url: `http://127.0.0.1:${server.address().port}/models/tiny.gguf`, requests };
}

const pull = (folder, url, more = []) => run(['pull', url, '--data', path.join(folder, 'data'), ...more], { cwd: folder, within: 40_000 });
const filesIn = (folder) => (fs.existsSync(folder) ? fs.readdirSync(folder, { recursive: true, withFileTypes: true }) : [])
  .filter((entry) => entry.isFile()).map((entry) => path.join(entry.parentPath ?? entry.path, entry.name));
const modelIn = (folder) => filesIn(path.join(folder, 'data')).find((file) => file.endsWith('tiny.gguf'));

describe('pull', { concurrency: 4 }, () => {
  test('a file is fetched whole, with progress', async (t) => {
    const folder = scratch();
    const { url } = await fileServer(t);
    const result = await pull(folder, url, ['--sha256', SHA]);
    assert.equal(result.code, 0, result.stdout + result.stderr);
    assert.ok(fs.readFileSync(modelIn(folder)).equals(BYTES));
    assert.match(result.stdout + result.stderr, /%|MB|MiB/);
  });

  test('a cut connection is resumed with Range, not begun again', async (t) => {
    const folder = scratch();
    const { url, requests } = await fileServer(t, { cuts: 2 });
    const result = await pull(folder, url, ['--sha256', SHA]);
    assert.equal(result.code, 0, result.stdout + result.stderr);
    assert.ok(fs.readFileSync(modelIn(folder)).equals(BYTES));
    assert.equal(requests.length, 3);
    assert.equal(requests[0], undefined);
    assert.match(requests[1], /^bytes=[1-9]\d*-$/);
    assert.ok(Number(/\d+/.exec(requests[2])[0]) > Number(/\d+/.exec(requests[1])[0]), requests.join(' '));
  });

  test('a server that ignores Range is read from the start, the file is still right', async (t) => {
    const folder = scratch();
    const { url } = await fileServer(t, { cuts: 1, ranges: false });
    const result = await pull(folder, url, ['--sha256', SHA]);
    assert.equal(result.code, 0, result.stdout + result.stderr);
    assert.ok(fs.readFileSync(modelIn(folder)).equals(BYTES));
  });

  test('a wrong checksum is refused and leaves no model behind', async (t) => {
    const folder = scratch();
    const { url } = await fileServer(t);
    const result = await pull(folder, url, ['--sha256', '0'.repeat(64)]);
    assert.equal(result.code, 1);
    assert.match(result.stdout + result.stderr, /sha256|checksum/i);
    assert.equal(modelIn(folder), undefined);
  });

  test('a second pull of the same file fetches nothing anew', async (t) => {
    const folder = scratch();
    const { url, requests } = await fileServer(t);
    await pull(folder, url, ['--sha256', SHA]);
    const before = requests.length;
    const result = await pull(folder, url, ['--sha256', SHA]);
    assert.equal(result.code, 0, result.stderr);
    assert.equal(requests.length, before);
  });

  test('an HTTP error is said with its status', async (t) => {
    const folder = scratch();
    const { url } = await fileServer(t, { status: 404 });
    const result = await pull(folder, url);
    assert.equal(result.code, 1);
    assert.match(result.stdout + result.stderr, /404/);
    assert.equal(modelIn(folder), undefined);
  });
});
