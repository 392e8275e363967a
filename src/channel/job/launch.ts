/** What started this process, and whose names are its own. MPI is not touched. */
import { LavaFlowError } from "../../errors.ts";
import { CONSTANTS, LAUNCH_INFO } from "../../native/layout.ts";
import { native } from "../../native/load.ts";
import { check } from "../../native/status.ts";
import { runtimeDirectory } from "../wire/runtime-directory.ts";

export interface Launch {
  /** Why this process is no rank of an MPI job, as a clause after "this process"; null for a rank. */
  outside: string | null;
  /** Whether something speaks for a rank all the same, so that a peer should learn why this is none. */
  told: boolean;
  /** As the launcher says, which says the same to processes that a rank started; undefined where it does not. */
  rank: number | undefined;
  size: number | undefined;
  /** The job that this process was started in, rank or not, as its launcher or scheduler calls it; "" outside of any. */
  job: string;
}

const OFF = "has MPI turned off (LAVA_FLOW_MPI)";
const NOT_LAUNCHED = "was not started by an MPI launcher";

const decoder = new TextDecoder();

function text(bytes: Uint8Array, from: number, to: number): string {
  const field = bytes.subarray(from, to);
  const end = field.indexOf(0);
  return decoder.decode(end < 0 ? field : field.subarray(0, end));
}

export function launch(): Launch {
  const shim = native();
  const info = new Uint8Array(new ArrayBuffer(LAUNCH_INFO.sizeof));
  const directory = new TextEncoder().encode(runtimeDirectory().path);
  check(shim, shim.lf_launch_examine(directory, directory.byteLength, info));
  const number = (offset: number) => new DataView(info.buffer).getInt32(offset, true);
  const standing = number(LAUNCH_INFO.standing);
  const [rank, size] = [number(LAUNCH_INFO.rank), number(LAUNCH_INFO.size)];
  const plain =
    standing === CONSTANTS.LF_LAUNCH_PLAIN ? text(info, LAUNCH_INFO.reason, LAUNCH_INFO.sizeof) : NOT_LAUNCHED;
  const off = process.env.LAVA_FLOW_MPI === "off";
  return {
    outside: off ? OFF : standing === CONSTANTS.LF_LAUNCH_RANK ? null : plain,
    told: standing !== CONSTANTS.LF_LAUNCH_NONE,
    rank: rank >= 0 ? rank : undefined,
    size: size > 0 ? size : undefined,
    job: text(info, LAUNCH_INFO.job, LAUNCH_INFO.reason),
  };
}

/** For who insists on MPI. */
export function noJob(outside: string): LavaFlowError {
  const remedy =
    outside === OFF
      ? "Unset LAVA_FLOW_MPI"
      : "Open it without `transport` to meet a process of this host, or start each rank with mpirun, srun or the like";
  return new LavaFlowError("MPI_UNAVAILABLE", `this process ${outside}`, { remedy });
}

/** A short name for a job, in which equal names of channels are of equal jobs only. */
export function keyOf(job: string): string {
  return new Bun.CryptoHasher("sha256").update(job).digest("hex").slice(0, CONSTANTS.LF_SCOPE_MAX);
}

/**
 * Processes that a rank starts have its variables and may not come to MPI as that rank. They know a parent that may by a file
 * beside PMIx's own, made before the parent can start anything. (The connection of PMI is a descriptor, which only this process
 * has.) The launcher removes the directory.
 */
function tellChildren(): void {
  const { PMIX_RANK, PMIX_SERVER_TMPDIR } = process.env;
  if (PMIX_RANK === undefined || !PMIX_SERVER_TMPDIR) return;
  try {
    const { writeFileSync } = process.getBuiltinModule("node:fs");
    writeFileSync(`${PMIX_SERVER_TMPDIR}/lava-flow.${process.pid}`, "", { mode: 0o600 });
  } catch {
    // The launcher is gone, or keeps its directory to itself: then a child sees this process's MPI once that is loaded.
  }
}

tellChildren();
