/** Shared memory: a ring and pooled blocks in segments that both processes map. The protocol is the shim's. */
import { native } from "../../native/load.ts";
import type { Link } from "../link.ts";
import { ShmConsumer } from "./shm-consumer.ts";
import { ShmProducer } from "./shm-producer.ts";
import type { ConsumerEnd, Meeting, ProducerEnd, Transport } from "./transport.ts";

interface ShmAbilities {
  /** Whether this process can take part in asymmetric barriers; both must, or both use fences. */
  membarrier: boolean;
}

/** Slots of 128 bytes: how many messages may be under way. More keeps two busy sides apart, fewer stay in the cache. */
const SLOTS = { "low-latency": 256, "high-throughput": 4096, "gpu-preferred": 1024, "cpu-shared": 1024 } as const;

/** Without a fence on the fast path only when both sides registered. The peer's answer is not trusted to have a form. */
function fenced(meeting: Meeting): 0 | 1 {
  const { mine, peer } = meeting.abilities("shm") as { mine: ShmAbilities; peer: Partial<ShmAbilities> | null };
  return mine.membarrier && peer?.membarrier === true ? 0 : 1;
}

export const shm: Transport = {
  name: "shm",

  capabilities(): ShmAbilities {
    return { membarrier: native().lf_membarrier_viable() === 1 };
  },

  refusal(meeting: Meeting): string | null {
    if (meeting.scope.scope === "remote") return `shared memory does not reach a remote peer (${meeting.scope.reason})`;
    const { peer } = meeting.abilities("shm");
    return typeof peer === "object" && peer !== null ? null : "the peer has no shared-memory transport";
  },

  reason(meeting: Meeting): string {
    return `same kernel (${meeting.scope.reason}), proved by mapping the producer's segment`;
  },

  openProducer(link: Link, meeting: Meeting): ProducerEnd {
    return ShmProducer.open(link, SLOTS[meeting.profile], fenced(meeting));
  },

  openConsumer(link: Link, meeting: Meeting): ConsumerEnd | null {
    return ShmConsumer.open(link, fenced(meeting));
  },
};
