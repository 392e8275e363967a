/** Imports of GPU memory and semaphores into OpenCL, and of OpenCL's memory from there. */
import { callOf, shownAt } from "../errors.ts";
import type { GpuSemaphore } from "../gpu/timeline.ts";
import type { MemoryAllocator } from "../memory/allocator.ts";
import type { MemoryBuffer } from "../memory/buffer.ts";
import { checkLimits, type Limits } from "../native/limits.ts";
import { native } from "../native/load.ts";
import { check } from "../native/status.ts";
import {
  checkAllocator,
  ended,
  gpuAddressOf,
  gpuMemoryOf,
  gpuWithUuid,
  Imported,
  imported,
  pointerOf,
  semaphoreOf,
} from "./imported.ts";
import type { ImportedBuffer } from "./imported-buffer.ts";

/** The bytes of a buffer, or of a part of one, as a cl_mem, which OpenCL commands may use between `acquire` and `release`. */
export interface OpenClMemory extends Disposable {
  readonly mem: bigint;
  /** The cl_context that was given, else a new one. */
  readonly context: bigint;
  /** cl_device_id of the buffer's GPU. */
  readonly device: bigint;
  /** Enqueues the acquire into a cl_command_queue of the context: later commands see what other APIs wrote. */
  acquire(queue: bigint): void;
  /** Enqueues the release. When the queue has reached it, other APIs see what OpenCL wrote. */
  release(queue: bigint): void;
}

/** A binary semaphore in the order of a cl_command_queue of the context. */
export interface OpenClSemaphore extends Disposable {
  /** Signals the semaphore when the earlier commands of an in-order queue have ended. */
  signal(queue: bigint): void;
  /** Later commands wait for the semaphore. */
  wait(queue: bigint): void;
}

const objects = new BigUint64Array(new ArrayBuffer(24));
const uuid = new Uint8Array(new ArrayBuffer(16));
const foundContext = new BigUint64Array(new ArrayBuffer(8));
const foundSize = new Float64Array(new ArrayBuffer(8));

function queueOf(queue: bigint): bigint {
  return pointerOf("queue", queue, "a cl_command_queue");
}

function contextOf(context: bigint | undefined): bigint {
  return context === undefined ? 0n : pointerOf("context", context, "a cl_context");
}

class Memory extends Imported implements OpenClMemory {
  readonly mem: bigint;
  readonly context: bigint;
  readonly device: bigint;

  constructor(handle: number) {
    super("OpenCL memory", handle, "lf_opencl_close");
    this.call((shim, own) => shim.lf_opencl_describe(own, objects));
    [this.mem, this.context, this.device] = objects as unknown as [bigint, bigint, bigint];
  }

  acquire(queue: bigint): void {
    const on = queueOf(queue);
    this.call((shim, own) => shim.lf_opencl_acquire(own, on));
  }

  release(queue: bigint): void {
    const on = queueOf(queue);
    this.call((shim, own) => shim.lf_opencl_release(own, on));
  }

  /** Copies the first `size` bytes of a cl_mem into this memory. Resolves when the copy has ended. */
  async copyFrom(mem: bigint, size: number, queue: bigint): Promise<void> {
    this.call((shim, own) => shim.lf_opencl_copy(own, mem, size, queue));
    await ended(`a copy of ${size} bytes in OpenCL`, (shim) => shim.lf_opencl_copied(this.handle));
  }
}

class Semaphore extends Imported implements OpenClSemaphore {
  constructor(handle: number) {
    super("OpenCL semaphore", handle, "lf_opencl_semaphore_close");
  }

  signal(queue: bigint): void {
    const on = queueOf(queue);
    this.call((shim, own) => shim.lf_opencl_semaphore_signal(own, on));
  }

  wait(queue: bigint): void {
    const on = queueOf(queue);
    this.call((shim, own) => shim.lf_opencl_semaphore_wait(own, on));
  }
}

/**
 * The memory of a buffer, or of a part of one, in OpenCL on the same GPU. Nothing is copied. `context` is a cl_context with
 * that GPU. The library can't check pointers: a wrong one crashes the process. The buffer and the result may be closed in any
 * order. BACKEND_UNAVAILABLE with the reason where no OpenCL shares memory, EXTERNAL_HANDLE_MISMATCH where OpenCL or the context
 * does not have the GPU, EXTERNAL_MEMORY_UNSUPPORTED for host memory, for a part whose offset is no multiple of the device's
 * alignment, and where the driver refuses; INVALID_ARGUMENT, CLOSED, GPU_OUT_OF_MEMORY, SYSTEM.
 */
export function importIntoOpenCl(buffer: MemoryBuffer, context?: bigint): OpenClMemory {
  const { memory, offset } = gpuAddressOf(buffer);
  return new Memory(native().lf_opencl_import(memory, offset, buffer.sizeBytes, contextOf(context)));
}

/**
 * A binary semaphore in OpenCL. `context` is the cl_context of the queues that use it. Errors as for importIntoOpenCl;
 * EXTERNAL_MEMORY_UNSUPPORTED for a timeline, which OpenCL does not have.
 */
export function importSemaphoreIntoOpenCl(semaphore: GpuSemaphore, context: bigint): OpenClSemaphore {
  const own = semaphoreOf(semaphore);
  return new Semaphore(native().lf_opencl_semaphore_import(own, pointerOf("context", context, "a cl_context")));
}

/**
 * A copy of all bytes of a cl_mem as a buffer. The GPU makes the copy in the order of `queue`, a cl_command_queue of the
 * cl_mem's context. The buffer is never an alias, because OpenCL exports no memory. GPU_DEVICE_NOT_FOUND where the allocator
 * does not have the GPU. After TIMEOUT (default 30 000 ms) and ABORTED a copy that has begun runs on and its result is freed:
 * the cl_mem must stay until then. Other errors as for importIntoOpenCl.
 */
export async function importFromOpenCl(
  allocator: MemoryAllocator,
  mem: bigint,
  queue: bigint,
  limits?: Limits,
): Promise<ImportedBuffer> {
  checkAllocator(allocator);
  checkLimits("importFromOpenCl", limits);
  const source = pointerOf("mem", mem, "a cl_mem");
  const on = queueOf(queue);
  const shim = native();
  check(shim, shim.lf_opencl_inspect(source, on, uuid, foundContext, foundSize), "importFromOpenCl");
  const [context, sizeBytes] = [foundContext[0] as bigint, foundSize[0] as number];
  const gpu = gpuWithUuid(allocator, uuid.toHex());
  const call = callOf(importFromOpenCl);
  const copied = async (): Promise<ImportedBuffer> => {
    const buffer = allocator.allocate(sizeBytes, { kind: "gpu", device: gpu.index });
    try {
      using target = new Memory(shim.lf_opencl_import(gpuMemoryOf(buffer), 0, sizeBytes, context));
      await target.copyFrom(source, sizeBytes, on);
    } catch (error) {
      buffer.close();
      throw error;
    }
    return { buffer, aliased: false, reason: "copied on the GPU: OpenCL exports no memory" };
  };
  try {
    return await imported("importFromOpenCl", sizeBytes, limits, copied);
  } catch (error) {
    throw shownAt(call, error);
  }
}
