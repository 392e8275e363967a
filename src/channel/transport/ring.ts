/** The ring in shared memory, which every transport between two processes of one host has. */
import { native } from "../../native/load.ts";
import type { Meeting, TransportName } from "./transport.ts";

export interface RingAbilities {
  /** Whether this process can take part in asymmetric barriers; both must, or both use fences. */
  membarrier: boolean;
}

/** Slots of 128 bytes: how many messages may be under way. More keeps two busy sides apart, fewer stay in the cache. */
const SLOTS = { "low-latency": 256, "high-throughput": 4096, "gpu-preferred": 1024, "cpu-shared": 1024 } as const;

export function ringAbilities(): RingAbilities {
  return { membarrier: native().lf_membarrier_viable() === 1 };
}

export function slotsOf(meeting: Meeting): number {
  return SLOTS[meeting.profile];
}

/**
 * Without a fence on the fast path only when both sides registered. `name` is of the transport whose abilities have the
 * ring's; the peer's answer is not trusted to have a form.
 */
export function fenced(meeting: Meeting, name: TransportName): 0 | 1 {
  const { mine, peer } = meeting.abilities(name) as { mine: RingAbilities; peer: Partial<RingAbilities> | null };
  return mine.membarrier && peer?.membarrier === true ? 0 : 1;
}

/** Why there can be no ring between these two, or null. */
export function noRing(meeting: Meeting, name: TransportName): string | null {
  if (meeting.scope.scope === "remote") return `shared memory does not reach a remote peer (${meeting.scope.reason})`;
  if (!meeting.connected) {
    return "the two met through MPI, as their runtime directories differ: memory is shared by those of one (LAVA_FLOW_RUNTIME_DIR)";
  }
  const { peer } = meeting.abilities(name);
  return typeof peer === "object" && peer !== null ? null : "the peer has no shared-memory transport";
}
