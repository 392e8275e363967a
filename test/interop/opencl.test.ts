/** A buffer's bytes in OpenCL, OpenCL's memory in a buffer, and the order between both queues. */
import { describe, expect, test } from "bun:test";
import { importFromOpenCl, importIntoOpenCl, importSemaphoreIntoOpenCl } from "../../src/interop/index.ts";
import { keepBusy } from "../gpu/busy.ts";
import { contentOf, device, expectSame, newAllocator, randomBytes, validationIsSilent } from "../gpu/support.ts";
import { failureOf, openDescriptors } from "../memory/support.ts";
import { ClContext, ClQueue, isFake, openObjects } from "./cl.ts";
import { hardware, usable } from "./support.ts";

const opencl = usable("opencl") && (isFake || hardware());
const order = opencl && !isFake;
const GPU = { kind: "gpu", device } as const;

const words = (value32: number, size: number) => new Uint8Array(new Uint32Array(size / 4).fill(value32).buffer);

describe.skipIf(!opencl)("a buffer in OpenCL", () => {
  test.each([4, 1000, 65_536, 1 << 20, 33_000_000])(
    "%d bytes: what Vulkan writes OpenCL reads, and the reverse",
    async (size) => {
      using allocator = newAllocator();
      const buffer = allocator.allocate(size, GPU);
      const bytes = randomBytes(size);
      await buffer.write(bytes);
      using imported = importIntoOpenCl(buffer);
      using cl = new ClQueue(imported.context, imported.device);
      imported.acquire(cl.queue);
      expectSame(cl.read(imported.mem, size), bytes);
      const other = randomBytes(size);
      cl.write(imported.mem, other);
      imported.release(cl.queue);
      cl.finish();
      expectSame(await contentOf(buffer), other);
    },
  );

  test("in a context of the caller's", async () => {
    using allocator = newAllocator();
    const buffer = allocator.allocate(4096, GPU);
    await buffer.fill(6);
    using first = importIntoOpenCl(buffer);
    using context = new ClContext(first.device);
    using imported = importIntoOpenCl(buffer, context.context);
    expect(imported.context).toBe(context.context);
    using cl = new ClQueue(imported.context, imported.device);
    imported.acquire(cl.queue);
    expectSame(cl.read(imported.mem, 4096), words(6, 4096));
    imported.release(cl.queue);
  });

  test("buffer and import are closed in either order", async () => {
    using allocator = newAllocator();
    const buffer = allocator.allocate(4096, GPU);
    await buffer.fill(9);
    const imported = importIntoOpenCl(buffer);
    buffer.close();
    {
      using cl = new ClQueue(imported.context, imported.device);
      imported.acquire(cl.queue);
      expectSame(cl.read(imported.mem, 4096), words(9, 4096));
      imported.release(cl.queue);
    }
    imported[Symbol.dispose]();
    imported[Symbol.dispose]();
    expect(failureOf(() => imported.acquire(1n))).toMatchObject({ code: "CLOSED" });
  });

  test("a part is a cl_mem of its size, from where it begins", async () => {
    using allocator = newAllocator();
    for (const size of [65_536, 1 << 20]) {
      const buffer = allocator.allocate(size, GPU);
      const bytes = randomBytes(size);
      await buffer.write(bytes);
      using whole = importIntoOpenCl(buffer);
      using cl = new ClQueue(whole.context, whole.device);
      const step = cl.alignment;
      for (const [offset, length] of [
        [0, size],
        [0, 1000],
        [step, 4],
        [3 * step, 5001],
        [size - step, step],
      ] as const) {
        // a part of a part at the same offset
        const outer = buffer.part(offset === 0 ? 0 : offset - step, size - (offset === 0 ? 0 : offset - step));
        const part = outer.part(offset === 0 ? 0 : step, length);
        using imported = importIntoOpenCl(part, whole.context);
        if (length < size) expect(cl.sizeOf(imported.mem)).toBe(length);
        imported.acquire(cl.queue);
        expectSame(cl.read(imported.mem, length), bytes.subarray(offset, offset + length));
        const other = randomBytes(length);
        cl.write(imported.mem, other);
        bytes.set(other, offset);
        imported.release(cl.queue);
        cl.finish();
        expectSame(await contentOf(buffer), bytes);
      }
    }
  });

  test("a part at a misaligned offset is refused with the alignment, and leaves no object open", () => {
    using allocator = newAllocator();
    const buffer = allocator.allocate(65_536, GPU);
    using whole = importIntoOpenCl(buffer);
    using cl = new ClQueue(whole.context, whole.device);
    const step = cl.alignment;
    const refuse = (offset: number) => failureOf(() => importIntoOpenCl(buffer.part(offset, 4), whole.context));
    refuse(1);
    const before = openDescriptors();
    for (const offset of [1, step - 1, step + 4, 65_532]) {
      expect(refuse(offset)).toMatchObject({
        code: "EXTERNAL_MEMORY_UNSUPPORTED",
        message: expect.stringContaining(
          `a part from byte ${offset} on: OpenCL makes parts that begin at multiples of ${step}`,
        ),
      });
    }
    expect(openDescriptors()).toBe(before);
  });

  test("no descriptor is left behind", () => {
    using allocator = newAllocator();
    const buffer = allocator.allocate(4096, GPU);
    using kept = importIntoOpenCl(buffer);
    using context = new ClContext(kept.device);
    importIntoOpenCl(buffer, context.context)[Symbol.dispose]();
    const before = openDescriptors();
    for (let i = 0; i < 50; i++) importIntoOpenCl(buffer, context.context)[Symbol.dispose]();
    expect(openDescriptors()).toBe(before);
  });
});

describe.skipIf(!opencl)("OpenCL's memory in a buffer", () => {
  test.each([4, 1000, 1 << 20])("%d bytes are copied, with the reason", async (size) => {
    using allocator = newAllocator();
    using somewhere = importIntoOpenCl(allocator.allocate(4, GPU));
    using cl = new ClQueue(somewhere.context, somewhere.device);
    using memory = cl.allocate(size);
    const bytes = randomBytes(size);
    cl.write(memory.mem, bytes);
    const { buffer, aliased, reason } = await importFromOpenCl(allocator, memory.mem, cl.queue);
    expect({ aliased, reason }).toEqual({ aliased: false, reason: expect.stringContaining("exports no memory") });
    expectSame(await contentOf(buffer), bytes);
    expectSame(cl.read(memory.mem, size), bytes);
  });
});

describe.skipIf(!order)("a semaphore in OpenCL", () => {
  const SIZE = 1 << 28;

  test("OpenCL waits for a long fill, and the queue for OpenCL", async () => {
    using allocator = newAllocator();
    const buffer = allocator.allocate(SIZE, GPU);
    const after = allocator.allocate(4096, GPU);
    await buffer.fill(1);
    using imported = importIntoOpenCl(buffer);
    using toCl = allocator.createSemaphore({ kind: "binary", device });
    using toVulkan = allocator.createSemaphore({ kind: "binary", device });
    using waited = importSemaphoreIntoOpenCl(toCl, imported.context);
    using signalled = importSemaphoreIntoOpenCl(toVulkan, imported.context);
    using cl = new ClQueue(imported.context, imported.device);
    const busy = keepBusy(allocator);
    const filled = buffer.fill(2);
    const told = toCl.signal();
    // Without the order OpenCL's fill would come first, and the end of the buffer would hold 2.
    waited.wait(cl.queue);
    imported.acquire(cl.queue);
    cl.fill(imported.mem, 3, SIZE);
    imported.release(cl.queue);
    signalled.signal(cl.queue);
    const heard = toVulkan.wait();
    const copied = buffer.copyTo(after, { sourceOffset: SIZE - 4096, sizeBytes: 4096 });
    await Promise.all([busy, filled, told, heard, copied]);
    expectSame(await contentOf(after), words(3, 4096));
  });

  test("a timeline is refused", () => {
    using allocator = newAllocator();
    using imported = importIntoOpenCl(allocator.allocate(4, GPU));
    using timeline = allocator.createSemaphore({ kind: "timeline", device });
    expect(failureOf(() => importSemaphoreIntoOpenCl(timeline, imported.context))).toMatchObject({
      code: "EXTERNAL_MEMORY_UNSUPPORTED",
      message: expect.stringContaining("binary semaphores only"),
    });
  });
});

test.skipIf(!(opencl && isFake))("no object of OpenCL's is left", () => {
  expect(openObjects()).toBe(0);
});

validationIsSilent();
