/** Limits of calls that wait for memory: a signal and a time end each wait, and work that was not submitted is dropped. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { getEventListeners } from "node:events";
import { GpuDevice } from "../../src/gpu/device.ts";
import type { GpuQueue } from "../../src/gpu/queue.ts";
import type { Limits, MemoryAllocator, MemoryBuffer, MemoryLocation } from "../../src/index.ts";
import { pair, privateDirectory } from "../channel/support.ts";
import { device, expectSame, gpu, newAllocator, randomBytes, validationIsSilent, vulkan } from "../gpu/support.ts";
import { rejectionOf } from "./support.ts";

const MIB = 2 ** 20;
const listeners = (signal: AbortSignal) => getEventListeners(signal, "abort").length;

/** The calls that wait for `buffer`; `other` has the same size. */
const calls: Record<string, (buffer: MemoryBuffer, other: MemoryBuffer, limits: Limits) => Promise<void>> = {
  write: (buffer, other, limits) => buffer.write(new Uint8Array(other.sizeBytes).fill(9), 0, limits),
  "read into a view": (buffer, other, limits) => buffer.read(new Uint8Array(other.sizeBytes), 0, limits),
  fill: (buffer, _, limits) => buffer.fill(0x09090909, 0, undefined, limits),
  "fill of no whole words": (buffer, _, limits) => buffer.fill(9, 3, buffer.sizeBytes - 5, limits),
  copyTo: (buffer, other, limits) => buffer.copyTo(other, limits),
  "copyTo as its target": (buffer, other, limits) => other.copyTo(buffer, limits),
  "copyTo itself": (buffer, _, limits) => buffer.copyTo(buffer, { targetOffset: 8, sizeBytes: 64, ...limits }),
};
const writes = Object.entries(calls).filter(([name]) => !name.startsWith("read") && name !== "copyTo");

describe.skipIf(!vulkan)("a call behind other work of a GPU", () => {
  let allocator: MemoryAllocator;
  let opened: GpuDevice;
  let queue: GpuQueue;
  beforeAll(() => {
    allocator = newAllocator();
    opened = GpuDevice.open(device);
    queue = opened.queue;
  });
  afterAll(() => {
    opened.release();
    allocator.close();
  });

  const locations: Record<string, MemoryLocation> = {
    "GPU memory": { kind: "gpu", device },
    "pinned memory": { kind: "host", gpuPinned: true, device },
  };
  for (const [memory, location] of Object.entries(locations)) {
    describe.each(Object.entries(calls))(`${memory}: %s`, (_, call) => {
      async function behindALock(end: () => Limits, code: string): Promise<void> {
        using buffer = allocator.allocate(MIB, location);
        using other = allocator.allocate(MIB, location);
        const content = randomBytes(MIB);
        await Promise.all([buffer.write(content), other.write(content)]);
        const lock = queue.lock();
        await lock.done;
        const limits = end();
        const error = await rejectionOf(call(buffer, other, limits)).finally(() => lock.release());
        expect(error.code).toBe(code as never);
        expect(error.message).toMatch(/: (write|read|fill|copyTo) of \d+ bytes did not end/);
        expect(error.stack).toContain("waits.test.ts");
        if (limits.signal) expect(listeners(limits.signal)).toBe(0);
        // Later calls run, and the dropped work has changed nothing.
        for (const each of [buffer, other]) {
          const got = new Uint8Array(MIB);
          await each.read(got);
          expectSame(got, content);
        }
        await queue.idle;
        expect(queue.atRest).toBe(true);
      }

      test("ends by its time", () => behindALock(() => ({ timeoutMs: 1 }), "TIMEOUT"));

      test("ends by its signal", () =>
        behindALock(() => {
          const controller = new AbortController();
          setImmediate(() => controller.abort("enough"));
          return { signal: controller.signal };
        }, "ABORTED"));

      test("is refused with a signal that is aborted already", () =>
        behindALock(() => ({ signal: AbortSignal.abort("before") }), "ABORTED"));

      test("resolves within its limits", async () => {
        using buffer = allocator.allocate(MIB, location);
        using other = allocator.allocate(MIB, location);
        const { signal } = new AbortController();
        await call(buffer, other, { timeoutMs: 60_000, signal });
        await call(buffer, other, { timeoutMs: Number.POSITIVE_INFINITY });
        expect(listeners(signal)).toBe(0);
      });

      test("refuses wrong limits", async () => {
        using buffer = allocator.allocate(MIB, location);
        using other = allocator.allocate(MIB, location);
        for (const limits of [{ timeoutMs: -1 }, { signal: 5 }, { timeout: 5 }]) {
          expect((await rejectionOf(call(buffer, other, limits as object))).code).toBe("INVALID_ARGUMENT");
        }
      });
    });
  }

  test("an aborted read writes no more bytes to its view, and an aborted write reads none", async () => {
    using buffer = allocator.allocate(64 * MIB, { kind: "gpu", device });
    await buffer.fill(0);
    const target = new Uint8Array(buffer.sizeBytes);
    const reading = new AbortController();
    const read = rejectionOf(buffer.read(target, 0, { signal: reading.signal }));
    reading.abort(); // the GPU has begun a part of it
    expect((await read).code).toBe("ABORTED");
    target.fill(5);
    const source = new Uint8Array(buffer.sizeBytes).fill(1);
    const writing = new AbortController();
    const write = rejectionOf(buffer.write(source, 0, { signal: writing.signal }));
    writing.abort();
    expect((await write).code).toBe("ABORTED");
    source.fill(2);
    const got = new Uint8Array(buffer.sizeBytes);
    await buffer.read(got);
    expect(got.indexOf(2)).toBe(-1);
    expect(target.every((byte) => byte === 5)).toBe(true);
    expect(queue.atRest).toBe(true);
  });

  test("memory closes while copies run whose calls were aborted", async () => {
    // The aborted copies must not end before the abort. A GPU in hardware copies 32 MiB in microseconds and 1 GiB in about
    // one millisecond, and 16 copies of that run first.
    const sizeBytes = gpu.type === "cpu" ? 32 * MIB : 1024 * MIB;
    const source = allocator.allocate(sizeBytes, { kind: "gpu", device });
    const target = allocator.allocate(sizeBytes, { kind: "gpu", device });
    const earlier = Array.from({ length: 16 }, () => rejectionOf(target.copyTo(source)));
    const controller = new AbortController();
    const copies = Array.from({ length: 8 }, () => rejectionOf(source.copyTo(target, { signal: controller.signal })));
    expect(queue.submitted).toBe(true);
    controller.abort();
    source.close();
    target.close();
    for (const copy of copies) expect((await copy).code).toBe("ABORTED");
    await Promise.allSettled(earlier);
    await queue.idle;
    expect(queue.atRest).toBe(true);
  });
});

describe("a call behind a peer's frames", () => {
  privateDirectory();

  test.each(writes)("%s", async (_, call) => {
    using allocator = newAllocator();
    await using ends = await pair();
    using buffer = allocator.allocate(4096, { kind: "host", shared: true });
    using other = allocator.allocate(4096, { kind: "host" });
    buffer.bytes.fill(3);
    await ends.producer.send(buffer);
    const frame = await ends.consumer.recv();
    const late = await rejectionOf(call(buffer, other, { timeoutMs: 1 }));
    expect(late.code).toBe("TIMEOUT");
    expect(late.message).toContain("1 frame on");
    const controller = new AbortController();
    const waiting = rejectionOf(call(buffer, other, { signal: controller.signal }));
    controller.abort("enough");
    expect((await waiting).code).toBe("ABORTED");
    expect(listeners(controller.signal)).toBe(0);
    expect((await rejectionOf(call(buffer, other, { signal: controller.signal }))).code).toBe("ABORTED");
    expect(frame.bytes.every((byte) => byte === 3)).toBe(true);
    frame.release();
    await call(buffer, other, { timeoutMs: 10_000 });
  });
});

validationIsSilent();
