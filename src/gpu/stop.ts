/** The end of a call on a GPU that comes before the GPU has done it: the caller's signal is aborted, or the call's time is up. */
import type { LavaFlowError } from "../errors.ts";
import { aborted, type Limits, TIMER_MAX_MS, timedOut, timeoutOf } from "../native/limits.ts";

const REMEDY = "Give it more time; what the GPU has begun of it goes on, and keeps the memory that it needs";

type Ender = (error: LavaFlowError) => void;

export class Stop {
  /** The call has a time of its own: it does not end because the GPU gets nothing done. */
  readonly timed: boolean;
  readonly #enders: Ender[] = [];
  readonly #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort: (() => void) | undefined;
  #error: LavaFlowError | null = null;

  /** `what` has not happened, for the error. Throws ABORTED where the signal was aborted before, and INVALID_ARGUMENT. */
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

  /** `ender` runs at the end of the call, at once where that was before. */
  add(ender: Ender): void {
    if (this.#error) ender(this.#error);
    else this.#enders.push(ender);
  }

  /** The call is over: neither the time nor the signal ends it any more. */
  close(): void {
    clearTimeout(this.#timer);
    if (this.#onAbort) this.#signal?.removeEventListener("abort", this.#onAbort);
  }

  #end(error: LavaFlowError): void {
    this.#error = error;
    for (const ender of this.#enders.splice(0)) ender(error);
  }
}
