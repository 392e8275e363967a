/** How long somebody waits: a time, and the caller's own signal. */
import { invalidArgument, LavaFlowError } from "../errors.ts";
import { checkNames, type OptionNames } from "./options.ts";
import { afterTurn } from "./turn.ts";

export const DEFAULT_TIMEOUT_MS = 30_000;

/** The longest timer there is: about 25 days. Whoever waits longer waits for ever. */
export const TIMER_MAX_MS = 0x7fffffff;

/** How long a call waits: `timeoutMs` in milliseconds (TIMEOUT after it), `signal` (ABORTED). */
export interface Limits {
  timeoutMs?: number;
  signal?: AbortSignal;
}

const LIMITS: OptionNames<Limits> = { timeoutMs: true, signal: true };

/** As `timeoutOf`, for options that have nothing but limits: others are refused by their name. */
export function checkLimits(call: string, limits: Limits | undefined): number {
  checkNames(call, limits, LIMITS);
  return timeoutOf(limits);
}

/** The same for a time alone. */
export function checkTimeout(call: string, options: { timeoutMs?: number } | undefined): number {
  checkNames(call, options, { timeoutMs: true });
  return timeoutOf(options);
}

/** How long what waits may still be handled. INVALID_ARGUMENT as for `timeoutOf`. */
export function checkDrain(call: string, options: { drainMs?: number }, otherwise: number): number {
  checkNames(call, options, { drainMs: true });
  return timeoutOf({ timeoutMs: options.drainMs ?? otherwise });
}

/** Milliseconds from 0 to Infinity. INVALID_ARGUMENT where the time or the signal is none. */
export function timeoutOf(limits: Limits | undefined): number {
  const { timeoutMs = DEFAULT_TIMEOUT_MS, signal } = limits ?? {};
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw invalidArgument("signal", signal, "an AbortSignal");
  }
  if (typeof timeoutMs === "number" && timeoutMs >= 0) return timeoutMs;
  throw invalidArgument("timeoutMs", timeoutMs, "milliseconds from 0 to Infinity");
}

/** `why`: what is known of the reason, or "". */
export function timedOut(what: string, timeoutMs: number, why = "", remedy?: string): LavaFlowError {
  return new LavaFlowError("TIMEOUT", `${what} within ${timeoutMs} ms${why && `: ${why}`}`, { remedy });
}

export function aborted(what: string, signal: AbortSignal): LavaFlowError {
  return new LavaFlowError("ABORTED", `${what}: the caller's signal was aborted`, { cause: signal.reason });
}

/** Throws ABORTED where the signal was aborted before: nothing is begun then. */
export function checkAborted(what: string, limits: Limits | undefined): void {
  if (limits?.signal?.aborted) throw aborted(what, limits.signal);
}

/**
 * Settles as `promise` does, unless the time or the signal comes first: TIMEOUT, ABORTED. What the promise stands for goes
 * on then, and what comes of it is given to `unwanted`. `what` has not happened, for the errors.
 */
export function limited<T>(
  what: string,
  promise: Promise<T>,
  limits: Limits | undefined,
  unwanted: (value: T) => void = () => {},
): Promise<T> {
  const timeoutMs = timeoutOf(limits);
  const signal = limits?.signal;
  if (timeoutMs >= TIMER_MAX_MS && signal === undefined) return promise;
  return new Promise<T>((resolve, reject) => {
    let over = false;
    const end = (error: LavaFlowError) => {
      if (over) return;
      close();
      reject(error);
    };
    // The thread may have been busy while the promise settled.
    const late = () => afterTurn(() => end(timedOut(what, timeoutMs)));
    const timer = timeoutMs < TIMER_MAX_MS ? setTimeout(late, timeoutMs) : undefined;
    const onAbort = () => end(aborted(what, signal as AbortSignal));
    const close = () => {
      over = true;
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
    };
    if (signal?.aborted) onAbort();
    else signal?.addEventListener("abort", onAbort, { once: true });
    promise.then(
      (value) => {
        if (over) return unwanted(value);
        close();
        resolve(value);
      },
      (error) => {
        if (over) return;
        close();
        reject(error);
      },
    );
  });
}
