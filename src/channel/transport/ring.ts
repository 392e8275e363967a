/** The parameters of the ring in shared memory, which the transports between two processes of one host use. */
import { native } from "../../native/load.ts";
import { printable } from "./peer-text.ts";
import { haveSeveral, ownProcessors } from "./processors.ts";
import type { Negotiation, Party, TransportName } from "./transport.ts";

export interface RingCapabilities {
  /** Whether this process can use asymmetric barriers. Both sides must, or both use fences. */
  membarrier: boolean;
  /** The processors of this thread, as in processors.ts. */
  processors: string;
  /** Why no process of its host can connect to this one. */
  refusal?: string;
}

/** Slots of 128 bytes, one a frame. More slots decouple two busy sides; fewer slots stay in the cache. */
const SLOTS = { "low-latency": 256, "high-throughput": 4096, "gpu-preferred": 1024, "cpu-shared": 1024 } as const;

export function ringCapabilities({ hostRefusal }: Party): RingCapabilities {
  return { membarrier: native().lf_membarrier_viable() === 1, processors: ownProcessors(), refusal: hostRefusal };
}

export function slotsOf(negotiation: Negotiation): number {
  return SLOTS[negotiation.profile];
}

export interface RingParameters {
  /** 0 if both sides can use asymmetric barriers: then the fast path has no fence. */
  fenced: 0 | 1;
  /** Whether a waiting end busy-polls: not if the peer needs the same processor to make progress. */
  busyPoll: boolean;
}

/** `name` selects the transport whose capabilities contain those of the ring. The peer's may have any form. */
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

/** Why these two can't share a ring; null if they can. */
export function noRing(negotiation: Negotiation, name: TransportName): string | null {
  if (negotiation.scope.scope === "remote")
    return `shared memory does not reach a remote peer (${negotiation.scope.reason})`;
  if (!negotiation.connected) {
    const { mine, peer } = negotiation.capabilities(name) as Record<
      "mine" | "peer",
      { refusal?: unknown } | null | undefined
    >;
    const refusals = [mine?.refusal, peer?.refusal].filter((reason) => typeof reason === "string");
    if (refusals.length > 0)
      return `the two are connected through MPI, as a runtime directory can't be used: ${refusals.map(printable).join("; ")}`;
    return "the two met through MPI, as their runtime directories differ: memory is shared by those of one (LAVA_FLOW_RUNTIME_DIR)";
  }
  const { peer } = negotiation.capabilities(name);
  return typeof peer === "object" && peer !== null ? null : "the peer has no shared-memory transport";
}
