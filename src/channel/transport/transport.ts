/** The interface of a transport. The channel uses nothing else of it, and the two ends that it makes. */
import type { ProcessLocation, ScopeDecision } from "../../location.ts";
import type { MemoryAllocator } from "../../memory/allocator.ts";
import type { ChannelProfile } from "../../memory/strategy.ts";
import type { Job, Joining, NoJob } from "../job/job.ts";
import type { Deadline } from "../wait/deadline.ts";
import type { Link } from "../wire/link.ts";
import type { Wake } from "./end.ts";
import type { Rx } from "./rx.ts";
import type { Tx } from "./tx.ts";

/** How frames move: shared memory on one host, GPU memory on one host, or MPI. */
export type TransportName = "shm" | "vulkan" | "mpi";
export const TRANSPORT_NAMES: readonly TransportName[] = ["shm", "vulkan", "mpi"];

/** One side of the handshake. */
export interface Party {
  name: string;
  role: "producer" | "consumer";
  location: ProcessLocation;
  profile: ChannelProfile;
  /** The allocator whose GPUs the channel may use. */
  allocator: MemoryAllocator;
  /** The MPI job of this process, or why it is in none. */
  job: Job | Joining | NoJob;
  /** The runtime-directory id: ranks with equal ids connect without the job; null for a process that is no rank. */
  directoryId: string | null;
  /** Why no process of this host can connect; undefined if processes can. */
  hostRefusal?: string;
  pin?: TransportName;
  /** Properties of the expected peer; undefined: any peer. */
  expected?: Partial<ProcessLocation>;
}

/** The facts of both sides after the verdicts. Equal on both sides, except that `mine` and `peer` change places. */
export interface Negotiation {
  name: string;
  role: "producer" | "consumer";
  scope: ScopeDecision;
  mine: ProcessLocation;
  peer: ProcessLocation;
  profile: ChannelProfile;
  /** The transports to which a side is pinned. */
  pins: TransportName[];
  /** Whether the two are connected on this host, by a link that carries memory. */
  connected: boolean;
  /** This side's, as in Party. */
  job: Job | Joining | NoJob;
  allocator: MemoryAllocator;
  /** `Transport.capabilities` of this process and of the peer. The peer's may have any form. */
  capabilities(transport: TransportName): { mine: unknown; peer: unknown };
}

export interface Transport {
  readonly name: TransportName;
  /** Whether this side requests the transport. Probing one that neither side requests would only take time. */
  requested(party: Party): boolean;
  /** The capabilities of this process: plain data, sent to the peer. Never throws. */
  capabilities(party: Party): unknown;
  /** Why the transport can't serve these two; null if it can. Pure, so that both sides compute the same. */
  refusal(negotiation: Negotiation): string | null;
  /** For `route.reason`. `parameters` are those of `Acceptance`. */
  reason(negotiation: Negotiation, parameters: unknown): string;
  /** Runs before the next two. An error becomes the reason against this transport. */
  prepare?(negotiation: Negotiation, deadline: Deadline): Promise<void>;
  /** Makes the memory to share and sends it to the peer. An error becomes the reason against this transport. */
  openProducer(link: Link, negotiation: Negotiation, wake: Wake): Offer;
  /** Receives the producer's memory. An error becomes the reason against this transport. */
  openConsumer(link: Link, negotiation: Negotiation, wake: Wake): Acceptance;
}

export interface Offer {
  producer: Tx;
  /** The consumer has accepted with these parameters. CORRUPT_SEGMENT if they are invalid. */
  agree(parameters: unknown): void;
}

export interface Acceptance {
  /** Null until all messages have arrived. Throws if the open failed. */
  poll(): { consumer: Rx; parameters: unknown } | null;
  /** Gives up. Not called after `poll` returned an end. */
  close(): void;
}
