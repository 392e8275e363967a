/** Timestamps that order causally related events of different processes, and stay close to the time of day. */
import { isSharedArrayBuffer } from "node:util/types";
import { invalidArgument } from "../../errors.ts";
import { native } from "../../native/load.ts";
import { checkNames, type OptionNames } from "../../native/options.ts";
import { check } from "../../native/status.ts";

/** A timestamp of one node's clock. A clock never gives the same timestamp twice. */
export interface HlcTimestamp {
  /** Microseconds since 1970, UTC: the time of day, or a little ahead of it. */
  readonly physicalMicros: number;
  /** Orders events of one microsecond, 0 to 4,095. */
  readonly logical: number;
  /** The clock that gave the timestamp. */
  readonly nodeId: number;
}

/** Options of a `HybridLogicalClock`. */
export interface ClockOptions {
  /** A whole number from 0. Each clock has its own. */
  nodeId: number;
  /** Milliseconds by which a remote timestamp may be ahead of the time of day here; default 60,000. */
  maxDriftMs?: number;
  /** The time of day, microseconds since 1970; default: the system's realtime clock. */
  wallClockMicros?: () => number;
  /** The `memory` of a clock of another thread of this process. Both are then one clock and have one `nodeId`. */
  memory?: SharedArrayBuffer;
}

const MAX_DRIFT_MS = 60_000;
/** In place of a time: the shim reads the system's realtime clock. */
const SYSTEM = -1;

const NAMES: OptionNames<ClockOptions> = { nodeId: true, maxDriftMs: true, wallClockMicros: true, memory: true };

const stamp = new Float64Array(new ArrayBuffer(16));

/**
 * A hybrid logical clock after Kulkarni, Demirbas, Madappa, Avva and Leone, "Logical Physical Clocks" (OPODIS 2014). If
 * one event can have caused another, its timestamp is less. A tick is one call of the shim, atomic among all threads
 * that share the clock's memory.
 */
export class HybridLogicalClock {
  readonly nodeId: number;
  /** For clocks of other threads: clocks that share their memory never give the same timestamp. */
  readonly memory: SharedArrayBuffer;
  readonly #shim = native();
  readonly #word: Uint8Array;
  readonly #maxDriftMicros: number;
  readonly #realtime: (() => number) | null;

  /** Throws INVALID_ARGUMENT. */
  constructor(options: ClockOptions) {
    checkNames("HybridLogicalClock", options, NAMES);
    const { nodeId, maxDriftMs = MAX_DRIFT_MS, wallClockMicros, memory = new SharedArrayBuffer(8) } = options;
    if (!(Number.isSafeInteger(nodeId) && nodeId >= 0))
      throw invalidArgument("nodeId", nodeId, "a whole number from 0");
    if (!(maxDriftMs >= 0)) throw invalidArgument("maxDriftMs", maxDriftMs, "milliseconds from 0 to Infinity");
    if (wallClockMicros !== undefined && typeof wallClockMicros !== "function")
      throw invalidArgument("wallClockMicros", wallClockMicros, "a function that returns microseconds since 1970");
    // `byteLength` may be overridden: the length of a view is that of the memory, which the shim reads and writes.
    const word = isSharedArrayBuffer(memory) ? new Uint8Array(memory) : null;
    if (word?.length !== 8) throw invalidArgument("memory", memory, "the memory of another clock");
    this.nodeId = nodeId;
    this.memory = memory;
    this.#word = word;
    this.#maxDriftMicros = maxDriftMs * 1000;
    this.#realtime = wallClockMicros ?? null;
  }

  /**
   * The timestamp of a local event, or of a message that is sent: greater than each that this clock gave or received.
   * Throws CLOCK_DRIFT after the greatest timestamp: 2^52 - 1 microseconds (the year 2112), logical 4,095.
   */
  tick(): HlcTimestamp {
    const result = this.#shim.lf_clock_tick(this.#word, this.#now(), stamp);
    if (result < 0) check(this.#shim, result);
    return this.#taken();
  }

  /**
   * The timestamp of the receipt of a message: also greater than the message's, `remote`. Throws, with the clock
   * unchanged: CLOCK_DRIFT when `remote` is more than `maxDriftMs` ahead of the time of day here, or is the greatest
   * timestamp; INVALID_ARGUMENT when `remote` is not of whole numbers.
   */
  update(remote: HlcTimestamp): HlcTimestamp {
    const { physicalMicros, logical } = remote;
    const drift = this.#maxDriftMicros;
    const result = this.#shim.lf_clock_update(this.#word, this.#now(), physicalMicros, logical, drift, stamp);
    if (result < 0) check(this.#shim, result, `the stamp of node ${remote.nodeId}`);
    return this.#taken();
  }

  /** -1 when `a` is before `b`. Timestamps that differ only in the node are ordered by the node. */
  static compare(a: HlcTimestamp, b: HlcTimestamp): -1 | 0 | 1 {
    if (a.physicalMicros !== b.physicalMicros) return a.physicalMicros < b.physicalMicros ? -1 : 1;
    if (a.logical !== b.logical) return a.logical < b.logical ? -1 : 1;
    return a.nodeId === b.nodeId ? 0 : a.nodeId < b.nodeId ? -1 : 1;
  }

  #now(): number {
    if (this.#realtime === null) return SYSTEM;
    const micros = this.#realtime();
    if (!(micros >= 0)) throw invalidArgument("the result of wallClockMicros", micros, "microseconds since 1970");
    return Math.floor(micros);
  }

  #taken(): HlcTimestamp {
    return { physicalMicros: stamp[0] as number, logical: stamp[1] as number, nodeId: this.nodeId };
  }
}
