/**
 * The candidates for a transport, fastest first, with the reasons against the others. `shakeHands` tries them. The only file
 * that imports the transports.
 */
import { LavaFlowError } from "../../errors.ts";
import type { ProcessLocation, ScopeDecision } from "../../location.ts";
import { mpi } from "../transport/mpi.ts";
import { shm } from "../transport/shm.ts";
import type { Negotiation, Party, Transport, TransportName } from "../transport/transport.ts";
import { vulkan } from "../transport/vulkan.ts";

/** The path a channel took, and every path it did not take, with the reason. */
export interface Route {
  transport: TransportName;
  scope: ScopeDecision;
  reason: string;
  rejected: { transport: TransportName; reason: string }[];
  peer: ProcessLocation;
}

/** Fastest first. The first that both sides can use is taken. */
const CANDIDATES: readonly Transport[] = [vulkan, shm, mpi];

/** The transports that this side requests. */
export function requested(party: Party): TransportName[] {
  return CANDIDATES.filter((candidate) => candidate.requested(party)).map(({ name }) => name);
}

/** The capabilities of this process for each requested transport: plain data, sent to the peer. */
export function capabilities(party: Party, asked: ReadonlySet<TransportName>): Record<string, unknown> {
  const found: Record<string, unknown> = {};
  for (const candidate of CANDIDATES) {
    if (asked.has(candidate.name)) found[candidate.name] = candidate.capabilities(party);
  }
  return found;
}

/** The transports to try, fastest first, and the reasons against the rest. Both sides compute the same result. */
export function candidates(negotiation: Negotiation): { viable: Transport[]; rejected: Route["rejected"] } {
  const viable: Transport[] = [];
  const rejected: Route["rejected"] = [];
  for (const candidate of CANDIDATES) {
    const reason = refusal(candidate, negotiation);
    if (reason !== null) rejected.push({ transport: candidate.name, reason });
    else viable.push(candidate);
  }
  return { viable, rejected };
}

function refusal(candidate: Transport, negotiation: Negotiation): string | null {
  for (const pin of negotiation.pins) {
    if (pin !== candidate.name) return `the channel is pinned to ${pin}`;
  }
  return candidate.refusal(negotiation);
}

/** NO_ROUTE, with the reason against each transport. */
export function noRoute(name: string, negotiation: Negotiation, rejected: Route["rejected"]): LavaFlowError {
  const reasons = rejected.map((r) => `${r.transport}: ${r.reason}`).join("; ");
  return new LavaFlowError("NO_ROUTE", `no path for "${name}" to a ${negotiation.scope.scope} peer (${reasons})`, {
    remedy: "See `route.rejected` of a working pair, or `lava-flow doctor` on both sides",
  });
}
