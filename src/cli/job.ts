/** `lava-flow doctor` in a job: every rank examines its machine and reports to rank 0 over a channel. */

import { directoryIdOf } from "../channel/connect/job-listener.ts";
import { candidates, capabilities, type Route, requested } from "../channel/connect/route.ts";
import { type Job, joinJob } from "../channel/job/job.ts";
import { launch } from "../channel/job/launch.ts";
import type { Negotiation, Party, TransportName } from "../channel/transport/transport.ts";
import { Deadline } from "../channel/wait/deadline.ts";
import {
  Channel,
  type ChannelOptions,
  detectScope,
  LavaFlowError,
  MemoryAllocator,
  ProcessLocation,
} from "../index.ts";
import { validateLocation } from "../location.ts";
import { type JobReport, type RankReport, rangesOf } from "./job-report.ts";
import type { Machine } from "./machine.ts";

/** Limit of joining the job, milliseconds: MPI begins when the last rank has joined. */
const JOIN_MS = 60_000;
/** Limit of the wait for a rank's report, milliseconds. */
const REPORT_MS = 30_000;
/** Added to it for each rank that may report before, milliseconds. */
const REPORT_RANK_MS = 200;
/** Ranks that report at once. It bounds the descriptors of the channels. */
const AT_ONCE = 16;

/** The report of one rank. */
export interface MachineReport {
  version: string;
  processor: string;
  directoryId: string;
  capabilities: Record<string, unknown>;
  machine: Machine;
}

/** Whether this process is a rank, and its report a part of the job's. */
export function isRank(machine: Machine): boolean {
  return machine.shim !== null && launch().outside === null;
}

/** The report of the job on rank 0, null on the others. */
export async function examineJob(machine: Machine): Promise<JobReport | null> {
  const job = await joinJob(new Deadline({ timeoutMs: JOIN_MS }));
  using allocator = new MemoryAllocator();
  const options: Options = {
    profile: "gpu-preferred",
    allocator,
    location: ProcessLocation.detect(),
    timeoutMs: REPORT_MS + job.size * REPORT_RANK_MS,
  };
  const report = describe(job, machine, options);
  if (job.rank === 0) return await gather(job, report, options);
  await using channel = await Channel.open(nameOf(job, job.rank), { role: "producer", ...options });
  await channel.send(new TextEncoder().encode(JSON.stringify(report)));
  await channel.flush({ timeoutMs: options.timeoutMs });
  return null;
}

type Options = Required<Pick<ChannelOptions, "profile" | "allocator" | "location" | "timeoutMs">>;

/** The job's id is in the name: other jobs of this user may run a doctor too. */
function nameOf(job: Job, rank: number): string {
  return `doctor-${job.id}-${rank}`;
}

function describe(job: Job, machine: Machine, { profile, allocator, location }: Options): MachineReport {
  const directoryId = directoryIdOf(
    job.key,
    location.hostId || `node ${job.node}`,
    machine.runtimeDirectory.usable ? machine.runtimeDirectory.path : null,
  );
  const party: Party = { name: "doctor", role: "producer", location, profile, allocator, job, directoryId };
  return {
    version: machine.version,
    processor: job.processor,
    directoryId,
    capabilities: capabilities(party, new Set(requested(party))),
    machine: { ...machine, location },
  };
}

async function gather(job: Job, first: MachineReport, options: Options): Promise<JobReport> {
  const reports: MachineReport[] = [first];
  const taken: (Route | null)[] = [null];
  const left = Array.from({ length: job.size - 1 }, (_, i) => i + 1);
  const receiveNext = async () => {
    for (let rank = left.shift(); rank !== undefined; rank = left.shift()) {
      const received = await receive(job, rank, options);
      reports[rank] = received.report;
      taken[rank] = received.route;
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, receiveNext));
  const routes = reports.map((from) =>
    reports.map((to) => (from === to ? null : expectedRoute(job, from, to, options))),
  );
  const surprises = taken.flatMap((route, rank) => {
    if (route === null) return [];
    const to = routes[rank] as (TransportName | null)[];
    const expected = to[0] ?? null;
    to[0] = route.transport;
    return expected === route.transport ? [] : [surprise(rank, route, expected)];
  });
  const ranks: RankReport[] = reports.map(({ processor, machine }, rank) => ({ rank, processor, machine }));
  return { version: first.version, size: job.size, ranks, routes, surprises };
}

async function receive(job: Job, rank: number, options: Options): Promise<{ report: MachineReport; route: Route }> {
  try {
    await using channel = await Channel.open(nameOf(job, rank), { role: "consumer", ...options });
    const frame = await channel.recv({ timeoutMs: options.timeoutMs });
    const report = readReport(new TextDecoder().decode(frame.bytes));
    frame.release();
    return { report, route: channel.route };
  } catch (error) {
    if (!(error instanceof LavaFlowError)) throw error;
    const { code, reason, remedy } = error;
    throw new LavaFlowError(code, `${rangesOf([rank])} of the job did not report: ${reason}`, { remedy, cause: error });
  }
}

/** Parses the report of another process without its control characters. CORRUPT_SEGMENT if it is malformed. */
export function readReport(text: string): MachineReport {
  const printable = (_: string, value: unknown) => (typeof value === "string" ? value.replace(/\p{Cc}/gu, " ") : value);
  try {
    const report = JSON.parse(text, printable) as MachineReport;
    const { version, processor, directoryId, machine } = report;
    const texts = [version, processor, directoryId].every((each) => typeof each === "string");
    if (!texts || typeof report.capabilities !== "object" || report.capabilities === null)
      throw new Error("fields are missing");
    if (!isMachine(machine)) throw new Error("no machine");
    return { ...report, machine: { ...machine, location: validateLocation(machine.location) } };
  } catch (error) {
    const reason = `its report can't be read: ${(error as Error).message}`;
    throw new LavaFlowError("CORRUPT_SEGMENT", reason, { cause: error });
  }
}

/** Whether the fields that the report shows have the right types. */
function isMachine({ gpus, missing, mpi }: Machine): boolean {
  const texts = (...values: unknown[]) => values.every((value) => typeof value === "string");
  return (
    (mpi === null || texts(mpi.implementation, mpi.version)) &&
    gpus.every(({ name, type }) => texts(name, type)) &&
    missing.every(({ feature, reason, remedy }) => texts(feature, reason, remedy))
  );
}

/** The transport that both sides of a channel would compute. */
function expectedRoute(
  job: Job,
  from: MachineReport,
  to: MachineReport,
  { profile, allocator }: Options,
): TransportName | null {
  const [mine, peer] = [from.machine.location, to.machine.location];
  const negotiation: Negotiation = {
    name: "doctor",
    role: "producer",
    scope: detectScope(mine, peer),
    mine,
    peer,
    profile,
    pins: [],
    connected: from.directoryId === to.directoryId,
    job,
    allocator,
    capabilities: (transport) => ({ mine: from.capabilities[transport], peer: to.capabilities[transport] }),
  };
  return candidates(negotiation).viable[0]?.name ?? null;
}

function surprise(rank: number, { transport, rejected }: Route, expected: TransportName | null): string {
  const why = rejected.find((other) => other.transport === expected)?.reason ?? "no transport was expected";
  return `rank ${rank} reported to rank 0 by ${transport}, not by ${expected ?? "no transport"} as expected: ${why}`;
}
