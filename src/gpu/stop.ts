/** Ends a call on a GPU before the GPU has done its work: the caller's signal was aborted, or the call's time is up. */
import type { LavaFlowError } from "../errors.ts";
import { aborted, type Limits, TIMER_MAX_MS, timedOut, timeoutOf } from "../native/limits.ts";

const REMEDY = "Allow more time; work that the GPU has begun runs on, and keeps the memory that it needs";

type Ender = (error: LavaFlowError) => void;

export class Stop {
  /** The call has a time limit of its own, which replaces the queue's. */
  readonly timed: boolean;
  readonly #enders: Ender[] = [];
  readonly #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort: (() => void) | undefined;
  #error: LavaFlowError | null = null;

  /** `what` begins the error's text, as "copy did not end". Throws ABORTED for a signal that is aborted already; INVALID_ARGUMENT. */
  constructor(what: string, limits: Limits) {
    const { signal } = limits;
    const timeoutMs = timeoutOf(limits);
    if (signal?.aborted) throw aborted(what, signal);
    this.timed = limits.timeoutMs !== undefined;
    if (this.timed && timeoutMs < TIMER_MAX_MS) {
      this.#timer = setTimeout(() => this.#end(timedOut(what, timeoutMs, "", REMEDY)), timeoutMs);
    }
    if (signal === undefined) return;
    this.#signal = signal;
    this.#onAbort = () => this.#end(aborted(what, signal));
    signal.addEventListener("abort", this.#onAbort, { once: true });
  }

  /** `ender` runs when the time or the signal ends the call; at once if one has. */
  add(ender: Ender): void {
    if (this.#error) ender(this.#error);
    else this.#enders.push(ender);
  }

  /** The call is over: the time and the signal no longer count. */
  close(): void {
    clearTimeout(this.#timer);
    if (this.#onAbort) this.#signal?.removeEventListener("abort", this.#onAbort);
  }

  #end(error: LavaFlowError): void {
    this.#error = error;
    for (const ender of this.#enders.splice(0)) ender(error);
  }
}
