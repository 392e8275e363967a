/** OS handles to memory, which one process passes to another. */
import { invalidArgument, LavaFlowError } from "../errors.ts";
import { native } from "../native/load.ts";
import { exported, OsHandle, type OsHandleFields } from "../native/os-handle.ts";
import { check } from "../native/status.ts";
import type { NativeMemory } from "./memory.ts";
import { checkSize } from "./strategy.ts";

/** An OS handle to memory, with what an import must know. The receiver owns the handle and closes it. */
export interface ExternalMemoryHandle extends OsHandleFields, Disposable {
  /** "opaque-…" is GPU memory, the others are host memory. */
  readonly type: "opaque-fd" | "opaque-win32" | "host-fd" | "win32-mapping";
  readonly sizeBytes: number;
  /** Bytes that the driver allocated; imports into CUDA, OpenCL and OpenGL need this size. */
  readonly allocationBytes: number;
  /** 16-byte UUIDs as hex, for GPU memory: importing on another device or driver is refused. */
  readonly deviceUuid?: string;
  readonly driverUuid?: string;
  /** GPU memory that was allocated with `hostVisible: true`; a driver may need to know. */
  readonly hostVisible?: boolean;
}

const WINDOWS = process.platform === "win32";
export const HOST_TYPE = WINDOWS ? "win32-mapping" : "host-fd";
export const GPU_TYPE = WINDOWS ? "opaque-win32" : "opaque-fd";

const allocated = new Float64Array(new ArrayBuffer(8));

/** A handle that this process owns until it is imported here or disposed of. */
class MemoryHandle extends OsHandle implements ExternalMemoryHandle {
  readonly type: ExternalMemoryHandle["type"];
  readonly sizeBytes: number;
  readonly allocationBytes: number;
  readonly deviceUuid?: string;
  readonly driverUuid?: string;
  readonly hostVisible?: boolean;

  constructor(memory: NativeMemory, allocationBytes: number, hostVisible: boolean) {
    super();
    this.type = memory.gpu ? GPU_TYPE : HOST_TYPE;
    this.sizeBytes = memory.sizeBytes;
    this.allocationBytes = allocationBytes;
    if (!memory.gpu) return;
    this.deviceUuid = memory.gpu.device.info.deviceUuid;
    this.driverUuid = memory.gpu.device.info.driverUuid;
    this.hostVisible = hostVisible;
  }
}

export function exportMemory(memory: NativeMemory, hostVisible: boolean): ExternalMemoryHandle {
  const shim = native();
  check(shim, shim.lf_memory_export(memory.handle, exported), "exportHandle");
  if (!memory.gpu) return new MemoryHandle(memory, memory.allocatedBytes, hostVisible);
  // The export has moved small memory into an allocation of its own, which has another size.
  check(shim, shim.lf_memory_allocated(memory.handle, allocated), "exportHandle");
  return new MemoryHandle(memory, allocated[0] as number, hostVisible);
}

/** Whether the handle is of GPU memory. INVALID_ARGUMENT; EXTERNAL_HANDLE_MISMATCH for a handle of another system's type. */
export function isGpuHandle(handle: ExternalMemoryHandle): boolean {
  if (typeof handle !== "object" || handle === null) throw invalidArgument("handle", handle, "an ExternalMemoryHandle");
  const { type, sizeBytes } = handle;
  if (type === HOST_TYPE) {
    checkSize(sizeBytes);
    return false;
  }
  if (type !== GPU_TYPE) {
    throw new LavaFlowError("EXTERNAL_HANDLE_MISMATCH", `a handle of type ${JSON.stringify(type)}`, {
      remedy: `This system's handles to memory are of type "${HOST_TYPE}" or, for GPU memory, "${GPU_TYPE}"`,
    });
  }
  checkSize(sizeBytes, Number.MAX_SAFE_INTEGER);
  const { allocationBytes } = handle;
  if (!Number.isSafeInteger(allocationBytes) || allocationBytes < sizeBytes) {
    throw invalidArgument("handle.allocationBytes", allocationBytes, `whole bytes, at least sizeBytes (${sizeBytes})`);
  }
  return true;
}

/** Both UUIDs of a handle, as the shim takes them: 32 bytes. INVALID_ARGUMENT. */
export function uuidsOf({ deviceUuid, driverUuid }: { deviceUuid?: string; driverUuid?: string }): Uint8Array {
  for (const [name, uuid] of Object.entries({ deviceUuid, driverUuid })) {
    if (typeof uuid === "string" && /^[0-9a-f]{32}$/i.test(uuid)) continue;
    throw invalidArgument(`handle.${name}`, uuid, "the UUID that the exporter gave: 32 hexadecimal digits");
  }
  return Uint8Array.fromHex(`${deviceUuid}${driverUuid}`);
}
