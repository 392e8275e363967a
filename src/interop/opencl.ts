/** GPU memory and semaphores in OpenCL, and OpenCL's memory here. */
import { callOf, shownAt } from "../errors.ts";
import type { GpuSemaphore } from "../gpu/timeline.ts";
import type { MemoryAllocator } from "../memory/allocator.ts";
import type { MemoryBuffer } from "../memory/buffer.ts";
import { checkLimits, type Limits } from "../native/limits.ts";
import { native } from "../native/load.ts";
import { check } from "../native/status.ts";
import type { FromElsewhere } from "./imported-buffer.ts";
import {
  checkAllocator,
  ended,
  gpuMemoryOf,
  gpuPlaceOf,
  gpuWithUuid,
  Imported,
  imported,
  pointerOf,
  semaphoreOf,
} from "./imported.ts";

/** The bytes of a buffer, or of a part of one, as a cl_mem. Commands of OpenCL may use it after `acquire` and before `release`. */
export interface OpenClMemory extends Disposable {
  readonly mem: bigint;
  /** cl_context: the one that was given, else one of its own. */
  readonly context: bigint;
  /** cl_device_id of the buffer's GPU. */
  readonly device: bigint;
  /** Puts the acquire into a cl_command_queue of the context: commands after it see what was written elsewhere. */
  acquire(queue: bigint): void;
  /** The same for the release. When the queue is that far, others see what OpenCL wrote. */
  release(queue: bigint): void;
}

/** A binary semaphore in the order of a cl_command_queue of the context. */
export interface OpenClSemaphore extends Disposable {
  /** Signalled when the commands before it have ended (in a queue that is in order). */
  signal(queue: bigint): void;
  /** Commands after it wait for it. */
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

  /** Copies the first `size` bytes of a cl_mem to here; resolves when that has ended. */
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
 * The buffer's memory in OpenCL, or that of a part of one, on the same GPU; nothing is copied. `context` is a cl_context with
 * that GPU. The library can't check pointers: a wrong one crashes the process. The buffer and what this returns may be closed
 * in any order. BACKEND_UNAVAILABLE with the reason where there is no OpenCL that shares memory, EXTERNAL_HANDLE_MISMATCH
 * where OpenCL, or the context, has not the GPU, EXTERNAL_MEMORY_UNSUPPORTED for host memory, for a part that begins at no
 * multiple of what the device's parts begin at, and where the driver refuses; INVALID_ARGUMENT, CLOSED, GPU_OUT_OF_MEMORY, SYSTEM.
 */
export function importIntoOpenCl(buffer: MemoryBuffer, context?: bigint): OpenClMemory {
  const { memory, offset } = gpuPlaceOf(buffer);
  return new Memory(native().lf_opencl_import(memory, offset, buffer.sizeBytes, contextOf(context)));
}

/**
 * A binary semaphore in OpenCL, which knows no timelines; the context as for importIntoOpenCl, but one has to be given:
 * that of the queues which use it. Errors as there; EXTERNAL_MEMORY_UNSUPPORTED for a timeline.
 */
export function importSemaphoreIntoOpenCl(semaphore: GpuSemaphore, context: bigint): OpenClSemaphore {
  const own = semaphoreOf(semaphore);
  return new Semaphore(native().lf_opencl_semaphore_import(own, pointerOf("context", context, "a cl_context")));
}

/**
 * All of a cl_mem's bytes as a buffer: a copy, made by the GPU in the order of `queue`, a cl_command_queue of the cl_mem's
 * context. Nothing is aliased: OpenCL imports memory of others, and exports none. GPU_DEVICE_NOT_FOUND where the allocator
 * has not the GPU; after TIMEOUT (default 30 000 ms) and ABORTED a copy that has begun goes on, and what it made is freed at
 * its end: the cl_mem has to stay until then. Other errors as for importIntoOpenCl.
 */
export async function importFromOpenCl(
  allocator: MemoryAllocator,
  mem: bigint,
  queue: bigint,
  limits?: Limits,
): Promise<FromElsewhere> {
  checkAllocator(allocator);
  checkLimits("importFromOpenCl", limits);
  const source = pointerOf("mem", mem, "a cl_mem");
  const on = queueOf(queue);
  const shim = native();
  check(shim, shim.lf_opencl_inspect(source, on, uuid, foundContext, foundSize), "importFromOpenCl");
  const [context, sizeBytes] = [foundContext[0] as bigint, foundSize[0] as number];
  const gpu = gpuWithUuid(allocator, uuid.toHex());
  const call = callOf(importFromOpenCl);
  const copied = async (): Promise<FromElsewhere> => {
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
