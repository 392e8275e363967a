/** The MPI job: the processes that one launcher started together. Joined once a process, at the first need. */
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
  /** The number of ranks. */
  readonly size: number;
  /** Equal on every rank, and different for each job. */
  readonly id: string;
  /** Names the job in a runtime directory. Processes that a rank started compute the same key. */
  readonly key: string;
  /** The lowest rank of those that share memory with this one, as MPI says. */
  readonly node: number;
  /** MPI's name for the machine. */
  readonly processor: string;
  /** The MPI implementation and its version. */
  readonly library: string;
  readonly peerTable: PeerTable;
}

/** Why this process is in no job. `told`: the environment says that it should be in one, so the peer is told the reason. */
export interface NoJob {
  missing: string;
  told: boolean;
}

/** A rank before it has joined. Ranks of its host can connect already. */
export interface Joining {
  readonly joining: true;
  readonly key: string;
  /** From the variables of the launcher. */
  readonly rank: number;
}

/** Milliseconds for which joining waits until the peer table holds this rank's location. After them only lookups of this rank wait. */
const ANNOUNCE_MS = 1000;

/** Milliseconds between two steps of announcing the location when no call waits for it. */
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

/** The progress of joining in this thread. With `job` set, MPI is initialised. */
let job: Job | null = null;
let begun = false;
let announceUntil = 0;

/** One step of joining, without waiting: the job once all steps are done. */
function step(): Job | null {
  if (job === null) {
    const shim = native();
    if (!begun) {
      launch(); // Before MPI adds variables of its own: all ranks have to read the same ones.
      endWithProcess(() => job);
    }
    begun = true;
    if (check(shim, shim.lf_job_open()) === CONSTANTS.LF_PENDING) return null;
    job = describe();
    enteredJob({ mpiRank: job.rank, mpiNode: `${job.id}:${job.node}` });
    job.peerTable.announce(ProcessLocation.detect());
    finishLater(job.peerTable);
    announceUntil = performance.now() + ANNOUNCE_MS;
  }
  return job.peerTable.announced() || performance.now() > announceUntil ? job : null;
}

/** Announces the location even if the call that joined has timed out: other ranks may look this rank up. */
function finishLater(peerTable: PeerTable): void {
  const timer = setInterval(() => {
    try {
      if (!peerTable.announced()) return;
    } catch {
      // The job has ended.
    }
    clearInterval(timer);
  }, BACKGROUND_MS);
  timer.unref();
}

/**
 * Joins without waiting: the job; null until it is joined. MPI initialises once every rank has made its first call here.
 * MPI_UNAVAILABLE, MPI_FAILED, WIRE_VERSION_MISMATCH.
 */
export function pollJob(): Job | null {
  return step();
}

/**
 * Joins the job, and waits up to ANNOUNCE_MS until the peer table has this rank's location. Errors of pollJob, TIMEOUT,
 * ABORTED.
 */
export async function joinJob(deadline: Deadline): Promise<Job> {
  for (;;) {
    const joined = step();
    if (joined !== null) return joined;
    deadline.check(joiningText);
    await deadline.pause();
  }
}

/** What joining waits for, for the error at the deadline. */
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

/** The bridge of a container engine (docker0) has the same address on many hosts: MPI may select it, and connect to itself. */
function interfacesText(): string {
  const { networkInterfaces } = process.getBuiltinModule("node:os");
  const addresses = Object.entries(networkInterfaces()).flatMap(([name, each = []]) =>
    each.filter(({ internal, family }) => !internal && family === "IPv4").map(({ cidr }) => `${name} ${cidr}`),
  );
  const has = addresses.length > 0 ? `This host has ${addresses.join(", ")}. ` : "";
  return `${has}Name the one that joins the hosts, for Open MPI OMPI_MCA_btl_tcp_if_include (or mpirun --mca btl_tcp_if_include), for UCX UCX_NET_DEVICES, for libfabric FI_TCP_IFACE`;
}
