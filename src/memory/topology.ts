/** What memory this machine offers, as the system says it now; its GPUs are read once. */

import { LavaFlowError } from "../errors.ts";
import type { GpuInfo } from "../gpu/device.ts";
import { MPI_INFO } from "../native/layout.ts";
import { native } from "../native/load.ts";
import { check, lastError } from "../native/status.ts";

/** The memory, the GPUs and the MPI of this machine. */
export interface Topology {
  numaNodes: { id: number; freeBytes: number; totalBytes: number }[];
  /** Huge pages that were reserved, by size; transparent ones are made as needed and not counted. */
  hugepages: { sizeBytes: number; free: number; total: number }[];
  /** Those that the allocator may use, and can. */
  gpus: GpuInfo[];
  /** The MPI library that this process uses, or would use: it is loaded to be asked. Null where there is none. */
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

/** What is missing of all that the library can use, with the reason; `gpus` is what is missing of those. */
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

/** `reason` is why there is none. */
function readMpi(): { mpi: Topology["mpi"]; reason: string } {
  const info = new Uint8Array(new ArrayBuffer(MPI_INFO.sizeof));
  try {
    const shim = native();
    check(shim, shim.lf_mpi_describe(info));
  } catch (error) {
    if (error instanceof LavaFlowError) return { mpi: null, reason: error.reason };
    throw error;
  }
  const text = (from: number, to: number) => new TextDecoder().decode(info.subarray(from, to)).replace(/\0.*$/s, "");
  const mpi = {
    implementation: text(MPI_INFO.implementation, MPI_INFO.version),
    version: text(MPI_INFO.version, MPI_INFO.library),
    library: text(MPI_INFO.library, MPI_INFO.kind),
  };
  return { mpi, reason: "" };
}

let nodeIds: ReadonlySet<number> | undefined;

/** The nodes of this machine, read once: they stay while the system runs. Empty where the system does not say. */
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

/** Why the strategy `hugepages` can't have reserved pages; undefined when it can. */
function noReservedPages(): string | undefined {
  const kilobytes = Number(/^Hugepagesize:\s+(\d+) kB/m.exec(textOf("/proc/meminfo"))?.[1] ?? 0);
  const size = readHugepages().find(({ sizeBytes }) => sizeBytes === kilobytes * 1024);
  if (size && size.free > 0) return undefined;
  const none = size
    ? `${size.free} of ${size.total} reserved huge pages of ${kilobytes} kB are free`
    : "this system has no reserved huge pages";
  const mode = /\[(\w+)\]/.exec(textOf(TRANSPARENT))?.[1];
  return mode && mode !== "never" ? `${none}; transparent ones are taken instead` : `${none}, and no transparent ones`;
}

/** The numbers in the names of a folder's entries that fit; empty where there is no such folder. */
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
    return ""; // Another system, or a sandbox that hides it.
  }
}
