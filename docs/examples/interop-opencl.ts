// OpenCL fills memory of lava-flow: bun docs/examples/interop-opencl.ts
import { dlopen, FFIType } from "bun:ffi";
import { MemoryAllocator } from "lava-flow";
import { importIntoOpenCl } from "lava-flow/interop";

// Any binding of OpenCL works.
const { symbols: cl } = dlopen("libOpenCL.so.1", {
  clCreateCommandQueueWithProperties: {
    args: [FFIType.u64, FFIType.u64, FFIType.ptr, FFIType.ptr],
    returns: FFIType.u64,
  },
  clEnqueueFillBuffer: {
    args: [
      ...[FFIType.u64, FFIType.u64, FFIType.ptr, FFIType.u64, FFIType.u64, FFIType.u64],
      ...[FFIType.u32, FFIType.ptr, FFIType.ptr],
    ],
    returns: FFIType.i32,
  },
  clFinish: { args: [FFIType.u64], returns: FFIType.i32 },
});
const check = (result: number) => {
  if (result !== 0) throw new Error(`OpenCL result ${result}`);
};

using allocator = new MemoryAllocator();
const buffer = allocator.allocate(64 << 20, { kind: "gpu" });
await buffer.fill(1);

using memory = importIntoOpenCl(buffer);
const status = new Int32Array(1);
const queue = cl.clCreateCommandQueueWithProperties(memory.context, memory.device, null, status) as bigint;
check(status[0] as number);

memory.acquire(queue); // OpenCL may use the memory from here
check(cl.clEnqueueFillBuffer(queue, memory.mem, new Uint32Array([42]), 4, 0, buffer.sizeBytes, 0, null, null));
memory.release(queue); // to here,
check(cl.clFinish(queue)); // and has finished now.

const words = new Uint32Array(4);
await buffer.read(words);
console.log(`OpenCL wrote ${words[0]}, and nothing was copied`);
