/** The expected peer of a rank: `options.peer` resolved to a rank of the job. */
import { invalidArgument, LavaFlowError } from "../../errors.ts";
import type { ProcessLocation } from "../../location.ts";
import type { Job } from "../job/job.ts";
import { type Candidate, LOOKUP_FIELDS } from "../job/peer-table.ts";
import type { Deadline } from "../wait/deadline.ts";

/** Candidates that an error lists. */
const LISTED = 16;

export interface Expected {
  peer: Partial<ProcessLocation> | undefined;
  /** For the TIMEOUT: that no rank has the expected location. */
  note: string;
}

/** INVALID_ARGUMENT if a job of `size` ranks does not have the rank. */
export function checkRank(peer: Partial<ProcessLocation> | undefined, size: number): void {
  if (peer?.mpiRank === undefined || peer.mpiRank < size) return;
  throw invalidArgument("peer.mpiRank", peer.mpiRank, `a rank from 0 to ${size - 1}: the job has ${size}`);
}

/** The fields that the peer table can look up; none if another field selects the rank already. */
function lookupFieldsOf(peer: Partial<ProcessLocation> | undefined): [string, string][] {
  const said = Object.entries(peer ?? {}).filter(([, value]) => value !== undefined);
  if (said.some(([field]) => ["mpiRank", "mpiNode", "deviceId", "pid"].includes(field))) return [];
  return said.filter((entry): entry is [string, string] => (LOOKUP_FIELDS as readonly string[]).includes(entry[0]));
}

/** Whether the peer table has to resolve the rank. */
export function needsPeerTable(peer: Partial<ProcessLocation> | undefined): boolean {
  return lookupFieldsOf(peer).length > 0;
}

/**
 * INVALID_ARGUMENT for a rank that the job does not have, and if several ranks match. If none matches, the peer may still be
 * a process that is no rank.
 */
export async function resolveExpected(
  peer: Partial<ProcessLocation> | undefined,
  job: Job,
  deadline: Deadline,
): Promise<Expected> {
  checkRank(peer, job.size);
  const fields = lookupFieldsOf(peer);
  if (fields.length === 0) return { peer, note: "" };
  const what = fields.map(([field, value]) => `${field} ${JSON.stringify(value)}`).join(" and ");
  const candidates = await job.peerTable.find(fields, deadline);
  if (candidates.length > 1) throw ambiguous(what, candidates);
  const [only] = candidates;
  if (only) return { peer: { ...peer, mpiRank: only.rank }, note: "" };
  return { peer, note: `; no rank of the job has ${what}` };
}

function ambiguous(what: string, candidates: Candidate[]): LavaFlowError {
  const listed = candidates.slice(0, LISTED).map(({ rank, text }) => `rank ${rank}: ${text}`);
  if (candidates.length > LISTED) listed.push("…");
  return new LavaFlowError("INVALID_ARGUMENT", `several ranks of the job have ${what} (${listed.join("; ")})`, {
    remedy: "Name one of them: peer: { mpiRank }",
  });
}
