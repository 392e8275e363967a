/** The common part of the three APIs: native objects of imports, and checks of arguments. */
import { invalidArgument, LavaFlowError } from "../errors.ts";
import type { GpuInfo } from "../gpu/device.ts";
import { GpuSemaphore, nativeSemaphore } from "../gpu/timeline.ts";
import { MemoryAllocator } from "../memory/allocator.ts";
import { MemoryBuffer, type NativeAddress, nativeAddress, nativeMemory, wholeBuffer } from "../memory/buffer.ts";
import { checkAborted, type Limits, limited } from "../native/limits.ts";
import { native } from "../native/load.ts";
import { check } from "../native/status.ts";
import type { ImportedBuffer } from "./imported-buffer.ts";

/** The functions of the shim that close a handle. */
type Closer = { [Name in keyof Shim]: Shim[Name] extends (handle: number) => number ? Name : never }[keyof Shim];
type Shim = ReturnType<typeof native>;

/** A native object in another API. The caller owns it and disposes of it. */
export abstract class Imported implements Disposable {
  readonly #what: string;
  readonly #close: Closer;
  #handle: number;

  /** `handle` is the shim's result: the constructor throws if it is a failure. */
  constructor(what: string, handle: number, close: Closer) {
    this.#handle = check(native(), handle, what);
    this.#what = what;
    this.#close = close;
  }

  /** The shim's handle. CLOSED after disposal. */
  protected get handle(): number {
    if (this.#handle !== 0) return this.#handle;
    throw new LavaFlowError("CLOSED", `this ${this.#what} was disposed of`, {
      remedy: "Keep it while it is used",
    });
  }

  /** Calls the shim with the handle. */
  protected call(run: (shim: Shim, handle: number) => number): number {
    const shim = native();
    return check(shim, run(shim, this.handle), this.#what);
  }

  /** Idempotent. The buffer or semaphore that was imported stays. After a failed close the object is still open. */
  [Symbol.dispose](): void {
    if (this.#handle === 0) return;
    const shim = native();
    check(shim, shim[this.#close](this.#handle), `closing a ${this.#what}`);
    this.#handle = 0;
  }
}

/** INVALID_ARGUMENT for any other value. */
export function checkAllocator(allocator: MemoryAllocator): void {
  if (!(allocator instanceof MemoryAllocator)) throw invalidArgument("allocator", allocator, "a MemoryAllocator");
}

/** The allocator's GPU with that UUID. GPU_DEVICE_NOT_FOUND. */
export function gpuWithUuid(allocator: MemoryAllocator, deviceUuid: string): GpuInfo {
  const { gpus } = allocator.topology;
  const gpu = gpus.find((each) => each.deviceUuid === deviceUuid);
  if (gpu) return gpu;
  const known = gpus.map(({ index, name, deviceUuid: uuid }) => `GPU ${index} (${name}) ${uuid}`).join(", ") || "none";
  throw new LavaFlowError(
    "GPU_DEVICE_NOT_FOUND",
    `the memory is of the GPU ${deviceUuid}; this allocator has ${known}`,
    {
      remedy: "Use an allocator whose devices include that one",
    },
  );
}

/** The shim's handle of a buffer's GPU memory. INVALID_ARGUMENT, CLOSED; EXTERNAL_MEMORY_UNSUPPORTED for host memory and parts. */
export function gpuMemoryOf(buffer: MemoryBuffer): number {
  checkOnGpu(buffer);
  return nativeMemory(buffer);
}

/** The handle of the whole memory, and the offset of a buffer or part in it. Errors as for `gpuMemoryOf`. */
export function gpuAddressOf(buffer: MemoryBuffer): NativeAddress {
  checkOnGpu(buffer);
  nativeMemory(wholeBuffer(buffer)); // refuses parts that channels do not pass
  return nativeAddress(buffer);
}

function checkOnGpu(buffer: MemoryBuffer): void {
  if (!(buffer instanceof MemoryBuffer)) throw invalidArgument("buffer", buffer, "a MemoryBuffer");
  if (!buffer.isGpu) {
    throw new LavaFlowError("EXTERNAL_MEMORY_UNSUPPORTED", `${buffer.strategy} memory is no memory of a GPU`, {
      remedy: 'Allocate it with { kind: "gpu" }',
    });
  }
}

/** The shim's handle of a semaphore. INVALID_ARGUMENT, CLOSED. */
export function semaphoreOf(semaphore: GpuSemaphore): number {
  if (!(semaphore instanceof GpuSemaphore)) throw invalidArgument("semaphore", semaphore, "a GpuSemaphore");
  return nativeSemaphore(semaphore);
}

/** A pointer of the other API. INVALID_ARGUMENT unless `value` is a bigint from `least` to 2^64 - 1. */
export function pointerOf(name: string, value: bigint, allowed: string, least = 1n): bigint {
  if (typeof value === "bigint" && value >= least && value < 1n << 64n) return value;
  throw invalidArgument(name, value, `${allowed}, as a bigint`);
}

/** The checked value of a signal or wait: 0 for a binary semaphore. INVALID_ARGUMENT. */
export function valueFor(kind: GpuSemaphore["kind"], value: number | undefined): number {
  if (kind === "binary") {
    if (value === undefined) return 0;
    throw invalidArgument("value", value, "no value: a binary semaphore has none");
  }
  if (Number.isSafeInteger(value) && (value as number) >= 0) return value as number;
  throw invalidArgument("value", value, "a whole number from 0 to 2^53 - 1");
}

/** The result of `make`, within the limits. A result that comes later is closed. */
export function imported(
  call: string,
  sizeBytes: number,
  limits: Limits | undefined,
  make: () => Promise<ImportedBuffer>,
): Promise<ImportedBuffer> {
  const what = `${call} of ${sizeBytes} bytes did not end`;
  checkAborted(what, limits);
  return limited(what, make(), limits, ({ buffer }) => buffer.close());
}

/** Resolves when `poll` returns 1. Polls in each of 100 turns of the event loop, then each millisecond. */
export async function ended(what: string, poll: (shim: Shim) => number): Promise<void> {
  const shim = native();
  for (let turn = 0; check(shim, poll(shim), what) !== 1; turn++) {
    await new Promise<void>((resolve) => (turn < 100 ? setImmediate(resolve) : setTimeout(resolve, 1)));
  }
}
