/** What both ends of a channel have in common: what `Channel.open` made for them, and an orderly close. */
import { LavaFlowError } from "../errors.ts";
import type { Route } from "./connect/route.ts";
import type { ConsumerEnd, ProducerEnd } from "./transport/transport.ts";
import type { WaitQueue } from "./wait/wait-queue.ts";

/** What `Channel.open` has made for an end. */
export interface Opened<End extends ProducerEnd | ConsumerEnd> {
  readonly name: string;
  readonly route: Route;
  readonly end: End;
  /** Calls that wait for room, or for a frame: each gets its turn after those before it. */
  readonly queue: WaitQueue;
  /** Calls that wait until everything is released: they hold nobody up. */
  readonly drains: WaitQueue;
  /** Calls whose payload has not left its own memory. */
  readonly flights: WaitQueue;
  /** Closes the end, the connection and the role. */
  readonly leave: () => void;
  /** Is told of each failure of the end. */
  readonly failed: (error: unknown) => void;
}

/** The end finds itself closed in every call by now. `end` is null where it was closed before. */
export async function closeEnd<End extends ProducerEnd | ConsumerEnd>(
  end: End | null,
  { queue, drains, flights, leave }: Opened<End>,
): Promise<void> {
  queue.wake();
  drains.wake();
  const settled = end?.settled();
  if (settled) await settled;
  leave();
  flights.wake();
}

export function closedHere(name: string): LavaFlowError {
  return new LavaFlowError("CLOSED", `channel "${name}" was closed here`, { remedy: "Open it again" });
}
