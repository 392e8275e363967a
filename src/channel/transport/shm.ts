/** Shared memory: a ring and pooled blocks in segments that both processes map. The shim runs the protocol. */
import type { Link } from "../wire/link.ts";
import { noRing, ringCapabilities, ringParameters, slotsOf } from "./ring.ts";
import { ShmRx } from "./shm-rx.ts";
import { ShmTx } from "./shm-tx.ts";
import type { Negotiation, Transport } from "./transport.ts";
import { gpusOf } from "./vulkan-parameters.ts";

export const shm: Transport = {
  name: "shm",

  requested: () => true,

  capabilities: ringCapabilities,

  refusal: (negotiation) => noRing(negotiation, "shm"),

  reason(negotiation: Negotiation): string {
    const proof = `same kernel (${negotiation.scope.reason}), proved by mapping the producer's segment`;
    const { producer, consumer } = gpusOf(negotiation);
    if ("name" in producer && "missing" in consumer) {
      return `${proof}; buffers on a GPU are staged, as the consumer has none to use (${consumer.missing})`;
    }
    return proof;
  },

  openProducer(link: Link, negotiation: Negotiation, wake: () => void) {
    const parameters = ringParameters(negotiation, "shm");
    const { producer } = ShmTx.open(link, slotsOf(negotiation), parameters, negotiation.name, wake);
    return { producer, agree() {} };
  },

  openConsumer(link: Link, negotiation: Negotiation) {
    const poll = () => {
      const opened = ShmRx.open(link, ringParameters(negotiation, "shm"));
      return opened && { consumer: opened.consumer, parameters: null };
    };
    return { poll, close() {} };
  },
};
