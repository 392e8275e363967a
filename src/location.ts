/** The location of a process, and the rules that tell whether two processes share a machine. */
import { invalidArgument, LavaFlowError } from "./errors.ts";

/** Where a process runs. Plain data, which can be written as JSON and sent to a peer. */
export interface ProcessLocation {
  /** The system's host name, not cut at a dot. */
  hostname: string;
  /** Identity of the running operating system (Linux: boot id). Absent when only a hostname is known. */
  hostId?: string;
  /** The user gave the host id, which then decides before every other rule. */
  hostIdOverridden?: true;
  /** The scheduler's name of the machine (Kubernetes node, SLURM node), where one is known. */
  nodeId?: string;
  /** Preferred GPU, as an index into the allocator's devices. */
  deviceId?: number;
  pid?: number;
  /** The rank in MPI_COMM_WORLD, where the process has joined an MPI job. */
  mpiRank?: number;
  /** The job and the node in it: "JOB:RANK", with the lowest rank of the node's shared-memory communicator. */
  mpiNode?: string;
}

/** Whether two processes run on one host. */
export type CommunicationScope = "local" | "remote";

/** Whether two processes are local or remote, and the first rule that could decide it. */
export interface ScopeDecision {
  scope: CommunicationScope;
  strategy: "override" | "host-id" | "mpi" | "node-id" | "hostname" | "conservative";
  reason: string;
}

/** Characters of a string of a location: the limit of host names, the longest of them. */
const STRING_MAX = 255;
const INTEGER_MAX = 0xffffffff;
/** Characters of a location as JSON: several times the largest one, and still parsed at once. */
const JSON_MAX = 65_536;
/** Milliseconds for the command that reads the host id; without an answer the host id is unknown. */
const PROBE_TIMEOUT_MS = 10_000;
/** Host names that prove nothing: every machine has them. */
const NAMES_OF_ANY_HOST = new Set(["localhost", "localhost.localdomain"]);

const STRINGS = ["hostname", "hostId", "nodeId", "mpiNode"] as const;
const INTEGERS = ["deviceId", "pid", "mpiRank"] as const;

/** Reads and compares locations of processes. */
export const ProcessLocation = {
  /**
   * The location of this process. `overrides` come before the environment, which comes before detection. The environment
   * has LAVA_FLOW_HOST_ID for the host id, and LAVA_FLOW_NODE_ID, SLURMD_NODENAME or KUBERNETES_NODE_NAME (downward API) for
   * the node id. The rank and its node are known after a channel has joined the MPI job. INVALID_ARGUMENT names the wrong field.
   */
  detect(overrides: Partial<ProcessLocation> = {}): ProcessLocation {
    const given = Object.fromEntries(Object.entries(overrides).filter(([, value]) => value !== undefined));
    const { LAVA_FLOW_HOST_ID, LAVA_FLOW_NODE_ID, SLURMD_NODENAME, KUBERNETES_NODE_NAME } = process.env;
    const hostId = given.hostId ?? (LAVA_FLOW_HOST_ID || undefined);
    return validateLocation({
      hostname: process.getBuiltinModule("node:os").hostname(),
      hostId: hostId ?? kernelIdentity(),
      nodeId: LAVA_FLOW_NODE_ID || SLURMD_NODENAME || KUBERNETES_NODE_NAME || undefined,
      pid: process.pid,
      ...inJob,
      ...given,
      hostIdOverridden: hostId ? true : undefined,
    });
  },

  /** Parses a location that JSON.stringify wrote. Ignores unknown fields. INVALID_ARGUMENT names the wrong field. */
  fromJSON(text: string): ProcessLocation {
    if (typeof text !== "string" || text.length > JSON_MAX) {
      throw invalidArgument("location", text, `JSON of at most ${JSON_MAX} characters`);
    }
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (error) {
      throw new LavaFlowError("INVALID_ARGUMENT", `location is not JSON: ${(error as Error).message}`, {
        remedy: "Give the JSON.stringify of a ProcessLocation",
        cause: error,
      });
    }
    return validateLocation(value);
  },
};

/** The rank of this process and its node, which are known when MPI has been initialised. */
export type RankInJob = Required<Pick<ProcessLocation, "mpiRank" | "mpiNode">>;

let inJob: RankInJob | undefined;

/** This process has joined a job: `detect` has its rank from now on. */
export function enteredJob(rank: RankInJob): void {
  inJob = rank;
}

/** A copy of the known fields of `value`, which is not trusted. INVALID_ARGUMENT names the wrong field. */
export function validateLocation(value: unknown): ProcessLocation {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw invalidArgument("location", value, "an object with a hostname");
  }
  const given = value as Record<string, unknown>;
  const location: ProcessLocation = { hostname: "" };
  if (given.hostname === undefined) throw invalidArgument("location.hostname", undefined, "a string");
  for (const field of STRINGS) {
    const text = given[field];
    if (text === undefined) continue;
    // Reasons are printed to terminals, so no control character may pass.
    if (typeof text !== "string" || text.length > STRING_MAX || /\p{Cc}/u.test(text)) {
      throw invalidArgument(`location.${field}`, text, `at most ${STRING_MAX} characters, none a control character`);
    }
    location[field] = text;
  }
  for (const field of INTEGERS) {
    const number = given[field];
    if (number === undefined) continue;
    if (typeof number !== "number" || !Number.isInteger(number) || number < 0 || number > INTEGER_MAX) {
      throw invalidArgument(`location.${field}`, number, `an integer from 0 to ${INTEGER_MAX}`);
    }
    location[field] = number;
  }
  const overridden = given.hostIdOverridden;
  if (overridden !== undefined && typeof overridden !== "boolean") {
    throw invalidArgument("location.hostIdOverridden", overridden, "true, or leave it out");
  }
  if (overridden) location.hostIdOverridden = true;
  return location;
}

/** Whether two processes share a machine. The first rule that can decide is used; `reason` has the values it compared. */
export function detectScope(mine: ProcessLocation, peer: ProcessLocation): ScopeDecision {
  if (mine.hostId && peer.hostId) {
    const overridden = mine.hostIdOverridden || peer.hostIdOverridden;
    return overridden
      ? compare("override", "host ids (set by the user)", mine.hostId, peer.hostId)
      : compare("host-id", "host ids", mine.hostId, peer.hostId);
  }
  const [here, there] = [readNode(mine.mpiNode), readNode(peer.mpiNode)];
  if (here && there && here.job === there.job) return compare("mpi", "nodes of one MPI job", here.node, there.node);
  if (mine.nodeId && peer.nodeId) return compare("node-id", "node ids", mine.nodeId, peer.nodeId);
  // Equal hostnames prove nothing when one side has a host id that the other can't match.
  const onlyHostnames = !mine.hostId && !peer.hostId;
  if (onlyHostnames && tellsHosts(mine.hostname) && tellsHosts(peer.hostname)) {
    return compare("hostname", "hostnames", mine.hostname, peer.hostname);
  }
  const known = (["hostId", "nodeId", "hostname"] as const).map((field) => {
    return `${field} ${quote(mine[field])} here and ${quote(peer[field])} there`;
  });
  return { scope: "remote", strategy: "conservative", reason: `nothing proves one host: ${known.join(", ")}` };
}

/** The two parts of `mpiNode`. Nodes of different jobs can't be compared. */
function readNode(mpiNode: string | undefined): { job: string; node: string } | null {
  const at = mpiNode?.lastIndexOf(":") ?? -1;
  return mpiNode && at > 0 ? { job: mpiNode.slice(0, at), node: mpiNode.slice(at + 1) } : null;
}

function compare(strategy: ScopeDecision["strategy"], what: string, mine: string, peer: string): ScopeDecision {
  return mine === peer
    ? { scope: "local", strategy, reason: `equal ${what}: ${quote(mine)}` }
    : { scope: "remote", strategy, reason: `different ${what}: ${quote(mine)} here and ${quote(peer)} there` };
}

function tellsHosts(name: string | undefined): name is string {
  return !!name && !NAMES_OF_ANY_HOST.has(name.toLowerCase());
}

function quote(value: string | undefined): string {
  return value ? JSON.stringify(value) : "unknown";
}

let identity: { id: string | undefined } | undefined;

/** The identity of the running operating system. It can't change, so it is probed once. */
function kernelIdentity(): string | undefined {
  identity ??= { id: probeKernel()?.trim() || undefined };
  return identity.id;
}

function probeKernel(): string | undefined {
  if (process.platform === "linux") {
    try {
      return process.getBuiltinModule("node:fs").readFileSync("/proc/sys/kernel/random/boot_id", "utf8");
    } catch {
      return undefined; // no /proc: the hostname has to do
    }
  }
  if (process.platform === "darwin") return outputOf(["/usr/sbin/sysctl", "-n", "kern.bootsessionuuid"]);
  // Copies of one disk image share the GUID, but not the moment of their start.
  const machine = "(Get-ItemProperty HKLM:\\SOFTWARE\\Microsoft\\Cryptography).MachineGuid";
  const started = "(Get-CimInstance Win32_OperatingSystem).LastBootUpTime.ToUniversalTime().Ticks";
  return outputOf(["powershell", "-NoProfile", "-NonInteractive", "-Command", `"$(${machine})-$(${started})"`]);
}

function outputOf(command: string[]): string | undefined {
  try {
    const { success, stdout } = Bun.spawnSync(command, { stderr: "ignore", timeout: PROBE_TIMEOUT_MS });
    return success ? stdout.toString() : undefined;
  } catch {
    return undefined; // no such program
  }
}
