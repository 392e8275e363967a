/** The reason in the TIMEOUT of a waiting call, as far as an end knows it. */
import type { Rx } from "./transport/rx.ts";
import type { Tx } from "./transport/tx.ts";

/** Why the queue is full, or a frame is not released. `end` is null once this side has closed the channel. */
export function whyNotReleased(end: Tx | null): string {
  if (end === null) return "";
  const { queued, held } = end.stats();
  const rest = queued - held;
  const there = held > 0 ? `${frames(held)} received and never released` : "the consumer is there";
  // Over MPI the producer does not know how many frames were received: `held` is 0.
  return rest > 0 ? `${there}, ${frames(rest)} sent and not yet ${held > 0 ? "received" : "released"}` : there;
}

/** Why no frame comes. */
export function whyNoFrame(end: Rx | null): string {
  if (end === null) return "";
  const { frames: received, held } = end.stats();
  const there = `the producer is there${received === 0 ? ", and has sent nothing yet" : ""}`;
  return held > 0 ? `${there}; ${frames(held)} held here and never released, which may leave it no room` : there;
}

function frames(count: number): string {
  return count === 1 ? "1 frame was" : `${count} frames were`;
}
