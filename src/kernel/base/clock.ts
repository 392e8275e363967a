/** Stamps that order events of different processes as they happened, and stay close to the time of day. */
import { isSharedArrayBuffer } from "node:util/types";
import { invalidArgument } from "../../errors.ts";
import { native } from "../../native/load.ts";
import { checkNames, type OptionNames } from "../../native/options.ts";
import { check } from "../../native/status.ts";

/** When something happened, by the clock of one node. Two of one clock are never equal. */
export interface HlcTimestamp {
  /** Microseconds since 1970, UTC: the time of day, or a little ahead of it. */
  readonly physicalMicros: number;
  /** Tells events of one microsecond apart, 0 to 4,095. */
  readonly logical: number;
  /** Tells clocks apart. */
  readonly nodeId: number;
}

/** Options of a `HybridLogicalClock`. */
export interface ClockOptions {
  /** A whole number from 0, another one for each clock. */
  nodeId: number;
  /** How far ahead of this one's time of day a remote stamp may be, milliseconds; default 60,000. */
  maxDriftMs?: number;
  /** The time of day, microseconds since 1970; default: the system's. */
  wallClockMicros?: () => number;
  /** The `memory` of a clock of another thread of this process, to be one clock with it; such clocks have one `nodeId`. */
  memory?: SharedArrayBuffer;
}

const MAX_DRIFT_MS = 60_000;
const SYSTEM = -1;

const NAMES: OptionNames<ClockOptions> = { nodeId: true, maxDriftMs: true, wallClockMicros: true, memory: true };

const stamp = new Float64Array(new ArrayBuffer(16));

/**
 * A hybrid logical clock after Kulkarni, Demirbas, Madappa, Avva and Leone, "Logical Physical Clocks" (OPODIS 2014). If one
 * event can have caused another, its stamp is less. A tick is one call of the shim, atomic among all threads that share
 * the clock's memory.
 */
export class HybridLogicalClock {
  readonly nodeId: number;
  /** For clocks of other threads, which then never give the same stamp. */
  readonly memory: SharedArrayBuffer;
  readonly #shim = native();
  readonly #word: Uint8Array;
  readonly #maxDriftMicros: number;
  readonly #wall: (() => number) | null;

  /** INVALID_ARGUMENT. */
  constructor(options: ClockOptions) {
    checkNames("HybridLogicalClock", options, NAMES);
    const { nodeId, maxDriftMs = MAX_DRIFT_MS, wallClockMicros, memory = new SharedArrayBuffer(8) } = options;
    if (!(Number.isSafeInteger(nodeId) && nodeId >= 0))
      throw invalidArgument("nodeId", nodeId, "a whole number from 0");
    if (!(maxDriftMs >= 0)) throw invalidArgument("maxDriftMs", maxDriftMs, "milliseconds from 0 to Infinity");
    if (wallClockMicros !== undefined && typeof wallClockMicros !== "function")
      throw invalidArgument("wallClockMicros", wallClockMicros, "a function that returns microseconds since 1970");
    // Whatever `byteLength` says: the shim reads and writes the word.
    const word = isSharedArrayBuffer(memory) ? new Uint8Array(memory) : null;
    if (word?.length !== 8) throw invalidArgument("memory", memory, "the memory of another clock");
    this.nodeId = nodeId;
    this.memory = memory;
    this.#word = word;
    this.#maxDriftMicros = maxDriftMs * 1000;
    this.#wall = wallClockMicros ?? null;
  }

  /**
   * The stamp of a local event, or of a message that is sent: greater than every one that this clock gave or saw. CLOCK_DRIFT
   * after the last stamp that there is, 2^52 - 1 microseconds (the year 2112) and 4,095.
   */
  tick(): HlcTimestamp {
    const result = this.#shim.lf_clock_tick(this.#word, this.#now(), stamp);
    if (result < 0) check(this.#shim, result);
    return this.#taken();
  }

  /**
   * The stamp of a message that was received: also greater than the message's. CLOCK_DRIFT, with the clock as it was, when
   * that is more than `maxDriftMs` ahead of the time of day here, or the last one that there is; INVALID_ARGUMENT when it can't
   * be a stamp: both its numbers are whole.
   */
  update(remote: HlcTimestamp): HlcTimestamp {
    const { physicalMicros, logical } = remote;
    const drift = this.#maxDriftMicros;
    const result = this.#shim.lf_clock_update(this.#word, this.#now(), physicalMicros, logical, drift, stamp);
    if (result < 0) check(this.#shim, result, `the stamp of node ${remote.nodeId}`);
    return this.#taken();
  }

  /** Below 0 when `a` is before `b`. Stamps of different nodes that are equal otherwise are ordered by the node. */
  static compare(a: HlcTimestamp, b: HlcTimestamp): -1 | 0 | 1 {
    if (a.physicalMicros !== b.physicalMicros) return a.physicalMicros < b.physicalMicros ? -1 : 1;
    if (a.logical !== b.logical) return a.logical < b.logical ? -1 : 1;
    return a.nodeId === b.nodeId ? 0 : a.nodeId < b.nodeId ? -1 : 1;
  }

  #now(): number {
    if (this.#wall === null) return SYSTEM;
    const micros = this.#wall();
    if (!(micros >= 0)) throw invalidArgument("what wallClockMicros returned", micros, "microseconds since 1970");
    return Math.floor(micros);
  }

  #taken(): HlcTimestamp {
    return { physicalMicros: stamp[0] as number, logical: stamp[1] as number, nodeId: this.nodeId };
  }
}
