/** A limit for something that takes several steps. */
import { aborted, type Limits, timedOut, timeoutOf } from "../native/limits.ts";

/** From here on a pause lasts 20 ms. */
const PATIENT_TURNS = 400;

export class Deadline {
  readonly timeoutMs: number;
  readonly #signal: AbortSignal | undefined;
  readonly #end: number;
  #turns = 0;

  constructor(limits: Limits | undefined) {
    this.timeoutMs = timeoutOf(limits);
    this.#signal = limits?.signal;
    this.#end = performance.now() + this.timeoutMs;
  }

  /** TIMEOUT or ABORTED when it is over. */
  check(what: string | (() => string)): void {
    const over = performance.now() >= this.#end;
    if (!over && !this.#signal?.aborted) return;
    const text = typeof what === "string" ? what : what();
    throw this.#signal?.aborted ? aborted(text, this.#signal) : timedOut(text, this.timeoutMs);
  }

  /** Lets the event loop run: at once for the first turns, then for a millisecond, then for up to 20. */
  async pause(): Promise<void> {
    const turn = this.#turns++;
    if (turn < 20) return new Promise((resolve) => setImmediate(resolve));
    const left = Math.max(0, this.#end - performance.now());
    const ms = Math.min(turn < 200 ? 1 : turn < PATIENT_TURNS ? 5 : 20, left);
    return new Promise((resolve) => setTimeout(resolve, ms));
  }

  /** The next pauses are long: what just failed would only fail again. */
  settle(): void {
    this.#turns = PATIENT_TURNS;
  }

  /** The next pauses are short again: something has moved. */
  moved(): void {
    this.#turns = 0;
  }
}
