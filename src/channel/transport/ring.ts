/** The ring in shared memory, which every transport between two processes of one host has. */
import { native } from "../../native/load.ts";
import { printable } from "./peer-text.ts";
import { haveSeveral, ownProcessors } from "./processors.ts";
import type { Negotiation, Party, TransportName } from "./transport.ts";

export interface RingCapabilities {
  /** Whether this process can take part in asymmetric barriers; both must, or both use fences. */
  membarrier: boolean;
  /** The processors of this thread, as in processors.ts. */
  processors: string;
  /** Why this process can meet nobody of its host. */
  barred?: string;
}

/** Slots of 128 bytes: how many messages may be under way. More keeps two busy sides apart, fewer stay in the cache. */
const SLOTS = { "low-latency": 256, "high-throughput": 4096, "gpu-preferred": 1024, "cpu-shared": 1024 } as const;

export function ringCapabilities({ hostRefusal }: Party): RingCapabilities {
  return { membarrier: native().lf_membarrier_viable() === 1, processors: ownProcessors(), barred: hostRefusal };
}

export function slotsOf(negotiation: Negotiation): number {
  return SLOTS[negotiation.profile];
}

export interface RingParameters {
  /** Without a fence on the fast path only when both sides registered. */
  fenced: 0 | 1;
  /** Whether who waits may look for what the peer does: not where the peer has to wait for it to sleep. */
  busyPoll: boolean;
}

/** `name` is of the transport whose abilities have the ring's; the peer's answer is not trusted to have a form. */
export function ringParameters(negotiation: Negotiation, name: TransportName): RingParameters {
  const { mine, peer } = negotiation.capabilities(name) as {
    mine: RingCapabilities;
    peer: Partial<RingCapabilities> | null;
  };
  return {
    fenced: mine.membarrier && peer?.membarrier === true ? 0 : 1,
    busyPoll: haveSeveral(mine.processors, peer?.processors),
  };
}

/** Why there can be no ring between these two, or null. */
export function noRing(negotiation: Negotiation, name: TransportName): string | null {
  if (negotiation.scope.scope === "remote")
    return `shared memory does not reach a remote peer (${negotiation.scope.reason})`;
  if (!negotiation.connected) {
    const { mine, peer } = negotiation.capabilities(name) as Record<
      "mine" | "peer",
      { barred?: unknown } | null | undefined
    >;
    const refusals = [mine?.barred, peer?.barred].filter((reason) => typeof reason === "string");
    if (refusals.length > 0)
      return `the two met through MPI, as a runtime directory can't be used: ${refusals.map(printable).join("; ")}`;
    return "the two met through MPI, as their runtime directories differ: memory is shared by those of one (LAVA_FLOW_RUNTIME_DIR)";
  }
  const { peer } = negotiation.capabilities(name);
  return typeof peer === "object" && peer !== null ? null : "the peer has no shared-memory transport";
}
