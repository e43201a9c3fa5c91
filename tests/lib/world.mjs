// A gateway in front of fake providers, one alias each: what nearly every scenario needs.
import { Fake } from '../providers/index.mjs';
import { Gateway } from './gateway.mjs';

/** A `model_list` entry for `alias` at `fake`. */
export function entry(alias, fake, { params = {}, info } = {}) {
  return {
    model_name: alias,
    litellm_params: { model: fake.wire.model, api_base: fake.base, api_key: keyFor(alias), ...params },
    ...(info && { model_info: info }),
  };
}

/** Every target has its own key, so an account is never shared by accident. */
export const keyFor = (alias) => `sk-secret-of-${alias}`;

/**
 * Starts a fake for each `{alias: wire}` of `targets` and a gateway whose first alias falls back to
 * the others in order. `params` and `info` go into the entries by alias; `router`, `general` and
 * `litellm` are the settings; `chains` replaces the default chain. Everything ends with the test.
 */
export async function world(t, targets, { params = {}, info = {}, router = {}, general, litellm, chains, more = [], env, ...start } = {}) {
  const aliases = Object.keys(targets);
  const fakes = {};
  for (const alias of aliases) {
    fakes[alias] = await Fake.start(targets[alias]);
    t.after(() => fakes[alias].close());
  }
  const chain = chains ?? (aliases.length > 1 ? [{ [aliases[0]]: aliases.slice(1) }] : []);
  const config = {
    model_list: [...aliases.map((alias) => entry(alias, fakes[alias], { params: params[alias], info: info[alias] })), ...more],
    router_settings: { ...(chain.length > 0 && { fallbacks: chain }), ...router },
    ...(general && { general_settings: general }),
    ...(litellm && { litellm_settings: litellm }),
  };
  const gateway = await Gateway.start(t, { config, env, ...start });
  return { ...fakes, fakes, gateway, config };
}

/** How often each fake of a world was called. */
export const counts = ({ fakes }) => Object.fromEntries(Object.entries(fakes).map(([alias, fake]) => [alias, fake.calls.length]));
