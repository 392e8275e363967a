/** Messages in flight: those that wait for their kernel, those that other runtimes took, and the counts of both. */
import type { LavaFlowError } from "../../errors.ts";
import type { Message } from "../base/message.ts";
import type { K2kConfig } from "./config.ts";
import { Delivery, type Outcome } from "./delivery.ts";
import type { LocalRuntime } from "./kernels.ts";
import type { Arrival } from "./peer.ts";
import type { Router } from "./router.ts";

/**
 * Milliseconds by which another runtime's report may be late after the end of the message's time: its time in flight.
 */
const REPORT_MS = 2000;

/** A message to deliver. */
export interface Sending {
  readonly from: string;
  readonly to: string;
  readonly message: Message;
  /** Called once, with the outcome. */
  report(outcome: Outcome): void;
  /** Its arrival, where another runtime sent it. */
  readonly arrival?: Arrival;
}

export class Dispatcher {
  readonly #config: K2kConfig;
  readonly #runtime: LocalRuntime;
  readonly #router: Router;
  /** Deliveries whose kernel does not exist or is not active, the oldest first. */
  readonly #waiting = new Set<Delivery>();
  #delivered = 0;
  #rejected = 0;
  /** Deliveries whose outcome is not known. */
  #pending = 0;

  constructor(config: K2kConfig, runtime: LocalRuntime, router: Router) {
    this.#config = config;
    this.#runtime = runtime;
    this.#router = router;
  }

  get metrics() {
    return { delivered: this.#delivered, pending: this.#pending, rejected: this.#rejected };
  }

  /** Counts messages that were delivered or rejected outside this class. */
  count(delivered: number, rejected: number): void {
    this.#delivered += delivered;
    this.#rejected += rejected;
  }

  /** `mayWait`: whether the message may wait for its kernel. */
  send(sending: Sending, mayWait: boolean): Delivery {
    const delivery = this.open(sending);
    this.dispatch(delivery, mayWait);
    return delivery;
  }

  /** Counts the message as pending until its outcome is known. */
  open({ from, to, message, report, arrival }: Sending): Delivery {
    const { deliveryTimeoutMs } = this.#config;
    const withinMs = Math.min(deliveryTimeoutMs, arrival?.withinMs ?? deliveryTimeoutMs);
    const hops = arrival?.hops ?? 0;
    this.#pending++;
    const delivery: Delivery = new Delivery(
      { from: from.includes("/") ? from : `${this.#runtime.name}/${from}`, to, hops, message },
      withinMs,
      (outcome) => {
        this.#waiting.delete(delivery);
        this.#pending--;
        if (outcome === "delivered") this.#delivered++;
        else this.#rejected++;
        // A message that is "pending" may still be answered.
        if (outcome !== "delivered" && outcome !== "pending") this.#runtime.calls.unanswered(message.correlationId);
        report(outcome);
      },
    );
    return delivery;
  }

  dispatch(delivery: Delivery, mayWait: boolean): void {
    const isWithinLimit = this.#pending <= this.#config.maxPending;
    const step = this.#router.send(delivery, isWithinLimit);
    if (step === "forwarded") {
      delivery.waits(() => "pending", REPORT_MS);
    } else if (step !== "absent") {
      delivery.finish(step);
    } else if (!mayWait || !isWithinLimit) {
      delivery.finish(mayWait ? "queue-full" : "not-found");
    } else {
      // A copy: the sender may overwrite its payload.
      delivery.message.payload = delivery.message.payload.slice();
      this.#waiting.add(delivery);
      delivery.waits(() => this.#router.absence(delivery.to));
    }
  }

  /** Tries the waiting messages again, in order: a kernel was activated, a runtime connected, or a route added. */
  retry(): void {
    for (const delivery of this.#waiting) {
      const step = this.#router.send(delivery);
      if (step === "absent") continue;
      this.#waiting.delete(delivery);
      if (step === "forwarded") delivery.waits(() => "pending", REPORT_MS);
      else delivery.finish(step);
    }
  }

  /** The sender's wait has ended: a message that still waits here is not delivered. */
  withdraw(delivery: Delivery, error: LavaFlowError): void {
    if (this.#waiting.has(delivery)) delivery.finish(error);
  }

  /** Finishes the messages that wait here. Peers finish those that other runtimes took. */
  fail(error: LavaFlowError): void {
    for (const delivery of this.#waiting) delivery.finish(error);
  }
}
