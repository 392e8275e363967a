/** Messages in flight: those that wait for their kernel, those that other runtimes were given, and the counts of both. */
import type { LavaFlowError } from "../../errors.ts";
import type { Message } from "../base/message.ts";
import type { K2kConfig } from "./config.ts";
import { Delivery, type Outcome } from "./delivery.ts";
import type { LocalRuntime } from "./kernels.ts";
import type { Arrival } from "./peer.ts";
import type { Router } from "./router.ts";

/** Milliseconds that another runtime's report may take, after the message's own time: the report is on its way a while. */
const REPORT_MS = 2000;

/** A message that is to be delivered. */
export interface Sending {
  readonly from: string;
  readonly to: string;
  readonly message: Message;
  /** Told the outcome once. */
  told(outcome: Outcome): void;
  /** How it came, where another runtime sent it. */
  readonly arrival?: Arrival;
}

export class Dispatcher {
  readonly #config: K2kConfig;
  readonly #runtime: LocalRuntime;
  readonly #router: Router;
  /** Deliveries whose kernel is not there or not active, the oldest first. */
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

  /** Adds messages that were delivered, or refused, outside this class. */
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
  open({ from, to, message, told, arrival }: Sending): Delivery {
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
        told(outcome);
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
      delivery.settle(step);
    } else if (!mayWait || !isWithinLimit) {
      delivery.settle(mayWait ? "queue-full" : "not-found");
    } else {
      // The sender may write its payload again.
      delivery.message.payload = delivery.message.payload.slice();
      this.#waiting.add(delivery);
      delivery.waits(() => this.#router.absence(delivery.to));
    }
  }

  /** A kernel was activated, a runtime connected, or a route added: those that wait are tried again, in order. */
  retry(): void {
    for (const delivery of this.#waiting) {
      const step = this.#router.send(delivery);
      if (step === "absent") continue;
      this.#waiting.delete(delivery);
      if (step === "forwarded") delivery.waits(() => "pending", REPORT_MS);
      else delivery.settle(step);
    }
  }

  /** The sender has given up: a message that still waits here is not delivered. */
  withdraw(delivery: Delivery, error: LavaFlowError): void {
    if (this.#waiting.has(delivery)) delivery.settle(error);
  }

  /** Settles those that wait here; other runtimes settle the rest. */
  fail(error: LavaFlowError): void {
    for (const delivery of this.#waiting) delivery.settle(error);
  }
}
