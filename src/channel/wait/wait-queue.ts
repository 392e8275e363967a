/** Calls that wait for the peer, in order. Each event makes the first call try again. */
import { type Call, namesUser, putFirst } from "../../errors.ts";
import { aborted, type Limits, TIMER_MAX_MS, timedOut, timeoutOf } from "../../native/limits.ts";
import { afterTurn, turnDue } from "../../native/turn.ts";
import type { EventFd } from "./event.ts";
import { Poller } from "./poller.ts";

/** Attempts in a row before the event loop gets a turn: a fast peer must not starve the other channels. */
const TRIES = 64;

export const FOR_EVER: Limits = { timeoutMs: Number.POSITIVE_INFINITY };

class Waiter {
  /** Returns null until the wait is over. */
  readonly attempt: () => unknown;
  /** As for `wait`. */
  readonly arm: () => boolean;
  /** For a TIMEOUT: what did not happen, and the known reason. */
  readonly what: string;
  readonly why: () => string;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  before: Waiter | null = null;
  after: Waiter | null = null;
  over = false;
  /** The call that waits, if it was captured. */
  call: Call | null = null;
  timer: ReturnType<typeof setTimeout> | null = null;
  signal: AbortSignal | null = null;
  onAbort: (() => void) | null = null;

  constructor(
    attempt: () => unknown,
    arm: () => boolean,
    what: string,
    why: () => string,
    resolve: (value: unknown) => void,
    reject: (error: unknown) => void,
  ) {
    this.attempt = attempt;
    this.arm = arm;
    this.what = what;
    this.why = why;
    this.resolve = resolve;
    this.reject = reject;
  }
}

export class WaitQueue {
  readonly #name: string;
  readonly #recheckMs: number;
  #first: Waiter | null = null;
  #last: Waiter | null = null;
  /** Waiters whose time is up and that get one more attempt, with their limits in milliseconds. */
  readonly #late = new Map<Waiter, number>();
  #event: EventFd | null = null;
  #poller: Poller | null = null;
  #failed: (error: unknown) => void = () => {};
  /** The call of `Channel.open`, for errors of calls that were not captured. */
  readonly #opening: Call;
  #watching = false;
  /** The first waiter has armed the event, and no event came since. */
  #asleep = false;
  #waking = false;
  /** An attempt woke its own queue. */
  #woken = false;
  /** The queue continues after a turn of the event loop. */
  #postponed = false;
  #recheck: ReturnType<typeof setInterval> | null = null;
  /** A microtask will check whether the queue is empty. */
  #unwatching = false;

  /**
   * `recheckMs`: the longest time between two attempts while a call waits; 0: only events cause attempts. `openedAt`: the
   * line of the user's program that opened the channel, or "".
   */
  constructor(name: string, recheckMs: number, openedAt: string) {
    this.#name = name;
    this.#recheckMs = recheckMs;
    this.#opening = { stack: openedAt && `\n    at Channel.open (${openedAt})` };
  }

  /** `poll` as for a `Poller`; null: waiting calls park at once. `failed` is called with each error of a waiting call. */
  attach(event: EventFd, poll: ((spins: number) => boolean) | null, failed: (error: unknown) => void): void {
    this.#event = event;
    this.#failed = failed;
    if (poll === null) return;
    const wake = () => this.wake();
    this.#poller = new Poller(poll, wake, () => this.#try(false));
  }

  get idle(): boolean {
    return this.#first === null;
  }

  /** As for a `Poller`. */
  pollOnce(): boolean {
    return this.#poller?.pollOnce() ?? false;
  }

  /**
   * Resolves with the first result of `attempt` that is not null. `arm` asks the peer for one event, and returns true if the
   * state changed already: then no event comes, and `attempt` runs again. A peer's death makes `arm` return true, so the
   * next attempt throws PEER_DIED. Rejects with the error of `attempt` or `arm`, with ABORTED, or with TIMEOUT after one
   * last attempt. ABORTED and TIMEOUT name `what`; TIMEOUT adds `why`.
   *
   * The error shows the line of `call`. Without one it shows the caller's line if the call parks at once, and else the line
   * that opened the channel. Capturing a call takes 200 to 550 ns, too long for a call that polls for the next frame.
   */
  wait<T>(
    attempt: () => T | null,
    arm: () => boolean,
    what: string,
    limits: Limits | undefined,
    why: () => string = nothing,
    call: Call | null = null,
  ): Promise<T> {
    const timeoutMs = timeoutOf(limits);
    const signal = limits?.signal;
    if (signal?.aborted) return Promise.reject(aborted(this.#text(what), signal));
    return new Promise<T>((resolve, reject) => {
      const waiter = new Waiter(attempt, arm, what, why, resolve as (value: unknown) => void, reject);
      waiter.call = call;
      this.#append(waiter);
      if (this.#first === waiter) {
        if (turnDue()) this.#postpone();
        else this.wake();
      }
      if (waiter.over) return;
      if (call === null && (this.#asleep || this.#postponed)) waiter.call = new Error();
      if (timeoutMs < TIMER_MAX_MS) {
        waiter.timer = setTimeout(() => this.#timeIsUp(waiter, timeoutMs), timeoutMs);
      }
      if (signal) {
        waiter.signal = signal;
        waiter.onAbort = () => this.#abort(waiter, aborted(this.#text(what), signal));
        signal.addEventListener("abort", waiter.onAbort, { once: true });
      }
    });
  }

  /** Runs attempts in order until one has to wait. */
  wake(): void {
    this.#try(true);
  }

  /** `mayPoll`: the first waiter may busy-poll before it parks. */
  #try(mayPoll: boolean): void {
    this.#woken = true;
    // An attempt may wake its own queue. The running attempt must not run twice.
    if (this.#waking) return;
    this.#waking = true;
    this.#asleep = false;
    this.#letTry(mayPoll);
    this.#waking = false;
  }

  #letTry(mayPoll: boolean): void {
    for (let tries = 0; this.#first !== null; tries++) {
      if (tries > 0 && (tries === TRIES || turnDue())) {
        this.#postpone();
        return;
      }
      this.#woken = false;
      const waiter: Waiter = this.#first;
      try {
        const result = waiter.attempt();
        if (result !== null) {
          this.#poller?.end(true);
          this.#remove(waiter);
          waiter.resolve(result);
          continue;
        }
        if (this.#woken) continue;
        if (this.#late.size > 0) this.#rejectLate();
        if (waiter.over) continue;
        if (mayPoll && this.#poller?.begin()) return;
        if (waiter.arm() || this.#woken) continue;
        this.#watch();
        this.#asleep = true;
        return;
      } catch (error) {
        this.#poller?.end(false);
        this.#failed(error);
        this.#reject(waiter, error);
      }
    }
    this.#unwatchSoon();
  }

  #postpone(): void {
    if (this.#postponed) return;
    this.#postponed = true;
    afterTurn(() => {
      this.#postponed = false;
      this.wake();
    });
  }

  /** The thread may have been busy while the event came, so every waiter gets one more attempt, in order. */
  #timeIsUp(waiter: Waiter, timeoutMs: number): void {
    this.#late.set(waiter, timeoutMs);
    this.wake();
  }

  /** The first attempt found nothing, so the attempts behind it would not either. */
  #rejectLate(): void {
    for (const [waiter, timeoutMs] of this.#late) {
      const error = timedOut(this.#text(waiter.what), timeoutMs, waiter.why());
      this.#reject(waiter, error);
    }
  }

  #abort(waiter: Waiter, error: unknown): void {
    const wasFirst = this.#first === waiter;
    this.#reject(waiter, error);
    if (wasFirst) this.wake(); // the next waiter may need less
  }

  #reject(waiter: Waiter, error: unknown): void {
    this.#remove(waiter);
    if (waiter.call) putFirst(error, waiter.call);
    else if (!namesUser(error)) putFirst(error, this.#opening);
    waiter.reject(error);
  }

  #append(waiter: Waiter): void {
    waiter.before = this.#last;
    if (this.#last === null) this.#first = waiter;
    else this.#last.after = waiter;
    this.#last = waiter;
  }

  #remove(waiter: Waiter): void {
    const { before, after } = waiter;
    if (before === null) this.#first = after;
    else before.after = after;
    if (after === null) this.#last = before;
    else after.before = before;
    waiter.before = waiter.after = null;
    waiter.over = true;
    if (waiter.timer !== null) {
      clearTimeout(waiter.timer);
      this.#late.delete(waiter);
    }
    if (waiter.onAbort !== null) waiter.signal?.removeEventListener("abort", waiter.onAbort);
  }

  #text(what: string): string {
    return `${what} on "${this.#name}"`;
  }

  #watch(): void {
    if (this.#watching) return;
    this.#watching = true;
    this.#event?.ref();
    if (this.#recheckMs > 0) this.#recheck = setInterval(() => this.wake(), this.#recheckMs);
  }

  /** Deferred to a microtask: a caller that got its result usually waits again at once. */
  #unwatchSoon(): void {
    this.#poller?.end(false);
    if (!this.#watching || this.#unwatching) return;
    this.#unwatching = true;
    queueMicrotask(this.#unwatch);
  }

  readonly #unwatch = () => {
    this.#unwatching = false;
    if (this.#first !== null) return;
    this.#watching = false;
    this.#event?.unref();
    if (this.#recheck !== null) clearInterval(this.#recheck);
    this.#recheck = null;
  };
}

export function nothing(): string {
  return "";
}
