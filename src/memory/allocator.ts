/** MemoryAllocator: allocates each kind of memory that this machine has, and chooses between them. */
import { type ErrorCode, invalidArgument, LavaFlowError } from "../errors.ts";
import type { GpuDevice } from "../gpu/device.ts";
import {
  checkKind,
  createSemaphore,
  type ExternalSemaphoreHandle,
  type GpuSemaphore,
  importSemaphore,
  type SemaphoreKind,
} from "../gpu/timeline.ts";
import { detectScope, type ProcessLocation, validateLocation } from "../location.ts";
import { sharedBetweenCopies } from "../native/copies.ts";
import { checkNames } from "../native/options.ts";
import { closeOsHandle, takeOsHandle } from "../native/os-handle.ts";
import { type MemoryBuffer, ownedBuffer, SHARED } from "./buffer.ts";
import { type DeviceChoice, Devices } from "./devices.ts";
import { allocateGpu, allocatePinned, importGpu, mappingOf, pinningOf } from "./gpu.ts";
import { type ExternalMemoryHandle, GPU_TYPE, isGpuHandle, uuidsOf } from "./handle.ts";
import { allocateHost, importHost } from "./host.ts";
import { Owner } from "./memory.ts";
import { type BufferPool, poolOf } from "./pool.ts";
import {
  type ChannelProfile,
  checkSize,
  chooseStrategy,
  type Decision,
  gpuLocation,
  type MemoryLocation,
  type Offer,
  type Plan,
  PROFILES,
  planFor,
  type Rejection,
} from "./strategy.ts";
import { numaNodeIds, readTopology, readUnavailable, type Topology, type Unavailable } from "./topology.ts";

export type { Topology } from "./topology.ts";

const STANDARD: MemoryLocation = Object.freeze({ kind: "host" });
const HUGE: MemoryLocation = Object.freeze({ kind: "host", hugepages: true });

/** Buffers of one pool: the number of the shim's handles for memory. */
const POOL_MAX = 65_536;

const ALLOCATOR = { devices: true } as const;
const ALLOCATE = { fallback: true } as const;
const SEMAPHORE = { kind: true, device: true } as const;

/** Codes that the fallback is tried for: memory that can't be had. A wrong argument is wrong for every kind of memory. */
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

/** The GPUs of an allocator, for channels. */
let devicesOf: (allocator: MemoryAllocator) => Devices;

/** Owns the buffers and semaphores that it makes: its close closes those that are open. */
export class MemoryAllocator implements Disposable {
  static {
    devicesOf = sharedBetweenCopies(MemoryAllocator, "MemoryAllocator", (allocator) => allocator.#devices);
  }

  readonly #live = new Owner();
  readonly #semaphores = new Set<GpuSemaphore>();
  readonly #askedOn = new Map<GpuDevice, { location: MemoryLocation; decision: Decision }>();
  readonly #devices: Devices;
  #closed = false;

  /**
   * `devices` are the GPUs to use, by their index in `topology.gpus`. "auto" uses all GPUs in hardware; a software GPU must
   * be named by its index. GPU_DEVICE_NOT_FOUND when a named GPU does not exist or can't be used.
   */
  constructor(options: { devices?: DeviceChoice } = {}) {
    checkNames("MemoryAllocator", options ?? undefined, ALLOCATOR);
    this.#devices = new Devices(options?.devices ?? "auto");
  }

  /** The hardware of this machine, read at each call. GPUs are listed once, because that takes long. */
  get topology(): Topology {
    return readTopology(this.#devices.usable);
  }

  /** Each feature that this machine lacks, with the reason; read as `topology` is. */
  get unavailable(): Unavailable[] {
    return readUnavailable(this.#devices.unavailable);
  }

  /**
   * 1 byte to 4 GiB of zeroed memory, aligned to its pages. The pages are taken from the system before this returns, so a
   * lack of memory is HOST_OUT_OF_MEMORY here. Huge pages are reserved ones where enough are free, else transparent ones;
   * `decision` says which. `fallback` is tried when memory at `location` can't be had.
   *
   * GPU memory may be as large as the GPU's largest allocation. It is not cleared.
   *
   * INVALID_ARGUMENT, CLOSED, HOST_OUT_OF_MEMORY, NUMA_NODE_NOT_FOUND, HUGEPAGES_UNAVAILABLE, GPU_DEVICE_NOT_FOUND,
   * GPU_OUT_OF_MEMORY, GPU_PINNING_FAILED, GPU_DEVICE_LOST; SYSTEM when no descriptor is left for shared memory.
   */
  allocate(
    sizeBytes: number,
    location: MemoryLocation = STANDARD,
    options: { fallback?: MemoryLocation } = {},
  ): MemoryBuffer {
    this.#checkOpen();
    checkNames("allocate", options ?? undefined, ALLOCATE);
    const plan = planFor(location);
    const fallback = options?.fallback && planFor(options.fallback);
    for (const { strategy } of fallback ? [plan, fallback] : [plan]) {
      checkSize(sizeBytes, strategy === "gpu" ? Number.MAX_SAFE_INTEGER : undefined);
    }
    try {
      return this.#make(sizeBytes, plan);
    } catch (error) {
      if (!fallback || !(error instanceof LavaFlowError) || !FALLBACK_CODES.has(error.code)) throw error;
      return this.#make(sizeBytes, fallback, {
        reason: `the fallback: ${plan.strategy} memory can't be had`,
        rejected: [{ strategy: plan.strategy, reason: error.message }],
      });
    }
  }

  /**
   * `count` (1 to 65 536) buffers of one size, by default shared, for a sender that writes one buffer while its receivers
   * read others. The pool closes with the allocator, or before. Errors as for allocate.
   */
  pool(count: number, sizeBytes: number, location: MemoryLocation = SHARED): BufferPool {
    this.#checkOpen();
    if (!Number.isInteger(count) || count < 1 || count > POOL_MAX) {
      throw invalidArgument("count", count, `a whole number from 1 to ${POOL_MAX}`);
    }
    const buffers: MemoryBuffer[] = [];
    try {
      while (buffers.length < count) buffers.push(this.allocate(sizeBytes, location));
    } catch (error) {
      for (const buffer of buffers) buffer.close();
      throw error;
    }
    return poolOf(buffers);
  }

  /**
   * Memory for the traffic between `mine` and `peer`, by the first rule that holds. Shared memory: the profile is
   * cpu-shared and the peer is local. Memory of the GPU `mine.deviceId`: the profile is gpu-preferred and both sides work on a
   * GPU. Pinned memory: one side works on a GPU. Huge pages: the peer is remote and the size at least 1 MiB. Memory of this
   * processor's NUMA node: the machine has several and the size is over 1 MiB. Else standard memory. Memory that can't be had
   * is skipped, as is a software GPU that `devices` do not name; `decision` has the reasons. Errors as for allocate.
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
    const device = here.deviceId;
    const noGpu = purpose.mineOnGpu || purpose.peerOnGpu ? this.#devices.refusal(device)?.message : undefined;
    const missing: Offer["missing"] = noGpu === undefined ? {} : { gpu: noGpu, "gpu-pinned": noGpu };
    for (;;) {
      const { strategy, ...decision } = chooseStrategy(purpose, { numaNodes: numaNodeIds().size, missing });
      try {
        return this.#make(sizeBytes, { strategy, numaNode: -1, device, hostVisible: false }, decision);
      } catch (error) {
        const passable = strategy !== "standard" && strategy !== "shared";
        if (!passable || !(error instanceof LavaFlowError) || !FALLBACK_CODES.has(error.code)) throw error;
        missing[strategy] = error.message;
      }
    }
  }

  /**
   * The shared or GPU memory behind a handle of another process or API. Takes over the handle, which closes with the buffer
   * or when the import fails; a value that is no handle is left alone.
   * EXTERNAL_HANDLE_MISMATCH when the handle is of another kind, another GPU or another driver; CORRUPT_SEGMENT when
   * shared memory is smaller than `sizeBytes` or could still shrink; INVALID_ARGUMENT, CLOSED when the handle has been
   * imported, HOST_OUT_OF_MEMORY, GPU_OUT_OF_MEMORY, EXTERNAL_MEMORY_UNSUPPORTED, SYSTEM.
   */
  import(handle: ExternalMemoryHandle): MemoryBuffer {
    this.#checkOpen();
    if (!isGpuHandle(handle)) {
      return ownedBuffer(importHost(takeOsHandle(handle), handle.sizeBytes, this.#live), "shared", SHARED, IMPORTED);
    }
    const uuids = uuidsOf(handle);
    const hostVisible = handle.hostVisible === true;
    const osHandle = takeOsHandle(handle);
    const device = this.#deviceOf(handle.deviceUuid as string, osHandle);
    const memory = importGpu(device, osHandle, handle, uuids, this.#live);
    return ownedBuffer(memory, "gpu", gpuLocation(device.info.index, hostVisible), IMPORTED);
  }

  /**
   * A semaphore that other processes and APIs can import; `device` as for GPU memory. EXTERNAL_MEMORY_UNSUPPORTED where
   * the GPU's driver does not share that kind; INVALID_ARGUMENT, CLOSED, GPU_DEVICE_NOT_FOUND, GPU_DEVICE_LOST.
   */
  createSemaphore(options: { kind?: SemaphoreKind; device?: number } = {}): GpuSemaphore {
    this.#checkOpen();
    checkNames("createSemaphore", options, SEMAPHORE);
    const { kind = "timeline" } = options;
    checkKind("kind", kind);
    const { device } = planFor({ kind: "gpu", device: options.device });
    return createSemaphore(this.#devices.open(device).retain(), kind, this.#semaphores);
  }

  /** The semaphore behind a handle, which is taken over as by `import`. Errors as for `import`. */
  importSemaphore(handle: ExternalSemaphoreHandle): GpuSemaphore {
    this.#checkOpen();
    if (typeof handle !== "object" || handle === null) {
      throw invalidArgument("handle", handle, "an ExternalSemaphoreHandle");
    }
    if (handle.type !== GPU_TYPE) throw invalidArgument("handle.type", handle.type, `"${GPU_TYPE}"`);
    checkKind("handle.kind", handle.kind);
    const uuids = uuidsOf(handle);
    const osHandle = takeOsHandle(handle);
    const device = this.#deviceOf(handle.deviceUuid, osHandle);
    return importSemaphore(device.retain(), handle.kind, osHandle, uuids, this.#semaphores);
  }

  /** Idempotent. Closes every buffer and semaphore that is still open. */
  close(): void {
    this.#closed = true;
    const errors: unknown[] = [];
    for (const each of [...this.#live.all(), ...this.#semaphores]) {
      try {
        each.close();
      } catch (error) {
        errors.push(error);
      }
    }
    this.#devices.close();
    if (errors.length > 0) throw errors[0];
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #checkOpen(): void {
    if (!this.#closed) return;
    throw new LavaFlowError("CLOSED", "this MemoryAllocator is closed", { remedy: "Create another allocator" });
  }

  /** The GPU that exported a handle. Closes the handle where this allocator has no such GPU. */
  #deviceOf(deviceUuid: string, osHandle: number | bigint): GpuDevice {
    try {
      const device = this.#devices.withUuid(deviceUuid);
      if (device) return device;
      const known = this.#devices.usable.map(({ index, name, deviceUuid: uuid }) => `GPU ${index} (${name}) ${uuid}`);
      const here = known.join(", ") || this.#devices.unavailable.map(({ reason }) => reason).join("; ");
      throw new LavaFlowError(
        "EXTERNAL_HANDLE_MISMATCH",
        `the handle is of the GPU ${deviceUuid}; this allocator has ${here}`,
        { remedy: "Import the handle with an allocator whose devices include the GPU that exported the handle" },
      );
    } catch (error) {
      closeOsHandle(osHandle);
      throw error;
    }
  }

  #make(sizeBytes: number, plan: Plan, decision?: Decision): MemoryBuffer {
    const { strategy, numaNode } = plan;
    switch (strategy) {
      case "gpu":
        return this.#makeGpu(sizeBytes, plan, decision);
      case "gpu-pinned":
        return this.#makePinned(sizeBytes, plan, decision);
      case "numa": {
        if (numaNode >= 0) checkNode(numaNode);
        const memory = allocateHost(strategy, sizeBytes, numaNode, this.#live);
        return ownedBuffer(memory, strategy, { kind: "host", numaNode: memory.numaNode }, decision ?? AS_ASKED);
      }
      case "hugepages": {
        const memory = allocateHost(strategy, sizeBytes, -1, this.#live);
        return ownedBuffer(memory, strategy, HUGE, hugepageDecision(memory.reserved, decision));
      }
      case "standard":
      case "shared": {
        const memory = allocateHost(strategy, sizeBytes, -1, this.#live);
        return ownedBuffer(memory, strategy, strategy === "shared" ? SHARED : STANDARD, decision ?? AS_ASKED);
      }
    }
  }

  #makeGpu(sizeBytes: number, { device, hostVisible }: Plan, decision: Decision = AS_ASKED): MemoryBuffer {
    const gpu = this.#devices.open(device);
    const memory = allocateGpu(gpu, sizeBytes, hostVisible, this.#live);
    if (!hostVisible && decision === AS_ASKED) {
      const { location, decision: asked } = this.#asked(gpu);
      return ownedBuffer(memory, "gpu", location, asked);
    }
    const how = hostVisible ? mappingOf(memory, gpu) : "";
    return ownedBuffer(memory, "gpu", gpuLocation(gpu.info.index, hostVisible), because(decision, onGpu(gpu) + how));
  }

  /** One location and one decision for all memory on `gpu` that was asked for: making them anew took 0.1 µs of the 0.9 µs of an allocation. */
  #asked(gpu: GpuDevice): { location: MemoryLocation; decision: Decision } {
    let known = this.#askedOn.get(gpu);
    if (!known) {
      const decision = decided(`${AS_ASKED.reason}: ${onGpu(gpu)}`);
      known = { location: gpuLocation(gpu.info.index, false), decision };
      this.#askedOn.set(gpu, known);
    }
    return known;
  }

  #makePinned(sizeBytes: number, { device }: Plan, decision: Decision = AS_ASKED): MemoryBuffer {
    let gpu: GpuDevice;
    try {
      gpu = this.#devices.open(device);
    } catch (error) {
      if (device !== undefined || !(error instanceof LavaFlowError)) throw error;
      const { reason, remedy } = error;
      throw new LavaFlowError("GPU_PINNING_FAILED", `host memory for a GPU: ${reason}`, { remedy, cause: error });
    }
    const memory = allocatePinned(gpu, sizeBytes, this.#live);
    const location: MemoryLocation = { kind: "host", gpuPinned: true, device: gpu.info.index };
    return ownedBuffer(memory, "gpu-pinned", location, because(decision, pinningOf(memory, gpu)));
  }
}

function onGpu({ info: { index, name } }: GpuDevice): string {
  return `memory of GPU ${index} (${name})`;
}

/** A decision without alternatives, which buffers share. */
function decided(reason: string): Decision {
  return Object.freeze({ reason, rejected: Object.freeze([]) as unknown as Rejection[] });
}

/** A decision with its outcome. */
function because(decision: Decision, outcome: string): Decision {
  return { reason: `${decision.reason}: ${outcome}`, rejected: decision.rejected };
}

/** Adds the kind of huge pages to their decision. */
function hugepageDecision(reserved: boolean, decision?: Decision): Decision {
  if (!decision) return reserved ? RESERVED : TRANSPARENT;
  const kind = reserved ? "reserved huge pages" : "transparent huge pages, as too few reserved ones are free";
  return because(decision, kind);
}

function checkNode(numaNode: number): void {
  const ids = numaNodeIds();
  if (ids.size === 0 || ids.has(numaNode)) return; // empty: the system lists no nodes, and the shim checks
  throw new LavaFlowError("NUMA_NODE_NOT_FOUND", `there is no NUMA node ${numaNode}`, {
    remedy: `Use one of the nodes of this machine: ${[...ids].join(", ")}`,
  });
}

// What channels need beyond the public class.

/**
 * Opens the GPU that a location's `deviceId` prefers; the allocator owns it. Else the reason why there is none: a software
 * GPU must be named by the allocator's `devices`, or be in use already.
 */
export function channelDevice(
  allocator: MemoryAllocator,
  deviceId: number | undefined,
): { device: GpuDevice; reason: null } | { device: null; reason: string } {
  const devices = devicesOf(allocator);
  const refusal = devices.refusal(deviceId);
  if (refusal) return { device: null, reason: refusal.reason };
  try {
    return { device: devices.open(deviceId), reason: null };
  } catch (error) {
    if (error instanceof LavaFlowError) return { device: null, reason: error.reason };
    throw error;
  }
}

/** Whether the allocator has used a GPU: only then, or at the user's request, is Vulkan probed. */
export function gpuInUse(allocator: MemoryAllocator): boolean {
  return devicesOf(allocator).inUse;
}
