/** The time limit and the abort signal of an operation that polls in several steps. */
import type { LavaFlowError } from "../../errors.ts";
import { aborted, type Limits, TIMER_MAX_MS, timedOut, timeoutOf } from "../../native/limits.ts";

/** How many pauses last one turn of the event loop. The next ones use a timer. */
const QUICK_TURNS = 20;
/** How many pauses are shorter than 20 ms. */
const PATIENT_TURNS = 400;

/** The known reason for a timeout, and its remedy. */
export interface Known {
  why: string;
  remedy?: string;
}

export class Deadline {
  readonly timeoutMs: number;
  readonly #signal: AbortSignal | undefined;
  readonly #end: number;
  #turns = 0;
  /** The error of `interrupt`. */
  interrupted: LavaFlowError | null = null;
  #wake: (() => void) | null = null;

  constructor(limits: Limits | undefined) {
    this.timeoutMs = timeoutOf(limits);
    this.#signal = limits?.signal;
    this.#end = performance.now() + this.timeoutMs;
  }

  /** The current sleep, or else the next `check`, ends with `error`. */
  interrupt(error: LavaFlowError): void {
    this.interrupted = error;
    this.#wake?.();
  }

  /** Throws TIMEOUT or ABORTED once the operation is over. `known` gives the reason in a TIMEOUT. */
  check(what: string | (() => string), known?: () => Known): void {
    if (this.interrupted !== null) throw this.interrupted;
    const over = performance.now() >= this.#end;
    if (!over && !this.#signal?.aborted) return;
    const text = typeof what === "string" ? what : what();
    if (this.#signal?.aborted) throw aborted(text, this.#signal);
    const { why, remedy } = known?.() ?? {};
    throw timedOut(text, this.timeoutMs, why, remedy);
  }

  /** Lets the event loop run: for one turn, after QUICK_TURNS pauses for 1 ms, later for 5 and 20 ms. */
  async pause(): Promise<void> {
    const turn = this.#turns++;
    if (turn < QUICK_TURNS) return new Promise((resolve) => setImmediate(resolve));
    const left = Math.max(0, this.#end - performance.now());
    const ms = Math.min(turn < 200 ? 1 : turn < PATIENT_TURNS ? 5 : 20, left);
    return new Promise((resolve) => setTimeout(resolve, ms));
  }

  /** Whether the next pause uses a timer. From then on sleeping on an event costs no latency. */
  get slow(): boolean {
    return this.#turns >= QUICK_TURNS;
  }

  /** Sleeps until `wake` is called, the time is up or the signal is aborted. `arrange` returns a function that unsubscribes `wake`. */
  sleep(arrange: (wake: () => void) => () => void): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        this.#signal?.removeEventListener("abort", wake);
        this.#wake = null;
        cancel();
        resolve();
      };
      // The timer also keeps the process alive: a watched descriptor does not.
      const timer = setTimeout(wake, Math.min(Math.max(0, this.#end - performance.now()), TIMER_MAX_MS));
      this.#signal?.addEventListener("abort", wake);
      this.#wake = wake;
      const cancel = arrange(wake);
    });
  }

  /** Makes the next pauses 20 ms long, after a failure that a retry at once would repeat. */
  slowDown(): void {
    this.#turns = PATIENT_TURNS;
  }

  /** Makes the next pauses short again, after progress. */
  moved(): void {
    this.#turns = 0;
  }
}
