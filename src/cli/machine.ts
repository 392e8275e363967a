/** The features of this machine as plain data, which `doctor` prints. `doctor --json` prints the same object. */
import { randomUUID } from "node:crypto";
import { existsSync, readFileSync, statfsSync, statSync } from "node:fs";
import { availableParallelism, release } from "node:os";
import { version } from "../../package.json" with { type: "json" };
import { HostListener } from "../channel/connect/host-listener.ts";
import { runtimeDirectory } from "../channel/wire/runtime-directory.ts";
import { GpuDevice, listGpus } from "../gpu/device.ts";
import { type GpuInfo, LavaFlowError, MemoryAllocator, ProcessLocation, type Topology } from "../index.ts";
import { type InteropViability, interopViability } from "../interop/viability.ts";
import { kernelBackends } from "../kernel/runtime.ts";
import { native, shimPath } from "../native/load.ts";
import { remedyFor } from "../native/status.ts";

export interface Missing {
  feature: string;
  reason: string;
  remedy: string;
}

export interface Machine {
  version: string;
  platform: { os: string; arch: string; release: string; distribution: string | null; cpus: number; bun: string };
  /** Null if it can't be loaded. Then each field that needs it is null or empty. */
  shim: { path: string; abiVersion: number } | null;
  memory: { availableBytes: number; limitBytes: number };
  numaNodes: Topology["numaNodes"];
  hugepages: Topology["hugepages"];
  /** Modes of transparent huge pages, for private and for shared memory. */
  transparentHugepages: { private: string | null; shared: string | null };
  sharedMemory: {
    /** Null without the shim. */
    works: boolean | null;
    devShm: { totalBytes: number; freeBytes: number } | null;
    lockedBytes: Limit | null;
    openFiles: Limit | null;
  };
  /** `passedOver`: the directories that precede it in the rule, with the reasons against them. */
  runtimeDirectory: {
    path: string;
    passedOver: string[];
    usable: boolean | null;
    mode: string | null;
    ownerUid: number | null;
  };
  membarrier: boolean | null;
  location: ProcessLocation;
  /** All GPUs that Vulkan shows, with the unusable ones. */
  gpus: Gpu[];
  /** The other APIs, and whether GPU memory can be shared with them. */
  interop: InteropViability[];
  /** The backends of ring kernels in the order in which "auto" tries them, each with its device or the reason against it. */
  kernels: ReturnType<typeof kernelBackends>;
  mpi: Topology["mpi"];
  missing: Missing[];
}

/** `freeBytes`: of its own memory; null if the driver does not report it. */
export interface Gpu extends GpuInfo {
  freeBytes: number | null;
}

/** Null: no limit. */
export interface Limit {
  soft: number | null;
  hard: number | null;
}

const HOW: Record<string, string> = {
  gpu: "Install the Vulkan driver of a GPU (Debian and Ubuntu: apt install mesa-vulkan-drivers). To use a software device, name it: new MemoryAllocator({ devices: [0] })",
  mpi: remedyFor("MPI_UNAVAILABLE") ?? "",
  numa: "Install libnuma (Debian and Ubuntu: apt install libnuma1)",
  "runtime directory": "Set LAVA_FLOW_RUNTIME_DIR to a folder, in one that exists, that only this user can write to",
  hugepages: "Reserve some: sysctl vm.nr_hugepages=64 (as root; 2 MiB each)",
};

/** The driver is the usual reason why one GPU of several can't be used. */
const HOW_GPU = "Install or update this GPU's driver: it has to bring Vulkan 1.2 or newer";

function howTo(feature: string): string {
  return HOW[feature] ?? (/^gpu \d+$/.test(feature) ? HOW_GPU : "");
}

export function examine(): Machine {
  const missing: Missing[] = [];
  /** Null if `probe` throws; the error becomes an entry of `missing`. */
  const attempt = <T>(feature: string, probe: () => T): T | null => {
    try {
      return probe();
    } catch (error) {
      missing.push(missed(feature, error));
      return null;
    }
  };
  const shim = attempt("shim", () => ({ abiVersion: native().lf_abi_version(), path: shimPath() }));
  using allocator = new MemoryAllocator();
  // Without the shim GPUs are unknown, and the rest is still reported.
  using noGpus = new MemoryAllocator({ devices: "none" });
  const { numaNodes, hugepages, mpi } = noGpus.topology;
  const unavailable = shim && attempt("memory", () => allocator.unavailable);
  for (const { feature, reason } of unavailable ?? []) missing.push({ feature, reason, remedy: howTo(feature) });
  const gpus = (shim && attempt("gpu", listGpus)) || [];
  const works = shim && attempt("shared memory", () => allocateShared(allocator)) !== null;
  const usable = shim && attempt("runtime directory", openRuntimeDirectory) !== null;
  const membarrier = shim && native().lf_membarrier_viable() === 1;
  if (membarrier === false && process.platform === "linux") {
    missing.push({
      feature: "membarrier",
      reason: "the kernel refuses membarrier(2), so every message costs a fence",
      remedy: "Use Linux 4.14 or newer, and a container whose seccomp profile allows membarrier",
    });
  }
  const directory = runtimeDirectory();
  const location = ProcessLocation.detect();
  if (!location.hostId) {
    missing.push({
      feature: "host id",
      reason: "the system has no id of the running kernel, so peers are compared by hostname only",
      remedy: "Set LAVA_FLOW_HOST_ID to one value on all processes of this machine",
    });
  }
  return {
    version,
    platform: {
      os: process.platform,
      arch: process.arch,
      release: release(),
      distribution: /^PRETTY_NAME="?(.*?)"?$/m.exec(textOf("/etc/os-release"))?.[1] ?? null,
      cpus: availableParallelism(),
      bun: Bun.version,
    },
    shim,
    memory: { availableBytes: process.availableMemory(), limitBytes: process.constrainedMemory() },
    numaNodes,
    hugepages,
    transparentHugepages: { private: chosen("enabled"), shared: chosen("shmem_enabled") },
    sharedMemory: {
      works,
      devShm: attempt("/dev/shm", devShm),
      lockedBytes: limitOf("Max locked memory"),
      openFiles: limitOf("Max open files"),
    },
    runtimeDirectory: { ...directory, usable, ...ownership(directory.path) },
    membarrier,
    location,
    gpus: gpus.map((gpu) => ({
      ...gpu,
      freeBytes: gpu.missing ? null : attempt(`gpu ${gpu.index}`, () => freeOf(gpu)),
    })),
    interop: (shim && attempt("interop", interopViability)) || [],
    kernels: (shim && attempt("kernels", kernelBackends)) || [],
    mpi,
    missing,
  };
}

function missed(feature: string, error: unknown): Missing {
  const { message } = error as Error;
  const remedy = (error instanceof LavaFlowError && error.remedy) || "";
  const reason = remedy ? message.slice(0, -remedy.length).replace(/[. ]+$/, "") : message;
  return { feature, reason, remedy: remedy || howTo(feature) };
}

/** Allocates as a channel does first: limits alone do not show whether it works. */
function allocateShared(allocator: MemoryAllocator): true {
  allocator.allocate(4096, { kind: "host", shared: true }).close();
  return true;
}

/** Opens the runtime directory as a channel does. */
function openRuntimeDirectory(): true {
  new HostListener(`doctor-${randomUUID()}`, "producer").close();
  return true;
}

/** Opens the GPU, which proves that it can be used. */
function freeOf({ index }: GpuInfo): number | null {
  const device = GpuDevice.open(index);
  try {
    return device.availableBytes;
  } finally {
    device.release();
  }
}

function ownership(path: string): { mode: string | null; ownerUid: number | null } {
  if (process.platform === "win32" || !existsSync(path)) return { mode: null, ownerUid: null };
  const { mode, uid } = statSync(path);
  return { mode: (mode & 0o7777).toString(8).padStart(4, "0"), ownerUid: uid };
}

function devShm(): { totalBytes: number; freeBytes: number } | null {
  if (!existsSync("/dev/shm")) return null;
  const { blocks, bavail, bsize } = statfsSync("/dev/shm");
  return { totalBytes: blocks * bsize, freeBytes: bavail * bsize };
}

function limitOf(name: string): Limit | null {
  const found = new RegExp(`^${name}\\s+(\\S+)\\s+(\\S+)`, "m").exec(textOf("/proc/self/limits"));
  if (!found) return null;
  const [soft = null, hard = null] = found.slice(1).map((value) => (value === "unlimited" ? null : Number(value)));
  return { soft, hard };
}

/** The selected mode, which the kernel's list has in brackets. */
function chosen(setting: string): string | null {
  return /\[(\w+)\]/.exec(textOf(`/sys/kernel/mm/transparent_hugepage/${setting}`))?.[1] ?? null;
}

/** "" if the file does not exist: no system has all of them. */
function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
