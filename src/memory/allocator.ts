/** MemoryAllocator: memory of each kind that this machine has, and the choice between them. */
import { type ErrorCode, invalidArgument, LavaFlowError } from "../errors.ts";
import { detectScope, type ProcessLocation, validateLocation } from "../location.ts";
import { type MemoryBuffer, ownedBuffer, SHARED } from "./buffer.ts";
import { type ExternalMemoryHandle, takeHostHandle } from "./handle.ts";
import { HostMemory } from "./host.ts";
import {
  type ChannelProfile,
  checkSize,
  chooseStrategy,
  type Decision,
  type MemoryLocation,
  type Offer,
  type Plan,
  PROFILES,
  planFor,
  type Rejection,
} from "./strategy.ts";
import {
  NO_GPU_SUPPORT,
  numaNodeIds,
  readTopology,
  readUnavailable,
  type Topology,
  type Unavailable,
} from "./topology.ts";

export type { Topology } from "./topology.ts";

const STANDARD: MemoryLocation = Object.freeze({ kind: "host" });
const HUGE: MemoryLocation = Object.freeze({ kind: "host", hugepages: true });

/** What the fallback is for: memory that is not there. A wrong argument is wrong for every kind of memory. */
const FALLBACK_CODES: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "HOST_OUT_OF_MEMORY",
  "NUMA_NODE_NOT_FOUND",
  "HUGEPAGES_UNAVAILABLE",
  "GPU_OUT_OF_MEMORY",
  "GPU_PINNING_FAILED",
  "GPU_DEVICE_NOT_FOUND",
]);

const AS_ASKED = decided("the location asks for it");
const RESERVED = decided("the location asks for it: reserved huge pages");
const TRANSPARENT = decided("the location asks for it: transparent huge pages, as too few reserved ones are free");
const IMPORTED = decided("imported from a handle");

/** Owns the buffers that it makes: closing it closes those that are still open. */
export class MemoryAllocator implements Disposable {
  readonly #live = new Set<HostMemory>();
  readonly #gpusWanted: boolean;
  #closed = false;

  /** `devices` says which GPUs to use. GPU_DEVICE_NOT_FOUND when one that is named is not there. */
  constructor(options: { devices?: "auto" | "none" | number[] } = {}) {
    const devices = options?.devices ?? "auto";
    const valid = Array.isArray(devices)
      ? devices.every((device) => Number.isInteger(device) && device >= 0)
      : devices === "auto" || devices === "none";
    if (!valid) throw invalidArgument("devices", devices, '"auto", "none" or a list of device indices');
    if (Array.isArray(devices) && devices.length > 0) throw noGpu(`devices [${devices.join(", ")}]`);
    this.#gpusWanted = devices === "auto";
  }

  /** What this machine offers, read anew each time. */
  get topology(): Topology {
    return readTopology();
  }

  /** Each thing that is missing, with the reason, read anew each time. */
  get unavailable(): Unavailable[] {
    return readUnavailable(this.#gpusWanted);
  }

  /**
   * Memory of 1 byte to 4 GiB, zeroed, aligned to its pages, and taken from the system before this returns: what does
   * not fit is HOST_OUT_OF_MEMORY here. Huge pages are reserved ones where enough are free, else transparent ones;
   * `decision` says which. `fallback` is tried where memory of the first kind is not there.
   *
   * INVALID_ARGUMENT, CLOSED, HOST_OUT_OF_MEMORY, NUMA_NODE_NOT_FOUND, HUGEPAGES_UNAVAILABLE, GPU_DEVICE_NOT_FOUND,
   * GPU_PINNING_FAILED; SYSTEM when no descriptor is left for shared memory.
   */
  allocate(
    sizeBytes: number,
    location: MemoryLocation = STANDARD,
    options: { fallback?: MemoryLocation } = {},
  ): MemoryBuffer {
    this.#checkOpen();
    checkSize(sizeBytes);
    const plan = planFor(location);
    const fallback = options?.fallback && planFor(options.fallback);
    try {
      return this.#make(sizeBytes, plan);
    } catch (error) {
      if (!fallback || !(error instanceof LavaFlowError) || !FALLBACK_CODES.has(error.code)) throw error;
      return this.#make(sizeBytes, fallback, {
        reason: `the fallback: ${plan.strategy} memory is not there`,
        rejected: [{ strategy: plan.strategy, reason: error.message }],
      });
    }
  }

  /**
   * Memory for the traffic between `mine` and `peer`: on the shared profile memory that a local peer can map; else for
   * data between a GPU and a CPU memory that the GPU reaches; else huge pages for a remote peer from 1 MiB on; else, on
   * a machine of several NUMA nodes and over 1 MiB, memory of this processor's node; else standard. Huge pages and a
   * node's memory that can't be had are passed over; `decision` tells. Errors as for allocate.
   */
  allocateAuto(
    sizeBytes: number,
    mine: ProcessLocation,
    peer: ProcessLocation,
    profile?: ChannelProfile,
  ): MemoryBuffer {
    this.#checkOpen();
    checkSize(sizeBytes);
    if (profile !== undefined && !PROFILES.includes(profile)) {
      throw invalidArgument("profile", profile, `one of ${PROFILES.join(", ")}`);
    }
    const [here, there] = [validateLocation(mine), validateLocation(peer)];
    const purpose = {
      sizeBytes,
      scope: detectScope(here, there).scope,
      mineOnGpu: here.deviceId !== undefined,
      peerOnGpu: there.deviceId !== undefined,
      profile,
    };
    const missing: Offer["missing"] = { gpu: NO_GPU_SUPPORT, "gpu-pinned": NO_GPU_SUPPORT };
    for (;;) {
      const { strategy, ...decision } = chooseStrategy(purpose, { numaNodes: numaNodeIds().size, missing });
      try {
        return this.#make(sizeBytes, { strategy, numaNode: -1 }, decision);
      } catch (error) {
        const passable = strategy === "hugepages" || strategy === "numa";
        if (!passable || !(error instanceof LavaFlowError) || !FALLBACK_CODES.has(error.code)) throw error;
        missing[strategy] = error.message;
      }
    }
  }

  /**
   * The shared memory behind a handle from another process. Takes the handle over: it is closed with the buffer, and
   * also when the import fails (not when what was given is no such handle at all). EXTERNAL_HANDLE_MISMATCH when the
   * handle is of another kind, CORRUPT_SEGMENT when the memory is smaller than `sizeBytes` or could still shrink,
   * INVALID_ARGUMENT, CLOSED when the handle was imported before, HOST_OUT_OF_MEMORY, SYSTEM.
   */
  import(handle: ExternalMemoryHandle): MemoryBuffer {
    this.#checkOpen();
    const osHandle = takeHostHandle(handle);
    return ownedBuffer(HostMemory.import(osHandle, handle.sizeBytes, this.#live), "shared", SHARED, IMPORTED);
  }

  /** Idempotent. Closes every buffer that is still open. */
  close(): void {
    this.#closed = true;
    const errors: unknown[] = [];
    for (const memory of [...this.#live]) {
      try {
        memory.close();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw errors[0];
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #checkOpen(): void {
    if (!this.#closed) return;
    throw new LavaFlowError("CLOSED", "this MemoryAllocator is closed", { remedy: "Make another one" });
  }

  #make(sizeBytes: number, { strategy, numaNode }: Plan, decision?: Decision): MemoryBuffer {
    switch (strategy) {
      case "gpu":
        throw noGpu("GPU memory");
      case "gpu-pinned":
        throw new LavaFlowError("GPU_PINNING_FAILED", `host memory for a GPU: ${NO_GPU_SUPPORT}`, {
          remedy: "Ask for another kind of host memory, or give a fallback",
        });
      case "numa": {
        if (numaNode >= 0) checkNode(numaNode);
        const memory = HostMemory.allocate(strategy, sizeBytes, numaNode, this.#live);
        return ownedBuffer(memory, strategy, { kind: "host", numaNode: memory.numaNode }, decision ?? AS_ASKED);
      }
      case "hugepages": {
        const memory = HostMemory.allocate(strategy, sizeBytes, -1, this.#live);
        return ownedBuffer(memory, strategy, HUGE, hugepageDecision(memory.reserved, decision));
      }
      case "standard":
      case "shared": {
        const memory = HostMemory.allocate(strategy, sizeBytes, -1, this.#live);
        return ownedBuffer(memory, strategy, strategy === "shared" ? SHARED : STANDARD, decision ?? AS_ASKED);
      }
    }
  }
}

/** One object for all buffers of a kind. */
function decided(reason: string): Decision {
  return Object.freeze({ reason, rejected: Object.freeze([]) as unknown as Rejection[] });
}

/** Which kind of huge pages it got belongs to every decision for them. */
function hugepageDecision(reserved: boolean, decision?: Decision): Decision {
  if (!decision) return reserved ? RESERVED : TRANSPARENT;
  const kind = reserved ? "reserved huge pages" : "transparent huge pages, as too few reserved ones are free";
  return { reason: `${decision.reason}: ${kind}`, rejected: decision.rejected };
}

function checkNode(numaNode: number): void {
  const ids = numaNodeIds();
  if (ids.size === 0 || ids.has(numaNode)) return; // An empty set: the system does not say, and the shim will.
  throw new LavaFlowError("NUMA_NODE_NOT_FOUND", `there is no NUMA node ${numaNode}`, {
    remedy: `Use one of the nodes of this machine: ${[...ids].join(", ")}`,
  });
}

function noGpu(what: string): LavaFlowError {
  return new LavaFlowError("GPU_DEVICE_NOT_FOUND", `${what}: ${NO_GPU_SUPPORT}`, {
    remedy: 'Use host memory: { kind: "host" }, as the location or as the fallback',
  });
}
