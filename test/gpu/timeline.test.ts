/** Semaphores that others share. Some drivers share none (Mesa's lavapipe): they have to say so. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { closeSync, fstatSync } from "node:fs";
import { GpuSemaphore, type MemoryAllocator } from "../../src/index.ts";
import { failureOf, rejectionOf } from "../memory/support.ts";
import { contentOf, device, gpu, newAllocator, timeline, validationIsSilent, vulkan } from "./support.ts";

describe.skipIf(!vulkan)("a semaphore", () => {
  test("can't be made with new", () => {
    const Any = GpuSemaphore as unknown as new () => GpuSemaphore;
    expect(failureOf(() => new Any()).code).toBe("INVALID_ARGUMENT");
  });

  test("of an unknown kind, or of no handle, is refused", () => {
    using allocator = newAllocator();
    expect(failureOf(() => allocator.createSemaphore({ kind: "event" as "binary" })).code).toBe("INVALID_ARGUMENT");
    for (const handle of [
      null,
      3,
      { type: "host-fd" },
      { type: "opaque-fd", kind: "timeline", fd: 3 },
      { type: "opaque-fd", kind: "event", fd: 3, deviceUuid: gpu.deviceUuid, driverUuid: gpu.driverUuid },
      { type: "opaque-fd", kind: "timeline", fd: -1, deviceUuid: gpu.deviceUuid, driverUuid: gpu.driverUuid },
    ]) {
      expect(failureOf(() => allocator.importSemaphore(handle as never)).code).toBe("INVALID_ARGUMENT");
    }
  });

  test.each(["timeline", "binary"] as const)("%s: is shared, or refused with the reason", (kind) => {
    const shared = kind === "timeline" ? gpu.externalTimeline : gpu.externalSemaphore;
    using allocator = newAllocator();
    if (!shared) {
      const error = failureOf(() => allocator.createSemaphore({ kind, device }));
      expect(error.code).toBe("EXTERNAL_MEMORY_UNSUPPORTED");
      expect(error.message).toContain(gpu.name);
      return expect(error.remedy).toBeTruthy();
    }
    using semaphore = allocator.createSemaphore({ kind, device });
    expect(semaphore.kind).toBe(kind);
    using handle = semaphore.exportHandle();
    expect(handle).toMatchObject({ type: "opaque-fd", kind, deviceUuid: gpu.deviceUuid, driverUuid: gpu.driverUuid });
  });

  test("of another GPU is refused, and its descriptor closed", () => {
    using allocator = newAllocator();
    using buffer = allocator.allocate(64, { kind: "gpu", device });
    const { fd } = buffer.exportHandle();
    const deviceUuid = "f".repeat(32);
    const handle = { type: "opaque-fd", kind: "timeline", fd, deviceUuid, driverUuid: gpu.driverUuid } as const;
    const error = failureOf(() => allocator.importSemaphore({ ...handle, [Symbol.dispose]() {} }));
    expect(error.code).toBe("EXTERNAL_HANDLE_MISMATCH");
    expect(error.message).toContain(deviceUuid);
    expect(() => fstatSync(fd!)).toThrow("EBADF");
  });
});

describe.skipIf(!timeline)("a shared timeline", () => {
  let allocator: MemoryAllocator;
  beforeAll(() => {
    allocator = newAllocator();
  });
  afterAll(() => allocator.close());

  test("is signalled after the work before it, and counts up", async () => {
    using semaphore = allocator.createSemaphore({ device });
    using buffer = allocator.allocate(2 ** 20, { kind: "gpu", device });
    expect(semaphore.reached(0)).toBe(true);
    expect(semaphore.reached(1)).toBe(false);
    const filled = buffer.fill(1);
    await semaphore.signal(5);
    await filled;
    expect(semaphore.reached(5)).toBe(true);
    expect(semaphore.reached(6)).toBe(false);
    for (const value of [-1, 0.5, undefined, 2 ** 53, "1"]) {
      expect((await rejectionOf(semaphore.signal(value as number))).code).toBe("INVALID_ARGUMENT");
    }
  });

  test("is one semaphore on both sides of a handle, and holds work up until it is signalled", async () => {
    using mine = allocator.createSemaphore({ device });
    using other = newAllocator();
    using theirs = other.importSemaphore(mine.exportHandle());
    using buffer = allocator.allocate(4096, { kind: "gpu", device });
    await mine.signal(1);
    expect(theirs.reached(1)).toBe(true);
    await theirs.wait(1);
    await buffer.fill(0x02020202);
    expect((await contentOf(buffer))[0]).toBe(2);
  });

  test("refuses all use after close", async () => {
    const semaphore = allocator.createSemaphore({ device });
    semaphore.close();
    semaphore.close();
    expect(failureOf(() => semaphore.reached(1)).code).toBe("CLOSED");
    expect(failureOf(() => semaphore.exportHandle()).code).toBe("CLOSED");
    expect((await rejectionOf(semaphore.signal(1))).code).toBe("CLOSED");
    expect((await rejectionOf(semaphore.wait(1))).code).toBe("CLOSED");
  });

  test("handles are used once, and closed by whom they belong to", () => {
    using semaphore = allocator.createSemaphore({ device });
    const handle = semaphore.exportHandle();
    allocator.importSemaphore(handle).close();
    expect(failureOf(() => allocator.importSemaphore(handle)).code).toBe("CLOSED");
    const unused = semaphore.exportHandle();
    unused[Symbol.dispose]();
    expect(() => closeSync(unused.fd!)).toThrow("EBADF");
  });
});

describe.skipIf(!vulkan || !gpu.externalSemaphore)("a shared binary semaphore", () => {
  test("is signalled once for each wait", async () => {
    using allocator = newAllocator();
    using semaphore = allocator.createSemaphore({ kind: "binary", device });
    for (let round = 0; round < 3; round++) await Promise.all([semaphore.signal(), semaphore.wait()]);
    expect((await rejectionOf(semaphore.signal(1))).code).toBe("INVALID_ARGUMENT");
    expect(failureOf(() => semaphore.reached(1)).code).toBe("INVALID_ARGUMENT");
  });
});

validationIsSilent();
