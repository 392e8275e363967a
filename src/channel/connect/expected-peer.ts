/** Whom a channel expects, where this process is a rank of a job: a rank, found by what is said of it. */
import { invalidArgument, LavaFlowError } from "../../errors.ts";
import type { ProcessLocation } from "../../location.ts";
import type { Job } from "../job/job.ts";
import { type Candidate, LOOKUP_FIELDS } from "../job/peer-table.ts";
import type { Deadline } from "../wait/deadline.ts";

/** Of many candidates, so many are listed. */
const LISTED = 16;

export interface Expected {
  peer: Partial<ProcessLocation> | undefined;
  /** For the error when the time is up: that no rank has what was asked for. */
  note: string;
}

/** INVALID_ARGUMENT for a rank that a job of `size` does not have. */
export function checkRank(peer: Partial<ProcessLocation> | undefined, size: number): void {
  if (peer?.mpiRank === undefined || peer.mpiRank < size) return;
  throw invalidArgument("peer.mpiRank", peer.mpiRank, `a rank from 0 to ${size - 1}: the job has ${size}`);
}

/** What is said of a peer by where it is. Where more is said, nobody has to be asked whom that means. */
function lookupFieldsOf(peer: Partial<ProcessLocation> | undefined): [string, string][] {
  const said = Object.entries(peer ?? {}).filter(([, value]) => value !== undefined);
  if (said.some(([field]) => ["mpiRank", "mpiNode", "deviceId", "pid"].includes(field))) return [];
  return said.filter((entry): entry is [string, string] => (LOOKUP_FIELDS as readonly string[]).includes(entry[0]));
}

/** Whether only the job can tell which rank is meant. */
export function needsPeerTable(peer: Partial<ProcessLocation> | undefined): boolean {
  return lookupFieldsOf(peer).length > 0;
}

/**
 * INVALID_ARGUMENT for a rank that the job does not have, and where several ranks have what is expected. Where none has, it
 * may still be a process that runs beside the job.
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
