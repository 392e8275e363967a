/** How long somebody waits: a time, and the caller's own signal. */
import { invalidArgument, LavaFlowError } from "../errors.ts";

export const DEFAULT_TIMEOUT_MS = 30_000;

/** The longest timer there is: about 25 days. Whoever waits longer waits for ever. */
export const TIMER_MAX_MS = 0x7fffffff;

export interface Limits {
  timeoutMs?: number;
  signal?: AbortSignal;
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

export function timedOut(what: string, timeoutMs: number): LavaFlowError {
  return new LavaFlowError("TIMEOUT", `${what} within ${timeoutMs} ms`);
}

export function aborted(what: string, signal: AbortSignal): LavaFlowError {
  return new LavaFlowError("ABORTED", `${what}: the caller's signal was aborted`, { cause: signal.reason });
}
