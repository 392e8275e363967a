/** The messages of two ranks that negotiate a channel over MPI. Every field is checked. */
import { LavaFlowError } from "../../errors.ts";
import type { ProcessLocation } from "../../location.ts";
import { printable } from "./peer-text.ts";
import type { Negotiation } from "./transport.ts";

/** The capabilities of a rank. */
export interface RankCapability {
  job: string;
  rank: number;
  /** The GPU that the rank would use; absent if it requests or has none. */
  gpu?: string;
}

/** Why a side is no rank. */
export interface NoRank {
  missing: string;
}

export interface Ranks {
  producer: RankCapability | NoRank;
  consumer: RankCapability | NoRank;
}

/** The peer, as an argument of the shim. */
export interface RankPeer {
  rank: number;
  /** The shim's handle of a link on one host, whose end proves the peer's death; 0 without one. */
  link: number;
  /** For errors, UTF-8. */
  who: Uint8Array;
}

/** The producer's endpoint. */
export interface RemoteEndpoint {
  tag: number;
  /** Frames that may be queued. */
  slots: number;
}

const SLOTS_MAX = 65_536;

function isIndex(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= 0xffffffff;
}

function readCapability(value: unknown): RankCapability | NoRank {
  const said = value as Partial<Record<keyof (RankCapability & NoRank), unknown>> | null | undefined;
  if (typeof said !== "object" || said === null) return { missing: "it says nothing of MPI" };
  if (typeof said.missing === "string") return { missing: printable(said.missing) };
  const { job, rank, gpu } = said;
  if (typeof job !== "string" || !isIndex(rank)) return { missing: "it says nothing valid of its rank" };
  return typeof gpu === "string" ? { job, rank, gpu: printable(gpu) } : { job, rank };
}

export function ranksOf(negotiation: Negotiation): Ranks {
  const { mine, peer } = negotiation.capabilities("mpi");
  const here = readCapability(mine);
  const there = readCapability(peer);
  return negotiation.role === "producer" ? { producer: here, consumer: there } : { producer: there, consumer: here };
}

/** Both ranks, of two sides that passed `refusal`. */
export function bothRanks(negotiation: Negotiation): { producer: RankCapability; consumer: RankCapability } {
  return ranksOf(negotiation) as { producer: RankCapability; consumer: RankCapability };
}

export function describeRank(rank: number, { hostname, pid }: ProcessLocation): string {
  return `rank ${rank} on ${hostname}${pid === undefined ? "" : ` (pid ${pid})`}`;
}

/** The producer's endpoint. CORRUPT_SEGMENT if it is invalid. */
export function readEndpoint(value: unknown): RemoteEndpoint {
  const { tag, slots } = (value ?? {}) as Partial<Record<keyof RemoteEndpoint, unknown>>;
  if (isIndex(tag) && isIndex(slots) && slots > 0 && slots <= SLOTS_MAX) return { tag, slots };
  throw new LavaFlowError("CORRUPT_SEGMENT", "the producer offered an invalid endpoint");
}

/** The address of the consumer's endpoint. CORRUPT_SEGMENT if it is invalid. */
export function readAddress(parameters: unknown): number {
  const { address } = (parameters ?? {}) as { address?: unknown };
  if (typeof address === "number" && Number.isSafeInteger(address) && address >= 0) return address;
  throw new LavaFlowError("CORRUPT_SEGMENT", "the consumer accepted an endpoint with an invalid address");
}
