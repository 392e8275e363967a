/** Memory of a GPU, and pinned host memory. */
import { LavaFlowError } from "../errors.ts";
import type { GpuDevice } from "../gpu/device.ts";
import { CONSTANTS } from "../native/layout.ts";
import { native } from "../native/load.ts";
import { lastError } from "../native/status.ts";
import { beyondBar, described, info, NativeMemory, type Owner, pinnedBy } from "./memory.ts";

function nameOf({ info: gpu }: GpuDevice): string {
  return `GPU ${gpu.index} (${gpu.name})`;
}

function madeOn(device: GpuDevice, owner: Owner | null): NativeMemory {
  return new NativeMemory(described(), { device: device.retain(), pinned: false }, owner);
}

/** Device memory, not cleared. `hostVisible` asks for a mapping: host memory that the GPU reaches where BAR memory can't be had. */
export function allocateGpu(
  device: GpuDevice,
  sizeBytes: number,
  hostVisible: boolean,
  owner: Owner | null,
): NativeMemory {
  const shim = native();
  const result = shim.lf_memory_allocate_gpu(device.handle, sizeBytes, hostVisible ? 1 : 0, info);
  if (result < 0) throw lastError(shim, nameOf(device));
  return madeOn(device, owner);
}

/** BAR memory for this process alone: the host writes it fast and reads it slowly. Null where the GPU has not enough. */
export function allocateBar(device: GpuDevice, sizeBytes: number): NativeMemory | null {
  const shim = native();
  const result = shim.lf_memory_allocate_bar(device.handle, sizeBytes, info);
  if (result >= 0) return madeOn(device, null);
  const error = lastError(shim, nameOf(device));
  if (error.code === "NOT_HOST_VISIBLE" || error.code === "GPU_OUT_OF_MEMORY") return null;
  throw error;
}

/** Where the `hostVisible` memory of the last `allocateGpu` is, and why. */
export function mappingOf(memory: NativeMemory, { info: gpu }: GpuDevice): string {
  if (memory.pageBytes === 1) return ", mapped";
  const why = !gpu.hostVisibleDeviceLocal
    ? "it can't map its own memory"
    : beyondBar()
      ? "it can map some of its own memory, but not this much"
      : "it can map its own memory, but not share it with other processes then";
  return `; ${why}, so this is host memory that it reaches`;
}

/**
 * Pinned host memory, zeroed. Where only CUDA could pin the memory, the device's queue can't use it: `gpu` is null, and
 * copies treat it as other host memory.
 */
export function allocatePinned(device: GpuDevice, sizeBytes: number, owner: Owner | null): NativeMemory {
  const shim = native();
  if (shim.lf_memory_allocate_pinned(device.handle, sizeBytes, info) < 0) throw lastError(shim, nameOf(device));
  const known = pinnedBy() === CONSTANTS.LF_PINNED_BY_VULKAN;
  return new NativeMemory(described(), known ? { device: device.retain(), pinned: true } : null, owner);
}

/** As `allocatePinned`; null where nothing could pin it: unpinned memory serves too, at the cost of a copy by the CPU. */
export function tryAllocatePinned(device: GpuDevice, sizeBytes: number): NativeMemory | null {
  try {
    return allocatePinned(device, sizeBytes, null);
  } catch (error) {
    if (error instanceof LavaFlowError) return null;
    throw error;
  }
}

/** How `memory` was pinned. */
export function pinningOf(memory: NativeMemory, device: GpuDevice): string {
  return memory.gpu
    ? `${nameOf(device)} reaches it through VK_EXT_external_memory_host`
    : `CUDA has pinned it for ${nameOf(device)} where Vulkan could not: copies to and from that GPU are staged`;
}

/** GPU memory of another process or API. Takes over the OS handle, also when it fails. */
export function importGpu(
  device: GpuDevice,
  osHandle: number | bigint,
  { sizeBytes, allocationBytes, hostVisible }: { sizeBytes: number; allocationBytes: number; hostVisible?: boolean },
  uuids: Uint8Array,
  owner: Owner | null,
): NativeMemory {
  const shim = native();
  const visible = hostVisible ? 1 : 0;
  const result = shim.lf_memory_import_gpu(device.handle, osHandle, sizeBytes, allocationBytes, visible, uuids, info);
  if (result < 0) throw lastError(shim, `import on ${nameOf(device)}`);
  return madeOn(device, owner);
}
