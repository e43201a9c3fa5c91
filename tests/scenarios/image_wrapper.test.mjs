// The image service that runs elsewhere: asked through the gateway, with the gateway's key.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SdcppService } from '../providers/sdcpp_service.mjs';
import { deviceWorld, draw, draws, GB } from '../lib/devices.mjs';
import { Gateway } from '../lib/gateway.mjs';
import { PREFIX, Studio } from '../lib/studio.mjs';
import { until } from '../lib/until.mjs';

const SIZES = { 'flux-schnell': 7 * GB, 'sd-turbo': 2 * GB };
const TAG = '<sd_cpp_extra_args>{"steps":99}</sd_cpp_extra_args>';

/** A wrapper of the GPU's set behind a gateway. */
async function wrapped(t, { env, options, headers } = {}) {
  const service = await SdcppService.start(t, { sizes: SIZES, ...options });
  const models = [draws('local-sdcpp-cuda-sd-turbo', service, 'sd-turbo', 2), draws('local-sdcpp-cuda-flux-schnell', service, 'flux-schnell', 7)];
  const gateway = await deviceWorld(t, models, { env, devices: { cuda: { memory_gb: 8 } } });
  const ask = (what, query = '', set = 'sdcpp-cuda') => gateway.send(`/${set}/v1/${what}${query}`, { method: what === 'status' ? 'GET' : 'POST', headers });
  return { service, gateway, ask };
}

describe('an image service elsewhere', { concurrency: 4 }, () => {
  test('status, load and unload are its own answers; `/sdcpp` means the only set that there is', async (t) => {
    const w = await wrapped(t);
    assert.deepEqual((await w.ask('load')).json, { loaded: true, model: 'flux-schnell' }, 'the usual model');
    assert.deepEqual((await w.ask('load', '?model=openai%2Flocal-sdcpp-cuda-sd-turbo')).json, { loaded: true, model: 'sd-turbo' });
    assert.equal(w.service.asked('/sdcpp/v1/load').at(-1).query, '?model=sd-turbo');
    assert.deepEqual((await w.ask('load', '?model=sd-turbo', 'sdcpp')).json, { already_loaded: true, model: 'sd-turbo' });
    const { json: status } = await w.ask('status', '', 'sdcpp');
    assert.deepEqual([status.loaded, status.current_model, status.models], [true, 'sd-turbo', Object.keys(SIZES)]);
    const unknown = await w.ask('load', '?model=dall-e%26x');
    assert.deepEqual([unknown.status, unknown.json.error], [400, 'unknown model: dall-e&x']);
    assert.deepEqual((await w.ask('unload')).json, { unloaded: true, model: 'sd-turbo' });
    assert.deepEqual((await w.ask('unload')).json, { already_unloaded: true });
    assert.equal(w.service.calls.at(-1).headers.authorization, undefined);
  });

  test('while a picture is drawn, load is busy at once and cancel ends it', async (t) => {
    const w = await wrapped(t);
    assert.equal((await w.ask('cancel')).json.cancelled, false);
    w.service.hold();
    const drawing = draw(w.gateway, 'local-sdcpp-cuda-sd-turbo');
    await until(() => w.service.loaded === 'sd-turbo', 10_000, 'it draws');
    const busy = await w.ask('load', '?model=flux-schnell');
    assert.deepEqual([busy.status, busy.json.code], [503, 'busy'], busy.text);
    assert.equal(w.service.asked('/sdcpp/v1/load').length, 0);
    assert.deepEqual((await w.ask('cancel')).json, { cancelled: true });
    assert.ok((await drawing).status >= 500);
    assert.equal((await w.ask('status')).json.loaded, false);
  });

  test('a load makes room on the device first', async (t) => {
    const w = await wrapped(t);
    assert.equal((await draw(w.gateway, 'local-sdcpp-cuda-sd-turbo')).status, 200);
    assert.equal((await w.ask('load', '?model=flux-schnell')).status, 200);
    const { json } = await w.gateway.get('/v1/devices');
    const cuda = json.data.find(({ id }) => id === 'cuda');
    assert.ok(w.service.asked('/sdcpp/v1/unload').length === 1, 'sd-turbo was sent away');
    assert.deepEqual(cuda.waiting, []);
    assert.ok(cuda.models.every(({ leases }) => leases === 0));
  });

  test('the direct route draws with one model: its key or alias, base64, no fallback', async (t) => {
    const w = await wrapped(t);
    for (const model of ['sd-turbo', 'local-sdcpp-cuda-sd-turbo']) {
      const answer = await w.gateway.send('/sdcpp-cuda/v1/images/generations', { body: { model, prompt: 'a cat' } });
      assert.equal(answer.status, 200, answer.text);
      assert.ok(answer.json.data[0].b64_json);
    }
    const unknown = await w.gateway.send('/sdcpp-cuda/v1/images/generations', { body: { model: 'dall-e', prompt: 'a cat' } });
    assert.equal(unknown.status, 400);
  });

  test('everything is behind the gateway\'s key, which never reaches it', async (t) => {
    const headers = { authorization: 'Bearer sk-gate' };
    const w = await wrapped(t, { env: { FREEWAY_MASTER_KEY: 'sk-gate' }, headers });
    for (const [method, what] of [['GET', 'status'], ['POST', 'load'], ['POST', 'unload'], ['POST', 'cancel']])
      assert.equal((await w.gateway.send(`/sdcpp-cuda/v1/${what}`, { method })).status, 401, what);
    assert.equal(w.service.calls.length, 0);
    assert.equal((await w.ask('status')).status, 200);
    assert.ok(!JSON.stringify(w.service.calls).includes('sk-gate'));
  });

  test('one that is gone is said to be', async (t) => {
    const w = await wrapped(t);
    await w.service.close();
    const answer = await w.ask('status');
    assert.deepEqual([answer.status, answer.json.code], [502, 'unreachable'], answer.text);
    const nobody = await w.gateway.send('/sdcpp-cuda/v1/nothing', {});
    assert.equal(nobody.status, 404);
  });
});

describe('a freeway as the image service of another', { concurrency: 2 }, () => {
  /** What sd-server is told when the outer one is asked with knobs and with a tag of the client's. */
  async function prompts(t, env) {
    const inner = await Studio.start(t, { models: { 'sd-turbo': {} }, env: { FREEWAY_MASTER_KEY: 'sk-inner', ...env } });
    const model = `${PREFIX}sd-turbo`;
    const outer = await Gateway.start(t, { config: { model_list: [{
      model_name: model, litellm_params: { model: `openai/${model}`, api_base: `${inner.gateway.url}/v1`, api_key: 'sk-inner' }, model_info: { mode: 'image_generation' },
    }] } });
    const asked = async (more) => {
      const answer = await outer.send('/v1/images/generations', { body: { model, prompt: 'a cat', response_format: 'b64_json', ...more } });
      assert.equal(answer.status, 200, answer.text);
      return inner.events('draw').at(-1).body.prompt;
    };
    const status = await outer.get('/sdcpp/v1/status');
    return { knobs: await asked({ seed: 7, steps: 4 }), tag: await asked({ prompt: `a ${TAG}cat` }), models: status.json.models };
  }

  test('with SDCPP_ALLOW_EXTRA_ARGS=1 the orders of the outer one arrive, those of its clients do not', async (t) => {
    const { knobs, tag, models } = await prompts(t, { SDCPP_ALLOW_EXTRA_ARGS: '1' });
    assert.equal(knobs, 'a cat<sd_cpp_extra_args>{"seed":7,"steps":4}</sd_cpp_extra_args>');
    assert.equal(tag, 'a cat');
    assert.deepEqual(models, ['sd-turbo'], 'and the outer one asks the inner one for its status');
  });

  test('without it they are taken for a client\'s', async (t) => {
    assert.equal((await prompts(t, {})).knobs, 'a cat');
  });
});
