/** Selects a message's next step: a kernel of this runtime, a route, or a connected runtime. */

import { parseAddress } from "../base/addresses.ts";
import type { Message } from "../base/message.ts";
import type { Delivery, DeliveryStatus, Outcome } from "./delivery.ts";
import type { LocalKernel, LocalRuntime } from "./kernels.ts";
import type { Peer } from "./peer.ts";

/**
 * "forwarded": another runtime took the message and reports the outcome. "absent": no kernel and no runtime takes it
 * now.
 */
export type Step = Outcome | "forwarded" | "absent";

export class Router {
  readonly peers = new Map<string, Peer>();
  readonly #routes = new Map<string, string>();
  readonly #runtime: LocalRuntime;
  readonly #maxHops: number;

  constructor(runtime: LocalRuntime, maxHops: number) {
    this.#runtime = runtime;
    this.#maxHops = maxHops;
  }

  /** Throws INVALID_ARGUMENT. */
  addRoute(destination: string, nextHop: string): void {
    parseAddress(destination, "destination");
    parseAddress(nextHop, "nextHop");
    this.#routes.set(destination, nextHop);
  }

  /** `mayForward`: whether another runtime may be given the message. */
  send(delivery: Delivery, mayForward = true): Step {
    const { calls, kernel: local } = this.#runtime;
    let at = delivery.to;
    for (let { hops } = delivery; hops <= this.#maxHops; hops++) {
      const { runtime, kernel: id } = this.#parse(at);
      const kernel = runtime === null ? local(id) : null;
      if (kernel) return deliver(kernel, delivery.message);
      const next = this.#routes.get(runtime === null ? id : at) ?? this.#routes.get(runtime ?? "");
      const peer = this.peers.get(runtime ?? "") ?? this.peers.get(next ?? "");
      if (peer) {
        if (mayForward && peer.send(delivery, at, hops + 1, calls.has(delivery.message.correlationId)))
          return "forwarded";
        return peer.open ? "queue-full" : "absent";
      }
      if (next === undefined) return "absent";
      at = next;
    }
    return "max-hops-exceeded";
  }

  /** The outcome of a message whose kernel did not become active in time. */
  absence(to: string): DeliveryStatus {
    const { runtime, kernel } = this.#parse(to);
    return runtime === null && this.#runtime.kernel(kernel) ? "timeout" : "not-found";
  }

  /** The parts of an address; the runtime is null where it is this one. */
  #parse(address: string): { runtime: string | null; kernel: string } {
    const { runtime, kernel } = parseAddress(address, "to");
    return { runtime: runtime === this.#runtime.name ? null : runtime, kernel };
  }
}

function deliver(kernel: LocalKernel, message: Message): Outcome | "absent" {
  message.destination = kernel.number;
  try {
    const accepted = kernel.accept(message);
    return accepted === null ? "absent" : accepted ? "delivered" : "queue-full";
  } catch (error) {
    return error as Outcome;
  }
}
