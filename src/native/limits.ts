/** The limits of a wait: a time, and the caller's signal. */
import { invalidArgument, LavaFlowError } from "../errors.ts";
import { checkNames, type OptionNames } from "./options.ts";
import { afterTurn } from "./turn.ts";

/** Milliseconds that a call waits unless its limits say otherwise: long enough for a peer to start, short enough to see a hang. */
export const DEFAULT_TIMEOUT_MS = 30_000;

/** Milliseconds of the longest timer, about 25 days. A longer limit never ends. */
export const TIMER_MAX_MS = 0x7fffffff;

/** How long a call waits: `timeoutMs` in milliseconds (TIMEOUT after it), `signal` (ABORTED). */
export interface Limits {
  timeoutMs?: number;
  signal?: AbortSignal;
}

const LIMITS: OptionNames<Limits> = { timeoutMs: true, signal: true };

/** As `timeoutOf`. INVALID_ARGUMENT names an option that is no limit. */
export function checkLimits(call: string, limits: Limits | undefined): number {
  checkNames(call, limits, LIMITS);
  return timeoutOf(limits);
}

/** Milliseconds that a kernel may go on handling what waits for it. INVALID_ARGUMENT as for `checkLimits`. */
export function checkDrain(call: string, options: { drainMs?: number } & Limits, otherwise: number): number {
  checkNames(call, options, { drainMs: true, ...LIMITS });
  timeoutOf(options);
  return timeoutOf({ timeoutMs: options.drainMs ?? otherwise });
}

/** Milliseconds from 0 to Infinity. INVALID_ARGUMENT for a time or a signal of a wrong type or value. */
export function timeoutOf(limits: Limits | undefined): number {
  const { timeoutMs = DEFAULT_TIMEOUT_MS, signal } = limits ?? {};
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw invalidArgument("signal", signal, "an AbortSignal");
  }
  if (typeof timeoutMs === "number" && timeoutMs >= 0) return timeoutMs;
  throw invalidArgument("timeoutMs", timeoutMs, "milliseconds from 0 to Infinity");
}

/** `why` is the known reason, or "". */
export function timedOut(what: string, timeoutMs: number, why = "", remedy?: string): LavaFlowError {
  return new LavaFlowError("TIMEOUT", `${what} within ${timeoutMs} ms${why && `: ${why}`}`, { remedy });
}

export function aborted(what: string, signal: AbortSignal): LavaFlowError {
  return new LavaFlowError("ABORTED", `${what}: the caller's signal was aborted`, { cause: signal.reason });
}

/** Throws ABORTED for a signal that is aborted already, so that the call begins nothing. */
export function checkAborted(what: string, limits: Limits | undefined): void {
  if (limits?.signal?.aborted) throw aborted(what, limits.signal);
}

/**
 * Settles as `promise` does, unless the time or the signal comes first: TIMEOUT, ABORTED. The work behind the promise then
 * runs on, and its result is passed to `unwanted`. `what` begins the error's text. `givenUp` withdraws the work: it is called
 * before the abort event's next listener, which could complete the work.
 */
export function limited<T>(
  what: string,
  promise: Promise<T>,
  limits: Limits | undefined,
  unwanted: (value: T) => void = () => {},
  givenUp: (error: LavaFlowError) => void = () => {},
): Promise<T> {
  const timeoutMs = timeoutOf(limits);
  const signal = limits?.signal;
  if (timeoutMs >= TIMER_MAX_MS && signal === undefined) return promise;
  return new Promise<T>((resolve, reject) => {
    let over = false;
    const end = (error: LavaFlowError) => {
      if (over) return;
      close();
      givenUp(error);
      reject(error);
    };
    // The promise may have settled while the thread was busy: its callback runs before `end`.
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

/**
 * As `limited`, for work that has a bound of its own: without `timeoutMs` the caller waits for all of it. An aborted signal
 * begins nothing.
 */
export async function limitedWork<T>(
  what: string,
  limits: Limits | undefined,
  work: () => Promise<T>,
  unwanted?: (value: T) => void,
): Promise<T> {
  const { timeoutMs = Number.POSITIVE_INFINITY, signal } = limits ?? {};
  timeoutOf({ timeoutMs, signal });
  checkAborted(what, { signal });
  return limited(what, work(), { timeoutMs, signal }, unwanted);
}
