/** A buffer's bytes in OpenGL, and the context that the import uses. */
import { afterEach, describe, expect, test } from "bun:test";
import { importIntoOpenGl, importSemaphoreIntoOpenGl } from "../../src/interop/index.ts";
import { keepBusy } from "../gpu/busy.ts";
import { contentOf, device, expectSame, gpu, newAllocator, randomBytes, validationIsSilent } from "../gpu/support.ts";
import { failureOf, openDescriptors } from "../memory/support.ts";
import * as gl from "./gl.ts";
import { hardware, usable } from "./support.ts";

const opengl = usable("opengl");
const order = opengl && hardware();

/** Of some an allocation would have nothing to spare, which Mesa's software OpenGL wants. */
const SIZES = [4, 1000, 4000, 4096, 65_536, 262_144, 1 << 20, 1_000_000, 33_000_000, 1 << 26];
const GPU = { kind: "gpu", device } as const;

describe.skipIf(!opengl)("a buffer in OpenGL", () => {
  afterEach(() => expect(gl.currentContext()).toBe(0n));

  test.each(SIZES)("%d bytes: what Vulkan writes OpenGL reads, and the reverse", async (size) => {
    using allocator = newAllocator();
    const buffer = allocator.allocate(size, GPU);
    const bytes = randomBytes(size);
    await buffer.write(bytes);
    using imported = importIntoOpenGl(buffer);
    expectSame(gl.readGl(imported.buffer, size), bytes);
    const from = size > 8 ? 4 : 0;
    gl.clearGl(imported.buffer, 0xfeedface, from, size - from - (size % 4));
    new Uint32Array(bytes.buffer, from, (size - from - (size % 4)) / 4).fill(0xfeedface);
    expectSame(await contentOf(buffer), bytes);
    await buffer.fill(0x12345678, 0, 4);
    expect(new Uint32Array(gl.readGl(imported.buffer, 4).buffer)[0]).toBe(0x12345678);
  });

  test.each([
    [0, 4096],
    [64, 4096],
    [4096, 904],
    [1024, 4],
  ])("a part from byte %d of %d bytes is the same memory", async (offset, size) => {
    using allocator = newAllocator();
    const buffer = allocator.allocate(5000, GPU);
    const bytes = randomBytes(5000);
    await buffer.write(bytes);
    const part = buffer.part(offset, size);
    if (offset > 0 && gpu.type === "cpu") {
      // Mesa's driver would make a buffer of other bytes.
      expect(failureOf(() => importIntoOpenGl(part)).code).toBe("EXTERNAL_MEMORY_UNSUPPORTED");
      return;
    }
    using imported = importIntoOpenGl(part);
    expectSame(gl.readGl(imported.buffer, size), bytes.subarray(offset, offset + size));
    gl.clearGl(imported.buffer, 0xfeedface, 0, size);
    new Uint32Array(bytes.buffer, offset, size / 4).fill(0xfeedface);
    expectSame(await contentOf(buffer), bytes);
    part.close();
    expect(failureOf(() => importIntoOpenGl(part)).code).toBe("CLOSED");
  });

  test("without a current context all imports share a new one, which ends with the last import", () => {
    using allocator = newAllocator();
    expect(gl.currentContext()).toBe(0n);
    const first = importIntoOpenGl(allocator.allocate(1000, GPU));
    const context = gl.currentContext();
    expect(context).not.toBe(0n);
    const second = importIntoOpenGl(allocator.allocate(1000, GPU));
    expect(gl.currentContext()).toBe(context);
    expect(second.buffer).not.toBe(first.buffer);
    first[Symbol.dispose]();
    expect(gl.currentContext()).toBe(context);
    expect(gl.isBuffer(first.buffer)).toBe(false);
    expect(gl.isBuffer(second.buffer)).toBe(true);
    gl.clearGl(second.buffer, 7, 0, 1000);
    second[Symbol.dispose]();
  });

  test("the caller's context is used, and stays as it was", async () => {
    using allocator = newAllocator();
    const buffer = allocator.allocate(1000, GPU);
    await buffer.fill(5);
    const context = contextOfGpu(buffer);
    try {
      const imported = importIntoOpenGl(buffer);
      expect(gl.currentContext()).toBe(context.context);
      expect(new Uint32Array(gl.readGl(imported.buffer, 1000).buffer)).toEqual(new Uint32Array(250).fill(5));
      gl.bindBuffer(imported.buffer);
      const other = importIntoOpenGl(buffer);
      expect(gl.boundBuffer()).toBe(imported.buffer);
      other[Symbol.dispose]();
      // Disposed of under another context, and without one: the import is freed in its own.
      context.putAside();
      imported[Symbol.dispose]();
      expect(gl.currentContext()).toBe(0n);
      context.makeCurrent();
      expect(gl.isBuffer(imported.buffer)).toBe(false);
    } finally {
      context[Symbol.dispose]();
    }
  });

  test("imports may be disposed of after their context was destroyed", () => {
    using allocator = newAllocator();
    const buffer = allocator.allocate(1000, GPU);
    const context = contextOfGpu(buffer);
    const imported = importIntoOpenGl(buffer);
    context[Symbol.dispose]();
    imported[Symbol.dispose]();
  });

  test("buffer and import are closed in either order", async () => {
    using allocator = newAllocator();
    const buffer = allocator.allocate(1000, GPU);
    await buffer.fill(9);
    const imported = importIntoOpenGl(buffer);
    buffer.close();
    expect(new Uint32Array(gl.readGl(imported.buffer, 1000).buffer)).toEqual(new Uint32Array(250).fill(9));
    imported[Symbol.dispose]();
    imported[Symbol.dispose]();
    expect(failureOf(() => importIntoOpenGl(buffer))).toMatchObject({ code: "CLOSED" });
  });

  test("a buffer is imported several times", () => {
    using allocator = newAllocator();
    const buffer = allocator.allocate(1000, GPU);
    using one = importIntoOpenGl(buffer);
    using two = importIntoOpenGl(buffer);
    gl.clearGl(one.buffer, 0x5555aaaa, 0, 1000);
    expectSame(gl.readGl(two.buffer, 1000), new Uint8Array(new Uint32Array(250).fill(0x5555aaaa).buffer));
  });

  test("no descriptor is left behind", () => {
    using allocator = newAllocator();
    const buffer = allocator.allocate(1000, GPU);
    // One context for all rounds: the descriptors of a new context are the driver's.
    using _kept = importIntoOpenGl(buffer);
    importIntoOpenGl(buffer)[Symbol.dispose]();
    const before = openDescriptors();
    for (let i = 0; i < 50; i++) importIntoOpenGl(buffer)[Symbol.dispose]();
    expect(openDescriptors()).toBe(before);
  });
});

describe.skipIf(!order)("a binary semaphore in OpenGL", () => {
  test("OpenGL waits for a long fill, and the queue for OpenGL", async () => {
    using allocator = newAllocator();
    const size = 1 << 28;
    const buffer = allocator.allocate(size, GPU);
    const after = allocator.allocate(4096, GPU);
    await buffer.fill(1);
    using imported = importIntoOpenGl(buffer);
    using toGl = allocator.createSemaphore({ kind: "binary", device });
    using toVulkan = allocator.createSemaphore({ kind: "binary", device });
    using waited = importSemaphoreIntoOpenGl(toGl);
    using signalled = importSemaphoreIntoOpenGl(toVulkan);
    const busy = keepBusy(allocator);
    const filled = buffer.fill(2);
    const told = toGl.signal();
    waited.wait([imported]);
    // Without the order the fill would come last, and the end of the buffer would hold 2.
    gl.startClearGl(imported.buffer, 3, 0, size);
    signalled.signal([imported]);
    const heard = toVulkan.wait();
    const copied = buffer.copyTo(after, { sourceOffset: size - 4096, sizeBytes: 4096 });
    await Promise.all([busy, filled, told, heard, copied]);
    expectSame(await contentOf(after), new Uint8Array(new Uint32Array(1024).fill(3).buffer));
  });

  test("a timeline is refused", () => {
    using allocator = newAllocator();
    using timeline = allocator.createSemaphore({ kind: "timeline", device });
    expect(failureOf(() => importSemaphoreIntoOpenGl(timeline))).toMatchObject({
      code: "EXTERNAL_MEMORY_UNSUPPORTED",
      message: expect.stringContaining("binary semaphores only"),
    });
  });
});

/** EGL may show several devices: the one that takes the buffer is the buffer's GPU, and the others refuse it. */
function contextOfGpu(buffer: Parameters<typeof importIntoOpenGl>[0]): gl.TestContext {
  for (let index = 0; index < gl.eglDevices(); index++) {
    const context = new gl.TestContext(index);
    try {
      importIntoOpenGl(buffer)[Symbol.dispose]();
      return context;
    } catch (error) {
      context[Symbol.dispose]();
      const { code } = error as { code?: string };
      if (code !== "EXTERNAL_HANDLE_MISMATCH" && code !== "EXTERNAL_MEMORY_UNSUPPORTED") throw error;
    }
  }
  throw new Error(`no EGL device is ${gpu.name}`);
}

validationIsSilent();
