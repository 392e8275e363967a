/** What a transport is: one file behind this interface. The channel above it knows nothing else of it. */
import type { ProcessLocation, ScopeDecision } from "../../location.ts";
import type { MemoryBuffer } from "../../memory/buffer.ts";
import type { ChannelProfile } from "../../memory/strategy.ts";
import type { Frame, Loan } from "../frame.ts";
import type { Link } from "../link.ts";

export type TransportName = "shm" | "vulkan" | "mpi";

/** What both sides know of each other once they have met, the same on both but for who is who. */
export interface Meeting {
  name: string;
  scope: ScopeDecision;
  mine: ProcessLocation;
  peer: ProcessLocation;
  profile: ChannelProfile;
  /** Transports that either side insists on. */
  pins: TransportName[];
  /** `capabilities()` of this transport in this process and in the peer (which may say anything). */
  abilities(transport: TransportName): { mine: unknown; peer: unknown };
}

export interface Transport {
  readonly name: TransportName;
  /** What this process can bring: plain data, sent to the peer. Never throws. */
  capabilities(): unknown;
  /** Why it can't serve these two, or null. A pure function of the meeting, so that both sides agree. */
  refusal(meeting: Meeting): string | null;
  /** Why it is the right one, once it serves. */
  reason(meeting: Meeting): string;
  /** Makes what is to be shared and sends it to the peer. A failure becomes the reason against this transport. */
  openProducer(link: Link, meeting: Meeting): ProducerEnd;
  /** Takes what the producer sent; null while it is not there yet. A failure becomes the reason against it. */
  openConsumer(link: Link, meeting: Meeting): ConsumerEnd | null;
}

export interface EndStats {
  /** Messages that went through this end. */
  frames: number;
  bytes: number;
  /** How often there was no room (producer). */
  full: number;
  queued: number;
  importsCached: number;
}

export interface ProducerEnd {
  /** False when there is no room. Throws when the peer closed or died. */
  trySend(payload: ArrayBufferView | MemoryBuffer): boolean;
  /** Null when there is no room. `sizeBytes` is a whole number from 0 to the largest frame. */
  tryLoan(sizeBytes: number): Loan | null;
  /** Whether everything sent was released. */
  drained(): boolean;
  /** Asks the peer for a bell when room appears, or when all is released. True: something changed already. */
  arm(untilReleased: boolean): boolean;
  stats(): EndStats;
  /** Detaches every view, then frees. */
  close(): void;
}

export interface ConsumerEnd {
  /** Null when there is nothing. Throws CHANNEL_CLOSED or PEER_DIED once everything was received. */
  tryRecv(): Frame | null;
  /** Blocks this thread; null when the time is up. */
  recvSync(timeoutMs: number, spinUs: number): Frame | null;
  /** Asks the peer for a bell at the next message. True: something is there already. */
  arm(): boolean;
  stats(): EndStats;
  close(): void;
}
