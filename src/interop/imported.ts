/** What the three APIs have in common: native objects that are imported and closed, and checks of what is given. */
import { invalidArgument, LavaFlowError } from "../errors.ts";
import type { GpuInfo } from "../gpu/device.ts";
import { GpuSemaphore, nativeSemaphore } from "../gpu/timeline.ts";
import { MemoryAllocator } from "../memory/allocator.ts";
import { MemoryBuffer, type NativePlace, nativeMemory, nativePlace, wholeBuffer } from "../memory/buffer.ts";
import { checkAborted, type Limits, limited } from "../native/limits.ts";
import { native } from "../native/load.ts";
import { check } from "../native/status.ts";
import type { FromElsewhere } from "./imported-buffer.ts";

/** The functions of the shim that close something: from a handle to a status. */
type Closer = { [Name in keyof Shim]: Shim[Name] extends (handle: number) => number ? Name : never }[keyof Shim];
type Shim = ReturnType<typeof native>;

/** A native object: the caller's, to be disposed of. */
export abstract class Imported implements Disposable {
  readonly #what: string;
  readonly #close: Closer;
  #handle: number;

  /** `handle` is what the shim returned: a failure is thrown. */
  constructor(what: string, handle: number, close: Closer) {
    this.#handle = check(native(), handle, what);
    this.#what = what;
    this.#close = close;
  }

  /** The shim's handle. CLOSED after disposal. */
  protected get handle(): number {
    if (this.#handle !== 0) return this.#handle;
    throw new LavaFlowError("CLOSED", `this ${this.#what} was disposed of`, {
      remedy: "Keep it for as long as it is used",
    });
  }

  /** Calls the shim with the handle. */
  protected call(run: (shim: Shim, handle: number) => number): number {
    const shim = native();
    return check(shim, run(shim, this.handle), this.#what);
  }

  /** Idempotent; what it was made from stays. Where closing fails, it is still open and can be disposed of again. */
  [Symbol.dispose](): void {
    if (this.#handle === 0) return;
    const shim = native();
    check(shim, shim[this.#close](this.#handle), `closing a ${this.#what}`);
    this.#handle = 0;
  }
}

/** INVALID_ARGUMENT unless it is one. */
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

/**
 * The shim's handle of the GPU memory of a whole buffer. INVALID_ARGUMENT, EXTERNAL_MEMORY_UNSUPPORTED for host memory and
 * for a part of a buffer, CLOSED.
 */
export function gpuMemoryOf(buffer: MemoryBuffer): number {
  checkOnGpu(buffer);
  return nativeMemory(buffer);
}

/** The same of a buffer, or of a part of one: the handle of the whole, and where the part begins. */
export function gpuPlaceOf(buffer: MemoryBuffer): NativePlace {
  checkOnGpu(buffer);
  nativeMemory(wholeBuffer(buffer)); // refuses parts that are not passed on
  return nativePlace(buffer);
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

/** An object of the other API, which is a pointer there. INVALID_ARGUMENT unless it is a bigint that can be one. */
export function pointerOf(name: string, value: bigint, allowed: string, least = 1n): bigint {
  if (typeof value === "bigint" && value >= least && value < 1n << 64n) return value;
  throw invalidArgument(name, value, `${allowed}, as a bigint`);
}

/** The value for a semaphore of that kind. INVALID_ARGUMENT. */
export function valueFor(kind: GpuSemaphore["kind"], value: number | undefined): number {
  if (kind === "binary") {
    if (value === undefined) return 0;
    throw invalidArgument("value", value, "no value: a binary semaphore has none");
  }
  if (Number.isSafeInteger(value) && (value as number) >= 0) return value as number;
  throw invalidArgument("value", value, "a whole number from 0 to 2^53 - 1");
}

/** What `make` gives, within the limits; freed where it comes after them. */
export function imported(
  call: string,
  sizeBytes: number,
  limits: Limits | undefined,
  make: () => Promise<FromElsewhere>,
): Promise<FromElsewhere> {
  const what = `${call} of ${sizeBytes} bytes did not end`;
  checkAborted(what, limits);
  return limited(what, make(), limits, ({ buffer }) => buffer.close());
}

/** Resolves when `poll` returns 1: asks at each turn of the event loop first, then each millisecond. */
export async function ended(what: string, poll: (shim: Shim) => number): Promise<void> {
  const shim = native();
  for (let turn = 0; check(shim, poll(shim), what) !== 1; turn++) {
    await new Promise<void>((resolve) => (turn < 100 ? setImmediate(resolve) : setTimeout(resolve, 1)));
  }
}
