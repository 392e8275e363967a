/** How a runtime's broker is to deliver. */
import { invalidArgument } from "../../errors.ts";
import { TIMER_MAX_MS } from "../../native/limits.ts";
import { checkNames, type OptionNames } from "../../native/options.ts";

/** Limits of the messages between kernels. */
export interface K2kConfig {
  /** How many messages may be without an answer yet: those that wait, and those on their way elsewhere; default 1024. */
  maxPending: number;
  /** How long a message waits for a kernel that is not there or not active, milliseconds; default 5000. */
  deliveryTimeoutMs: number;
  /** How many routes a message may follow, and how many runtimes it may come to; default 8. */
  maxHops: number;
}

const DEFAULTS: K2kConfig = { maxPending: 1024, deliveryTimeoutMs: 5000, maxHops: 8 };
const NAMES: OptionNames<K2kConfig> = { maxPending: true, deliveryTimeoutMs: true, maxHops: true };

/** Null for none. INVALID_ARGUMENT. */
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
