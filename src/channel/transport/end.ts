/** Types of both ends of a channel, and the counters that the shim keeps for each. */
import { END_STATS } from "../../native/layout.ts";
import { native } from "../../native/load.ts";
import { check } from "../../native/status.ts";

/** Called for an event that the peer does not notify of, such as the end of GPU work. `failure`: an error that no call returned. */
export type Wake = (failure?: unknown) => void;

/** The condition of a wait: credits for a frame, all frames released, or MPI no longer reads a payload. */
export type Until = "credits" | "released" | "left";

export interface EndStats {
  /** Frames that were sent or received. */
  frames: number;
  bytes: number;
  /** How often the queue was full (producer). */
  full: number;
  queued: number;
  /** Frames that were received and not released; 0 on a producer that does not know. */
  held: number;
  importsCached: number;
}

const counts = new Float64Array(new ArrayBuffer(END_STATS.sizeof));

/** `read` is lf_tx_stats or lf_rx_stats of one end. */
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
