/**
 * Busy-polling before an end parks in the event loop: after recent traffic an end polls for some tens of microseconds.
 * A wake-up takes both sides longer than most peers take to answer, so two ends that park after each message spend their
 * time on wake-ups. All waiting ends of the thread are polled in turn, and only after all microtasks and ticks have run, so
 * a waiting end never delays other code. Polls that find nothing are limited to SHARE of the time. An end does not poll
 * while the event loop has other work, or if the peer shares this thread's only processor.
 */
import { afterTurn, turnDue } from "../../native/turn.ts";

/** Bounds of the window, microseconds: an end polls for one window, then parks. */
const WINDOW_MIN = 10;
const WINDOW_MAX = 50;
/** The window is GAPS times the average gap between the start of a wait and its event. */
const GAPS = 4;
/** Microseconds. A gap above WINDOW_MAX and up to NEAR may consist of the wake-ups of two ends that both park. */
const NEAR = 400;
/** Microseconds. The window after such a gap: it outlasts one wake-up of the peer. */
const NEAR_WINDOW = 200;
/** The share of the time for polls that find nothing, and the most of it that can be saved up, microseconds. */
const SHARE = 0.05;
const SAVED_MAX = 1000;
/** Milliseconds. A turn of the event loop that takes longer ran other work. */
const BUSY_MS = 0.05;
/** Milliseconds without polling after such a turn. */
const REST_MS = 5;
/** Polls of one end in one call, if it is the only one and if other ends wait too. One poll takes about 20 ns. */
const SPINS_ALONE = 32;
const SPINS_AMONG = 4;
/** Rounds between two reads of the clock, and calls of `run` between two. */
const ROUNDS = 4;
const ENTRIES = 32;

const pollers: Poller[] = [];
let scheduled = false;
let entries = 0;
/** Microseconds that polls without a result may still take, as of `savedAt`. */
let saved = SAVED_MAX;
let savedAt = performance.now();
/** When the thread yielded to the event loop, and until when no end polls; 0: ends may poll. Milliseconds. */
let yieldedAt = 0;
let restUntil = 0;

/** One waiting end. */
export class Poller {
  readonly #poll: (spins: number) => boolean;
  readonly #wake: () => void;
  readonly #sleep: () => void;
  #waits = false;
  #polling = false;
  /** When this wait began, milliseconds; 0 if the clock was not read since. */
  #since = 0;
  /** The window of this wait is over. */
  #spent = false;
  #window = 0;
  #gap = WINDOW_MIN;
  /** The last wait ended before a read of the clock. */
  #quick = false;

  /**
   * `poll` polls `spins` times, and returns true if a retry may succeed: then `wake` is called. `sleep` is called when the
   * window ends without one.
   */
  constructor(poll: (spins: number) => boolean, wake: () => void, sleep: () => void) {
    this.#poll = poll;
    this.#wake = wake;
    this.#sleep = sleep;
  }

  /**
   * Polls once without a wait, if the last wait was so short that its setup took most of the time. A short wait is followed
   * by at most one poll without a result.
   */
  pollOnce(): boolean {
    if (!this.#quick) return false;
    return (this.#quick = this.#poll(SPINS_ALONE));
  }

  /** A call has to wait. False: the call parks, without polling. */
  begin(): boolean {
    if (!this.#waits) {
      this.#waits = true;
      this.#since = 0;
    }
    if (this.#polling) return true;
    if (this.#window === 0 || this.#spent || !affordable(this.#window)) {
      if (this.#since === 0) this.#since = performance.now();
      return false;
    }
    this.#polling = true;
    pollers.push(this);
    schedule();
    return true;
  }

  /** The wait ended; `came`: successfully. */
  end(came: boolean): void {
    if (!this.#waits) return;
    this.#waits = this.#spent = false;
    this.stop();
    if (!came) return;
    this.#quick = this.#since === 0;
    this.#learn(this.#quick ? 0 : (performance.now() - this.#since) * 1000);
  }

  stop(): void {
    if (!this.#polling) return;
    this.#polling = false;
    pollers.splice(pollers.indexOf(this), 1);
  }

  #learn(gap: number): void {
    if (gap > WINDOW_MAX) {
      this.#window = gap <= NEAR ? NEAR_WINDOW : 0;
      return;
    }
    this.#gap += (gap - this.#gap) / 8;
    this.#window = Math.max(WINDOW_MIN, Math.min(WINDOW_MAX, GAPS * this.#gap));
  }

  /** Whether a retry may succeed. */
  poll(spins: number): boolean {
    if (!this.#poll(spins)) return false;
    this.stop();
    this.#wake();
    return true;
  }

  /** Whether the window has ended. */
  late(now: number): boolean {
    if (this.#since === 0) this.#since = now;
    return (now - this.#since) * 1000 >= this.#window;
  }

  expire(): void {
    saved -= this.#window;
    this.#spent = true;
    this.stop();
    this.#sleep();
  }

  /** Parks without a charge to `saved`: other work took the time. */
  yield(): void {
    this.#spent = true;
    this.stop();
    this.#sleep();
  }
}

function affordable(window: number): boolean {
  if (saved >= window && restUntil === 0) return true;
  const now = performance.now();
  if (now < restUntil) return false;
  restUntil = 0;
  saved = Math.min(SAVED_MAX, saved + (now - savedAt) * 1000 * SHARE);
  savedAt = now;
  return saved >= window;
}

/** A tick that a microtask requests runs after all other microtasks. */
function schedule(): void {
  if (scheduled) return;
  scheduled = true;
  queueMicrotask(enter);
}

function enter(): void {
  process.nextTick(run);
}

function run(): void {
  scheduled = false;
  if (++entries % ENTRIES === 0) putToSleep();
  for (let round = 1; pollers.length > 0; round++) {
    if (turnDue()) {
      scheduled = true;
      yieldedAt = performance.now();
      afterTurn(resume);
      return;
    }
    if (pollAll()) {
      if (pollers.length > 0) schedule();
      return;
    }
    if (round % ROUNDS === 0) putToSleep();
  }
}

function pollAll(): boolean {
  const spins = pollers.length === 1 ? SPINS_ALONE : SPINS_AMONG;
  for (let i = 0; i < pollers.length; i++) if ((pollers[i] as Poller).poll(spins)) return true;
  return false;
}

/** Parks the ends whose window has ended. */
function putToSleep(): void {
  const now = performance.now();
  for (const each of pollers.filter((poll) => poll.late(now))) each.expire();
}

/** Runs after a turn of the event loop. */
function resume(): void {
  const now = performance.now();
  queueMicrotask(enter);
  if (now - yieldedAt <= BUSY_MS) return;
  restUntil = now + REST_MS;
  for (const each of [...pollers]) each.yield();
}
