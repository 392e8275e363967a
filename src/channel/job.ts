/** The MPI job: the processes that one launcher started together. Initialised on first need, once a process. */
import { LavaFlowError } from "../errors.ts";
import { enteredJob, ProcessLocation } from "../location.ts";
import { CONSTANTS, JOB_INFO, MPI_INFO } from "../native/layout.ts";
import { native } from "../native/load.ts";
import { check } from "../native/status.ts";
import type { Deadline } from "./deadline.ts";
import { endWithProcess } from "./job-exit.ts";
import { Roster } from "./roster.ts";

export interface Job {
  readonly rank: number;
  /** How many ranks there are. */
  readonly size: number;
  /** The same on every rank, and of no other job. */
  readonly id: string;
  /** The lowest rank of those that MPI says share memory with this one. */
  readonly node: number;
  /** MPI's name for the machine. */
  readonly processor: string;
  /** Which MPI, and its version. */
  readonly library: string;
  readonly roster: Roster;
}

/** Why this process is of no job; `failed` where it should be. */
export interface NoJob {
  missing: string;
  failed: boolean;
}

const OFF = "has MPI turned off (LAVA_FLOW_MPI)";
const NOT_LAUNCHED = "was not started by an MPI launcher";

/** A rank that should keep this one's location and does not answer holds up those who look for it, and nobody else. */
const ANNOUNCE_MS = 1000;

/** While nobody waits for the rest of joining, it is seen to this often. */
const BACKGROUND_MS = 20;

const decoder = new TextDecoder();

/** Why this process belongs to no job, as what is said of it; null where it does. Nothing of MPI is opened for that. */
export function outsideOfJob(): string | null {
  if (process.env.LAVA_FLOW_MPI === "off") return OFF;
  return native().lf_job_launched() === 1 ? null : NOT_LAUNCHED;
}

/** For who insists on MPI. */
export function noJob(outside: string): LavaFlowError {
  const remedy = outside === OFF ? "Unset LAVA_FLOW_MPI" : "Start it with mpirun, srun or the like";
  return new LavaFlowError("MPI_UNAVAILABLE", `this process ${outside}`, { remedy });
}

function text(bytes: Uint8Array, from: number, to: number): string {
  const end = bytes.indexOf(0, from);
  return decoder.decode(bytes.subarray(from, end < 0 || end > to ? to : end));
}

function describeLibrary(): string {
  const shim = native();
  const info = new Uint8Array(new ArrayBuffer(MPI_INFO.size));
  check(shim, shim.lf_mpi_describe(info));
  return `${text(info, MPI_INFO.implementation, MPI_INFO.version)} ${text(info, MPI_INFO.version, MPI_INFO.library)}`;
}

function describe(): Job {
  const shim = native();
  const info = new Uint8Array(new ArrayBuffer(JOB_INFO.size));
  check(shim, shim.lf_job_describe(info));
  const number = (offset: number) => new DataView(info.buffer).getInt32(offset, true);
  const [rank, size] = [number(JOB_INFO.rank), number(JOB_INFO.size_of_job)];
  return {
    rank,
    size,
    id: info.subarray(JOB_INFO.id, JOB_INFO.processor).toHex(),
    node: number(JOB_INFO.node),
    processor: text(info, JOB_INFO.processor, JOB_INFO.size),
    library: describeLibrary(),
    roster: new Roster(rank, size),
  };
}

/** How far this thread is: MPI is initialised when it has a job, and others find it when the job's roster says so. */
let job: Job | null = null;
let begun = false;
let patientUntil = 0;

/** Goes on with what can be done now: the job when nothing is left. */
function step(): Job | null {
  if (job === null) {
    const shim = native();
    if (!begun) endWithProcess(() => job);
    begun = true;
    if (check(shim, shim.lf_job_open()) === CONSTANTS.LF_PENDING) return null;
    job = describe();
    enteredJob({ mpiRank: job.rank, mpiNode: `${job.id}:${job.node}` });
    job.roster.announce(ProcessLocation.detect());
    finishLater(job.roster);
    patientUntil = performance.now() + ANNOUNCE_MS;
  }
  return job.roster.announced() || performance.now() > patientUntil ? job : null;
}

/** Others look for this rank also when whoever joined has given up meanwhile. */
function finishLater(roster: Roster): void {
  const timer = setInterval(() => {
    try {
      if (!roster.announced()) return;
    } catch {
      // The job is over.
    }
    clearInterval(timer);
  }, BACKGROUND_MS);
  timer.unref();
}

/** MPI begins when all ranks have come to it: from now on they need not wait for this one, whatever becomes of it. */
export function beginJoining(): void {
  try {
    step();
  } catch {
    // joinJob tells.
  }
}

/**
 * The job, with this rank's location known to all of it as far as those who keep it answer. MPI_UNAVAILABLE, MPI_FAILED,
 * WIRE_VERSION_MISMATCH; TIMEOUT and ABORTED as the deadline says.
 */
export async function joinJob(deadline: Deadline): Promise<Job> {
  for (;;) {
    const joined = step();
    if (joined !== null) return joined;
    deadline.check(unfinished);
    await deadline.pause();
  }
}

function unfinished(): string {
  if (job)
    return `rank ${job.rank} has joined the job of ${job.size}, and the ranks that keep its location do not answer`;
  const { OMPI_COMM_WORLD_SIZE, PMI_SIZE, SLURM_STEP_NUM_TASKS } = process.env;
  const size = OMPI_COMM_WORLD_SIZE ?? PMI_SIZE ?? SLURM_STEP_NUM_TASKS;
  const all = size === undefined ? "all ranks" : `all ${size} ranks`;
  return `MPI begins when ${all} of the job have come to it, which each does by opening its first channel: not all did`;
}
