/** Memory of a GPU, and host memory that a GPU reaches itself. */
import type { GpuDevice } from "../gpu/device.ts";
import { CONSTANTS } from "../native/layout.ts";
import { native } from "../native/load.ts";
import { lastError } from "../native/status.ts";
import { beyondWindow, described, info, NativeMemory, type Owner, pinnedBy } from "./memory.ts";

function nameOf({ info: gpu }: GpuDevice): string {
  return `GPU ${gpu.index} (${gpu.name})`;
}

function madeOn(device: GpuDevice, owner: Owner | null): NativeMemory {
  return new NativeMemory(described(), { device: device.retain(), pinned: false }, owner);
}

/** The GPU's own memory, not cleared. `hostVisible`: mapped, and only where it can't be it is host memory. */
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

/**
 * The GPU's own memory, mapped, for this process alone: the host writes it fast, and reads it only slowly. Null where the
 * GPU maps none, or not so much.
 */
export function allocateWindow(device: GpuDevice, sizeBytes: number): NativeMemory | null {
  const shim = native();
  const result = shim.lf_memory_allocate_window(device.handle, sizeBytes, info);
  if (result >= 0) return madeOn(device, null);
  const error = lastError(shim, nameOf(device));
  if (error.code === "NOT_HOST_VISIBLE" || error.code === "GPU_OUT_OF_MEMORY") return null;
  throw error;
}

/** Where `memory`, made for the host to see by the last `allocateGpu`, lies, and why. */
export function mappingOf(memory: NativeMemory, { info: gpu }: GpuDevice): string {
  if (memory.pageBytes === 1) return ", mapped";
  const why = !gpu.hostVisibleDeviceLocal
    ? "it can't map its own memory"
    : beyondWindow()
      ? "its own memory can be mapped, but not so much of it"
      : "its own memory can be mapped, but not shared with other processes when it is";
  return `; ${why}, so this is host memory that it reaches`;
}

/**
 * Host memory that the GPU reaches, zeroed. Where only CUDA could pin it, the device's queue does not know of it: `gpu` is
 * null, and copies treat it as the host memory that it is.
 */
export function allocatePinned(device: GpuDevice, sizeBytes: number, owner: Owner | null): NativeMemory {
  const shim = native();
  if (shim.lf_memory_allocate_pinned(device.handle, sizeBytes, info) < 0) throw lastError(shim, nameOf(device));
  const known = pinnedBy() === CONSTANTS.LF_PINNED_BY_VULKAN;
  return new NativeMemory(described(), known ? { device: device.retain(), pinned: true } : null, owner);
}

/** Why `memory` counts as pinned. */
export function pinningOf(memory: NativeMemory, device: GpuDevice): string {
  return memory.gpu
    ? `${nameOf(device)} reaches it through VK_EXT_external_memory_host`
    : `CUDA has pinned it for ${nameOf(device)} where Vulkan could not: copies to and from that GPU are staged`;
}

/** GPU memory of another process or API; takes the OS handle over, also when it fails. */
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
