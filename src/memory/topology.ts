/** The NUMA nodes, huge pages, GPUs and MPI library of this machine. */
import { LavaFlowError } from "../errors.ts";
import type { GpuInfo } from "../gpu/device.ts";
import { cString } from "../native/c-string.ts";
import { MPI_INFO } from "../native/layout.ts";
import { native } from "../native/load.ts";
import { check, lastError } from "../native/status.ts";

/** The memory, the GPUs and the MPI of this machine. */
export interface Topology {
  numaNodes: { id: number; freeBytes: number; totalBytes: number }[];
  /** Reserved huge pages, by size. Transparent huge pages are made as needed and not counted. */
  hugepages: { sizeBytes: number; free: number; total: number }[];
  /** The GPUs that the allocator may use and that can be used. */
  gpus: GpuInfo[];
  /** The MPI library that this process uses or would use; null where there is none. Reading it loads the library. */
  mpi: { implementation: string; version: string; library: string } | null;
}

/** A feature that this machine lacks, and why. */
export interface Unavailable {
  feature: string;
  reason: string;
}

const NODES = "/sys/devices/system/node";
const HUGEPAGES = "/sys/kernel/mm/hugepages";
const TRANSPARENT = "/sys/kernel/mm/transparent_hugepage/enabled";

export function readTopology(gpus: readonly GpuInfo[]): Topology {
  return { numaNodes: readNumaNodes(), hugepages: readHugepages(), gpus: [...gpus], mpi: readMpi().mpi };
}

/** Each feature that this machine lacks, with the reason; `gpus` are the missing features of GPUs. */
export function readUnavailable(gpus: readonly Unavailable[]): Unavailable[] {
  const missing: Unavailable[] = [];
  const shim = native();
  if (shim.lf_numa_viable() !== 1) missing.push({ feature: "numa", reason: lastError(shim).message });
  const hugepages = noReservedPages();
  if (hugepages) missing.push({ feature: "hugepages", reason: hugepages });
  missing.push(...gpus);
  const { mpi, reason } = readMpi();
  if (!mpi) missing.push({ feature: "mpi", reason });
  return missing;
}

/** `reason` says why `mpi` is null. */
function readMpi(): { mpi: Topology["mpi"]; reason: string } {
  const info = new Uint8Array(new ArrayBuffer(MPI_INFO.sizeof));
  try {
    const shim = native();
    check(shim, shim.lf_mpi_describe(info));
  } catch (error) {
    if (error instanceof LavaFlowError) return { mpi: null, reason: error.reason };
    throw error;
  }
  const mpi = {
    implementation: cString(info, MPI_INFO.implementation, MPI_INFO.version),
    version: cString(info, MPI_INFO.version, MPI_INFO.library),
    library: cString(info, MPI_INFO.library, MPI_INFO.kind),
  };
  return { mpi, reason: "" };
}

let nodeIds: ReadonlySet<number> | undefined;

/** The NUMA nodes of this machine, read once: they don't change. Empty where the system does not list them. */
export function numaNodeIds(): ReadonlySet<number> {
  return (nodeIds ??= new Set(idsOfNodes()));
}

function idsOfNodes(): number[] {
  return numbered(NODES, /^node(\d+)$/).sort((a, b) => a - b);
}

function readNumaNodes(): Topology["numaNodes"] {
  return idsOfNodes().map((id) => {
    const text = textOf(`${NODES}/node${id}/meminfo`);
    const bytes = (name: string) => Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(text)?.[1] ?? 0) * 1024;
    return { id, freeBytes: bytes("MemFree"), totalBytes: bytes("MemTotal") };
  });
}

function readHugepages(): Topology["hugepages"] {
  const sizes = numbered(HUGEPAGES, /^hugepages-(\d+)kB$/).sort((a, b) => a - b);
  return sizes.map((kilobytes) => {
    const count = (name: string) => Number(textOf(`${HUGEPAGES}/hugepages-${kilobytes}kB/${name}`));
    return { sizeBytes: kilobytes * 1024, free: count("free_hugepages"), total: count("nr_hugepages") };
  });
}

/** Why the strategy `hugepages` gets no reserved pages; undefined when it does. */
function noReservedPages(): string | undefined {
  const kilobytes = Number(/^Hugepagesize:\s+(\d+) kB/m.exec(textOf("/proc/meminfo"))?.[1] ?? 0);
  const size = readHugepages().find(({ sizeBytes }) => sizeBytes === kilobytes * 1024);
  if (size && size.free > 0) return undefined;
  const none = size
    ? `${size.free} of ${size.total} reserved huge pages of ${kilobytes} kB are free`
    : "this system has no reserved huge pages";
  const mode = /\[(\w+)\]/.exec(textOf(TRANSPARENT))?.[1];
  return mode && mode !== "never" ? `${none}; transparent ones are used instead` : `${none}, and no transparent ones`;
}

/** The numbers in the names of a folder's entries that match; empty where there is no such folder. */
function numbered(folder: string, pattern: RegExp): number[] {
  try {
    return process
      .getBuiltinModule("node:fs")
      .readdirSync(folder)
      .flatMap((name) => {
        const found = pattern.exec(name);
        return found ? [Number(found[1])] : [];
      });
  } catch {
    return [];
  }
}

function textOf(path: string): string {
  try {
    return process.getBuiltinModule("node:fs").readFileSync(path, "utf8");
  } catch {
    return ""; // another system, or a sandbox that hides the file
  }
}
