/** Which memory fits a purpose: the rules alone. What this machine offers comes in as an argument. */
import { invalidArgument, LavaFlowError } from "../errors.ts";
import type { CommunicationScope } from "../location.ts";
import { checkNames, type OptionNames } from "../native/options.ts";

export type MemoryLocation =
  | {
      kind: "host";
      numaNode?: number;
      hugepages?: boolean;
      /** Host memory that a GPU reads and writes itself. */
      gpuPinned?: boolean;
      shared?: boolean;
      /** The GPU for `gpuPinned`; as `device` of GPU memory. */
      device?: number;
    }
  | {
      kind: "gpu";
      /** An index of MemoryAllocator.topology.gpus. Default: the first that the allocator's `devices` name, else the first in hardware. */
      device?: number;
      /** Mapped, so that `bytes` shows it; where the GPU can't map its own memory, or not share it then, it is host memory that the GPU reaches. */
      hostVisible?: boolean;
    };

export type MemoryStrategy = "standard" | "numa" | "hugepages" | "gpu-pinned" | "shared" | "gpu";

export type ChannelProfile = "high-throughput" | "low-latency" | "gpu-preferred" | "cpu-shared";

export const PROFILES: readonly ChannelProfile[] = ["high-throughput", "low-latency", "gpu-preferred", "cpu-shared"];

/** Why memory is of the strategy it is, and why of none of the others that were thought of. */
export interface Decision {
  reason: string;
  rejected: Rejection[];
}

export interface Rejection {
  strategy: MemoryStrategy;
  reason: string;
}

/** JavaScriptCore's largest ArrayBuffer. */
export const SIZE_MAX = 2 ** 32;

/** GPU memory may be larger than what an ArrayBuffer shows. */
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

/** What the rules must know of a machine. */
export interface Offer {
  numaNodes: number;
  /** Why a strategy can't be had here, for each that can't. */
  missing: Partial<Record<MemoryStrategy, string>>;
}

interface Verdict {
  wanted: boolean;
  reason: string;
}

const MIB = 2 ** 20;

/** In the order in which they are asked. */
const RULES: readonly { strategy: MemoryStrategy; judge: (purpose: Purpose, offer: Offer) => Verdict }[] = [
  {
    strategy: "shared",
    judge: ({ profile, scope }) => {
      if (profile !== "cpu-shared") return no("the profile is not cpu-shared");
      return scope === "local"
        ? yes("the profile is cpu-shared")
        : no("the peer is remote, and can't map memory of here");
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

/** The first strategy whose rule wants it and that the machine has; all others are rejected, each with its reason. */
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

/** What a location asks for, in the words of the shim. */
export interface Plan {
  strategy: MemoryStrategy;
  /** -1: none asked for. */
  numaNode: number;
  /** The GPU; undefined: none asked for. */
  device?: number;
  hostVisible?: boolean;
}

const GPU_LOCATION: OptionNames<MemoryLocation & { kind: "gpu" }> = { kind: true, device: true, hostVisible: true };
const HOST_LOCATION: OptionNames<MemoryLocation & { kind: "host" }> = {
  kind: true,
  numaNode: true,
  hugepages: true,
  gpuPinned: true,
  shared: true,
  device: true,
};

/** Checks a location. INVALID_ARGUMENT names what can't be right in it. */
export function planFor(location: MemoryLocation): Plan {
  const kind: unknown = location?.kind;
  if (kind === "gpu") {
    checkNames("GPU memory", location, GPU_LOCATION);
    const { device, hostVisible } = location as MemoryLocation & { kind: "gpu" };
    checkFlag("hostVisible", hostVisible);
    return { strategy: "gpu", numaNode: -1, ...deviceIn(device), ...(hostVisible ? { hostVisible } : {}) };
  }
  if (kind !== "host") throw invalidArgument("location.kind", kind, '"host" or "gpu"');
  checkNames("host memory", location, HOST_LOCATION);
  const { numaNode, hugepages, gpuPinned, shared, device } = location as MemoryLocation & { kind: "host" };
  let strategy: MemoryStrategy = "standard";
  let asked = 0;
  const ask = (name: string, wanted: unknown, asks: MemoryStrategy) => {
    checkFlag(name, wanted);
    if (!wanted) return;
    strategy = asks;
    asked++;
  };
  ask("hugepages", hugepages, "hugepages");
  ask("gpuPinned", gpuPinned, "gpu-pinned");
  ask("shared", shared, "shared");
  if (numaNode !== undefined) {
    if (!Number.isInteger(numaNode) || numaNode < 0 || numaNode > 0x7fffffff) {
      throw invalidArgument("location.numaNode", numaNode, "the id of a node in MemoryAllocator.topology");
    }
    strategy = "numa";
    asked++;
  }
  if (asked > 1) {
    throw new LavaFlowError("INVALID_ARGUMENT", `location asks for ${asked} kinds of memory at once`, {
      remedy: "Give one of numaNode, hugepages, gpuPinned and shared",
    });
  }
  if (device !== undefined && !gpuPinned) {
    throw invalidArgument("location.device", device, 'a GPU only with gpuPinned: true, or with kind: "gpu"');
  }
  return { strategy, numaNode: numaNode ?? -1, ...deviceIn(device) };
}

function checkFlag(name: string, flag: unknown): void {
  if (flag !== undefined && typeof flag !== "boolean") {
    throw invalidArgument(`location.${name}`, flag, "true, false or nothing");
  }
}

function deviceIn(device: number | undefined): { device?: number } {
  if (device === undefined) return {};
  if (Number.isInteger(device) && device >= 0) return { device };
  throw invalidArgument("location.device", device, "an index of MemoryAllocator.topology.gpus");
}

/** As `buffer.location` says it. */
export function gpuLocation(device: number, hostVisible: boolean): MemoryLocation {
  return hostVisible ? { kind: "gpu", device, hostVisible } : { kind: "gpu", device };
}
