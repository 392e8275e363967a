/** A message between kernels on its way by the host, and what becomes of it. */
import { LavaFlowError } from "../../errors.ts";
import { afterTurn } from "../../native/turn.ts";
import type { Message } from "../base/message.ts";

/** What became of a message to another kernel. */
export type DeliveryStatus = "delivered" | "pending" | "queue-full" | "not-found" | "max-hops-exceeded" | "timeout";

/** An error where somebody on the way is gone, or refuses the message as it is. */
export type Outcome = DeliveryStatus | LavaFlowError;

export class Delivery {
  /** "runtime/kernel". */
  readonly from: string;
  readonly to: string;
  /** Of which there were so many before this runtime had it. */
  readonly hops: number;
  readonly message: Message;
  /** On the scale of performance.now(). */
  readonly expires: number;
  readonly #told: (outcome: Outcome) => void;
  #settled = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** `told` hears once what became of it. */
  constructor(
    { from, to, hops, message }: Pick<Delivery, "to" | "hops" | "message" | "from">,
    withinMs: number,
    told: (outcome: Outcome) => void,
  ) {
    this.from = from;
    this.to = to;
    this.hops = hops;
    this.message = message;
    this.expires = performance.now() + withinMs;
    this.#told = told;
  }

  get leftMs(): number {
    return Math.max(0, this.expires - performance.now());
  }

  /** Its outcome is not known yet: at the end of its time, and `moreMs`, it is what `late` says. */
  waits(late: () => Outcome, moreMs = 0): void {
    if (this.#settled) return;
    clearTimeout(this.#timer);
    // The thread may have been busy while the word came: that is read in the next turn of the event loop.
    const timer = setTimeout(() => afterTurn(() => this.#timer === timer && this.settle(late())), this.leftMs + moreMs);
    this.#timer = timer;
  }

  /** Only the first counts. */
  settle(outcome: Outcome): void {
    if (this.#settled) return;
    this.#settled = true;
    clearTimeout(this.#timer);
    this.#told(outcome);
  }
}

/** What whoever sends is told by an error. */
export function throwUnlessDelivered(outcome: Outcome, from: string, to: string): void {
  if (outcome === "delivered") return;
  if (outcome instanceof LavaFlowError) throw outcome;
  const what = `"${from}" sends to "${to}"`;
  if (outcome === "queue-full") {
    throw new LavaFlowError("QUEUE_FULL", `${what}: there is no room on the way there`, { remedy: "Send again later" });
  }
  if (outcome === "max-hops-exceeded") {
    const remedy = "Look at the routes, which go round in a ring or too far";
    throw new LavaFlowError("MAX_HOPS_EXCEEDED", what, { remedy });
  }
  throw new LavaFlowError("KERNEL_NOT_ACTIVE", `${what}, which is not there`, { remedy: "Launch it first" });
}
