/** Those who wait for something of the peer, in order: each tries again when the bell rings. */
import { aborted, type Limits, TIMER_MAX_MS, timedOut, timeoutOf } from "../native/limits.ts";
import type { Bell } from "./bell.ts";

/** A peer that keeps changing things must not keep the event loop: after so many tries it has a turn. */
const TRIES = 64;

class Waiter {
  /** Null until it has what it waits for. */
  readonly attempt: () => unknown;
  readonly arm: () => boolean;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  timer: ReturnType<typeof setTimeout> | null = null;
  signal: AbortSignal | null = null;
  onAbort: (() => void) | null = null;

  constructor(
    attempt: () => unknown,
    arm: () => boolean,
    resolve: (value: unknown) => void,
    reject: (error: unknown) => void,
  ) {
    this.attempt = attempt;
    this.arm = arm;
    this.resolve = resolve;
    this.reject = reject;
  }

  settle(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    if (this.onAbort !== null) this.signal?.removeEventListener("abort", this.onAbort);
  }
}

export class WaitQueue {
  readonly #waiting: Waiter[] = [];
  readonly #name: string;
  readonly #recheckMs: number;
  #bell: Bell | null = null;
  #listening = false;
  #waking = false;
  /** An attempt woke the queue that it is of. */
  #woken = false;
  #recheck: ReturnType<typeof setInterval> | null = null;

  /** `recheckMs`: look again at least this often while somebody waits; 0 for never (only the bell counts). */
  constructor(name: string, recheckMs: number) {
    this.#name = name;
    this.#recheckMs = recheckMs;
  }

  attach(bell: Bell): void {
    this.#bell = bell;
  }

  get idle(): boolean {
    return this.#waiting.length === 0;
  }

  /**
   * Resolves with what `attempt` gives; it gives null until then. `arm` asks the peer for a bell, and says true when
   * something changed already. Rejects with what either throws, with TIMEOUT or with ABORTED; both then say `what`.
   */
  wait<T>(attempt: () => T | null, arm: () => boolean, what: string, limits: Limits | undefined): Promise<T> {
    const timeoutMs = timeoutOf(limits);
    const signal = limits?.signal;
    if (signal?.aborted) return Promise.reject(aborted(this.#text(what), signal));
    return new Promise<T>((resolve, reject) => {
      const waiter = new Waiter(attempt, arm, resolve as (value: unknown) => void, reject);
      this.#waiting.push(waiter);
      if (this.#waiting.length === 1) this.wake();
      if (!this.#waiting.includes(waiter)) return; // it has what it waits for
      if (timeoutMs < TIMER_MAX_MS) {
        waiter.timer = setTimeout(() => this.#giveUp(waiter, timedOut(this.#text(what), timeoutMs)), timeoutMs);
      }
      if (signal) {
        waiter.signal = signal;
        waiter.onAbort = () => this.#giveUp(waiter, aborted(this.#text(what), signal));
        signal.addEventListener("abort", waiter.onAbort, { once: true });
      }
      this.#listen();
    });
  }

  /** Lets those who wait try, in order, until one has to go on waiting. */
  wake(): void {
    this.#woken = true;
    // An attempt that ends something at once may wake its own queue: the one who tries just now must not try twice.
    if (this.#waking) return;
    this.#waking = true;
    this.#letTry();
    this.#waking = false;
  }

  #letTry(): void {
    for (let tries = 0; this.#waiting.length > 0; tries++) {
      if (tries === TRIES) {
        setImmediate(() => this.wake());
        return;
      }
      this.#woken = false;
      const waiter = this.#waiting[0]!;
      try {
        const result = waiter.attempt();
        if (result !== null) {
          this.#waiting.shift();
          waiter.settle();
          waiter.resolve(result);
        } else if (!waiter.arm() && !this.#woken) {
          return;
        }
      } catch (error) {
        this.#waiting.shift();
        waiter.settle();
        waiter.reject(error);
      }
    }
    this.#rest();
  }

  #giveUp(waiter: Waiter, error: unknown): void {
    const at = this.#waiting.indexOf(waiter);
    if (at < 0) return;
    this.#waiting.splice(at, 1);
    waiter.settle();
    waiter.reject(error);
    this.wake(); // the next one may need less
  }

  #text(what: string): string {
    return `${what} on "${this.#name}"`;
  }

  #listen(): void {
    if (this.#listening) return;
    this.#listening = true;
    this.#bell?.listen();
    if (this.#recheckMs > 0) this.#recheck = setInterval(() => this.wake(), this.#recheckMs);
  }

  #rest(): void {
    if (!this.#listening) return;
    this.#listening = false;
    this.#bell?.rest();
    if (this.#recheck !== null) clearInterval(this.#recheck);
    this.#recheck = null;
  }
}
