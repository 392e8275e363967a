/** OS handles to memory, as one process passes them to another. */
import { invalidArgument, LavaFlowError } from "../errors.ts";
import { native } from "../native/load.ts";
import { check } from "../native/status.ts";
import type { HostMemory } from "./host.ts";
import { checkSize } from "./strategy.ts";

/** What an OS handle to memory says of itself. The receiver owns the handle; closing it is its duty. */
export interface ExternalMemoryHandle extends Disposable {
  readonly type: "opaque-fd" | "opaque-win32" | "host-fd" | "win32-mapping";
  /** File descriptor (Linux, macOS). */
  readonly fd?: number;
  /** NT handle (Windows). */
  readonly handle?: bigint;
  readonly sizeBytes: number;
  /** Bytes the driver really allocated: what CUDA, OpenCL and OpenGL imports must be told. */
  readonly allocationBytes: number;
  /** 16-byte UUIDs as hex, for GPU memory: importing on another device or driver is refused. */
  readonly deviceUuid?: string;
  readonly driverUuid?: string;
}

const HOST_TYPE = process.platform === "win32" ? "win32-mapping" : "host-fd";

/** A handle that this process owns until it is imported here or disposed of. */
class HostHandle implements ExternalMemoryHandle {
  readonly type = HOST_TYPE;
  readonly fd?: number;
  readonly handle?: bigint;
  readonly sizeBytes: number;
  readonly allocationBytes: number;
  #open = true;

  constructor(osHandle: bigint, memory: HostMemory) {
    if (this.type === "host-fd") this.fd = Number(osHandle);
    else this.handle = osHandle;
    this.sizeBytes = memory.sizeBytes;
    this.allocationBytes = memory.allocatedBytes;
  }

  /** Gives the duty to close it to the caller. */
  take(): void {
    if (!this.#open) {
      throw new LavaFlowError("CLOSED", "this handle was disposed of, or imported before", {
        remedy: "Export a handle for each import",
      });
    }
    this.#open = false;
  }

  [Symbol.dispose](): void {
    if (!this.#open) return;
    this.#open = false;
    const shim = native();
    check(shim, shim.lf_os_handle_close(this.fd ?? (this.handle as bigint)));
  }
}

const exported = new BigInt64Array(new ArrayBuffer(8));

export function exportHostMemory(memory: HostMemory): ExternalMemoryHandle {
  const shim = native();
  check(shim, shim.lf_memory_export(memory.handle, exported), "exportHandle");
  return new HostHandle(exported[0] as bigint, memory);
}

/** The OS handle in `handle`, which is the caller's to close from now on. */
export function takeHostHandle(handle: ExternalMemoryHandle): number | bigint {
  if (typeof handle !== "object" || handle === null) throw invalidArgument("handle", handle, "an ExternalMemoryHandle");
  if (handle.type !== HOST_TYPE) {
    throw new LavaFlowError("EXTERNAL_HANDLE_MISMATCH", `a handle of type ${JSON.stringify(handle.type)}`, {
      remedy: `This version imports host memory of type "${HOST_TYPE}" only`,
    });
  }
  checkSize(handle.sizeBytes);
  if (HOST_TYPE === "host-fd") {
    const { fd } = handle;
    if (!Number.isInteger(fd) || (fd as number) < 0 || (fd as number) > 0x7fffffff) {
      throw invalidArgument("handle.fd", fd, "an open file descriptor");
    }
  } else if (typeof handle.handle !== "bigint" || handle.handle <= 0n) {
    throw invalidArgument("handle.handle", handle.handle, "an NT handle as a bigint");
  }
  if (handle instanceof HostHandle) handle.take();
  return HOST_TYPE === "host-fd" ? (handle.fd as number) : (handle.handle as bigint);
}
