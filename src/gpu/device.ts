/** The GPUs of this machine, and one shared object for each that this thread uses. */
import { LavaFlowError } from "../errors.ts";
import { CONSTANTS, GPU_INFO } from "../native/layout.ts";
import { native } from "../native/load.ts";
import { check, remedyFor } from "../native/status.ts";
import { GpuQueue } from "./queue.ts";

/** Groups of operations, after Vulkan's VkSubgroupFeatureFlagBits. */
export type SubgroupOperation = "basic" | "vote" | "arithmetic" | "ballot" | "shuffle" | "shuffle-relative" | "quad";

/** A GPU that Vulkan shows, with its properties. */
export interface GpuInfo {
  /** The number by which it is asked for. */
  readonly index: number;
  readonly name: string;
  /** Its name and version. */
  readonly driver: string;
  /** Of Vulkan: "1.3.255". */
  readonly apiVersion: string;
  /** "cpu" is a software device: it is used only when it is named. */
  readonly type: "discrete" | "integrated" | "cpu" | "other";
  /** Why it can't be used; null where it can. */
  readonly missing: string | null;
  /** 16 bytes each, as hex. */
  readonly deviceUuid: string;
  readonly driverUuid: string;
  /** The largest heap of its own memory. */
  readonly heapBytes: number;
  /** The largest single allocation. */
  readonly allocationMaxBytes: number;
  /** Bytes of one buffer that a shader reaches. */
  readonly storageMaxBytes: number;
  /** Bytes of the variables that a workgroup of a shader shares. */
  readonly workgroupMaxBytes: number;
  /** Shaders compute with 16-bit floats. */
  readonly shaderF16: boolean;
  /** What the invocations of a subgroup may do together in a compute shader; and whether with 16-bit floats. */
  readonly subgroupOperations: readonly SubgroupOperation[];
  readonly subgroupF16: boolean;
  /** Its own memory can be mapped. */
  readonly hostVisibleDeviceLocal: boolean;
  /** What other processes and APIs can share: memory, timeline semaphores, binary semaphores. */
  readonly externalMemory: boolean;
  readonly externalTimeline: boolean;
  readonly externalSemaphore: boolean;
  /** Host memory can be made reachable for it (VK_EXT_external_memory_host). */
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

interface Census {
  gpus: readonly GpuInfo[];
  failure: LavaFlowError | null;
}

/** Looking costs tenths of a second with some drivers, and GPUs do not come and go: once a thread is enough. */
let census: Census | undefined;

/** Vulkan's instance, as long as a device is open: an instance for each would cost the same again. */
let instance = 0;
const devices = new Map<number, GpuDevice>();

/** All GPUs that Vulkan shows, those that can't be used too; none where there is no Vulkan (see `noVulkan`). */
export function listGpus(): readonly GpuInfo[] {
  return takeCensus().gpus;
}

/** Why there is no GPU at all; null where there is one. GPU_DEVICE_NOT_FOUND. */
export function noVulkan(): LavaFlowError | null {
  return takeCensus().failure;
}

function takeCensus(): Census {
  if (census) return census;
  const shim = native();
  const opened = instance || shim.lf_vulkan_open();
  try {
    const count = check(shim, shim.lf_vulkan_count(check(shim, opened)));
    const gpus = Array.from({ length: count }, (_, index) => describe(opened, index));
    census = { gpus, failure: count > 0 ? null : notFound("Vulkan is there, and shows no GPU") };
  } catch (error) {
    if (!(error instanceof LavaFlowError)) throw error;
    census = { gpus: [], failure: error };
  } finally {
    if (opened > 0 && opened !== instance) shim.lf_vulkan_close(opened);
  }
  return census;
}

/** GPU_DEVICE_NOT_FOUND with the remedy. */
export function notFound(text: string, cause?: unknown): LavaFlowError {
  return new LavaFlowError("GPU_DEVICE_NOT_FOUND", text, { remedy: remedyFor("GPU_DEVICE_NOT_FOUND"), cause });
}

const info = new Uint8Array(new ArrayBuffer(GPU_INFO.sizeof));
const fields = new DataView(info.buffer);
const decoder = new TextDecoder();

function describe(vulkan: number, index: number): GpuInfo {
  const shim = native();
  check(shim, shim.lf_vulkan_describe(vulkan, index, info), `GPU ${index}`);
  const version = fields.getUint32(GPU_INFO.api_version, true);
  const features = fields.getUint32(GPU_INFO.shader_features, true);
  return Object.freeze<GpuInfo>({
    index,
    name: text(GPU_INFO.name, GPU_INFO.driver),
    driver: text(GPU_INFO.driver, GPU_INFO.missing),
    apiVersion: `${(version >>> 22) & 0x7f}.${(version >>> 12) & 0x3ff}.${version & 0xfff}`,
    type: TYPES[fields.getInt32(GPU_INFO.type, true) as keyof typeof TYPES] ?? "other",
    missing: text(GPU_INFO.missing, GPU_INFO.device_uuid) || null,
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

/** Up to the first NUL. Control characters have no place in a name, and names are printed to terminals. */
function text(from: number, to: number): string {
  const end = info.indexOf(0, from);
  return decoder.decode(info.subarray(from, end < 0 || end > to ? to : end)).replace(/\p{Cc}+/gu, " ");
}

function uuid(from: number): string {
  return info.subarray(from, from + CONSTANTS.LF_UUID_BYTES).toHex();
}

const available = new Float64Array(new ArrayBuffer(8));

/** A GPU made ready for work. It is shared: whoever opens or retains it releases it. */
export class GpuDevice {
  readonly info: GpuInfo;
  readonly queue: GpuQueue;
  readonly #handle: number;
  #users = 1;
  #closed = false;

  private constructor(gpu: GpuInfo, handle: number) {
    this.info = gpu;
    this.#handle = handle;
    // One that is lost stays so: whoever opens the GPU again gets another object.
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

  /** The shim's handle. CLOSED when everybody has released it. */
  get handle(): number {
    if (!this.#closed) return this.#handle;
    throw new LavaFlowError("CLOSED", `GPU ${this.info.index} (${this.info.name}) is closed`, {
      remedy: "Keep the allocator open for as long as its GPUs are used",
    });
  }

  /** Bytes of its own memory that this process can still have; null where the driver does not say. */
  get availableBytes(): number | null {
    const shim = native();
    check(shim, shim.lf_device_available(this.handle, available));
    return (available[0] as number) < 0 ? null : (available[0] as number);
  }

  retain(): this {
    this.#users++;
    return this;
  }

  /** The last one closes it, when the work that is under way has ended. */
  release(): void {
    if (--this.#users === 0) void this.#closeAtRest();
  }

  async #closeAtRest(): Promise<void> {
    if (!this.queue.atRest) await this.queue.idle;
    if (this.#users > 0 || this.#closed) return; // somebody came back
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
