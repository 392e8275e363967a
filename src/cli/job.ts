/** The doctor of a whole job: every rank examines its machine, and rank 0 hears of all of them over channels. */

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

/** MPI begins when the last rank has come: so long the first one waits. */
const JOIN_MS = 60_000;
/** The same for a rank's answer, and so much more for each rank that may be before it. */
const ANSWER_MS = 30_000;
const TURN_MS = 200;
/** So many ranks report at once: a channel takes some descriptors. */
const AT_ONCE = 16;

/** What a rank says of itself. */
export interface Said {
  version: string;
  processor: string;
  place: string;
  abilities: Record<string, unknown>;
  machine: Machine;
}

/** Whether this process is a rank, and its report a part of the job's. */
export function isRank(machine: Machine): boolean {
  return machine.shim !== null && launch().outside === null;
}

/** Null on every rank but the first, which has it all. */
export async function examineJob(machine: Machine): Promise<JobReport | null> {
  const job = await joinJob(new Deadline({ timeoutMs: JOIN_MS }));
  using allocator = new MemoryAllocator();
  const options: Options = {
    profile: "gpu-preferred",
    allocator,
    location: ProcessLocation.detect(),
    timeoutMs: ANSWER_MS + job.size * TURN_MS,
  };
  const said = describe(job, machine, options);
  if (job.rank === 0) return await gather(job, said, options);
  await using channel = await Channel.open(nameOf(job, job.rank), { role: "producer", ...options });
  await channel.send(new TextEncoder().encode(JSON.stringify(said)));
  await channel.flush({ timeoutMs: options.timeoutMs });
  return null;
}

type Options = Required<Pick<ChannelOptions, "profile" | "allocator" | "location" | "timeoutMs">>;

/** Other jobs of this user may have a doctor too. */
function nameOf(job: Job, rank: number): string {
  return `doctor-${job.id}-${rank}`;
}

function describe(job: Job, machine: Machine, { profile, allocator, location }: Options): Said {
  const directoryId = directoryIdOf(
    job.key,
    location.hostId || `node ${job.node}`,
    machine.runtimeDirectory.usable ? machine.runtimeDirectory.path : null,
  );
  const party: Party = { name: "doctor", role: "producer", location, profile, allocator, job, directoryId };
  const abilities = capabilities(party, new Set(requested(party)));
  return {
    version: machine.version,
    processor: job.processor,
    place: directoryId,
    abilities,
    machine: { ...machine, location },
  };
}

async function gather(job: Job, first: Said, options: Options): Promise<JobReport> {
  const said: Said[] = [first];
  const taken: (Route | null)[] = [null];
  const left = Array.from({ length: job.size - 1 }, (_, i) => i + 1);
  const listen = async () => {
    for (let rank = left.shift(); rank !== undefined; rank = left.shift()) {
      const heard = await hear(job, rank, options);
      said[rank] = heard.said;
      taken[rank] = heard.route;
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, listen));
  const routes = said.map((from) => said.map((to) => (from === to ? null : expectedRoute(job, from, to, options))));
  const surprises = taken.flatMap((route, rank) => {
    if (route === null) return [];
    const to = routes[rank] as (TransportName | null)[];
    const expected = to[0] ?? null;
    to[0] = route.transport;
    return expected === route.transport ? [] : [surprise(rank, route, expected)];
  });
  const ranks: RankReport[] = said.map(({ processor, machine }, rank) => ({ rank, processor, machine }));
  return { version: first.version, size: job.size, ranks, routes, surprises };
}

async function hear(job: Job, rank: number, options: Options): Promise<{ said: Said; route: Route }> {
  try {
    await using channel = await Channel.open(nameOf(job, rank), { role: "consumer", ...options });
    const frame = await channel.recv({ timeoutMs: options.timeoutMs });
    const said = readSaid(new TextDecoder().decode(frame.bytes));
    frame.release();
    return { said, route: channel.route };
  } catch (error) {
    if (!(error instanceof LavaFlowError)) throw error;
    const { code, reason, remedy } = error;
    throw new LavaFlowError(code, `${rangesOf([rank])} of the job did not report: ${reason}`, { remedy, cause: error });
  }
}

/** Words of another process, which end up on a terminal. CORRUPT_SEGMENT where they can't be a report. */
export function readSaid(text: string): Said {
  const printable = (_: string, value: unknown) => (typeof value === "string" ? value.replace(/\p{Cc}/gu, " ") : value);
  try {
    const said = JSON.parse(text, printable) as Said;
    const { version, processor, place, abilities, machine } = said;
    const texts = [version, processor, place].every((each) => typeof each === "string");
    if (!texts || typeof abilities !== "object" || abilities === null) throw new Error("fields are missing");
    if (!isMachine(machine)) throw new Error("no machine");
    return { ...said, machine: { ...machine, location: validateLocation(machine.location) } };
  } catch (error) {
    const reason = `what it says of its machine can't be read: ${(error as Error).message}`;
    throw new LavaFlowError("CORRUPT_SEGMENT", reason, { cause: error });
  }
}

/** Whether it has what the report shows, in the right form. */
function isMachine({ gpus, missing, mpi }: Machine): boolean {
  const texts = (...values: unknown[]) => values.every((value) => typeof value === "string");
  return (
    (mpi === null || texts(mpi.implementation, mpi.version)) &&
    gpus.every(({ name, type }) => texts(name, type)) &&
    missing.every(({ feature, reason, remedy }) => texts(feature, reason, remedy))
  );
}

/** By the rules that both sides of a channel go by. */
function expectedRoute(job: Job, from: Said, to: Said, { profile, allocator }: Options): TransportName | null {
  const [mine, peer] = [from.machine.location, to.machine.location];
  const negotiation: Negotiation = {
    name: "doctor",
    role: "producer",
    scope: detectScope(mine, peer),
    mine,
    peer,
    profile,
    pins: [],
    connected: from.place === to.place,
    job,
    allocator,
    capabilities: (transport) => ({ mine: from.abilities[transport], peer: to.abilities[transport] }),
  };
  return candidates(negotiation).viable[0]?.name ?? null;
}

function surprise(rank: number, { transport, rejected }: Route, expected: TransportName | null): string {
  const why = rejected.find((other) => other.transport === expected)?.reason ?? "no path was expected";
  return `rank ${rank} reported to rank 0 by ${transport}, though ${expected ?? "nothing"} should serve: ${why}`;
}
