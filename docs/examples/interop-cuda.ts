// CUDA fills memory of lava-flow, ordered by a timeline: bun docs/examples/interop-cuda.ts
import { dlopen, FFIType } from "bun:ffi";
import { MemoryAllocator } from "lava-flow";
import { importIntoCuda, importSemaphoreIntoCuda } from "lava-flow/interop";

// Any binding of CUDA works. This one calls the driver directly; your program would launch kernels.
const { symbols: cuda } = dlopen("libcuda.so.1", {
  cuInit: { args: [FFIType.u32], returns: FFIType.i32 },
  cuDevicePrimaryCtxRetain: { args: [FFIType.ptr, FFIType.i32], returns: FFIType.i32 },
  cuCtxSetCurrent: { args: [FFIType.u64], returns: FFIType.i32 },
  cuMemsetD32Async: { args: [FFIType.u64, FFIType.u32, FFIType.u64, FFIType.u64], returns: FFIType.i32 },
});
const check = (result: number) => {
  if (result !== 0) throw new Error(`CUDA result ${result}`);
};
const context = new BigUint64Array(1);
check(cuda.cuInit(0));
check(cuda.cuDevicePrimaryCtxRetain(context, 0)); // With several GPUs: the one of the buffer.
check(cuda.cuCtxSetCurrent(context[0] as bigint));

using allocator = new MemoryAllocator();
const buffer = allocator.allocate(64 << 20, { kind: "gpu" });
const semaphore = allocator.createSemaphore({ kind: "timeline" });

using memory = importIntoCuda(buffer);
using order = importSemaphoreIntoCuda(semaphore);

const filled = buffer.fill(1); // Not awaited here: the GPU keeps the order.
const told = semaphore.signal(1);
order.wait(1); // CUDA's stream waits for the fill,
check(cuda.cuMemsetD32Async(memory.devicePointer, 42, memory.sizeBytes / 4, 0n));
order.signal(2);
await Promise.all([filled, told, semaphore.wait(2)]); // and the GPU's next work waits for CUDA.

const words = new Uint32Array(4);
await buffer.read(words);
console.log(`CUDA wrote ${words[0]} at 0x${memory.devicePointer.toString(16)}, and nothing was copied`);
