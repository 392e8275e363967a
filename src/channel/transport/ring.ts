/** The ring in shared memory, which every transport between two processes of one host has. */
import { native } from "../../native/load.ts";
import { words } from "./peer-text.ts";
import { haveSeveral, ownProcessors } from "./processors.ts";
import type { Meeting, Party, TransportName } from "./transport.ts";

export interface RingAbilities {
  /** Whether this process can take part in asymmetric barriers; both must, or both use fences. */
  membarrier: boolean;
  /** The processors of this thread, as in processors.ts. */
  processors: string;
  /** Why this process can meet nobody of its host. */
  barred?: string;
}

/** Slots of 128 bytes: how many messages may be under way. More keeps two busy sides apart, fewer stay in the cache. */
const SLOTS = { "low-latency": 256, "high-throughput": 4096, "gpu-preferred": 1024, "cpu-shared": 1024 } as const;

export function ringAbilities({ barred }: Party): RingAbilities {
  return { membarrier: native().lf_membarrier_viable() === 1, processors: ownProcessors(), barred };
}

export function slotsOf(meeting: Meeting): number {
  return SLOTS[meeting.profile];
}

export interface RingTerms {
  /** Without a fence on the fast path only when both sides registered. */
  fenced: 0 | 1;
  /** Whether who waits may look for what the peer does: not where the peer has to wait for it to sleep. */
  looks: boolean;
}

/** `name` is of the transport whose abilities have the ring's; the peer's answer is not trusted to have a form. */
export function ringTerms(meeting: Meeting, name: TransportName): RingTerms {
  const { mine, peer } = meeting.abilities(name) as { mine: RingAbilities; peer: Partial<RingAbilities> | null };
  return {
    fenced: mine.membarrier && peer?.membarrier === true ? 0 : 1,
    looks: haveSeveral(mine.processors, peer?.processors),
  };
}

/** Why there can be no ring between these two, or null. */
export function noRing(meeting: Meeting, name: TransportName): string | null {
  if (meeting.scope.scope === "remote") return `shared memory does not reach a remote peer (${meeting.scope.reason})`;
  if (!meeting.connected) {
    const { mine, peer } = meeting.abilities(name) as Record<"mine" | "peer", { barred?: unknown } | null | undefined>;
    const barred = [mine?.barred, peer?.barred].filter((reason) => typeof reason === "string");
    if (barred.length > 0)
      return `the two met through MPI, as a runtime directory can't be used: ${barred.map(words).join("; ")}`;
    return "the two met through MPI, as their runtime directories differ: memory is shared by those of one (LAVA_FLOW_RUNTIME_DIR)";
  }
  const { peer } = meeting.abilities(name);
  return typeof peer === "object" && peer !== null ? null : "the peer has no shared-memory transport";
}
