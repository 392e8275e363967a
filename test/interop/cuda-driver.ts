/** CUDA for the tests: memory that CUDA allocates, and its own reads and writes. */
import { dlopen, FFIType as T } from "bun:ffi";

const SYMBOLS = {
  cuInit: { args: [T.u32], returns: T.i32 },
  cuDeviceGetCount: { args: [T.ptr], returns: T.i32 },
  cuDeviceGet: { args: [T.ptr, T.i32], returns: T.i32 },
  cuDeviceGetUuid: { args: [T.ptr, T.i32], returns: T.i32 },
  cuDevicePrimaryCtxRetain: { args: [T.ptr, T.i32], returns: T.i32 },
  cuDevicePrimaryCtxRelease_v2: { args: [T.i32], returns: T.i32 },
  cuCtxSetCurrent: { args: [T.u64], returns: T.i32 },
  cuCtxGetCurrent: { args: [T.ptr], returns: T.i32 },
  cuStreamCreate: { args: [T.ptr, T.u32], returns: T.i32 },
  cuStreamDestroy_v2: { args: [T.u64], returns: T.i32 },
  cuStreamSynchronize: { args: [T.u64], returns: T.i32 },
  cuMemAlloc_v2: { args: [T.ptr, T.u64], returns: T.i32 },
  cuMemFree_v2: { args: [T.u64], returns: T.i32 },
  cuMemcpyHtoD_v2: { args: [T.u64, T.ptr, T.u64], returns: T.i32 },
  cuMemcpyDtoH_v2: { args: [T.ptr, T.u64, T.u64], returns: T.i32 },
  cuMemcpyDtoDAsync_v2: { args: [T.u64, T.u64, T.u64, T.u64], returns: T.i32 },
  cuMemsetD32Async: { args: [T.u64, T.u32, T.u64, T.u64], returns: T.i32 },
} as const;

const VIRTUAL_MEMORY = {
  cuMemGetAllocationGranularity: { args: [T.ptr, T.ptr, T.i32], returns: T.i32 },
  cuMemAddressReserve: { args: [T.ptr, T.u64, T.u64, T.u64, T.u64], returns: T.i32 },
  cuMemAddressFree: { args: [T.u64, T.u64], returns: T.i32 },
  cuMemCreate: { args: [T.ptr, T.u64, T.ptr, T.u64], returns: T.i32 },
  cuMemMap: { args: [T.u64, T.u64, T.u64, T.u64, T.u64], returns: T.i32 },
  cuMemUnmap: { args: [T.u64, T.u64], returns: T.i32 },
  cuMemSetAccess: { args: [T.u64, T.u64, T.ptr, T.u64], returns: T.i32 },
  cuMemRelease: { args: [T.u64], returns: T.i32 },
} as const;

/** Functions of the driver in shim/test/support/fake_cuda.c only. */
const FAKE = {
  fake_create_exportable: { args: [T.ptr, T.u64], returns: T.i32 },
  fake_free_exportable: { args: [T.u64], returns: T.i32 },
  fake_pending: { args: [T.i32], returns: T.void },
  fake_open: { args: [], returns: T.i32 },
} as const;

/** The library that the shim uses: LAVA_FLOW_CUDA may name it. */
export const library = process.env.LAVA_FLOW_CUDA || "libcuda.so.1";
export const isFake = /fake_cuda/.test(library);

const number = new BigUint64Array(new ArrayBuffer(8));
const word = new Int32Array(number.buffer);

function checked(what: string, result: number): void {
  if (result !== 0) throw new Error(`${what}: CUDA result ${result}`);
}

/** How many objects of the fake driver are open. */
export const openInFake = (): number => dlopen(library, FAKE).symbols.fake_open();

/** How many times the fake driver reports an unfinished copy. */
export const keepPending = (times: number): void => dlopen(library, FAKE).symbols.fake_pending(times);

/** One device of CUDA's, whose primary context is current until disposal. */
export class CudaDevice implements Disposable {
  readonly #cu = dlopen(library, SYMBOLS).symbols;
  readonly #device: number;
  readonly context: bigint;

  constructor(uuid: string) {
    checked("cuInit", this.#cu.cuInit(0));
    const device = this.#devices().find((each) => this.#uuidOf(each) === uuid);
    if (device === undefined) throw new Error(`CUDA has no device ${uuid}`);
    this.#device = device;
    checked("cuDevicePrimaryCtxRetain", this.#cu.cuDevicePrimaryCtxRetain(number, device));
    this.context = number[0] as bigint;
    checked("cuCtxSetCurrent", this.#cu.cuCtxSetCurrent(this.context));
  }

  #devices(): number[] {
    checked("cuDeviceGetCount", this.#cu.cuDeviceGetCount(word));
    return Array.from({ length: word[0] as number }, (_, ordinal) => {
      checked("cuDeviceGet", this.#cu.cuDeviceGet(word, ordinal));
      return word[0] as number;
    });
  }

  #uuidOf(device: number): string {
    const uuid = new Uint8Array(new ArrayBuffer(16));
    checked("cuDeviceGetUuid", this.#cu.cuDeviceGetUuid(uuid, device));
    return uuid.toHex();
  }

  /** The context that is current on this thread; 0n: none. */
  get current(): bigint {
    checked("cuCtxGetCurrent", this.#cu.cuCtxGetCurrent(number));
    return number[0] as bigint;
  }

  write(pointer: bigint, bytes: Uint8Array): void {
    checked("cuMemcpyHtoD", this.#cu.cuMemcpyHtoD_v2(pointer, bytes, bytes.length));
    this.synchronize();
  }

  read(pointer: bigint, size: number): Uint8Array {
    const bytes = new Uint8Array(new ArrayBuffer(size));
    checked("cuMemcpyDtoH", this.#cu.cuMemcpyDtoH_v2(bytes, pointer, size));
    return bytes;
  }

  /** Starts a fill with a 32-bit word. */
  fill(pointer: bigint, value32: number, size: number, stream = 0n): void {
    checked("cuMemsetD32Async", this.#cu.cuMemsetD32Async(pointer, value32, size / 4, stream));
  }

  copy(to: bigint, from: bigint, size: number, stream = 0n): void {
    checked("cuMemcpyDtoDAsync", this.#cu.cuMemcpyDtoDAsync_v2(to, from, size, stream));
  }

  synchronize(stream = 0n): void {
    checked("cuStreamSynchronize", this.#cu.cuStreamSynchronize(stream));
  }

  stream(): { stream: bigint } & Disposable {
    checked("cuStreamCreate", this.#cu.cuStreamCreate(number, 1));
    const stream = number[0] as bigint;
    return { stream, [Symbol.dispose]: () => checked("cuStreamDestroy", this.#cu.cuStreamDestroy_v2(stream)) };
  }

  /** Plain memory, which CUDA does not export. */
  allocate(size: number): { pointer: bigint } & Disposable {
    checked("cuMemAlloc", this.#cu.cuMemAlloc_v2(number, size));
    const pointer = number[0] as bigint;
    return { pointer, [Symbol.dispose]: () => checked("cuMemFree", this.#cu.cuMemFree_v2(pointer)) };
  }

  /** Memory made for export as a POSIX descriptor: at least `size` bytes. */
  allocateExportable(size: number): { pointer: bigint; size: number } & Disposable {
    if (isFake) {
      const { fake_create_exportable, fake_free_exportable } = dlopen(library, FAKE).symbols;
      checked("fake_create_exportable", fake_create_exportable(number, size));
      const pointer = number[0] as bigint;
      return { pointer, size, [Symbol.dispose]: () => checked("free", fake_free_exportable(pointer)) };
    }
    const vm = dlopen(library, VIRTUAL_MEMORY).symbols;
    // CUmemAllocationProp: type pinned, handle type POSIX descriptor, location device and its ordinal, then zeros.
    const properties = new Int32Array(new ArrayBuffer(64));
    properties.set([1, 1, 1, this.#device]);
    checked("cuMemGetAllocationGranularity", vm.cuMemGetAllocationGranularity(number, properties, 0));
    const granule = Number(number[0]);
    const bytes = Math.ceil(size / granule) * granule;
    checked("cuMemCreate", vm.cuMemCreate(number, bytes, properties, 0n));
    const handle = number[0] as bigint;
    checked("cuMemAddressReserve", vm.cuMemAddressReserve(number, bytes, 0, 0n, 0n));
    const pointer = number[0] as bigint;
    checked("cuMemMap", vm.cuMemMap(pointer, bytes, 0, handle, 0n));
    const access = new Int32Array(new ArrayBuffer(12)); // location device and its ordinal, read and write
    access.set([1, this.#device, 3]);
    checked("cuMemSetAccess", vm.cuMemSetAccess(pointer, bytes, access, 1));
    return {
      pointer,
      size: bytes,
      [Symbol.dispose]: () => {
        checked("cuMemUnmap", vm.cuMemUnmap(pointer, bytes));
        checked("cuMemAddressFree", vm.cuMemAddressFree(pointer, bytes));
        checked("cuMemRelease", vm.cuMemRelease(handle));
      },
    };
  }

  [Symbol.dispose](): void {
    checked("cuCtxSetCurrent", this.#cu.cuCtxSetCurrent(0n));
    checked("cuDevicePrimaryCtxRelease", this.#cu.cuDevicePrimaryCtxRelease_v2(this.#device));
  }
}
