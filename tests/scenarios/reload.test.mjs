// C2: a reload drops no request; a bad file keeps the old catalog.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { describe, test } from 'node:test';
import { openai } from '../providers/index.mjs';
import { entry, world } from '../lib/world.mjs';
import { toYaml } from '../lib/yaml.mjs';
import { until } from '../lib/until.mjs';

const names = async (w) => (await w.gateway.get('/v1/models')).json.data.map(({ id }) => id).sort();
const withAlias = (w, alias) => ({ ...w.config, model_list: [...w.config.model_list, entry(alias, w.a)] });
const save = (w, config) => fs.writeFileSync(w.gateway.configFile, typeof config === 'string' ? config : toYaml(config).trimStart());
const WORDS = Array.from({ length: 40 }, (_, at) => `w${at}`).join(' ');

describe('C2', { concurrency: 4 }, () => {
  for (const [how, poke] of [['SIGHUP', (w) => w.gateway.signal('SIGHUP')], ['a changed file', () => {}]]) {
    test(`C2 ${how}: the new catalog serves, a running stream is not cut`, async (t) => {
      const w = await world(t, { a: openai });
      w.a.next({ reply: WORDS, between: 40 });
      let heard;
      const hearing = new Promise((resolve) => { heard = resolve; });
      const streaming = w.gateway.stream('a', {}, { onChunk: () => heard() });
      await hearing;
      save(w, withAlias(w, 'fresh'));
      poke(w);
      await until(async () => (await names(w)).includes('fresh'), 5000, 'the new alias is listed');
      assert.equal((await w.gateway.chat('fresh')).servedBy, 'fresh');
      const answer = await streaming;
      assert.equal(answer.content, WORDS);
      assert.deepEqual(answer.errors, []);
    });

    test(`C2 ${how}: a bad file is refused with its diagnostics, the old catalog stays`, async (t) => {
      const w = await world(t, { a: openai });
      const before = w.gateway.log.length;
      save(w, 'model_list: [unclosed\n');
      poke(w);
      await until(() => /config\.yaml:\d+: error:/.test(w.gateway.log.slice(before)), 5000, 'the diagnostics are logged');
      assert.deepEqual(await names(w), ['a']);
      assert.equal((await w.gateway.chat('a')).status, 200);
      save(w, withAlias(w, 'mended'));
      poke(w);
      await until(async () => (await names(w)).includes('mended'), 5000, 'the mended file is read');
    });
  }

  test('C2 a removed alias is gone for new requests only', async (t) => {
    const w = await world(t, { a: openai, b: openai });
    w.b.next({ reply: WORDS, between: 20 });
    let heard;
    const hearing = new Promise((resolve) => { heard = resolve; });
    const streaming = w.gateway.stream('b', {}, { onChunk: () => heard() });
    await hearing;
    save(w, { model_list: [entry('a', w.a)] });
    w.gateway.signal('SIGHUP');
    await until(async () => (await names(w)).length === 1, 5000, 'the alias is gone');
    assert.ok([400, 404].includes((await w.gateway.chat('b')).status));
    assert.equal((await streaming).content, WORDS);
  });

  test('C2 a reload keeps the benches', async (t) => {
    const w = await world(t, { a: openai, b: openai });
    w.a.next({ ...openai.errors.rpm, headers: { 'retry-after': '60' } });
    await w.gateway.chat('a');
    save(w, withAlias(w, 'fresh'));
    w.gateway.signal('SIGHUP');
    await until(async () => (await names(w)).includes('fresh'), 5000, 'the new alias is listed');
    assert.deepEqual((await w.gateway.chat('a')).trail[0], { alias: 'a', skipped: 'benched' });
    assert.equal(w.a.calls.length, 1);
  });

  test('C2 fifty reloads under load fail no request', async (t) => {
    const w = await world(t, { a: openai });
    let running = true;
    const client = async () => {
      const statuses = [];
      while (running) statuses.push((await w.gateway.chat('a')).status);
      return statuses;
    };
    const clients = Array.from({ length: 4 }, client);
    for (let round = 0; round < 50; round += 1) {
      save(w, withAlias(w, `r${round}`));
      w.gateway.signal('SIGHUP');
      await new Promise((resolve) => { setTimeout(resolve, 10); });
    }
    running = false;
    const statuses = (await Promise.all(clients)).flat();
    assert.ok(statuses.length > 20);
    assert.deepEqual([...new Set(statuses)], [200]);
  });

  for (const [how, poke] of [['SIGHUP', (w) => w.gateway.signal('SIGHUP')], ['a changed file', () => {}]]) {
    test(`C2 ${how}: a file cut to nothing is refused, the old catalog stays`, async (t) => {
      const w = await world(t, { a: openai });
      const before = w.gateway.log.length;
      save(w, '');
      poke(w);
      await until(() => /refused/.test(w.gateway.log.slice(before)), 5000, 'the log says so');
      assert.deepEqual(await names(w), ['a']);
      assert.equal((await w.gateway.chat('a')).status, 200);
      save(w, withAlias(w, 'mended'));
      poke(w);
      await until(async () => (await names(w)).includes('mended'), 5000, 'the mended file is read');
    });
  }

  test('C2 a file written in two halves 300 ms apart is never served half', async (t) => {
    const w = await world(t, { a: openai });
    for (let round = 0; round < 10; round += 1) {
      const before = (await names(w)).join();
      const fresh = [`first${round}`, `second${round}`];
      const text = toYaml({ model_list: fresh.map((alias) => entry(alias, w.a)) }).trimStart();
      const half = text.slice(0, text.indexOf('- model_name', text.indexOf(fresh[0])));
      // Counted from the last load, so each round meets the watch at another moment.
      await new Promise((resolve) => { setTimeout(resolve, 150 + round * 12); });
      fs.writeFileSync(w.gateway.configFile, half);
      setTimeout(() => fs.appendFileSync(w.gateway.configFile, text.slice(half.length)), 300);
      await until(async () => {
        const now = (await names(w)).join();
        assert.ok([before, fresh.join()].includes(now), `round ${round}: ${now} is served`);
        return now === fresh.join();
      }, 5000, 'the whole file is read');
    }
  });
});
