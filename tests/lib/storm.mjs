// Many clients at once, and a gateway before upstreams with hidden limits.
import http from 'node:http';
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { Limited } from '../providers/limited.mjs';
import { generic } from '../providers/index.mjs';
import { trailOf } from './client.mjs';
import { Gateway } from './gateway.mjs';
import { inTime } from './until.mjs';
import { entry } from './world.mjs';

const GONE = { status: 0, headers: {}, trail: [] };

/** One request over a kept connection, left after `leaveAfter` ms; a broken one answers with status 0. */
function ask(agent, url, { body, headers, leaveAfter }) {
  return new Promise((resolve) => {
    const text = JSON.stringify(body);
    const length = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) };
    const started = performance.now();
    const req = http.request(`${url}/v1/chat/completions`, { method: 'POST', agent, headers: { ...length, ...headers } }, (res) => {
      let received = '';
      res.setEncoding('utf8').on('data', (part) => { received += part; });
      res.on('error', () => resolve(GONE));
      res.on('close', () => (res.complete ? resolve({
        status: res.statusCode, headers: res.headers, text: received, ms: performance.now() - started, ...trailOf(res.headers),
      }) : resolve(GONE)));
    });
    req.on('error', () => resolve(GONE));
    req.end(text);
    const leaving = leaveAfter === undefined ? undefined : setTimeout(() => req.destroy(), leaveAfter);
    req.on('close', () => clearTimeout(leaving));
  });
}

export const chatBody = (model, more = {}) => ({ model, messages: [{ role: 'user', content: 'hi' }], ...more });

/**
 * `clients` ask for `ms`; a refused one pauses for up to `pause` ms. `url` and `body` are values or
 * functions of the client's number. `hangUp` is the share of requests left early. At the end the
 * requests under way are waited for, or left when `leave`. `stop` ends it sooner once it is true.
 * Resolves to `{answers, from, to}`, both moments of performance.now().
 */
export async function storm({ url, body, clients = 50, ms = 7000, pause = 60, headers, hangUp = 0, leave = false, stop }) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: Infinity });
  const valueOf = (item, number) => (typeof item === 'function' ? item(number) : item);
  const from = performance.now();
  const answers = [];
  const client = async (number) => {
    while (performance.now() < from + ms && !stop?.()) {
      const leaveAfter = Math.random() < hangUp ? Math.random() * 120 : undefined;
      const answer = await ask(agent, valueOf(url, number), { body: valueOf(body, number), headers, leaveAfter });
      answers.push(answer);
      if (answer.status !== 200) await sleep(pause * (0.5 + Math.random() / 2));
    }
  };
  const all = Promise.all(Array.from({ length: clients }, (_, number) => client(number)));
  if (leave) setTimeout(() => agent.destroy(), ms);
  try { await inTime(all, ms + 20_000, 'the clients of the storm end'); } finally { agent.destroy(); }
  return { answers, from, to: performance.now() };
}

export const served = ({ answers }) => answers.filter(({ status }) => status === 200);

/** How often each status came. */
export const tally = ({ answers }) => answers.reduce((counts, { status }) => ({ ...counts, [status]: (counts[status] ?? 0) + 1 }), {});

/** A limit as YAML has it. */
export const ruleOf = ({ when, ...rule }) => rule;

/**
 * A gateway whose aliases each stand before an enforcing upstream. `targets`: `{alias: {rules,
 * info, params, wire, at, latency, answer}}`; `at` names the alias whose upstream it shares, and
 * `rules` are both the hidden limits and, unless `info` says otherwise, the configured ones.
 */
export async function limitedWorld(t, targets, { chains = [], router = {}, general, env, ...start } = {}) {
  const limited = {};
  const list = [];
  for (const [alias, { rules = [], known = rules, info, params, wire = generic, at, ...options }] of Object.entries(targets)) {
    limited[alias] = limited[at] ?? await Limited.start(wire, rules, options);
    if (at === undefined) t.after(() => limited[alias].close());
    list.push(entry(alias, limited[alias], { params, info: { limits: known.map(ruleOf), ...info } }));
  }
  const config = {
    model_list: list,
    router_settings: { ...(chains.length > 0 && { fallbacks: chains }), ...router },
    ...(general && { general_settings: general }),
  };
  const gateway = await Gateway.start(t, { config, env, ...start });
  return { ...limited, limited, gateway, config };
}

/** The rows of GET /v1/quota, or of GET /v1/quota/WHAT. */
export async function quota(gateway, what, options) {
  const answer = await gateway.get(`/v1/quota${what === undefined ? '' : `/${encodeURIComponent(what)}`}`, options);
  assert.equal(answer.status, 200, answer.text);
  assert.equal(answer.json.object, 'list', answer.text);
  return answer.json.data;
}

/** The one row of `alias` for `metric` and, if told, `window`. */
export async function rowOf(gateway, alias, metric, window) {
  const rows = await quota(gateway);
  const found = rows.filter((row) => row.aliases.includes(alias) && row.metric === metric && (window === undefined || row.window === window));
  assert.equal(found.length, 1, `one ${metric}/${window} of ${alias} in ${JSON.stringify(rows)}`);
  return found[0];
}

/** L3: nothing is held any more once all is quiet. */
export async function heldNothing(gateway) {
  const rows = await quota(gateway);
  assert.ok(rows.length > 0, 'there are limits');
  assert.deepEqual(rows.filter(({ held }) => held !== 0).map(({ limit, held }) => ({ limit, held })), []);
}
