/** Those who wait for something of the peer, in order: each tries again when the bell rings. */
import type { Bell } from "./bell.ts";
import { aborted, type Limits, timedOut, timeoutOf } from "./deadline.ts";

interface Waiter {
  /** True when the waiter has what it waits for. May throw. */
  attempt(): boolean;
  /** Asks the peer for a bell. True: something changed already, try again. */
  arm(): boolean;
  resolve(): void;
  reject(error: unknown): void;
  settle(): void;
}

/** A peer that keeps changing things must not keep the event loop: after so many tries it has a turn. */
const TRIES = 64;

export class WaitQueue {
  readonly #waiting: Waiter[] = [];
  #bell: Bell | null = null;
  #listening = false;
  #recheck: ReturnType<typeof setInterval> | null = null;
  readonly #recheckMs: number;

  /** `recheckMs`: look again at least this often while somebody waits; 0 for never (only the bell counts). */
  constructor(recheckMs: number) {
    this.#recheckMs = recheckMs;
  }

  attach(bell: Bell): void {
    this.#bell = bell;
  }

  get idle(): boolean {
    return this.#waiting.length === 0;
  }

  /** Resolves with what `attempt` gives; it gives null until then. Rejects with what it throws, TIMEOUT or ABORTED. */
  wait<T>(attempt: () => T | null, arm: () => boolean, what: string, limits: Limits | undefined): Promise<T> {
    const timeoutMs = timeoutOf(limits);
    const signal = limits?.signal;
    if (signal?.aborted) return Promise.reject(aborted(what, signal));
    return new Promise<T>((resolve, reject) => {
      let result: T | null = null;
      let timer: ReturnType<typeof setTimeout> | undefined;
      const giveUp = (error: unknown) => {
        const at = this.#waiting.indexOf(waiter);
        if (at >= 0) this.#waiting.splice(at, 1);
        waiter.settle();
        reject(error);
        this.#rest();
      };
      const onAbort = () => giveUp(aborted(what, signal!));
      const waiter: Waiter = {
        attempt: () => (result = attempt()) !== null,
        arm,
        resolve: () => resolve(result as T),
        reject,
        settle: () => {
          clearTimeout(timer);
          signal?.removeEventListener("abort", onAbort);
        },
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      // The longest timer there is: about 25 days. Whoever waits longer waits for ever.
      if (timeoutMs < 0x7fffffff) timer = setTimeout(() => giveUp(timedOut(what, timeoutMs)), timeoutMs);
      this.#waiting.push(waiter);
      if (this.#waiting.length === 1) {
        this.#listen();
        if (this.#recheckMs > 0) this.#recheck = setInterval(() => this.wake(), this.#recheckMs);
        this.wake();
      }
    });
  }

  /** Lets those who wait try, in order, until one has to go on waiting. */
  wake(): void {
    for (let tries = 0; ; tries++) {
      const waiter = this.#waiting[0];
      if (!waiter) {
        this.#rest();
        return;
      }
      if (tries === TRIES) {
        setImmediate(() => this.wake());
        return;
      }
      try {
        if (waiter.attempt()) {
          this.#waiting.shift();
          waiter.settle();
          waiter.resolve();
        } else if (!waiter.arm()) {
          return;
        }
      } catch (error) {
        this.#waiting.shift();
        waiter.settle();
        waiter.reject(error);
      }
    }
  }

  /** Ends every wait with `error`. */
  fail(error: unknown): void {
    for (const waiter of this.#waiting.splice(0)) {
      waiter.settle();
      waiter.reject(error);
    }
    this.#rest();
  }

  #listen(): void {
    if (this.#listening) return;
    this.#listening = true;
    this.#bell?.listen();
  }

  #rest(): void {
    if (this.#waiting.length > 0 || !this.#listening) return;
    this.#listening = false;
    this.#bell?.rest();
    if (this.#recheck) clearInterval(this.#recheck);
    this.#recheck = null;
  }
}
