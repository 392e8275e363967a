/** Semaphores that processes share. A driver that shares none (Mesa's lavapipe) must give the reason. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { getEventListeners } from "node:events";
import { closeSync, fstatSync } from "node:fs";
import { GpuDevice } from "../../src/gpu/device.ts";
import { GpuSemaphore, type MemoryAllocator, type MemoryBuffer } from "../../src/index.ts";
import { ProcessPeer } from "../channel/peers.ts";
import { failureOf, rejectionOf } from "../memory/support.ts";
import { requires } from "../requires.ts";
import { keepBusy } from "./busy.ts";
import { device, gpu, newAllocator, timeline, validationIsSilent, vulkan, why } from "./support.ts";

const binary = requires(
  "gpu-timeline",
  vulkan && gpu.externalSemaphore,
  vulkan ? `${gpu.name} does not share binary semaphores` : why,
);

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
      return expect(error.remedy).toMatch(/driver/);
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

  test("counts up, and is one semaphore on both sides of a handle", async () => {
    using mine = allocator.createSemaphore({ device });
    using other = newAllocator();
    using theirs = other.importSemaphore(mine.exportHandle());
    expect(mine.reached(0)).toBe(true);
    expect(mine.reached(1)).toBe(false);
    await mine.signal(5);
    for (const semaphore of [mine, theirs]) {
      expect(semaphore.reached(5)).toBe(true);
      expect(semaphore.reached(6)).toBe(false);
    }
    for (const value of [-1, 0.5, undefined, 2 ** 53, "1"]) {
      expect((await rejectionOf(mine.signal(value as number))).code).toBe("INVALID_ARGUMENT");
    }
  });

  test("a signal or wait that was not submitted by the end of its call is dropped", async () => {
    using semaphore = allocator.createSemaphore({ device });
    using buffer = allocator.allocate(4096, { kind: "gpu", device });
    const opened = GpuDevice.open(device);
    const lock = opened.queue.lock();
    await lock.done;
    const controller = new AbortController();
    const waiting = rejectionOf(semaphore.wait(1, { signal: controller.signal }));
    const late = rejectionOf(semaphore.signal(2, { timeoutMs: 1 }));
    controller.abort();
    expect((await waiting).code).toBe("ABORTED");
    expect((await late).message).toContain("the GPU's signal of the semaphore did not come within 1 ms");
    expect((await rejectionOf(semaphore.signal(1, { signal: controller.signal }))).code).toBe("ABORTED");
    lock.release();
    await buffer.fill(1); // the dropped wait does not block it
    expect(semaphore.reached(1)).toBe(false);
    expect(getEventListeners(controller.signal, "abort")).toHaveLength(0);
    opened.release();
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

  test("a handle is imported once, and its owner closes it", () => {
    using semaphore = allocator.createSemaphore({ device });
    const handle = semaphore.exportHandle();
    allocator.importSemaphore(handle).close();
    expect(failureOf(() => allocator.importSemaphore(handle)).code).toBe("CLOSED");
    const unused = semaphore.exportHandle();
    unused[Symbol.dispose]();
    expect(() => closeSync(unused.fd!)).toThrow("EBADF");
  });
});

describe.skipIf(!binary)("a shared binary semaphore", () => {
  test("is signalled once for each wait, and has no value", async () => {
    using allocator = newAllocator();
    using semaphore = allocator.createSemaphore({ kind: "binary", device });
    for (let round = 0; round < 3; round++) await Promise.all([semaphore.signal(), semaphore.wait()]);
    expect((await rejectionOf(semaphore.signal(1))).code).toBe("INVALID_ARGUMENT");
    expect(failureOf(() => semaphore.reached(1)).code).toBe("INVALID_ARGUMENT");
  });
});

/** A process that, when told to, makes its queue wait for `done` and then copy `buffer`. */
function copierOf(done: GpuSemaphore, buffer: MemoryBuffer): ProcessPeer {
  using semaphore = done.exportHandle();
  using memory = buffer.exportHandle();
  const descriptors = [semaphore.fd!, memory.fd!];
  return new ProcessPeer("semaphores/copyAfter", { semaphore, buffer: memory }, { descriptors });
}

function signallerOf(go: GpuSemaphore): ProcessPeer {
  using semaphore = go.exportHandle();
  return new ProcessPeer("semaphores/signal", { semaphore }, { descriptors: [semaphore.fd!] });
}

describe.skipIf(!timeline)("between the queues of processes", () => {
  test("a timeline is signalled after earlier work, and blocks later work", async () => {
    using allocator = newAllocator();
    using buffer = allocator.allocate(4096, { kind: "gpu", device });
    await buffer.fill(0x01010101);
    using go = allocator.createSemaphore({ device });
    using done = allocator.createSemaphore({ device });
    await using signaller = signallerOf(go);
    await using copier = copierOf(done, buffer);
    expect(await signaller.heard()).toBe("ready");
    // Both queues get their work before `go` is signalled. This queue blocks from here on.
    const works = Promise.all([go.wait(1), buffer.fill(0x02020202), done.signal(1)]);
    try {
      expect(await copier.heard()).toBe(1);
      copier.tell("copy");
      expect(await copier.heard()).toBe("submitted");
      expect(done.reached(1)).toBe(false);
    } finally {
      signaller.tell("signal");
      await works;
    }
    expect(await copier.heard()).toBe(2);
    await Promise.all([signaller.done, copier.done]);
  }, 60_000);

  test("a wait that was submitted lasts beyond the end of its call", async () => {
    using allocator = newAllocator();
    using go = allocator.createSemaphore({ device });
    using done = allocator.createSemaphore({ device });
    await using signaller = signallerOf(go);
    expect((await rejectionOf(go.wait(1, { timeoutMs: 1 }))).code).toBe("TIMEOUT");
    const behind = done.signal(1).then(() => go.reached(1));
    expect(await signaller.heard()).toBe("ready");
    signaller.tell("signal");
    expect(await behind).toBe(true);
    await signaller.done;
  }, 60_000);

  test.skipIf(!binary)(
    "a binary semaphore is signalled after earlier work, and blocks later work",
    async () => {
      using allocator = newAllocator();
      using buffer = allocator.allocate(4096, { kind: "gpu", device });
      await buffer.fill(0x01010101);
      using done = allocator.createSemaphore({ kind: "binary", device });
      await using copier = copierOf(done, buffer);
      expect(await copier.heard()).toBe(1);
      // Vulkan forbids a binary wait that depends on a later signal operation. So other work delays the signal.
      const works = Promise.all([keepBusy(allocator), buffer.fill(0x02020202), done.signal()]);
      copier.tell("copy");
      expect(await copier.heard()).toBe("submitted");
      await works;
      expect(await copier.heard()).toBe(2);
      await copier.done;
    },
    60_000,
  );
});

validationIsSilent();
