/** A message between kernels that is in flight through the host, and its outcome. */
import { LavaFlowError } from "../../errors.ts";
import { afterTurn } from "../../native/turn.ts";
import type { Message } from "../base/message.ts";

/** The outcome of a message to another kernel. */
export type DeliveryStatus = "delivered" | "pending" | "queue-full" | "not-found" | "max-hops-exceeded" | "timeout";

/** An error where a runtime on the way ended, or refused the message. */
export type Outcome = DeliveryStatus | LavaFlowError;

export class Delivery {
  /** "runtime/kernel". */
  readonly from: string;
  readonly to: string;
  /** Hops before this runtime. */
  readonly hops: number;
  readonly message: Message;
  /** The end of its delivery time, on the scale of performance.now(). */
  readonly expires: number;
  readonly #report: (outcome: Outcome) => void;
  #isFinished = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** `report` is called once, with the outcome. */
  constructor(
    { from, to, hops, message }: Pick<Delivery, "to" | "hops" | "message" | "from">,
    withinMs: number,
    report: (outcome: Outcome) => void,
  ) {
    this.from = from;
    this.to = to;
    this.hops = hops;
    this.message = message;
    this.expires = performance.now() + withinMs;
    this.#report = report;
  }

  get leftMs(): number {
    return Math.max(0, this.expires - performance.now());
  }

  /** Finishes with the outcome `late()`, `moreMs` after the end of its time. */
  waits(late: () => Outcome, moreMs = 0): void {
    if (this.#isFinished) return;
    clearTimeout(this.#timer);
    // A busy thread may run the timer first although the report has arrived: the report gets one more turn of the loop.
    const timer = setTimeout(() => afterTurn(() => this.#timer === timer && this.finish(late())), this.leftMs + moreMs);
    this.#timer = timer;
  }

  /** Reports the outcome. Only the first call counts. */
  finish(outcome: Outcome): void {
    if (this.#isFinished) return;
    this.#isFinished = true;
    clearTimeout(this.#timer);
    this.#report(outcome);
  }
}

/** Throws the error for an outcome, unless it is "delivered". */
export function throwUnlessDelivered(outcome: Outcome, from: string, to: string): void {
  if (outcome === "delivered") return;
  if (outcome instanceof LavaFlowError) throw outcome;
  const what = `"${from}" sends to "${to}"`;
  if (outcome === "queue-full") {
    throw new LavaFlowError("QUEUE_FULL", `${what}: a queue on the way is full`, { remedy: "Send again later" });
  }
  if (outcome === "max-hops-exceeded") {
    const remedy = "Check the routes: they form a ring, or have more hops than maxHops";
    throw new LavaFlowError("MAX_HOPS_EXCEEDED", what, { remedy });
  }
  throw new LavaFlowError("KERNEL_NOT_ACTIVE", `${what}, which does not exist`, { remedy: "Launch it first" });
}
