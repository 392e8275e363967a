/** A limit for something that takes several steps. */
import type { LavaFlowError } from "../../errors.ts";
import { aborted, type Limits, TIMER_MAX_MS, timedOut, timeoutOf } from "../../native/limits.ts";

/** Pauses of one turn of the event loop, before the first that has a timer. */
const QUICK_TURNS = 20;
/** From here on a pause lasts 20 ms. */
const PATIENT_TURNS = 400;

/** What is known of the reason why nothing came, and what fits it. */
export interface Known {
  why: string;
  remedy?: string;
}

export class Deadline {
  readonly timeoutMs: number;
  readonly #signal: AbortSignal | undefined;
  readonly #end: number;
  #turns = 0;
  /** What it was ended with from outside. */
  interrupted: LavaFlowError | null = null;
  #wake: (() => void) | null = null;

  constructor(limits: Limits | undefined) {
    this.timeoutMs = timeoutOf(limits);
    this.#signal = limits?.signal;
    this.#end = performance.now() + this.timeoutMs;
  }

  /** Ends the wait with `error`, now or where it looks next. */
  interrupt(error: LavaFlowError): void {
    this.interrupted = error;
    this.#wake?.();
  }

  /** TIMEOUT or ABORTED when it is over; `known` is asked what a TIMEOUT says of its reason. */
  check(what: string | (() => string), known?: () => Known): void {
    if (this.interrupted !== null) throw this.interrupted;
    const over = performance.now() >= this.#end;
    if (!over && !this.#signal?.aborted) return;
    const text = typeof what === "string" ? what : what();
    if (this.#signal?.aborted) throw aborted(text, this.#signal);
    const { why, remedy } = known?.() ?? {};
    throw timedOut(text, this.timeoutMs, why, remedy);
  }

  /** Lets the event loop run: at once for the first turns, then for a millisecond, then for up to 20. */
  async pause(): Promise<void> {
    const turn = this.#turns++;
    if (turn < QUICK_TURNS) return new Promise((resolve) => setImmediate(resolve));
    const left = Math.max(0, this.#end - performance.now());
    const ms = Math.min(turn < 200 ? 1 : turn < PATIENT_TURNS ? 5 : 20, left);
    return new Promise((resolve) => setTimeout(resolve, ms));
  }

  /** Whether the next pause would need a timer: where there is something to sleep on, it is time for that. */
  get slow(): boolean {
    return this.#turns >= QUICK_TURNS;
  }

  /** Until what `arrange` is given is called, the time is up or the signal is aborted; `arrange` returns what ends its part. */
  sleep(arrange: (wake: () => void) => () => void): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        this.#signal?.removeEventListener("abort", wake);
        this.#wake = null;
        cancel();
        resolve();
      };
      // It also keeps the process alive, which no descriptor that is watched does.
      const timer = setTimeout(wake, Math.min(Math.max(0, this.#end - performance.now()), TIMER_MAX_MS));
      this.#signal?.addEventListener("abort", wake);
      this.#wake = wake;
      const cancel = arrange(wake);
    });
  }

  /** The next pauses are long: what just failed would only fail again. */
  slowDown(): void {
    this.#turns = PATIENT_TURNS;
  }

  /** The next pauses are short again: something has moved. */
  moved(): void {
    this.#turns = 0;
  }
}
