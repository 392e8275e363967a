// OpenGL fills memory of lava-flow, without a window or a display: bun docs/examples/interop-opengl.ts
import { CFunction, dlopen, FFIType } from "bun:ffi";
import { MemoryAllocator } from "lava-flow";
import { importIntoOpenGl } from "lava-flow/interop";

// A GPU in hardware if there is one, else a software device, which has to be named.
using probe = new MemoryAllocator();
const { gpus } = probe.topology;
const device = (gpus.find(({ type }) => type !== "cpu") ?? gpus[0])?.index ?? 0;

using allocator = new MemoryAllocator({ devices: [device] });
const buffer = allocator.allocate(1_000_000, { kind: "gpu", device });
await buffer.fill(1);

using memory = importIntoOpenGl(buffer); // Makes a context, since none is current.

// Any binding of OpenGL works. This one gets its three functions from EGL.
const { symbols: egl } = dlopen("libEGL.so.1", { eglGetProcAddress: { args: [FFIType.ptr], returns: FFIType.ptr } });
const find = (name: string, args: FFIType[]) => {
  const ptr = egl.eglGetProcAddress(Buffer.from(`${name}\0`));
  if (!ptr) throw new Error(`no ${name}`);
  return CFunction({ ptr, args, returns: FFIType.void }) as unknown as (...values: unknown[]) => void;
};
const { u32, i64, ptr } = FFIType;
const glBindBuffer = find("glBindBuffer", [u32, u32]);
const glClearBufferSubData = find("glClearBufferSubData", [u32, u32, i64, i64, u32, u32, ptr]);
const glFinish = find("glFinish", []);

const [GL_COPY_WRITE_BUFFER, GL_R32UI, GL_RED_INTEGER, GL_UNSIGNED_INT] = [0x8f37, 0x8236, 0x8d94, 0x1405];
glBindBuffer(GL_COPY_WRITE_BUFFER, memory.buffer);
const value = new Uint32Array([42]);
glClearBufferSubData(GL_COPY_WRITE_BUFFER, GL_R32UI, 0, buffer.sizeBytes, GL_RED_INTEGER, GL_UNSIGNED_INT, value);
glFinish(); // OpenGL is done before lava-flow reads.

const words = new Uint32Array(4);
await buffer.read(words);
console.log(`OpenGL wrote ${words[0]}, and nothing was copied`);
