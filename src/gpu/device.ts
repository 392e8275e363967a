/** The GPUs of this machine, and one shared GpuDevice for each GPU that this thread uses. */
import { LavaFlowError } from "../errors.ts";
import { printableCString } from "../native/c-string.ts";
import { CONSTANTS, GPU_INFO } from "../native/layout.ts";
import { native } from "../native/load.ts";
import { check, remedyFor } from "../native/status.ts";
import { GpuQueue } from "./queue.ts";

/** Groups of operations, after Vulkan's VkSubgroupFeatureFlagBits. */
export type SubgroupOperation = "basic" | "vote" | "arithmetic" | "ballot" | "shuffle" | "shuffle-relative" | "quad";

/** A GPU that Vulkan shows, with its properties. */
export interface GpuInfo {
  /** The number that options name the GPU by. */
  readonly index: number;
  readonly name: string;
  /** The driver's name and version. */
  readonly driver: string;
  /** The version of Vulkan: "1.3.255". */
  readonly apiVersion: string;
  /** "cpu" is a software device, which an allocator uses only when its `devices` name it. */
  readonly type: "discrete" | "integrated" | "cpu" | "other";
  /** Why the GPU can't be used; null where it can. */
  readonly missing: string | null;
  /** 16 bytes each, as hex. */
  readonly deviceUuid: string;
  readonly driverUuid: string;
  /** Bytes of the largest device-local heap. */
  readonly heapBytes: number;
  /** Bytes of the largest single allocation. */
  readonly allocationMaxBytes: number;
  /** Bytes of a buffer that one shader binding reaches. */
  readonly storageMaxBytes: number;
  /** Bytes of a shader's workgroup variables. */
  readonly workgroupMaxBytes: number;
  /** Shaders compute with 16-bit floats. */
  readonly shaderF16: boolean;
  /** Subgroup operations of compute shaders; and whether they take 16-bit floats. */
  readonly subgroupOperations: readonly SubgroupOperation[];
  readonly subgroupF16: boolean;
  /** The GPU has BAR memory: device-local memory that the processor can map. */
  readonly hostVisibleDeviceLocal: boolean;
  /** Whether other processes and APIs can share memory, timeline semaphores, binary semaphores. */
  readonly externalMemory: boolean;
  readonly externalTimeline: boolean;
  readonly externalSemaphore: boolean;
  /** The GPU can import host memory (VK_EXT_external_memory_host). */
  readonly hostImport: boolean;
}

const TYPES = {
  [CONSTANTS.LF_GPU_DISCRETE]: "discrete",
  [CONSTANTS.LF_GPU_INTEGRATED]: "integrated",
  [CONSTANTS.LF_GPU_CPU]: "cpu",
} as const;

const SUBGROUPS = [
  ["basic", CONSTANTS.LF_SHADER_SUBGROUP_BASIC],
  ["vote", CONSTANTS.LF_SHADER_SUBGROUP_VOTE],
  ["arithmetic", CONSTANTS.LF_SHADER_SUBGROUP_ARITHMETIC],
  ["ballot", CONSTANTS.LF_SHADER_SUBGROUP_BALLOT],
  ["shuffle", CONSTANTS.LF_SHADER_SUBGROUP_SHUFFLE],
  ["shuffle-relative", CONSTANTS.LF_SHADER_SUBGROUP_SHUFFLE_RELATIVE],
  ["quad", CONSTANTS.LF_SHADER_SUBGROUP_QUAD],
] as const;

interface GpuList {
  gpus: readonly GpuInfo[];
  failure: LavaFlowError | null;
}

/** Made once a thread: some drivers take tenths of a second, and GPUs do not come and go. */
let list: GpuList | undefined;

/** Vulkan's instance while a device is open. The devices share it, because each instance costs as much as the first. */
let instance = 0;
const devices = new Map<number, GpuDevice>();

/** All GPUs that Vulkan lists, unusable ones too. Empty where there is no Vulkan: `noVulkan` says why. */
export function listGpus(): readonly GpuInfo[] {
  return readGpus().gpus;
}

/** Why there is no GPU at all; null where there is one. GPU_DEVICE_NOT_FOUND. */
export function noVulkan(): LavaFlowError | null {
  return readGpus().failure;
}

function readGpus(): GpuList {
  if (list) return list;
  const shim = native();
  const opened = instance || shim.lf_vulkan_open();
  try {
    const count = check(shim, shim.lf_vulkan_count(check(shim, opened)));
    const gpus = Array.from({ length: count }, (_, index) => describe(opened, index));
    list = { gpus, failure: count > 0 ? null : notFound("Vulkan is installed, and lists no GPU") };
  } catch (error) {
    if (!(error instanceof LavaFlowError)) throw error;
    list = { gpus: [], failure: error };
  } finally {
    if (opened > 0 && opened !== instance) shim.lf_vulkan_close(opened);
  }
  return list;
}

/** GPU_DEVICE_NOT_FOUND with the remedy. */
export function notFound(text: string, cause?: unknown): LavaFlowError {
  return new LavaFlowError("GPU_DEVICE_NOT_FOUND", text, { remedy: remedyFor("GPU_DEVICE_NOT_FOUND"), cause });
}

const info = new Uint8Array(new ArrayBuffer(GPU_INFO.sizeof));
const fields = new DataView(info.buffer);

function describe(vulkan: number, index: number): GpuInfo {
  const shim = native();
  check(shim, shim.lf_vulkan_describe(vulkan, index, info), `GPU ${index}`);
  const version = fields.getUint32(GPU_INFO.api_version, true);
  const features = fields.getUint32(GPU_INFO.shader_features, true);
  return Object.freeze<GpuInfo>({
    index,
    name: printableCString(info, GPU_INFO.name, GPU_INFO.driver),
    driver: printableCString(info, GPU_INFO.driver, GPU_INFO.missing),
    apiVersion: `${(version >>> 22) & 0x7f}.${(version >>> 12) & 0x3ff}.${version & 0xfff}`,
    type: TYPES[fields.getInt32(GPU_INFO.type, true) as keyof typeof TYPES] ?? "other",
    missing: printableCString(info, GPU_INFO.missing, GPU_INFO.device_uuid) || null,
    deviceUuid: uuid(GPU_INFO.device_uuid),
    driverUuid: uuid(GPU_INFO.driver_uuid),
    heapBytes: fields.getFloat64(GPU_INFO.heap_bytes, true),
    allocationMaxBytes: fields.getFloat64(GPU_INFO.allocation_max, true),
    storageMaxBytes: fields.getUint32(GPU_INFO.storage_max, true),
    workgroupMaxBytes: fields.getUint32(GPU_INFO.workgroup_max, true),
    shaderF16: (features & CONSTANTS.LF_SHADER_F16) !== 0,
    subgroupOperations: Object.freeze(SUBGROUPS.filter(([, bit]) => features & bit).map(([name]) => name)),
    subgroupF16: (features & CONSTANTS.LF_SHADER_SUBGROUP_F16) !== 0,
    hostVisibleDeviceLocal: fields.getUint32(GPU_INFO.host_visible, true) === 1,
    externalMemory: fields.getUint32(GPU_INFO.external_memory, true) === 1,
    externalTimeline: fields.getUint32(GPU_INFO.external_timeline, true) === 1,
    externalSemaphore: fields.getUint32(GPU_INFO.external_semaphore, true) === 1,
    hostImport: fields.getUint32(GPU_INFO.host_import, true) === 1,
  });
}

function uuid(from: number): string {
  return info.subarray(from, from + CONSTANTS.LF_UUID_BYTES).toHex();
}

const available = new Float64Array(new ArrayBuffer(8));

/** An open GPU. It is shared: each `open` and each `retain` is followed by one `release`. */
export class GpuDevice {
  readonly info: GpuInfo;
  readonly queue: GpuQueue;
  readonly #handle: number;
  #users = 1;
  #closed = false;

  private constructor(gpu: GpuInfo, handle: number) {
    this.info = gpu;
    this.#handle = handle;
    // A lost device stays lost: the next open of the GPU makes another object.
    this.queue = new GpuQueue(handle, `GPU ${gpu.index} (${gpu.name})`, () => this.#forget());
  }

  /** Opens the GPU, or retains it where this thread has it open. GPU_DEVICE_NOT_FOUND, GPU_DEVICE_LOST. */
  static open(index: number): GpuDevice {
    const known = devices.get(index);
    if (known) return known.retain();
    const shim = native();
    const gpu = listGpus()[index];
    if (!gpu) throw notFound(noVulkan()?.reason ?? `there is no GPU ${index}`, noVulkan() ?? undefined);
    if (instance === 0) instance = check(shim, shim.lf_vulkan_open());
    try {
      const device = new GpuDevice(
        gpu,
        check(shim, shim.lf_device_open(instance, index), `GPU ${index} (${gpu.name})`),
      );
      devices.set(index, device);
      return device;
    } finally {
      closeInstance();
    }
  }

  /** The shim's handle. CLOSED after the last release. */
  get handle(): number {
    if (!this.#closed) return this.#handle;
    throw new LavaFlowError("CLOSED", `GPU ${this.info.index} (${this.info.name}) is closed`, {
      remedy: "Keep the allocator open while its GPUs are used",
    });
  }

  /** Bytes of device memory that this process can still allocate; null where the driver does not say. */
  get availableBytes(): number | null {
    const shim = native();
    check(shim, shim.lf_device_available(this.handle, available));
    return (available[0] as number) < 0 ? null : (available[0] as number);
  }

  retain(): this {
    this.#users++;
    return this;
  }

  /** The last release closes the device when all work has ended. */
  release(): void {
    if (--this.#users === 0) void this.#closeAtRest();
  }

  async #closeAtRest(): Promise<void> {
    if (!this.queue.atRest) await this.queue.idle;
    if (this.#users > 0 || this.#closed) return; // retained meanwhile
    this.#closed = true;
    this.queue.close();
    native().lf_device_close(this.#handle);
    this.#forget();
  }

  #forget(): void {
    if (devices.get(this.info.index) === this) devices.delete(this.info.index);
    closeInstance();
  }
}

function closeInstance(): void {
  if (devices.size > 0 || instance === 0) return;
  native().lf_vulkan_close(instance);
  instance = 0;
}
