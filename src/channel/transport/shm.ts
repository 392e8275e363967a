/** Shared memory: a ring and pooled blocks in segments that both processes map. The protocol is the shim's. */
import type { Link } from "../wire/link.ts";
import { noRing, ringAbilities, ringTerms, slotsOf } from "./ring.ts";
import { ShmConsumer } from "./shm-consumer.ts";
import { ShmProducer } from "./shm-producer.ts";
import type { Meeting, Transport } from "./transport.ts";
import { gpusOf } from "./vulkan-parameters.ts";

export const shm: Transport = {
  name: "shm",

  wished: () => true,

  capabilities: ringAbilities,

  refusal: (meeting) => noRing(meeting, "shm"),

  reason(meeting: Meeting): string {
    const proof = `same kernel (${meeting.scope.reason}), proved by mapping the producer's segment`;
    const { producer, consumer } = gpusOf(meeting);
    if ("name" in producer && "missing" in consumer) {
      return `${proof}; buffers on a GPU are staged, as the consumer has none to use (${consumer.missing})`;
    }
    return proof;
  },

  openProducer(link: Link, meeting: Meeting, wake: () => void) {
    return {
      producer: ShmProducer.open(link, slotsOf(meeting), ringTerms(meeting, "shm"), meeting.name, wake),
      agree() {},
    };
  },

  openConsumer(link: Link, meeting: Meeting) {
    const poll = () => {
      const consumer = ShmConsumer.open(link, ringTerms(meeting, "shm"));
      return consumer && { consumer, terms: null };
    };
    return { poll, close() {} };
  },
};
