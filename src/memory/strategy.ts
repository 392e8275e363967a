/** The rules that choose memory for a purpose. The caller passes what the machine offers. */
import { invalidArgument, LavaFlowError } from "../errors.ts";
import type { CommunicationScope } from "../location.ts";
import { checkNames, type OptionNames } from "../native/options.ts";

/**
 * Where memory is. Host memory is at most one of these: bound to a NUMA node, made of huge pages, pinned for a GPU, shared.
 * A mixture of them does not type-check. A flag that is false asks for nothing.
 */
export type MemoryLocation =
  | {
      kind: "host";
      /** An id of MemoryAllocator.topology.numaNodes. Default: no node is preferred. */
      numaNode?: number;
      hugepages?: false;
      gpuPinned?: false;
      shared?: false;
      device?: undefined;
      hostVisible?: undefined;
    }
  | {
      kind: "host";
      hugepages?: boolean;
      numaNode?: undefined;
      gpuPinned?: false;
      shared?: false;
      device?: undefined;
      hostVisible?: undefined;
    }
  | {
      kind: "host";
      /** A GPU reads and writes the memory itself: the first one, as with `device` of GPU memory. */
      gpuPinned?: boolean;
      numaNode?: undefined;
      hugepages?: false;
      shared?: false;
      device?: undefined;
      hostVisible?: undefined;
    }
  | {
      kind: "host";
      gpuPinned: true;
      /** The GPU that reads and writes the memory; as `device` of GPU memory. */
      device?: number;
      numaNode?: undefined;
      hugepages?: false;
      shared?: false;
      hostVisible?: undefined;
    }
  | {
      kind: "host";
      /** Other processes can map the memory. */
      shared?: boolean;
      numaNode?: undefined;
      hugepages?: false;
      gpuPinned?: false;
      device?: undefined;
      hostVisible?: undefined;
    }
  | {
      kind: "gpu";
      /** An index of MemoryAllocator.topology.gpus. Default: the first that the allocator's `devices` name, else the first in hardware. */
      device?: number;
      /** Mapped, so that `bytes` shows it; where the GPU can't map its own memory, or not share it then, it is host memory that the GPU reaches. */
      hostVisible?: boolean;
      numaNode?: undefined;
      hugepages?: undefined;
      gpuPinned?: undefined;
      shared?: undefined;
    };

/** How memory was allocated. */
export type MemoryStrategy = "standard" | "numa" | "hugepages" | "gpu-pinned" | "shared" | "gpu";

/** What matters most for a channel. It decides its depth, and whether a GPU is considered. */
export type ChannelProfile = "high-throughput" | "low-latency" | "gpu-preferred" | "cpu-shared";

export const PROFILES: readonly ChannelProfile[] = ["high-throughput", "low-latency", "gpu-preferred", "cpu-shared"];

/** Why memory has its strategy, and why each other strategy was rejected. */
export interface Decision {
  reason: string;
  rejected: Rejection[];
}

/** A strategy that was not taken, and why. */
export interface Rejection {
  strategy: MemoryStrategy;
  reason: string;
}

/** Bytes of JavaScriptCore's largest ArrayBuffer. */
export const SIZE_MAX = 2 ** 32;

/** INVALID_ARGUMENT. `max` is higher for GPU memory, which may be larger than an ArrayBuffer. */
export function checkSize(sizeBytes: number, max: number = SIZE_MAX): void {
  if (Number.isInteger(sizeBytes) && sizeBytes >= 1 && sizeBytes <= max) return;
  throw invalidArgument("sizeBytes", sizeBytes, `an integer from 1 to ${max}${max === SIZE_MAX ? " (4 GiB)" : ""}`);
}

/** Memory for the traffic between two processes. */
export interface Purpose {
  sizeBytes: number;
  scope: CommunicationScope;
  /** Whether this process, and its peer, work on a GPU. */
  mineOnGpu: boolean;
  peerOnGpu: boolean;
  profile?: ChannelProfile;
}

/** The facts of a machine that the rules use. */
export interface Offer {
  numaNodes: number;
  /** Why a strategy is not available, for each such strategy. */
  missing: Partial<Record<MemoryStrategy, string>>;
}

interface Verdict {
  wanted: boolean;
  reason: string;
}

const MIB = 2 ** 20;

/** The rules in their order: the first that wants its strategy decides. */
const RULES: readonly { strategy: MemoryStrategy; judge: (purpose: Purpose, offer: Offer) => Verdict }[] = [
  {
    strategy: "shared",
    judge: ({ profile, scope }) => {
      if (profile !== "cpu-shared") return no("the profile is not cpu-shared");
      return scope === "local"
        ? yes("the profile is cpu-shared")
        : no("the peer is remote, and can't map this host's memory");
    },
  },
  {
    strategy: "gpu",
    judge: ({ profile, mineOnGpu, peerOnGpu }) => {
      if (profile !== "gpu-preferred") return no("the profile is not gpu-preferred");
      return mineOnGpu && peerOnGpu ? yes("both sides work on a GPU") : no("not both sides work on a GPU");
    },
  },
  {
    strategy: "gpu-pinned",
    judge: ({ mineOnGpu, peerOnGpu }) => {
      if (mineOnGpu !== peerOnGpu) return yes("data goes between a GPU and a CPU");
      return no(mineOnGpu ? "both sides work on a GPU" : "no side works on a GPU");
    },
  },
  {
    strategy: "hugepages",
    judge: ({ scope, sizeBytes }) => {
      if (scope !== "remote") return no("the peer is local");
      return sizeBytes >= MIB ? yes("the peer is remote, and the size at least 1 MiB") : no("less than 1 MiB");
    },
  },
  {
    strategy: "numa",
    judge: ({ sizeBytes }, { numaNodes }) => {
      if (numaNodes <= 1) return no("the machine has one NUMA node");
      return sizeBytes > MIB
        ? yes(`the machine has ${numaNodes} NUMA nodes, and the size is over 1 MiB`)
        : no("not over 1 MiB");
    },
  },
];

function yes(reason: string): Verdict {
  return { wanted: true, reason };
}

function no(reason: string): Verdict {
  return { wanted: false, reason };
}

/** The first strategy that its rule wants and the machine has. Each other strategy is rejected with a reason. */
export function chooseStrategy(purpose: Purpose, offer: Offer): Decision & { strategy: MemoryStrategy } {
  const rejected: Rejection[] = [];
  let chosen: Rejection | undefined;
  for (const { strategy, judge } of RULES) {
    const { wanted, reason } = judge(purpose, offer);
    const missing = offer.missing[strategy];
    if (!wanted) rejected.push({ strategy, reason });
    else if (missing !== undefined) rejected.push({ strategy, reason: missing });
    else if (chosen) rejected.push({ strategy, reason: `${chosen.strategy} comes first` });
    else chosen = { strategy, reason };
  }
  if (!chosen) return { strategy: "standard", reason: "nothing better fits", rejected };
  rejected.push({ strategy: "standard", reason: `${chosen.strategy} fits better` });
  return { ...chosen, rejected };
}

/** The request of a checked location. */
export interface Plan {
  strategy: MemoryStrategy;
  /** -1: none asked for. */
  numaNode: number;
  /** The GPU; undefined: none asked for. */
  device: number | undefined;
  hostVisible: boolean;
}

type LocationNames = OptionNames<MemoryLocation>;

const GPU_LOCATION = { kind: true, device: true, hostVisible: true } as const satisfies Partial<LocationNames>;
const HOST_LOCATION = {
  kind: true,
  numaNode: true,
  hugepages: true,
  gpuPinned: true,
  shared: true,
  device: true,
} as const satisfies Partial<LocationNames>;

/** The flags of host memory. Each asks for a strategy, and excludes the others and `numaNode`. */
const HOST_FLAGS = { hugepages: "hugepages", gpuPinned: "gpu-pinned", shared: "shared" } as const;

/** Checks a location. INVALID_ARGUMENT names the field that is wrong, or the fields that exclude one another. */
export function planFor(location: MemoryLocation): Plan {
  const kind: unknown = location?.kind;
  if (kind !== "gpu" && kind !== "host") throw invalidArgument("location.kind", kind, '"host" or "gpu"');
  const { numaNode, gpuPinned, device, hostVisible } = location;
  if (kind === "gpu") {
    checkNames("GPU memory", location, GPU_LOCATION);
    checkFlag("hostVisible", hostVisible);
    checkDevice(device);
    return { strategy: "gpu", numaNode: -1, device, hostVisible: hostVisible === true };
  }
  checkNames("host memory", location, HOST_LOCATION);
  let strategy: MemoryStrategy = "standard";
  const asked: string[] = [];
  if (numaNode !== undefined) {
    if (!Number.isInteger(numaNode) || numaNode < 0 || numaNode > 0x7fffffff) {
      throw invalidArgument("location.numaNode", numaNode, "the id of a node in MemoryAllocator.topology");
    }
    strategy = "numa";
    asked.push(`numaNode: ${numaNode}`);
  }
  for (const flag of Object.keys(HOST_FLAGS) as (keyof typeof HOST_FLAGS)[]) {
    checkFlag(flag, location[flag]);
    if (!location[flag]) continue;
    strategy = HOST_FLAGS[flag];
    asked.push(`${flag}: true`);
  }
  if (asked.length > 1) {
    throw new LavaFlowError("INVALID_ARGUMENT", `location has ${asked.join(", ")}: these exclude one another`, {
      remedy: "Give one of numaNode, hugepages, gpuPinned and shared",
    });
  }
  if (device !== undefined && !gpuPinned) {
    throw invalidArgument("location.device", device, 'a GPU only with gpuPinned: true, or with kind: "gpu"');
  }
  checkDevice(device);
  return { strategy, numaNode: numaNode ?? -1, device, hostVisible: false };
}

function checkFlag(name: string, flag: unknown): void {
  if (flag !== undefined && typeof flag !== "boolean") {
    throw invalidArgument(`location.${name}`, flag, "true, false or nothing");
  }
}

function checkDevice(device: number | undefined): void {
  if (device === undefined || (Number.isInteger(device) && device >= 0)) return;
  throw invalidArgument("location.device", device, "an index of MemoryAllocator.topology.gpus");
}

/** `buffer.location` of memory on a GPU. */
export function gpuLocation(device: number, hostVisible: boolean): MemoryLocation {
  return Object.freeze(hostVisible ? { kind: "gpu", device, hostVisible } : { kind: "gpu", device });
}
