/** Options of a runtime's broker. */
import { invalidArgument } from "../../errors.ts";
import { TIMER_MAX_MS } from "../../native/limits.ts";
import { checkNames, type OptionNames } from "../../native/options.ts";

/** Limits of the messages between kernels. */
export interface K2kConfig {
  /** Messages without an outcome, at most: those that wait here, and those that other runtimes took; default 1024. */
  maxPending: number;
  /** Milliseconds that a message waits for its kernel to exist and be active; default 5000. */
  deliveryTimeoutMs: number;
  /** Routes and runtimes on a message's way, at most; default 8. */
  maxHops: number;
}

const DEFAULTS: K2kConfig = { maxPending: 1024, deliveryTimeoutMs: 5000, maxHops: 8 };
const NAMES: OptionNames<K2kConfig> = { maxPending: true, deliveryTimeoutMs: true, maxHops: true };

/** The checked options; null where `k2k` is false. Throws INVALID_ARGUMENT. */
export function checkK2k(k2k: unknown): K2kConfig | null {
  if (k2k === false) return null;
  if (k2k === true) return DEFAULTS;
  if (typeof k2k !== "object" || k2k === null) throw invalidArgument("k2k", k2k, "true, false or { maxPending, ... }");
  checkNames("k2k", k2k, NAMES);
  const config = { ...DEFAULTS, ...k2k };
  for (const name of ["maxPending", "maxHops"] as const) {
    if (!(Number.isSafeInteger(config[name]) && config[name] >= 0 && config[name] < 2 ** 31))
      throw invalidArgument(`k2k.${name}`, config[name], "a whole number from 0");
  }
  if (!(config.deliveryTimeoutMs >= 0 && config.deliveryTimeoutMs <= TIMER_MAX_MS))
    throw invalidArgument("k2k.deliveryTimeoutMs", config.deliveryTimeoutMs, `milliseconds from 0 to ${TIMER_MAX_MS}`);
  return config;
}
