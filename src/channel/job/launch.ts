/** The launcher that started this process, and the job whose names it uses. Does not call MPI. */
import { LavaFlowError } from "../../errors.ts";
import { cString } from "../../native/c-string.ts";
import { CONSTANTS, LAUNCH_INFO } from "../../native/layout.ts";
import { native } from "../../native/load.ts";
import { check } from "../../native/status.ts";
import { runtimeDirectory } from "../wire/runtime-directory.ts";

export interface Launch {
  /** Why this process is no rank of an MPI job, as a clause after "this process"; null for a rank. */
  outside: string | null;
  /** Whether the environment says that this process is a rank, so that the peer is told why it is none. */
  told: boolean;
  /** From the variables of the launcher, which the children of a rank inherit; undefined without them. */
  rank: number | undefined;
  size: number | undefined;
  /** The id that the launcher or scheduler gave the job of this process, rank or not; "" outside of a job. */
  job: string;
}

const OFF = "has MPI turned off (LAVA_FLOW_MPI)";
const NOT_LAUNCHED = "was not started by an MPI launcher";

export function launch(): Launch {
  const shim = native();
  const info = new Uint8Array(new ArrayBuffer(LAUNCH_INFO.sizeof));
  const directory = new TextEncoder().encode(runtimeDirectory().path);
  check(shim, shim.lf_launch_examine(directory, directory.byteLength, info));
  const number = (offset: number) => new DataView(info.buffer).getInt32(offset, true);
  const standing = number(LAUNCH_INFO.standing);
  const [rank, size] = [number(LAUNCH_INFO.rank), number(LAUNCH_INFO.size)];
  const plain =
    standing === CONSTANTS.LF_LAUNCH_PLAIN ? cString(info, LAUNCH_INFO.reason, LAUNCH_INFO.sizeof) : NOT_LAUNCHED;
  const off = process.env.LAVA_FLOW_MPI === "off";
  return {
    outside: off ? OFF : standing === CONSTANTS.LF_LAUNCH_RANK ? null : plain,
    told: standing !== CONSTANTS.LF_LAUNCH_NONE,
    rank: rank >= 0 ? rank : undefined,
    size: size > 0 ? size : undefined,
    job: cString(info, LAUNCH_INFO.job, LAUNCH_INFO.reason),
  };
}

/** MPI_UNAVAILABLE for a channel that is pinned to MPI. `outside` as in Launch. */
export function noJob(outside: string): LavaFlowError {
  const remedy =
    outside === OFF
      ? "Unset LAVA_FLOW_MPI"
      : "Open it without `transport` to meet a process of this host, or start each rank with mpirun, srun or the like";
  return new LavaFlowError("MPI_UNAVAILABLE", `this process ${outside}`, { remedy });
}

/** The key of a job: a hash that keeps the channel names of two jobs apart. */
export function keyOf(job: string): string {
  return new Bun.CryptoHasher("sha256").update(job).digest("hex").slice(0, CONSTANTS.LF_SCOPE_MAX);
}

/**
 * Marks this process as the rank, for its children: they inherit its variables, and must not initialise MPI as that rank. The
 * mark is a file beside those of PMIx, written on import, before the process can start a child. With PMI no mark is needed:
 * the connection is a descriptor that children do not inherit. The launcher removes the directory.
 */
function announceRank(): void {
  const { PMIX_RANK, PMIX_SERVER_TMPDIR } = process.env;
  if (PMIX_RANK === undefined || !PMIX_SERVER_TMPDIR) return;
  try {
    const { writeFileSync } = process.getBuiltinModule("node:fs");
    writeFileSync(`${PMIX_SERVER_TMPDIR}/lava-flow.${process.pid}`, "", { mode: 0o600 });
  } catch {
    // The directory is gone or not writable. A child then finds out once this process has loaded MPI.
  }
}

announceRank();
