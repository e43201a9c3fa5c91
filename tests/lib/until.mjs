// Waiting for a condition, never for a time.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** Polls until `condition` gives something truthy and returns it; fails after `within` ms. */
export async function until(condition, within, what) {
  const deadline = performance.now() + within;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (performance.now() > deadline) throw new Error(`waited ${within} ms in vain: ${what}`);
    await sleep(5);
  }
}

/** Until `span` ms begin anew on the wall clock, and `after` more. */
export const windowBegins = (span, after = 0) => sleep(span - ((Date.now() + span - after) % span));

/** The value of `promise`, or a failure after `within` ms. */
export async function inTime(promise, within, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${within} ms: ${what}`)), within);
  });
  try { return await Promise.race([promise, late]); } finally { clearTimeout(timer); }
}

/**
 * A claim about speed, which a machine that is busy with something else can miss: it is met in one of
 * `tries`. `attempt` resolves to nothing, or to what it lacked.
 */
export async function metOnce(tries, attempt) {
  const lacked = [];
  while (lacked.length < tries) {
    const lack = await attempt();
    if (!lack) return;
    lacked.push(lack);
  }
  assert.fail(lacked.join('; '));
}

export const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

/** Whether a process runs; one that has ended and waits for its parent to notice does not. */
export function alive(pid) {
  try { return !/^State:\s+[ZX]/m.test(fs.readFileSync(`/proc/${pid}/status`, 'utf8')); } catch { return false; }
}

export const allGone = (pids, within = 15_000) => until(() => !pids.some(alive), within, `processes ${pids} are gone`);
