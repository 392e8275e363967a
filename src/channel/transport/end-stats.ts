/** The counters that the shim keeps for one end of a channel. */
import { PORT_STATS } from "../../native/layout.ts";
import { native } from "../../native/load.ts";
import { check } from "../../native/status.ts";
import type { EndStats } from "./transport.ts";

const counts = new Float64Array(new ArrayBuffer(PORT_STATS.sizeof));

/** `read` is one of the shim's `…_stats` functions. */
export function endStats(read: (out: Float64Array) => number): EndStats {
  check(native(), read(counts));
  return {
    frames: counts[PORT_STATS.frames / 8] as number,
    bytes: counts[PORT_STATS.bytes / 8] as number,
    full: 0,
    queued: counts[PORT_STATS.queued / 8] as number,
    held: counts[PORT_STATS.held / 8] as number,
    importsCached: counts[PORT_STATS.imports / 8] as number,
  };
}
