// Engines that freeway starts on demand, seen from the caller who waits for one.
import assert from 'node:assert/strict';
import path from 'node:path';
import { describe, test } from 'node:test';
import { Fake, openai } from '../providers/index.mjs';
import { Gateway, ROOT } from '../lib/gateway.mjs';
import { entry } from '../lib/world.mjs';

const SLOW = path.join(ROOT, 'tests/lib/slow_engine.mjs');

const engine = (alias, startMs, more = {}) => ({
  model_name: alias,
  litellm_params: { model: 'openai/slow', api_key: 'none' },
  model_info: { mode: 'chat', tier: 'local', engine: { command: [process.execPath, SLOW, '--start-ms', String(startMs)], ready: '/health', ...more } },
});

describe('engines', { concurrency: 2 }, () => {
  test('a stream that waits for a starting engine hears comments, then gets the answer', async (t) => {
    const gateway = await Gateway.start(t, { config: { model_list: [engine('slow', 6000)] } });
    const answer = await gateway.stream('slow');
    assert.equal(answer.status, 200);
    assert.match(answer.text, /^: slow is starting\n\n/, answer.text.slice(0, 200));
    assert.equal(answer.content, 'warm');
    assert.match(answer.text, /data: \[DONE\]\n\n$/);
    assert.deepEqual(answer.models, ['slow']);
  });

  test('an engine that never gets ready: the chain moves on, plain and streamed', async (t) => {
    const fake = await Fake.start(openai);
    t.after(() => fake.close());
    const gateway = await Gateway.start(t, {
      config: { model_list: [engine('dead', 600_000, { start_timeout: '1s' }), entry('b', fake)], router_settings: { fallbacks: [{ dead: ['b'] }] } },
    });
    const plain = await gateway.chat('dead');
    assert.equal(plain.servedBy, 'b', plain.text);
    assert.equal((await gateway.stream('dead')).content, 'answer from openai');
  });
});
