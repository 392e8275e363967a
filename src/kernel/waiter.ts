/** A promise that somebody else settles, or the time. */
import type { LavaFlowError } from "../errors.ts";
import { TIMER_MAX_MS } from "../native/limits.ts";

export class Waiter<T> {
  readonly promise: Promise<T>;
  readonly #over: () => void;
  readonly #timer: ReturnType<typeof setTimeout> | undefined;
  #resolve!: (value: T) => void;
  #reject!: (error: LavaFlowError) => void;

  /** Rejects with `late()` after `limitMs`. `over` is called once, before it settles: nobody looks for it any more. */
  constructor(limitMs: number, late: () => LavaFlowError, over: () => void) {
    this.#over = over;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    if (limitMs < TIMER_MAX_MS) this.#timer = setTimeout(() => this.failed(late()), limitMs);
  }

  got(value: T): void {
    this.#end();
    this.#resolve(value);
  }

  failed(error: LavaFlowError): void {
    this.#end();
    this.#reject(error);
  }

  #end(): void {
    clearTimeout(this.#timer);
    this.#over();
  }
}

/** Resolves when `promise` has, and after `ms` at the latest. */
export async function within(ms: number, promise: Promise<void>): Promise<void> {
  if (!(ms > 0)) return;
  const { promise: over, resolve } = Promise.withResolvers<void>();
  const timer = ms < TIMER_MAX_MS ? setTimeout(resolve, ms) : undefined;
  await Promise.race([promise, over]);
  clearTimeout(timer);
}
