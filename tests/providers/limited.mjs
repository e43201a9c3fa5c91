// An upstream with hidden limits that it enforces exactly and strictly, as seen from its own clock.
// A call counts when it is admitted: a random moment after it arrived and before it is answered, or
// when its caller hangs up: whoever left has been counted.
// What would exceed a limit is recorded in `over` and answered 429.
import http from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { problem } from './openai_shape.mjs';

const UNITS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const NAMED = { second: '1s', minute: '1m', hour: '1h', day: '1d', week: '7d', month: '30d' };
const TINY = 1e-9;

/** `3s`, `5h`, `minute` → milliseconds. */
export function spanOf(window) {
  const [, number, unit] = /^(\d+)(ms|s|m|h|d)$/.exec(NAMED[window] ?? window);
  return Number(number) * UNITS[unit];
}

/** Continuous refill, full at first (the generic cell rate algorithm). */
class TokenBucket {
  constructor({ limit, window }) { Object.assign(this, { limit, rate: limit / spanOf(window), level: limit, at: 0 }); }
  room({ mono }) {
    this.level = Math.min(this.limit, this.level + (mono - this.at) * this.rate);
    this.at = mono;
    return this.level;
  }
  take(now, amount) { this.room(now); this.level -= amount; }
}

/** Each unit comes back one window after it was taken. */
class Rolling {
  constructor({ limit, window }) { Object.assign(this, { limit, span: spanOf(window), taken: [] }); }
  room({ mono }) {
    this.taken = this.taken.filter(({ at }) => at > mono - this.span);
    return this.limit - this.taken.reduce((sum, { amount }) => sum + amount, 0);
  }
  take({ mono }, amount) { this.taken.push({ at: mono, amount }); }
}

/** Windows aligned to the wall clock, UTC. */
class Fixed {
  constructor({ limit, window }) { Object.assign(this, { limit, span: spanOf(window), index: -1, used: 0 }); }
  room({ wall }) {
    const index = Math.floor(wall / this.span);
    if (index !== this.index) Object.assign(this, { index, used: 0 });
    return this.limit - this.used;
  }
  take(now, amount) { this.room(now); this.used += amount; }
}

/** A window opens with the first call after the last one closed. */
class FirstUse {
  constructor({ limit, window }) { Object.assign(this, { limit, span: spanOf(window), opened: undefined, used: 0 }); }
  room({ mono }) {
    if (this.opened !== undefined && mono >= this.opened + this.span) Object.assign(this, { opened: undefined, used: 0 });
    return this.limit - this.used;
  }
  take(now, amount) { this.room(now); this.opened ??= now.mono; this.used += amount; }
}

/** Nothing comes back while a test runs: a credit, a calendar month. */
class Lifetime {
  constructor({ limit }) { Object.assign(this, { limit, used: 0 }); }
  room() { return this.limit - this.used; }
  take(_, amount) { this.used += amount; }
}

const METERS = {
  token_bucket: TokenBucket, rolling: Rolling, fixed: Fixed, first_use: FirstUse,
  lifetime: Lifetime, calendar_month: Lifetime, concurrency: Lifetime,
};

/** The meter of one limit; `concurrency` gives back what has ended. */
export const meter = (rule) => new METERS[rule.metric === 'concurrency' ? 'concurrency' : rule.reset](rule);

/** What a call costs: a token for every four bytes of the messages, and all that was asked for. */
export function usageOf(body) {
  const prompt_tokens = Math.ceil(Buffer.byteLength(JSON.stringify(body?.messages ?? '')) / 4);
  const completion_tokens = body?.max_tokens ?? body?.max_completion_tokens ?? 7;
  return { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens };
}

const AMOUNT = {
  requests: () => 1, concurrency: () => 1,
  tokens: ({ total_tokens }) => total_tokens,
  input_tokens: ({ prompt_tokens }) => prompt_tokens,
  output_tokens: ({ completion_tokens }) => completion_tokens,
};

const REFUSAL = problem(429, { message: 'Rate limit reached', type: 'requests', code: 'rate_limit_exceeded' });
const nap = (most) => sleep(Math.random() * most);

export class Limited {
  /**
   * `rules`: `{metric, window, limit, reset, when(call)}` as in YAML, plus which calls it is for.
   * `latency`: most milliseconds before a call counts, and again before it is answered.
   * `answer`: completion tokens really given; without it all of max_tokens. A smaller answer than
   * max_tokens shows reservation: max_tokens count at admission, the rest is given back at the end
   * (a token_bucket or a lifetime only: what a window gives back would outlive the window).
   */
  static async start(wire, rules, { latency = 80, refusal = REFUSAL, answer } = {}) {
    const limited = new Limited();
    const limits = rules.map((rule) => ({ ...rule, meter: meter(rule) }));
    Object.assign(limited, { wire, limits, latency, refusal, answer });
    await limited.#listen();
    return limited;
  }

  calls = [];
  admitted = [];
  over = [];
  running = 0;
  peak = 0;

  get base() { return this.url + this.wire.base; }

  /** How many calls were let in, between two moments of performance.now(). */
  count(from = 0, until = Infinity) { return this.admitted.filter(({ at }) => at >= from && at <= until).length; }
  /** Tokens of the calls that were let in. */
  tokens(from = 0, until = Infinity) {
    return this.admitted.filter(({ at }) => at >= from && at <= until).reduce((sum, { usage }) => sum + usage.total_tokens, 0);
  }

  async close() {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  async #listen() {
    this.server = http.createServer((req, res) => this.#serve(req, res).catch((error) => {
      if (error.code !== 'ECONNRESET') console.error(`limited ${this.wire.name}:`, error);
      res.destroy();
    }));
    this.server.keepAliveTimeout = 60_000;
    await new Promise((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    this.url = `http://127.0.0.1:${this.server.address().port}`;
  }

  async #serve(req, res) {
    const parts = [];
    for await (const part of req) parts.push(part);
    const body = JSON.parse(Buffer.concat(parts).toString());
    const call = { path: req.url, headers: req.headers, body, model: body.model, arrived: performance.now() };
    Object.assign(call, { kind: this.wire.kind(call), stream: this.wire.streams(call), asked: usageOf(body) });
    call.usage = this.answer === undefined ? call.asked : answered(call.asked, this.answer);
    this.calls.push(call);
    const left = new Promise((resolve) => { res.once('close', resolve); });
    await Promise.race([nap(this.latency), left]);
    if (!this.#admit(call)) return whole(res, this.refusal);
    try {
      await nap(this.latency);
    } finally { this.#end(call); }
    this.#answer(call, res);
  }

  /** All limits at once, or none. */
  #admit(call) {
    const now = { mono: performance.now(), wall: Date.now() };
    const mine = this.limits.filter(({ when }) => when === undefined || when(call));
    const full = mine.find(({ metric, meter: of }) => of.room(now) + TINY < AMOUNT[metric](call.asked));
    call.at = now.mono;
    if (full) {
      this.over.push({ at: now.mono, model: call.model, key: this.wire.keyOf(call), limit: `${full.metric}/${full.window ?? full.reset}` });
      return false;
    }
    mine.forEach(({ metric, meter: of }) => of.take(now, AMOUNT[metric](call.asked)));
    call.limits = mine;
    this.admitted.push(call);
    this.peak = Math.max(this.peak, ++this.running);
    return true;
  }

  /** What was only reserved comes back before the answer goes out. */
  #end(call) {
    const now = { mono: performance.now(), wall: Date.now() };
    this.running -= 1;
    for (const { metric, meter: of } of call.limits) {
      const back = metric === 'concurrency' ? 1 : AMOUNT[metric](call.asked) - AMOUNT[metric](call.usage);
      if (back > 0) of.take(now, -back);
    }
  }

  #answer(call, res) {
    const script = { usage: call.usage };
    if (!call.stream) return whole(res, { status: 200, headers: this.wire.headers?.(call), json: this.wire.plain(call, script) });
    res.writeHead(200, { 'content-type': this.wire.streamType, ...this.wire.headers?.(call) });
    for (const { text } of this.wire.frames(call, script)) res.write(text);
    res.end();
  }
}

function answered({ prompt_tokens, completion_tokens }, most) {
  const given = Math.min(most, completion_tokens);
  return { prompt_tokens, completion_tokens: given, total_tokens: prompt_tokens + given };
}

function whole(res, { status, headers, json }) {
  const text = JSON.stringify(json);
  res.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text), ...headers });
  res.end(text);
}
