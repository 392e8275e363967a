/** A buffer's bytes in CUDA, CUDA's memory in a buffer, and the order between both queues. */
import { afterAll, describe, expect, test } from "bun:test";
import { importFromCuda, importIntoCuda, importSemaphoreIntoCuda } from "../../src/interop/index.ts";
import { eventually } from "../channel/support.ts";
import { keepBusy } from "../gpu/busy.ts";
import {
  contentOf,
  device,
  expectSame,
  gpu,
  newAllocator,
  randomBytes,
  timeline,
  validationIsSilent,
} from "../gpu/support.ts";
import { failureOf, openDescriptors, rejectionOf } from "../memory/support.ts";
import { CudaDevice, isFake, keepPending, openInFake } from "./cuda-driver.ts";
import { hardware, usable } from "./support.ts";

const cuda = usable("cuda") && (isFake || hardware());
const order = cuda && !isFake && timeline;
const GPU = { kind: "gpu", device } as const;
const SIZES = [4, 1000, 65_536, 1 << 20, 33_000_000];

const words = (value32: number, size: number) => new Uint8Array(new Uint32Array(size / 4).fill(value32).buffer);

const open: CudaDevice[] = [];
afterAll(() => {
  for (const each of open) each[Symbol.dispose]();
});
/** Shared by all tests, because making a context takes long. */
function cu(): CudaDevice {
  if (!open[0]) open.push(new CudaDevice(gpu.deviceUuid));
  return open[0] as CudaDevice;
}

describe.skipIf(!cuda)("a buffer in CUDA", () => {
  test.each(SIZES)("%d bytes: what Vulkan writes CUDA reads, and the reverse", async (size) => {
    using allocator = newAllocator();
    const buffer = allocator.allocate(size, GPU);
    const bytes = randomBytes(size);
    await buffer.write(bytes);
    using imported = importIntoCuda(buffer);
    expect(imported.sizeBytes).toBe(size);
    expectSame(cu().read(imported.devicePointer, size), bytes);
    const other = randomBytes(size);
    cu().write(imported.devicePointer, other);
    expectSame(await contentOf(buffer), other);
  });

  test("a part is its bytes, from where it begins and as many", async () => {
    using allocator = newAllocator();
    for (const size of [65_536, 1 << 20]) {
      const buffer = allocator.allocate(size, GPU);
      const bytes = randomBytes(size);
      await buffer.write(bytes);
      for (const [offset, length] of [
        [0, size],
        [0, 1000],
        [1, 4],
        [4097, 5001],
        [size - 1, 1],
      ] as const) {
        // a part of a part at the same offset
        using imported = importIntoCuda(buffer.part(offset, size - offset).part(0, length));
        expect(imported.sizeBytes).toBe(length);
        expectSame(cu().read(imported.devicePointer, length), bytes.subarray(offset, offset + length));
        const other = randomBytes(length);
        cu().write(imported.devicePointer, other);
        bytes.set(other, offset);
        expectSame(await contentOf(buffer), bytes);
        using inner = importIntoCuda(
          buffer.part(offset >> 1, size - (offset >> 1)).part(offset - (offset >> 1), length),
        );
        expectSame(cu().read(inner.devicePointer, length), other);
      }
    }
  });

  test("the caller's current context stays as it was", () => {
    using allocator = newAllocator();
    const before = cu().current;
    using imported = importIntoCuda(allocator.allocate(4096, GPU));
    expect(imported.devicePointer).toBeGreaterThan(0n);
    expect(cu().current).toBe(before);
  });

  test("buffer and import are closed in either order", async () => {
    using allocator = newAllocator();
    const buffer = allocator.allocate(4096, GPU);
    await buffer.fill(9);
    const imported = importIntoCuda(buffer);
    buffer.close();
    expectSame(cu().read(imported.devicePointer, 4096), words(9, 4096));
    imported[Symbol.dispose]();
    imported[Symbol.dispose]();
    expect(failureOf(() => importIntoCuda(buffer))).toMatchObject({ code: "CLOSED" });
  });

  test("no descriptor is left behind", () => {
    using allocator = newAllocator();
    cu();
    const buffer = allocator.allocate(4096, GPU);
    importIntoCuda(buffer)[Symbol.dispose]();
    const before = openDescriptors();
    for (let i = 0; i < 50; i++) importIntoCuda(buffer)[Symbol.dispose]();
    expect(openDescriptors()).toBe(before);
  });
});

describe.skipIf(!cuda)("CUDA's memory in a buffer", () => {
  test.each([1 << 21, 1 << 22, 1 << 24])("%d bytes made for export are aliased", async (size) => {
    using allocator = newAllocator();
    using memory = cu().allocateExportable(size);
    const bytes = randomBytes(size);
    cu().write(memory.pointer, bytes);
    const { buffer, aliased, reason } = await importFromCuda(allocator, memory.pointer, memory.size);
    expect({ aliased, reason }).toEqual({ aliased: true, reason: expect.stringContaining("exported") });
    expectSame(await contentOf(buffer), bytes); // the proof has restored the content
    await buffer.fill(0x01020304);
    expectSame(cu().read(memory.pointer, size), words(0x01020304, size));
    cu().write(memory.pointer, bytes);
    expectSame(await contentOf(buffer), bytes);
    buffer.close();
  });

  test.each([4, 1000, 1 << 20])("%d bytes of plain memory are copied, with the reason", async (size) => {
    using allocator = newAllocator();
    using memory = cu().allocate(size);
    const bytes = randomBytes(size);
    cu().write(memory.pointer, bytes);
    const { buffer, aliased, reason } = await importFromCuda(allocator, memory.pointer, size);
    expect({ aliased, reason }).toEqual({ aliased: false, reason: expect.stringContaining("cuMem") });
    expectSame(await contentOf(buffer), bytes);
    expectSame(cu().read(memory.pointer, size), bytes);
  });

  test("a part of an allocation is copied", async () => {
    using allocator = newAllocator();
    using memory = cu().allocateExportable(1 << 21);
    const bytes = randomBytes(4096);
    cu().write(memory.pointer + 4096n, bytes);
    const { buffer, aliased, reason } = await importFromCuda(allocator, memory.pointer + 4096n, 4096);
    expect({ aliased, reason }).toEqual({ aliased: false, reason: expect.stringContaining("4096 bytes into") });
    expectSame(await contentOf(buffer), bytes);
  });

  test("a pointer that is not CUDA's, or a size beyond the allocation, is refused", async () => {
    using allocator = newAllocator();
    using memory = cu().allocate(4096);
    const refusal = (pointer: unknown, size: unknown) =>
      rejectionOf(importFromCuda(allocator, pointer as bigint, size as number));
    expect(await refusal(16n, 4096)).toMatchObject({ code: "INVALID_ARGUMENT" });
    expect(await refusal(memory.pointer, 1 << 30)).toMatchObject({ code: "INVALID_ARGUMENT" });
    expect(await refusal(4096, 4096)).toMatchObject({ code: "INVALID_ARGUMENT" });
    expect(await refusal(memory.pointer, 0)).toMatchObject({ code: "INVALID_ARGUMENT" });
  });

  test("limits end an import before it begins", async () => {
    using allocator = newAllocator();
    using memory = cu().allocate(4096);
    const refusal = (limits: unknown) =>
      rejectionOf(importFromCuda(allocator, memory.pointer, 4096, limits as { timeoutMs: number }));
    expect(await refusal({ timeoutMs: -1 })).toMatchObject({ code: "INVALID_ARGUMENT" });
    expect(await refusal({ timeout: 1 })).toMatchObject({ code: "INVALID_ARGUMENT" });
    expect(await refusal({ signal: AbortSignal.abort() })).toMatchObject({ code: "ABORTED" });
  });

  test.skipIf(!isFake)("a copy runs on after the end of its call, and its result is freed", async () => {
    using allocator = newAllocator();
    using memory = cu().allocate(4096);
    (await importFromCuda(allocator, memory.pointer, 4096)).buffer.close();
    const before = { descriptors: openDescriptors(), objects: openInFake() };
    const now = () => ({ descriptors: openDescriptors(), objects: openInFake() });
    const controller = new AbortController();
    for (const limits of [{ timeoutMs: 1 }, { signal: controller.signal }]) {
      keepPending(200); // far more polls than 1 ms has
      const ended = rejectionOf(importFromCuda(allocator, memory.pointer, 4096, limits));
      if (limits.signal) controller.abort();
      const error = await ended;
      expect(error.code).toBe(limits.signal ? "ABORTED" : "TIMEOUT");
      expect(error.message).toContain("importFromCuda of 4096 bytes did not end");
      expect(error.stack).toContain("cuda.test.ts");
      expect(openInFake()).toBeGreaterThan(before.objects);
      keepPending(0);
      await eventually(() => Bun.deepEquals(now(), before), "all of it is freed");
    }
  });

  test("no descriptor is left behind", async () => {
    using allocator = newAllocator();
    using plain = cu().allocate(4096);
    using made = cu().allocateExportable(1 << 21);
    const round = async () => {
      (await importFromCuda(allocator, plain.pointer, 4096)).buffer.close();
      (await importFromCuda(allocator, made.pointer, 1 << 21)).buffer.close();
    };
    await round();
    const before = openDescriptors();
    for (let i = 0; i < 10; i++) await round();
    expect(openDescriptors()).toBe(before);
  });
});

describe.skipIf(!order)("a semaphore in CUDA", () => {
  const SIZE = 1 << 28;

  test.each(["timeline", "binary"] as const)("%s: CUDA waits for a long fill, and the queue for CUDA", async (kind) => {
    using allocator = newAllocator();
    const buffer = allocator.allocate(SIZE, GPU);
    const after = allocator.allocate(4096, GPU);
    await buffer.fill(1);
    using imported = importIntoCuda(buffer);
    using toCuda = allocator.createSemaphore({ kind, device });
    using toVulkan = allocator.createSemaphore({ kind, device });
    using waited = importSemaphoreIntoCuda(toCuda);
    using signalled = importSemaphoreIntoCuda(toVulkan);
    using own = cu().stream();
    const value = kind === "timeline" ? 5 : undefined;
    const busy = keepBusy(allocator);
    const filled = buffer.fill(2);
    const told = toCuda.signal(value);
    // Without the order CUDA's fill would come first, and the end of the buffer would hold 2.
    waited.wait(value, own.stream);
    cu().fill(imported.devicePointer, 3, SIZE, own.stream);
    signalled.signal(value, own.stream);
    const heard = toVulkan.wait(value);
    const copied = buffer.copyTo(after, { sourceOffset: SIZE - 4096, sizeBytes: 4096 });
    await Promise.all([busy, filled, told, heard, copied]);
    expectSame(await contentOf(after), words(3, 4096));
    if (kind === "timeline") expect(toVulkan.reached(5)).toBe(true);
  });

  test("CUDA that waits does nothing before the value is reached", async () => {
    using allocator = newAllocator();
    const buffer = allocator.allocate(4096, GPU);
    await buffer.fill(1);
    using imported = importIntoCuda(buffer);
    using start = allocator.createSemaphore({ kind: "timeline", device });
    using end = allocator.createSemaphore({ kind: "timeline", device });
    using started = importSemaphoreIntoCuda(start);
    using ended = importSemaphoreIntoCuda(end);
    using own = cu().stream();
    started.wait(1, own.stream);
    cu().fill(imported.devicePointer, 2, 4096, own.stream);
    ended.signal(1, own.stream);
    expectSame(await contentOf(buffer), words(1, 4096));
    expect(end.reached(1)).toBe(false);
    await start.signal(1);
    await end.wait(1);
    expectSame(await contentOf(buffer), words(2, 4096));
  });

  test("values have to fit the kind", () => {
    using allocator = newAllocator();
    using timelineSemaphore = allocator.createSemaphore({ kind: "timeline", device });
    using binary = allocator.createSemaphore({ kind: "binary", device });
    using one = importSemaphoreIntoCuda(timelineSemaphore);
    using two = importSemaphoreIntoCuda(binary);
    expect(failureOf(() => one.signal())).toMatchObject({ code: "INVALID_ARGUMENT" });
    expect(failureOf(() => one.signal(-1))).toMatchObject({ code: "INVALID_ARGUMENT" });
    expect(failureOf(() => two.wait(1))).toMatchObject({ code: "INVALID_ARGUMENT" });
    expect(failureOf(() => one.wait(1, 7 as unknown as bigint))).toMatchObject({ code: "INVALID_ARGUMENT" });
  });
});

validationIsSilent();
