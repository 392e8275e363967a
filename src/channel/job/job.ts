/** The MPI job: the processes that one launcher started together. Initialised on first need, once a process. */
import { enteredJob, ProcessLocation } from "../../location.ts";
import { cString } from "../../native/c-string.ts";
import { CONSTANTS, JOB_INFO, MPI_INFO } from "../../native/layout.ts";
import { native } from "../../native/load.ts";
import { check } from "../../native/status.ts";
import type { Deadline } from "../wait/deadline.ts";
import { endWithProcess } from "./exit.ts";
import { keyOf, launch } from "./launch.ts";
import { PeerTable } from "./peer-table.ts";

export interface Job {
  readonly rank: number;
  /** How many ranks there are. */
  readonly size: number;
  /** The same on every rank, and of no other job. */
  readonly id: string;
  /** Stands for the job where names are its own: known to processes that ranks started as well. */
  readonly key: string;
  /** The lowest rank of those that MPI says share memory with this one. */
  readonly node: number;
  /** MPI's name for the machine. */
  readonly processor: string;
  /** Which MPI, and its version. */
  readonly library: string;
  readonly peerTable: PeerTable;
}

/** Why this process is of no job; `told` where a peer should learn of it, as something says that it should be of one. */
export interface NoJob {
  missing: string;
  told: boolean;
}

/** A rank before it has joined: other ranks of its host can be met meanwhile. */
export interface Joining {
  readonly joining: true;
  readonly key: string;
  /** As the launcher says. */
  readonly rank: number;
}

/** A rank that should keep this one's location and does not answer holds up those who look for it, and nobody else. */
const ANNOUNCE_MS = 1000;

/** While nobody waits for the rest of joining, it is seen to this often. */
const BACKGROUND_MS = 20;

function describeLibrary(): string {
  const shim = native();
  const info = new Uint8Array(new ArrayBuffer(MPI_INFO.sizeof));
  check(shim, shim.lf_mpi_describe(info));
  return `${cString(info, MPI_INFO.implementation, MPI_INFO.version)} ${cString(info, MPI_INFO.version, MPI_INFO.library)}`;
}

function describe(): Job {
  const shim = native();
  const info = new Uint8Array(new ArrayBuffer(JOB_INFO.sizeof));
  check(shim, shim.lf_job_describe(info));
  const number = (offset: number) => new DataView(info.buffer).getInt32(offset, true);
  const [rank, size] = [number(JOB_INFO.rank), number(JOB_INFO.size)];
  const id = info.subarray(JOB_INFO.id, JOB_INFO.processor).toHex();
  return {
    rank,
    size,
    id,
    key: keyOf(launch().job || id),
    node: number(JOB_INFO.node),
    processor: cString(info, JOB_INFO.processor, JOB_INFO.sizeof),
    library: describeLibrary(),
    peerTable: new PeerTable(rank, size),
  };
}

/** How far this thread is: MPI is initialised when it has a job, and others find it when the job's peerTable says so. */
let job: Job | null = null;
let begun = false;
let patientUntil = 0;

/** Goes on with what can be done now: the job when nothing is left. */
function step(): Job | null {
  if (job === null) {
    const shim = native();
    if (!begun) {
      launch(); // Before MPI adds variables of its own: all ranks are to read the same ones.
      endWithProcess(() => job);
    }
    begun = true;
    if (check(shim, shim.lf_job_open()) === CONSTANTS.LF_PENDING) return null;
    job = describe();
    enteredJob({ mpiRank: job.rank, mpiNode: `${job.id}:${job.node}` });
    job.peerTable.announce(ProcessLocation.detect());
    finishLater(job.peerTable);
    patientUntil = performance.now() + ANNOUNCE_MS;
  }
  return job.peerTable.announced() || performance.now() > patientUntil ? job : null;
}

/** Others look for this rank also when whoever joined has given up meanwhile. */
function finishLater(peerTable: PeerTable): void {
  const timer = setInterval(() => {
    try {
      if (!peerTable.announced()) return;
    } catch {
      // The job is over.
    }
    clearInterval(timer);
  }, BACKGROUND_MS);
  timer.unref();
}

/**
 * Joining, without waiting: the job, or null while that is not done. The first call begins it: MPI begins when all ranks have
 * come to it, so from then on the others need not wait for this one. MPI_UNAVAILABLE, MPI_FAILED, WIRE_VERSION_MISMATCH.
 */
export function pollJob(): Job | null {
  return step();
}

/**
 * The job, with this rank's location known to all of it as far as those who keep it answer. Errors as of pollJob; TIMEOUT and
 * ABORTED as the deadline says.
 */
export async function joinJob(deadline: Deadline): Promise<Job> {
  for (;;) {
    const joined = step();
    if (joined !== null) return joined;
    deadline.check(joiningText);
    await deadline.pause();
  }
}

/** What joining waits for. */
export function joiningText(): string {
  if (job)
    return `rank ${job.rank} has joined the job of ${job.size}, and the ranks that keep its location do not answer`;
  const { size, rank } = launch();
  const all = size === undefined ? "all ranks" : `all ${size} ranks`;
  if (native().lf_job_awaits() === CONSTANTS.LF_JOB_NETWORK) {
    return `${all} of the job have come to MPI, and the first messages between them do not arrive: the network that MPI chose does not join their hosts, or a firewall is between them. ${interfacesText()}`;
  }
  const here = rank === undefined ? "" : ` (this is rank ${rank})`;
  return `MPI begins when ${all} of the job have come to it, which each does by opening its first channel: not all did${here}`;
}

/** A bridge of containers (docker0) has one address on many hosts: MPI may take it for the way to a peer, and reach itself. */
function interfacesText(): string {
  const { networkInterfaces } = process.getBuiltinModule("node:os");
  const addresses = Object.entries(networkInterfaces()).flatMap(([name, each = []]) =>
    each.filter(({ internal, family }) => !internal && family === "IPv4").map(({ cidr }) => `${name} ${cidr}`),
  );
  const has = addresses.length > 0 ? `This host has ${addresses.join(", ")}. ` : "";
  return `${has}Name the one that joins the hosts, for Open MPI OMPI_MCA_btl_tcp_if_include (or mpirun --mca btl_tcp_if_include), for UCX UCX_NET_DEVICES, for libfabric FI_TCP_IFACE`;
}
