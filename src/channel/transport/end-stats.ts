/** The counters that the shim keeps for one end of a channel. */
import { END_STATS } from "../../native/layout.ts";
import { native } from "../../native/load.ts";
import { check } from "../../native/status.ts";
import type { EndStats } from "./transport.ts";

const counts = new Float64Array(new ArrayBuffer(END_STATS.sizeof));

/** `read` is one of the shim's `…_stats` functions. */
export function endStats(read: (out: Float64Array) => number): EndStats {
  check(native(), read(counts));
  return {
    frames: counts[END_STATS.frames / 8] as number,
    bytes: counts[END_STATS.bytes / 8] as number,
    full: 0,
    queued: counts[END_STATS.queued / 8] as number,
    held: counts[END_STATS.held / 8] as number,
    importsCached: counts[END_STATS.imports / 8] as number,
  };
}
