/**
 * Turns of this thread's event loop. A promise that resolves at once is continued in a microtask, and microtasks run before
 * timers, sockets and signals: a stream whose next frame is always there would keep those waiting for ever. So whoever
 * resolves at once asks `turnDue` first, and where a turn is due goes on after it. All channels, kernels and queues of the
 * thread share the one clock here: many of them, each of them brief, would starve the loop as well as one.
 */

import { Fifo } from "./fifo.ts";

/**
 * Milliseconds without a turn until one is due. A turn costs 5 µs where nothing else runs: 1 % of this. An answer of a server
 * takes several turns: with 0.9 ms a request over loopback waited 3.4 ms (p99), with 0.5 ms 1.2 ms.
 */
const SHARE_MS = 0.5;
/** Milliseconds until the next turn is asked to report itself; most turns come before, and cost nothing. */
const REPORT_MS = SHARE_MS / 2;
/** Calls of `turnDue` between two looks at the clock, at the most: a look costs up to 90 ns, and a call without one 1 ns. */
const CALLS_MAX = 64;
/** Milliseconds that may pass between two looks, by the pace of the calls so far. */
const LOOK_MS = 0.1;

/** When the loop last turned, as far as is known. */
let turnedAt = performance.now();
let lookedAt = turnedAt;
/** A turn will report itself. */
let reports = false;
/** Calls until the next look, and how many there were to be since the last one. */
let left = 1;
let calls = 1;
const later = new Fifo<() => void>();
const waiting = new Fifo<() => void>();

/** Whether what resolves now has to wait for a turn of the event loop (`nextTurn`, `afterTurn`). */
export function turnDue(): boolean {
  return --left <= 0 && look();
}

function look(): boolean {
  const now = performance.now();
  const pace = (now - lookedAt) / calls;
  lookedAt = now;
  if (!reports && now - turnedAt >= REPORT_MS) {
    // The loop may have turned unseen: from here on counts what is certain.
    turnedAt = now;
    report();
  }
  if (reports && now - turnedAt >= REPORT_MS) {
    left = 0; // until the turn comes
    calls = 1;
    return true;
  }
  left = calls = Math.max(1, Math.min(CALLS_MAX, 2 * calls, Math.floor(LOOK_MS / pace)));
  return false;
}

function report(): void {
  if (reports) return;
  reports = true;
  setImmediate(turned);
}

/** Resolves in a later turn of the event loop, after those who asked before, in the same one while its share lasts. */
export function nextTurn(): Promise<void> {
  report();
  return new Promise((resolve) => waiting.push(resolve));
}

/** Resolves with the value at once, or in the next turn where one is due. */
export function inTurn<T>(value: T): Promise<T> {
  return turnDue() ? nextTurn().then(() => value) : Promise.resolve(value);
}

/** Calls `run` in a later turn, before those who wait for one go on: it may be what makes room for them. */
export function afterTurn(run: () => void): void {
  report();
  later.push(run);
}

function turned(): void {
  reports = false;
  turnedAt = lookedAt = performance.now();
  left = calls = 1;
  try {
    // Those who ask again meanwhile come after those who wait: each gets its share.
    for (let run = later.shift(); run !== undefined; run = later.shift()) {
      run();
      if (turnDue()) break;
    }
  } finally {
    if (later.length > 0) report();
    resumeNext();
  }
}

/** One after the other: who goes on uses the share itself, and those who find it used up would only have to wait again. */
function resumeNext(): void {
  const resume = waiting.shift();
  if (resume === undefined) return;
  resume();
  if (waiting.length > 0) queueMicrotask(resumeOrWait);
}

function resumeOrWait(): void {
  if (turnDue()) report();
  else resumeNext();
}
