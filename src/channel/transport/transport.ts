/** What a transport is: one file behind this interface. The channel above it knows nothing else of it. */
import type { ProcessLocation, ScopeDecision } from "../../location.ts";
import type { MemoryAllocator } from "../../memory/allocator.ts";
import type { ChannelProfile } from "../../memory/strategy.ts";
import type { Job, Joining, NoJob } from "../job/job.ts";
import type { Deadline } from "../wait/deadline.ts";
import type { Loan, ReusedFrame } from "../wire/frame.ts";
import type { Link } from "../wire/link.ts";
import type { Payload } from "./payload.ts";
import type { Releases } from "./releases.ts";

/** How frames move: shared memory on one host, GPU memory on one host, or MPI. */
export type TransportName = "shm" | "vulkan" | "mpi";
export const TRANSPORT_NAMES: readonly TransportName[] = ["shm", "vulkan", "mpi"];

/** What one side brings to the negotiation. */
export interface Party {
  name: string;
  role: "producer" | "consumer";
  location: ProcessLocation;
  profile: ChannelProfile;
  /** Whose GPUs it may use. */
  allocator: MemoryAllocator;
  /** The MPI job that this process is a part of, or why it is of none. */
  job: Job | Joining | NoJob;
  /** Where others of the job meet this process without it; null where none does. */
  directoryId: string | null;
  /** Why nobody of this host can be met; undefined where that works. */
  hostRefusal?: string;
  pin?: TransportName;
  /** Whom to expect; undefined: anybody. */
  expected?: Partial<ProcessLocation>;
}

/** What both sides know of each other once they have met, the same on both but for who is who. */
export interface Negotiation {
  name: string;
  role: "producer" | "consumer";
  scope: ScopeDecision;
  mine: ProcessLocation;
  peer: ProcessLocation;
  profile: ChannelProfile;
  /** Transports that either side insists on. */
  pins: TransportName[];
  /** Whether the two have a connection on this host, which carries memory. */
  connected: boolean;
  /** This side's, as in Party. */
  job: Job | Joining | NoJob;
  allocator: MemoryAllocator;
  /** `capabilities()` of this transport in this process and in the peer (which may say anything). */
  capabilities(transport: TransportName): { mine: unknown; peer: unknown };
}

/** Something has come that an end waits for; or it failed of `failure` where no call of the channel could tell. */
export type Wake = (failure?: unknown) => void;

export interface Transport {
  readonly name: TransportName;
  /** Whether this side asks for it. One that neither side asks for is not examined: that can take its time. */
  requested(party: Party): boolean;
  /** What this process can bring: plain data, sent to the peer. Never throws. */
  capabilities(party: Party): unknown;
  /** Why it can't serve these two, or null. A pure function of the negotiation, so that both sides agree. */
  refusal(negotiation: Negotiation): string | null;
  /** Why it is the right one, once it serves; `parameters` are the consumer's, as the producer heard them. */
  reason(negotiation: Negotiation, parameters: unknown): string;
  /** What has to be there before the next two. A failure becomes the reason against this transport. */
  prepare?(negotiation: Negotiation, deadline: Deadline): Promise<void>;
  /** Makes what is to be shared and sends it to the peer. A failure becomes the reason against this transport. */
  openProducer(link: Link, negotiation: Negotiation, wake: Wake): Offer;
  /** Takes what the producer sends. A failure becomes the reason against it. */
  openConsumer(link: Link, negotiation: Negotiation, wake: Wake): Acceptance;
}

export interface Offer {
  producer: ProducerEnd;
  /** The consumer has accepted, on these parameters. CORRUPT_SEGMENT where they can't be. */
  agree(parameters: unknown): void;
}

export interface Acceptance {
  /** Null while not all of it has come. Throws what it fails of. */
  poll(): { consumer: ConsumerEnd; parameters: unknown } | null;
  /** The producer is not waited for any longer. Not after `poll` gave an end. */
  close(): void;
}

export interface EndStats {
  /** Messages that went through this end. */
  frames: number;
  bytes: number;
  /** How often there was no room (producer). */
  full: number;
  queued: number;
  /** Received by the consumer and not released; 0 where a producer can't know. */
  held: number;
  importsCached: number;
}

/**
 * An end of a channel. Where something other than the peer is waited for (a GPU), the end calls the `wake` that it was
 * opened with when that has come.
 */
interface End {
  /** Whether `moved` is worth calling again and again. */
  readonly busyPolls: boolean;
  stats(): EndStats;
  /** What becomes readable when it is worth looking again; the caller owns it. -1 where the system has none. */
  eventFd(): number;
  /** The bell rang; `ended`: and never will again, as the peer is gone. */
  notified(ended: boolean): void;
  /** Resolves when closing takes nothing away from work under way; null: it takes nothing now. Never rejects. */
  settled(): Promise<void> | null;
  /** Detaches every view, then frees. */
  close(): void;
}

/** There is room; all was released; more bytes have left their payload's memory. */
export type Until = "credits" | "released" | "left";

export interface ProducerEnd extends End {
  /** Of buffers that are passed without a copy; null where none is. */
  readonly releases: Releases | null;
  /** False when there is no room, or when the payload is not ready. Throws when the peer closed or died. */
  trySend(payload: Payload): boolean;
  /**
   * The same, but the bytes may leave the payload's own memory by and by: a ticket for `left`, 0 where nothing is to be
   * waited for; null when there is no room, or the payload is not ready.
   */
  start(payload: Payload): number | null;
  /** Whether the bytes have left. Throws when they can't any more. */
  left(ticket: number): boolean;
  /** Null when there is no room. `sizeBytes` is a whole number from 0 to the largest frame. */
  tryLoan(sizeBytes: number): Loan | null;
  /** Whether everything sent was released. */
  drained(): boolean;
  /** Asks for a wake-up when that may have come. True: something changed already. */
  arm(until: Until): boolean;
  /** Looks `spins` times, at little cost, and says as soon as trying again may help. */
  moved(until: Until, spins: number): boolean;
}

export interface ConsumerEnd extends End {
  /** Null when there is nothing. Throws CHANNEL_CLOSED or PEER_DIED once everything was received. */
  tryRecv(): ReusedFrame | null;
  /** Blocks this thread; null when the time is up. */
  recvSync(timeoutMs: number, spinUs: number): ReusedFrame | null;
  /** Asks for a wake-up at the next message. True: something is there already. */
  arm(): boolean;
  /** Looks `spins` times, at little cost, and says as soon as trying again may help. */
  moved(spins: number): boolean;
}
