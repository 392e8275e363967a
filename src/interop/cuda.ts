/** Imports of GPU memory and semaphores into CUDA, and of CUDA's memory from there. */
import { callOf, type ErrorCode, LavaFlowError, shownAt } from "../errors.ts";
import type { GpuInfo } from "../gpu/device.ts";
import type { GpuSemaphore, SemaphoreKind } from "../gpu/timeline.ts";
import type { MemoryAllocator } from "../memory/allocator.ts";
import type { MemoryBuffer } from "../memory/buffer.ts";
import { GPU_TYPE } from "../memory/handle.ts";
import { checkSize } from "../memory/strategy.ts";
import { checkLimits, type Limits } from "../native/limits.ts";
import { native } from "../native/load.ts";
import { exported, OsHandle } from "../native/os-handle.ts";
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
  valueFor,
} from "./imported.ts";
import type { ImportedBuffer } from "./imported-buffer.ts";

/** The bytes of a buffer in CUDA's address space of the same GPU. */
export interface CudaMemory extends Disposable {
  /** CUdeviceptr, valid in the GPU's primary context until disposal. */
  readonly devicePointer: bigint;
  readonly sizeBytes: number;
}

/** A semaphore in the order of a CUDA stream: a CUstream of its GPU's primary context, 0n for the default stream. */
export interface CudaSemaphore extends Disposable {
  readonly kind: SemaphoreKind;
  /** The stream signals the semaphore when its earlier work has ended. `value` is for timelines only. */
  signal(value?: number, stream?: bigint): void;
  /** Later work of the stream waits for the semaphore. */
  wait(value?: number, stream?: bigint): void;
}

const uuid = new Uint8Array(new ArrayBuffer(16));
const pointer = new BigUint64Array(new ArrayBuffer(8));
const allocation = new Float64Array(new ArrayBuffer(8));

class Memory extends Imported implements CudaMemory {
  readonly devicePointer: bigint;
  readonly deviceUuid: string;
  readonly sizeBytes: number;

  /** `sizeBytes` from `offset` on, of the memory behind `handle`. */
  constructor(handle: number, sizeBytes: number, offset = 0) {
    super("CUDA memory", handle, "lf_cuda_close");
    this.call((shim, own) => shim.lf_cuda_describe(own, uuid, pointer));
    this.devicePointer = (pointer[0] as bigint) + BigInt(offset);
    this.deviceUuid = uuid.toHex();
    this.sizeBytes = sizeBytes;
  }

  /** Copies all of `source` into this memory. Resolves when the copy has ended. */
  async copyFrom(source: Memory): Promise<void> {
    this.call((shim, own) => shim.lf_cuda_copy(own, 0, source.handle, 0, source.sizeBytes));
    await ended(`a copy of ${source.sizeBytes} bytes in CUDA`, (shim) => shim.lf_cuda_copied(this.handle));
  }

  /** An OS handle to the allocation, which is `allocationBytes`. EXTERNAL_MEMORY_UNSUPPORTED. */
  export(): { osHandle: OsHandle; allocationBytes: number } {
    this.call((shim, own) => shim.lf_cuda_export(own, allocation, exported));
    return { osHandle: new OsHandle(), allocationBytes: allocation[0] as number };
  }

  read(offset: number, size: number): Uint8Array {
    const bytes = new Uint8Array(new ArrayBuffer(size));
    this.call((shim, own) => shim.lf_cuda_read(own, offset, bytes, size));
    return bytes;
  }

  write(offset: number, bytes: Uint8Array): void {
    this.call((shim, own) => shim.lf_cuda_write(own, offset, bytes, bytes.length));
  }
}

class Semaphore extends Imported implements CudaSemaphore {
  readonly kind: SemaphoreKind;

  constructor(handle: number, kind: SemaphoreKind) {
    super("CUDA semaphore", handle, "lf_cuda_semaphore_close");
    this.kind = kind;
  }

  signal(value?: number, stream = 0n): void {
    const [target, on] = [valueFor(this.kind, value), pointerOf("stream", stream, "a CUstream, or 0n", 0n)];
    this.call((shim, own) => shim.lf_cuda_semaphore_signal(own, target, on));
  }

  wait(value?: number, stream = 0n): void {
    const [target, on] = [valueFor(this.kind, value), pointerOf("stream", stream, "a CUstream, or 0n", 0n)];
    this.call((shim, own) => shim.lf_cuda_semaphore_wait(own, target, on));
  }
}

/**
 * The memory of a buffer, or of a part of one, in CUDA on the same GPU. Nothing is copied. The buffer and the result may be
 * closed in any order. BACKEND_UNAVAILABLE with the reason where there is no CUDA, EXTERNAL_HANDLE_MISMATCH where CUDA does not see the
 * GPU, EXTERNAL_MEMORY_UNSUPPORTED for host memory and where the driver refuses; INVALID_ARGUMENT, CLOSED,
 * GPU_OUT_OF_MEMORY, GPU_DEVICE_LOST, SYSTEM.
 */
export function importIntoCuda(buffer: MemoryBuffer): CudaMemory {
  const { memory, offset } = gpuAddressOf(buffer);
  return new Memory(native().lf_cuda_import(memory), buffer.sizeBytes, offset);
}

/** A timeline or binary semaphore in CUDA. Errors as for importIntoCuda. */
export function importSemaphoreIntoCuda(semaphore: GpuSemaphore): CudaSemaphore {
  return new Semaphore(native().lf_cuda_semaphore_import(semaphoreOf(semaphore)), semaphore.kind);
}

/**
 * `sizeBytes` of CUDA device memory as a buffer. The buffer aliases memory at the start of an allocation that cuMemCreate
 * made for export, where the driver can do that; the GPU copies all other memory. CUDA's work on the memory must have ended
 * before the call. Aliased memory lives until the buffer is closed and CUDA has freed it.
 *
 * INVALID_ARGUMENT where CUDA does not know the pointer or the memory is smaller, GPU_DEVICE_NOT_FOUND where the
 * allocator does not have the GPU, BACKEND_UNAVAILABLE, CLOSED, GPU_OUT_OF_MEMORY, GPU_DEVICE_LOST, SYSTEM. After TIMEOUT (default
 * 30 000 ms) and ABORTED a copy that has begun runs on and its result is freed: CUDA's memory must stay allocated until then.
 */
export async function importFromCuda(
  allocator: MemoryAllocator,
  devicePointer: bigint,
  sizeBytes: number,
  limits?: Limits,
): Promise<ImportedBuffer> {
  checkAllocator(allocator);
  checkSize(sizeBytes, Number.MAX_SAFE_INTEGER);
  checkLimits("importFromCuda", limits);
  const at = pointerOf("devicePointer", devicePointer, "a CUdeviceptr");
  const call = callOf(importFromCuda);
  try {
    return await imported("importFromCuda", sizeBytes, limits, () => adopt(allocator, at, sizeBytes));
  } catch (error) {
    throw shownAt(call, error);
  }
}

async function adopt(allocator: MemoryAllocator, at: bigint, sizeBytes: number): Promise<ImportedBuffer> {
  using source = new Memory(native().lf_cuda_adopt(at, sizeBytes), sizeBytes);
  const gpu = gpuWithUuid(allocator, source.deviceUuid);
  let reason: string;
  try {
    const buffer = await alias(allocator, source, gpu);
    if (buffer)
      return { buffer, aliased: true, reason: "CUDA exported the memory, and each side reads what the other writes" };
    reason = "the driver imported CUDA's export, but one side does not read what the other writes";
  } catch (error) {
    if (!(error instanceof LavaFlowError) || !REFUSALS.has(error.code)) throw error;
    reason = error.reason;
  }
  const buffer = allocator.allocate(sizeBytes, { kind: "gpu", device: gpu.index });
  try {
    using target = new Memory(native().lf_cuda_import(gpuMemoryOf(buffer)), sizeBytes);
    await target.copyFrom(source);
  } catch (error) {
    buffer.close();
    throw error;
  }
  return { buffer, aliased: false, reason: `copied on the GPU: ${reason}` };
}

/** Codes that only say that the memory can't be aliased. */
const REFUSALS: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "EXTERNAL_MEMORY_UNSUPPORTED",
  "EXTERNAL_HANDLE_MISMATCH",
  "GPU_OUT_OF_MEMORY",
]);

/** Null where the driver's import succeeds but aliases nothing. */
async function alias(allocator: MemoryAllocator, source: Memory, gpu: GpuInfo): Promise<MemoryBuffer | null> {
  const { sizeBytes } = source;
  const { deviceUuid, driverUuid } = gpu;
  const { osHandle, allocationBytes } = source.export();
  const { fd, handle } = osHandle;
  osHandle.take();
  const buffer = allocator.import({
    ...{ type: GPU_TYPE, fd, handle, sizeBytes, allocationBytes, deviceUuid, driverUuid },
    [Symbol.dispose]() {},
  });
  try {
    if ((await sameBytes(source, buffer, 0)) && (await sameBytes(source, buffer, sizeBytes - 1))) return buffer;
  } catch (error) {
    buffer.close();
    throw error;
  }
  buffer.close();
  return null;
}

/** Whether both sides have the same bytes at `offset`. Writes there, and restores the content. */
async function sameBytes(cuda: Memory, buffer: MemoryBuffer, offset: number): Promise<boolean> {
  const from = Math.max(0, Math.min(offset, cuda.sizeBytes - PROOF_BYTES));
  const size = Math.min(PROOF_BYTES, cuda.sizeBytes);
  const before = cuda.read(from, size);
  const pattern = crypto.getRandomValues(new Uint8Array(size));
  const other = pattern.map((byte) => byte ^ 0xa5);
  const seen = new Uint8Array(size);
  try {
    cuda.write(from, pattern);
    await buffer.read(seen, from);
    if (!Buffer.from(seen).equals(pattern)) return false;
    await buffer.write(other, from);
    return Buffer.from(cuda.read(from, size)).equals(other);
  } finally {
    cuda.write(from, before);
  }
}

/** Bytes that are written to prove an alias: too many to be equal by chance. */
const PROOF_BYTES = 64;
