/** OpenCL for the tests: queues, memory that OpenCL allocates, and its own reads and writes. */
import { dlopen, FFIType as T } from "bun:ffi";

const SYMBOLS = {
  clCreateContext: { args: [T.ptr, T.u32, T.ptr, T.ptr, T.ptr, T.ptr], returns: T.u64 },
  clReleaseContext: { args: [T.u64], returns: T.i32 },
  clCreateCommandQueueWithProperties: { args: [T.u64, T.u64, T.ptr, T.ptr], returns: T.u64 },
  clReleaseCommandQueue: { args: [T.u64], returns: T.i32 },
  clCreateBuffer: { args: [T.u64, T.u64, T.u64, T.ptr, T.ptr], returns: T.u64 },
  clGetDeviceInfo: { args: [T.u64, T.u32, T.u64, T.ptr, T.ptr], returns: T.i32 },
  clGetMemObjectInfo: { args: [T.u64, T.u32, T.u64, T.ptr, T.ptr], returns: T.i32 },
  clReleaseMemObject: { args: [T.u64], returns: T.i32 },
  clEnqueueReadBuffer: {
    args: [T.u64, T.u64, T.u32, T.u64, T.u64, T.ptr, T.u32, T.ptr, T.ptr],
    returns: T.i32,
  },
  clEnqueueWriteBuffer: {
    args: [T.u64, T.u64, T.u32, T.u64, T.u64, T.ptr, T.u32, T.ptr, T.ptr],
    returns: T.i32,
  },
  clEnqueueFillBuffer: {
    args: [T.u64, T.u64, T.ptr, T.u64, T.u64, T.u64, T.u32, T.ptr, T.ptr],
    returns: T.i32,
  },
  clFinish: { args: [T.u64], returns: T.i32 },
  clFlush: { args: [T.u64], returns: T.i32 },
} as const;

const MEM_BASE_ADDR_ALIGN = 0x1019;
const MEM_SIZE = 0x1102;

/** Whether the library is that of shim/test/support/fake_opencl.c. */
export const isFake = /fake_opencl/.test(process.env.LAVA_FLOW_OPENCL ?? "");

/** Open contexts, queues, memory and events; of the fake library only. */
export function openObjects(): number {
  const { symbols } = dlopen(process.env.LAVA_FLOW_OPENCL as string, { fake_open: { args: [], returns: T.i32 } });
  return symbols.fake_open();
}

const result = new Int32Array(new ArrayBuffer(4));

function checked(what: string, code: number): void {
  if (code !== 0) throw new Error(`${what}: OpenCL result ${code}`);
}

/** A context with one device. */
export class ClContext implements Disposable {
  readonly #cl = dlopen(process.env.LAVA_FLOW_OPENCL || "libOpenCL.so.1", SYMBOLS).symbols;
  readonly context: bigint;

  constructor(device: bigint) {
    const devices = new BigUint64Array(new ArrayBuffer(8)).fill(device);
    this.context = this.#cl.clCreateContext(null, 1, devices, null, null, result) as bigint;
    checked("clCreateContext", result[0] as number);
  }

  [Symbol.dispose](): void {
    checked("clReleaseContext", this.#cl.clReleaseContext(this.context));
  }
}

/** An in-order queue. */
export class ClQueue implements Disposable {
  readonly #cl = dlopen(process.env.LAVA_FLOW_OPENCL || "libOpenCL.so.1", SYMBOLS).symbols;
  readonly #context: bigint;
  readonly #device: bigint;
  readonly queue: bigint;

  constructor(context: bigint, device: bigint) {
    this.#context = context;
    this.#device = device;
    this.queue = this.#cl.clCreateCommandQueueWithProperties(context, device, null, result) as bigint;
    checked("clCreateCommandQueueWithProperties", result[0] as number);
  }

  /** Memory that OpenCL allocates. */
  allocate(size: number): { mem: bigint } & Disposable {
    const mem = this.#cl.clCreateBuffer(this.#context, 1n, size, null, result) as bigint;
    checked("clCreateBuffer", result[0] as number);
    return { mem, [Symbol.dispose]: () => checked("clReleaseMemObject", this.#cl.clReleaseMemObject(mem)) };
  }

  /** The alignment of sub-buffers, bytes. */
  get alignment(): number {
    const bits = new Uint32Array(new ArrayBuffer(4));
    checked("clGetDeviceInfo", this.#cl.clGetDeviceInfo(this.#device, MEM_BASE_ADDR_ALIGN, 4, bits, null));
    return (bits[0] as number) / 8;
  }

  sizeOf(mem: bigint): number {
    const bytes = new BigUint64Array(new ArrayBuffer(8));
    checked("clGetMemObjectInfo", this.#cl.clGetMemObjectInfo(mem, MEM_SIZE, 8, bytes, null));
    return Number(bytes[0]);
  }

  read(mem: bigint, size: number): Uint8Array {
    const bytes = new Uint8Array(new ArrayBuffer(size));
    checked("clEnqueueReadBuffer", this.#cl.clEnqueueReadBuffer(this.queue, mem, 1, 0, size, bytes, 0, null, null));
    return bytes;
  }

  write(mem: bigint, bytes: Uint8Array): void {
    checked(
      "clEnqueueWriteBuffer",
      this.#cl.clEnqueueWriteBuffer(this.queue, mem, 1, 0, bytes.length, bytes, 0, null, null),
    );
  }

  /** Starts a fill with a 32-bit word. */
  fill(mem: bigint, value32: number, size: number): void {
    const word = new Uint32Array(new ArrayBuffer(4)).fill(value32);
    checked("clEnqueueFillBuffer", this.#cl.clEnqueueFillBuffer(this.queue, mem, word, 4, 0, size, 0, null, null));
    checked("clFlush", this.#cl.clFlush(this.queue));
  }

  finish(): void {
    checked("clFinish", this.#cl.clFinish(this.queue));
  }

  [Symbol.dispose](): void {
    this.finish();
    checked("clReleaseCommandQueue", this.#cl.clReleaseCommandQueue(this.queue));
  }
}
