/**
 * The idle strategy of those who wait: after recent traffic an end looks again for some tens of microseconds before it
 * sleeps in the event loop. Being woken takes both sides longer than most peers take to answer; two ends that sleep after
 * each message spend their time on waking each other. All ends of the thread that wait are looked at in turn, once nothing
 * else can run, so that none keeps the others, or the code that a peer waits for, from going on. What is spent in vain is a
 * small share of the time, and where the event loop has other work, or the peer no processor of its own, nothing is.
 */
import { afterTurn, turnDue } from "../../native/turn.ts";

/** Microseconds for which an end looks, by the gaps that it has seen. */
const WINDOW_MIN = 10;
const WINDOW_MAX = 50;
/** The window is as many times the usual gap. */
const GAPS = 4;
/** A gap up to this many microseconds may be that of two ends which keep waking each other: being woken is most of it. */
const NEAR = 400;
/** For how long an end looks then, microseconds: until the peer has woken up once. */
const NEAR_WINDOW = 200;
/** The share of the time that may be spent on looking in vain, and the most of it that is saved up, microseconds. */
const SHARE = 0.05;
const SAVED_MAX = 1000;
/** A turn of the event loop that takes longer than this, in milliseconds, had something else to do. */
const BUSY_MS = 0.05;
/** Milliseconds without looking after such a turn. */
const REST_MS = 5;
/** Looks at one end in one call, when it is the only one and when others wait too. Each takes about 20 ns. */
const SPINS_ALONE = 32;
const SPINS_AMONG = 4;
/** Rounds between two looks at the clock, and entries into `run` between two. */
const ROUNDS = 4;
const ENTRIES = 32;

const pollers: Poller[] = [];
let scheduled = false;
let entries = 0;
/** What may be spent in vain, microseconds, as of `savedAt`. */
let saved = SAVED_MAX;
let savedAt = performance.now();
/** When the thread gave the event loop its turn, and until when it leaves the time to others (0: it does not). */
let yieldedAt = 0;
let restUntil = 0;

/** One end that waits. */
export class Poller {
  readonly #poll: (spins: number) => boolean;
  readonly #wake: () => void;
  readonly #sleep: () => void;
  #waits = false;
  #polling = false;
  /** When this wait began, milliseconds; 0 where the clock has not been read since. */
  #since = 0;
  /** The window of this wait is over. */
  #spent = false;
  #window = 0;
  #gap = WINDOW_MIN;
  /** The last wait was over before anybody looked at the clock. */
  #quick = false;

  /**
   * `look` looks as often as it is told, and says whether trying again may help; then `wake` is called. `sleep` is called
   * when nothing has come within the window.
   */
  constructor(poll: (spins: number) => boolean, wake: () => void, sleep: () => void) {
    this.#poll = poll;
    this.#wake = wake;
    this.#sleep = sleep;
  }

  /**
   * Looks at once, without a wait: where the peer answers as fast as it can, what a wait costs is most of the time. Only
   * after a wait that was as short, so what is spent in vain is one such look for each of those.
   */
  pollOnce(): boolean {
    if (!this.#quick) return false;
    return (this.#quick = this.#poll(SPINS_ALONE));
  }

  /** Somebody has to wait. False: not by looking. */
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

  /** The wait is over; `came`: with what was waited for. */
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

  /** Whether there was something. */
  poll(spins: number): boolean {
    if (!this.#poll(spins)) return false;
    this.stop();
    this.#wake();
    return true;
  }

  /** Whether its window is over. */
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

  /** Without being charged for it: the time is somebody else's. */
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

/** In a tick that a microtask asks for: that comes when all microtasks have run. */
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

/** Those whose window is over. */
function putToSleep(): void {
  const now = performance.now();
  for (const each of pollers.filter((poll) => poll.late(now))) each.expire();
}

/** The event loop has had its turn. */
function resume(): void {
  const now = performance.now();
  queueMicrotask(enter);
  if (now - yieldedAt <= BUSY_MS) return;
  restUntil = now + REST_MS;
  for (const each of [...pollers]) each.yield();
}
