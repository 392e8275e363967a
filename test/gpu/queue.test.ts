/** The order of a GPU's work, its limits, and the resources that it frees. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { getEventListeners } from "node:events";
import { join } from "node:path";
import { GpuDevice } from "../../src/gpu/device.ts";
import type { GpuQueue } from "../../src/gpu/queue.ts";
import type { MemoryAllocator, MemoryBuffer } from "../../src/index.ts";
import { nativeMemory } from "../../src/memory/buffer.ts";
import { rejectionOf } from "../memory/support.ts";
import {
  contentOf,
  device,
  expectSame,
  gpu,
  newAllocator,
  randomBytes,
  validationIsSilent,
  vulkan,
} from "./support.ts";

const PEER = join(import.meta.dir, "../process/gpu-peer.ts");
const MIB = 2 ** 20;

describe.skipIf(!vulkan)("the queue of a GPU", () => {
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
  const allocate = (size: number): MemoryBuffer => allocator.allocate(size, { kind: "gpu", device });

  test("does mixed work in the order of the calls", async () => {
    using one = allocate(3 * MIB + 5);
    using other = allocate(3 * MIB + 5);
    const [first, second] = [randomBytes(one.sizeBytes), randomBytes(one.sizeBytes)];
    const got = Array.from({ length: 4 }, () => new Uint8Array(one.sizeBytes));
    await Promise.all([
      one.write(first),
      one.copyTo(other),
      one.write(second),
      one.read(got[0]!),
      other.read(got[1]!),
      other.fill(0, 0, 4),
      other.copyTo(one, { sizeBytes: 4 }),
      one.read(got[2]!),
      one.fill(0xffffffff, 8, 16),
      one.read(got[3]!),
    ]);
    expectSame(got[0]!, second);
    expectSame(got[1]!, first);
    expectSame(got[2]!, second.fill(0, 0, 4));
    expectSame(got[3]!, second.fill(0xff, 8, 24));
  });

  test("resolves in the order of the calls", async () => {
    using buffer = allocate(MIB);
    const order: number[] = [];
    const works = [buffer.fill(1), buffer.write(randomBytes(100)), buffer.read(new Uint8Array(10)), buffer.fill(2)];
    await Promise.all(works.map((work, index) => work.then(() => order.push(index))));
    expect(order).toEqual([0, 1, 2, 3]);
  });

  test("gets the submissions of promise continuations before it is polled", async () => {
    using buffer = allocate(4);
    await buffer.fill(0); // the GPU is at rest
    const order: string[] = [];
    const first = buffer.fill(1).then(() => order.push("the first has ended"));
    for (let hops = 0; hops < 20; hops++) await null;
    const second = buffer.fill(2);
    order.push("the second was submitted");
    await Promise.all([first, second]);
    expect(order).toEqual(["the second was submitted", "the first has ended"]);
  });

  test("takes more work than fits at once", async () => {
    using buffer = allocate(4096);
    const works = Array.from({ length: 2000 }, (_, round) => buffer.fill(round, (round % 1024) * 4, 4));
    await Promise.all(works);
    const words = new Uint32Array((await contentOf(buffer)).buffer as ArrayBuffer);
    for (let at = 0; at < 1024; at++) expect(words[at]).toBe(at < 2000 - 1024 ? at + 1024 : at);
    expect(queue.atRest).toBe(true);
  });

  test("waits with a limit, and for a signal", async () => {
    // Tens of milliseconds of work on any GPU, far more than a turn of the event loop.
    const [size, rounds] = gpu.type === "cpu" ? [64 * MIB, 30] : [1024 * MIB, 60];
    using one = allocate(size);
    using other = allocate(size);
    const works = Array.from({ length: rounds }, (_, round) => (round % 2 ? one.copyTo(other) : other.copyTo(one)));
    const last = queue.pending(nativeMemory(one));
    expect(last).toBeGreaterThan(0);
    const timeout = await rejectionOf(queue.wait(last, { timeoutMs: 0 }));
    expect(timeout.code).toBe("TIMEOUT");
    expect(timeout.message).toContain("0 ms");
    const controller = new AbortController();
    const waiting = rejectionOf(queue.wait(last, { signal: controller.signal }));
    expect(getEventListeners(controller.signal, "abort")).toHaveLength(1);
    controller.abort("enough");
    expect((await waiting).code).toBe("ABORTED");
    expect(getEventListeners(controller.signal, "abort")).toHaveLength(0);
    expect((await rejectionOf(queue.wait(last, { signal: controller.signal }))).code).toBe("ABORTED");
    for (const limits of [{ timeoutMs: -1 }, { timeoutMs: "1" }, { signal: {} }]) {
      expect((await rejectionOf(queue.wait(last, limits as object))).code).toBe("INVALID_ARGUMENT");
    }
    expect((await rejectionOf(queue.wait(2 ** 40))).code).toBe("INVALID_ARGUMENT"); // no submission has this value
    await Promise.all([queue.wait(last, { timeoutMs: Infinity }), ...works]);
    expect(queue.reached(last)).toBe(true);
  });

  test("removes its listener after short waits too", async () => {
    using buffer = allocate(16 * MIB);
    const { signal } = new AbortController();
    for (let round = 0; round < 20; round++) {
      const filled = buffer.fill(round);
      await queue.wait(queue.pending(nativeMemory(buffer)), { signal });
      await filled;
    }
    expect(getEventListeners(signal, "abort")).toHaveLength(0);
  });

  test("a lock delays later work, but not its owner's", async () => {
    using buffer = allocate(4096);
    const lock = queue.lock();
    const later = buffer.fill(2);
    const order: string[] = [];
    const done = later.then(() => order.push("later"));
    await lock.done;
    await queue.fill(nativeMemory(buffer), 0, 4096, 1, { within: lock.work }).then(() => order.push("owner"));
    expect(queue.submitted).toBe(false);
    lock.release();
    await done;
    expect(order).toEqual(["owner", "later"]);
    expect((await contentOf(buffer))[0]).toBe(2);
  });

  test("fails work on memory that closes, and continues with other work", async () => {
    const closing = allocate(32 * MIB);
    using staying = allocate(32 * MIB);
    const target = new Uint8Array(closing.sizeBytes);
    const works = [
      closing.write(randomBytes(closing.sizeBytes)),
      closing.read(target),
      closing.fill(1),
      closing.copyTo(staying),
      staying.copyTo(closing),
    ].map(rejectionOf);
    const rest = staying.fill(0x01010101);
    closing.close();
    for (const error of await Promise.all(works)) expect(error.code).toBe("CLOSED");
    const before = target.slice();
    await rest;
    expectSame(await contentOf(staying), new Uint8Array(staying.sizeBytes).fill(1));
    expectSame(target, before); // nothing was written after the rejection
  });

  test("rejects views that are transferred before the copy begins", async () => {
    using buffer = allocate(96 * MIB);
    const source = randomBytes(buffer.sizeBytes);
    const target = new Uint8Array(buffer.sizeBytes);
    const works = [buffer.write(source), buffer.read(target)].map(rejectionOf);
    const kept = [source.buffer.transfer(), target.buffer.transfer()];
    for (const work of works) expect((await work).code).toBe("CLOSED");
    await buffer.fill(0);
    expect(kept.map(({ byteLength }) => byteLength)).toEqual([buffer.sizeBytes, buffer.sizeBytes]);
  });

  test("an allocator that closes with work under way fails that work and no other", async () => {
    const own = newAllocator();
    const buffers = Array.from({ length: 4 }, () => own.allocate(8 * MIB, { kind: "gpu", device }));
    using other = allocate(MIB);
    const works = buffers.map((buffer) => rejectionOf(buffer.fill(3)));
    const kept = other.fill(9);
    own.close();
    for (const work of works) expect((await work).code).toBe("CLOSED");
    await kept;
    expect((await contentOf(other))[0]).toBe(9);
  });

  test("500 small writes and reads follow each other", async () => {
    using buffer = allocate(4096);
    const bytes = new Uint8Array(8);
    for (let round = 0; round < 500; round++) {
      await buffer.write(new Uint32Array([round, ~round]), 8 * (round % 512));
      await buffer.read(bytes, 8 * (round % 512));
      expect(new Uint32Array(bytes.buffer)[0]).toBe(round);
    }
  });

  test.each([["stay"], ["leave"]])(
    "a process that does not wait ends, and one that waits stays: %s",
    async (task) => {
      await using child = Bun.spawn([process.execPath, PEER, task, String(device)], {
        stdio: ["ignore", "pipe", "inherit"],
        timeout: 60_000,
      });
      const told = JSON.parse(await child.stdout.text());
      expect(told).toEqual(task === "stay" ? { done: 8 } : {});
      expect(await child.exited).toBe(0);
      expect(child.signalCode).toBeNull();
    },
    60_000,
  );
});

validationIsSilent();
