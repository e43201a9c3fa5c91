// `freeway pull`: models over a line that breaks, verified, resumed, shown.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { describe, test } from 'node:test';
import { run, scratch, writeConfig } from '../lib/gateway.mjs';

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

/** Answers each path by `answer(request, response)`, and remembers what was asked. */
async function server(t, answer) {
  const asked = [];
  const made = http.createServer((req, res) => { asked.push(req.url); answer(req, res); });
  await new Promise((resolve) => made.listen(0, '127.0.0.1', resolve));
  t.after(() => { made.closeAllConnections(); made.close(); });
  return { url: `http://127.0.0.1:${made.address().port}`, asked };
}
const sum = (text) => createHash('sha256').update(text).digest('hex');

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

describe('what is no model', { concurrency: 4 }, () => {
  /** What `freeway pull` says of one answer; `asked` paths, and the files that are left. */
  async function refused(t, answer, more = '') {
    const folder = scratch();
    const { url, asked } = await server(t, answer);
    const { code, stderr } = await pull(folder, `${url}/tiny.gguf${more}`);
    assert.equal(code, 1, stderr);
    assert.deepEqual(filesIn(path.join(folder, 'data')), []);
    return { stderr, asked };
  }

  test('a web page in its place is refused', async (t) => {
    const { stderr, asked } = await refused(t, (req, res) => res.setHeader('content-type', 'text/html').end('<html>Sign in</html>'));
    assert.match(stderr, /tiny\.gguf: the server sent a web page \(text\/html\)/);
    assert.equal(asked.length, 1);
  });

  test('an empty file is refused', async (t) => {
    assert.match((await refused(t, (req, res) => res.setHeader('content-length', 0).end())).stderr, /empty file/);
  });

  test('a malformed checksum is said before anything is asked', async (t) => {
    const { stderr, asked } = await refused(t, (req, res) => res.end('bytes'), '#sha256=xyz');
    assert.match(stderr, /checksum `xyz` is not 64 hexadecimal digits/);
    assert.deepEqual(asked, []);
  });

  test('a redirect to a file of the server is said for what it is', async (t) => {
    const { stderr, asked } = await refused(t, (req, res) => res.writeHead(302, { location: 'file:///etc/passwd' }).end());
    assert.match(stderr, /redirect: it leads to a file: address, and only http and https are followed/);
    assert.equal(asked.length, 1);
  });

  for (const status of [401, 404, 500])
    test(`nothing is left of an answer ${status}`, async (t) => {
      assert.match((await refused(t, (req, res) => res.writeHead(status).end('no'))).stderr, new RegExp(`status ${status}`));
    });
});

describe('files of one name', { concurrency: 4 }, () => {
  const words = async (t) => server(t, (req, res) => res.end(`weights of ${req.url}`));
  const engine = (name, url) => ({
    model_name: name, litellm_params: { model: `openai/${name}`, api_key: 'unused' }, model_info: { mode: 'chat', tier: 'local', engine: { command: ['some-server', '--model', url] } },
  });
  const command = (verb, folder, ...urls) => run([verb, '--config', writeConfig(folder, { model_list: urls.map((url, i) => engine(`m${i}`, url)) }), '--env', path.join(folder, 'none'), ...(verb === 'pull' ? ['--data', path.join(folder, 'data')] : [])], { cwd: folder });
  /** The contents of what it says it has put there. */
  async function pulled(folder, ...urls) {
    const { code, stdout, stderr } = await command('pull', folder, ...urls);
    assert.equal(code, 0, stdout + stderr);
    return stdout.trim().split('\n').map((file) => fs.readFileSync(file, 'utf8'));
  }

  test('files of different URLs are kept apart, and fetched once', async (t) => {
    const folder = scratch();
    const { url, asked } = await words(t);
    for (let i = 0; i < 2; i += 1) assert.deepEqual(await pulled(folder, `${url}/one/m.gguf`, `${url}/two/m.gguf`), ['weights of /one/m.gguf', 'weights of /two/m.gguf']);
    assert.deepEqual(await pulled(folder, `${url}/two/m.gguf`, `${url}/one/m.gguf`), ['weights of /two/m.gguf', 'weights of /one/m.gguf'], 'in any order');
    assert.deepEqual(asked, ['/one/m.gguf', '/two/m.gguf']);
  });

  test('one that came first keeps its name when another of that name joins it', async (t) => {
    const folder = scratch();
    const { url, asked } = await words(t);
    await pulled(folder, `${url}/one/m.gguf`);
    await pulled(folder, `${url}/two/m.gguf`, `${url}/one/m.gguf`);
    assert.equal(fs.readFileSync(path.join(folder, 'data/models/m.gguf'), 'utf8'), 'weights of /one/m.gguf');
    assert.deepEqual(asked, ['/one/m.gguf', '/two/m.gguf']);
  });

  test('where the URL is another one now, its file takes the place of the old one', async (t) => {
    const folder = scratch();
    const { url } = await words(t);
    await pulled(folder, `${url}/one/m.gguf`);
    assert.deepEqual(await pulled(folder, `${url}/two/m.gguf`), ['weights of /two/m.gguf']);
    assert.equal(fs.readFileSync(path.join(folder, 'data/models/m.gguf'), 'utf8'), 'weights of /two/m.gguf');
  });

  test('a URL that is pulled by hand takes nobody else\'s place', async (t) => {
    const folder = scratch();
    const { url } = await words(t);
    await pulled(folder, `${url}/one/m.gguf`);
    const { code, stdout } = await pull(folder, `${url}/two/m.gguf`);
    assert.equal(code, 0);
    assert.equal(fs.readFileSync(stdout.trim(), 'utf8'), 'weights of /two/m.gguf');
    assert.deepEqual(await pulled(folder, `${url}/one/m.gguf`), ['weights of /one/m.gguf']);
  });

  test('what was put there by hand is left alone, unless its checksum is not the stated one', async (t) => {
    const folder = scratch();
    const { url, asked } = await words(t);
    const file = path.join(folder, 'data/models/m.gguf');
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, 'by hand');
    assert.deepEqual(await pulled(folder, `${url}/one/m.gguf`), ['by hand']);
    assert.deepEqual(await pulled(folder, `${url}/one/m.gguf#sha256=${sum('by hand')}`), ['by hand']);
    assert.deepEqual(asked, []);
    assert.deepEqual(await pulled(folder, `${url}/one/m.gguf#sha256=${sum('weights of /one/m.gguf')}`), ['weights of /one/m.gguf']);
  });

  test('two checksums of one URL are an error of the configuration', async (t) => {
    const folder = scratch();
    const { url } = await words(t);
    const right = sum('weights of /one/m.gguf');
    const both = [right, 'b'.repeat(64)].map((digits) => `${url}/one/m.gguf#sha256=${digits}`);
    const checked = await command('check', folder, ...both);
    assert.equal(checked.code, 1);
    assert.match(checked.stdout + checked.stderr, new RegExp(`error: .#sha256=. of the URL says ${right.slice(0, 8)}… for m0, and bbbbbbbb… for m1`));
    const fetched = await command('pull', folder, ...both);
    assert.equal(fetched.code, 1);
    assert.match(fetched.stderr, /m\.gguf: wrong checksum: expected bbbb/);
    assert.equal(fs.readFileSync(path.join(folder, 'data/models/m.gguf'), 'utf8'), 'weights of /one/m.gguf');
  });
});
