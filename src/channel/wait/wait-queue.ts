/** Those who wait for something of the peer, in order: each tries again when there may be something. */
import { type Call, namesUser, putFirst } from "../../errors.ts";
import { aborted, type Limits, TIMER_MAX_MS, timedOut, timeoutOf } from "../../native/limits.ts";
import { afterTurn, turnDue } from "../../native/turn.ts";
import type { EventFd } from "./event.ts";
import { Poller } from "./poller.ts";

/** A peer that keeps changing things must not keep other channels waiting: after so many tries they have a turn. */
const TRIES = 64;

export const FOR_EVER: Limits = { timeoutMs: Number.POSITIVE_INFINITY };

class Waiter {
  /** Null until it has what it waits for. */
  readonly attempt: () => unknown;
  readonly arm: () => boolean;
  /** What has not happened, and what is known of the reason: for the error when it waits too long. */
  readonly what: string;
  readonly why: () => string;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  before: Waiter | null = null;
  after: Waiter | null = null;
  over = false;
  /** The call that waits, where that is known. */
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
  /** Those whose time is up, and who are to be tried once more: their limits. */
  readonly #late = new Map<Waiter, number>();
  #event: EventFd | null = null;
  #poller: Poller | null = null;
  #failed: (error: unknown) => void = () => {};
  /** Stands for the calls that are not captured: that of `Channel.open`. */
  readonly #opening: Call;
  #watching = false;
  /** The first one has asked the peer for its bell, and nothing has come since. */
  #asleep = false;
  #waking = false;
  /** An attempt woke the queue that it is of. */
  #woken = false;
  /** It goes on after a turn of the event loop. */
  #postponed = false;
  #recheck: ReturnType<typeof setInterval> | null = null;
  /** It will see whether nobody waits any more. */
  #unwatching = false;

  /**
   * `recheckMs`: look again at least this often while somebody waits; 0 for never (only the bell counts). `openedAt`: the
   * line of the user's program that opened the channel, or "".
   */
  constructor(name: string, recheckMs: number, openedAt: string) {
    this.#name = name;
    this.#recheckMs = recheckMs;
    this.#opening = { stack: openedAt && `\n    at Channel.open (${openedAt})` };
  }

  /** `look`: as for a `Poller`; null where those who wait sleep at once. `failed` is told what one who waits fails of. */
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
   * Resolves with what `attempt` gives; it gives null until then. `arm` asks the peer for a bell, and says true when
   * something changed already. Rejects with what either throws, with ABORTED, or with TIMEOUT when a last attempt was in
   * vain; both then say `what`, and TIMEOUT `why` too. The error shows the line of `call`; without one, that of the caller
   * where the call sleeps at once, and else the line that opened the channel: capturing a call costs 200 to 550 ns, which
   * the call that looks for the peer's next frame must not spend.
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

  /** Lets those who wait try, in order, until one has to go on waiting. */
  wake(): void {
    this.#try(true);
  }

  /** `mayPoll`: who has to go on waiting may look for a while before it sleeps. */
  #try(mayPoll: boolean): void {
    this.#woken = true;
    // An attempt that ends something at once may wake its own queue: the one who tries just now must not try twice.
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

  /** Its thread may have been busy while what it waits for came: everybody is tried once more, in order. */
  #timeIsUp(waiter: Waiter, timeoutMs: number): void {
    this.#late.set(waiter, timeoutMs);
    this.wake();
  }

  /** The first one was tried in vain, and so those behind it are too. */
  #rejectLate(): void {
    for (const [waiter, timeoutMs] of this.#late) {
      const error = timedOut(this.#text(waiter.what), timeoutMs, waiter.why());
      this.#reject(waiter, error);
    }
  }

  #abort(waiter: Waiter, error: unknown): void {
    const wasFirst = this.#first === waiter;
    this.#reject(waiter, error);
    if (wasFirst) this.wake(); // the next one may need less
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

  /** Who has got what it waited for goes on first, and most wait again at once. */
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
