/** MemoryBuffers through channels: passed, not copied, known to the peer once, and gone when they are closed. */
import { describe, expect, test } from "bun:test";
import { MemoryAllocator, type MemoryBuffer } from "../../../src/index.ts";
import { openChannel } from "../../process/open.ts";
import { checksum, content, expected, type Got, specs } from "../../process/payload.ts";
import type { Setting } from "../conformance.ts";
import { failure, PATIENT, pair, unique } from "../support.ts";
import { settled } from "./sending.ts";

const SHARED = { kind: "host", shared: true } as const;

/** `shares`: whether the transport shares memory; where it does not, buffers travel as their bytes. */
export function memory(setting: Setting): void {
  const { transport, start, shares } = setting;
  describe("memory", () => {
    if (shares) passed(setting);
    else carried(setting);

    test("a new buffer at the address of a closed one is another buffer", async () => {
      await using ends = await pair({ transport });
      const { producer, consumer } = ends;
      for (let i = 0; i < 50; i++) {
        using allocator = new MemoryAllocator();
        const buffer = allocator.allocate(4096 + i, SHARED);
        buffer.bytes.fill(i);
        await producer.send(buffer);
        using frame = await consumer.recv();
        expect([frame.sizeBytes, frame.bytes[0]]).toEqual([4096 + i, i]);
      }
      expect(producer.stats.importsCached).toBe(0);
    });

    test(
      "memory that a user transferred stays readable, and the channel still works",
      async () => {
        await using other = start("memory/transferAway", { name: unique(), transport });
        expect(await other.heard()).toEqual({ frames: 60, wrong: [] });
        await other.done;
      },
      PATIENT,
    );

    test("standard memory is copied: it belongs to one process", async () => {
      using allocator = new MemoryAllocator();
      await using ends = await pair({ transport });
      const { producer, consumer } = ends;
      for (const size of [50, 50_000]) {
        const buffer = allocator.allocate(size);
        buffer.bytes.fill(1);
        await producer.send(buffer);
        buffer.bytes.fill(2);
        using frame = await consumer.recv();
        expect(frame.buffer).toBeUndefined();
        expect([frame.sizeBytes, frame.bytes[0], frame.bytes[size - 1]]).toEqual([size, 1, 1]);
        buffer.close();
        await failure("CLOSED", () => producer.trySend(buffer));
      }
      expect(producer.stats.importsCached).toBe(0);
    });

    test("a waiting send whose buffer is closed rejects with CLOSED", async () => {
      using allocator = new MemoryAllocator();
      await using ends = await pair({ transport });
      const { producer, consumer } = ends;
      while (producer.trySend(Uint8Array.of(1)));
      const buffer = allocator.allocate(5000, SHARED);
      const send = failure("CLOSED", () => producer.send(buffer));
      expect(await settled(send)).toBe(false);
      buffer.close();
      consumer.tryRecv()!.release();
      await send;
      expect(producer.trySend(Uint8Array.of(2))).toBe(true);
    });
  });
}

/** Buffers are the same memory on both sides. */
function passed({ transport, start }: Setting): void {
  test("a shared buffer is the same memory on both sides", async () => {
    using allocator = new MemoryAllocator();
    await using ends = await pair({ transport });
    for (const size of [1, 100, 4096, 1_000_003]) {
      const buffer = allocator.allocate(size, SHARED);
      buffer.bytes.fill(3);
      await ends.producer.send(buffer);
      using frame = await ends.consumer.recv();
      expect([frame.sizeBytes, frame.bytes.length, frame.buffer!.sizeBytes]).toEqual([size, size, size]);
      expect(frame.bytes.every((byte) => byte === 3)).toBe(true);
      frame.bytes[0] = 4;
      expect(buffer.bytes[0]).toBe(4);
      buffer.bytes[size - 1] = 5;
      expect(frame.buffer!.bytes[size - 1]).toBe(5);
      expect(frame.buffer).toMatchObject({ strategy: "shared", isGpu: false, location: SHARED });
    }
  });

  test(
    "and in another process",
    async () => {
      using allocator = new MemoryAllocator();
      const buffer = allocator.allocate(1 << 20, SHARED);
      const name = unique();
      await using _other = start("memory/addOne", { name, transport });
      await using producer = await openChannel(name, { role: "producer", transport });
      buffer.bytes.fill(10);
      for (let i = 0; i < 50; i++) {
        await producer.send(buffer);
        await producer.flush();
      }
      expect(buffer.bytes.every((byte) => byte === 60)).toBe(true);
      expect(producer.stats).toMatchObject({ importsCached: 1, framesSent: 50, bytesSent: 50 << 20 });
    },
    PATIENT,
  );

  test("a buffer that is sent repeatedly is mapped once, and unmapped when it is closed", async () => {
    using allocator = new MemoryAllocator();
    await using ends = await pair({ transport });
    const { producer, consumer } = ends;
    const buffers = [1, 2, 3].map(() => allocator.allocate(5000, SHARED));
    for (let i = 0; i < 300; i++) {
      await producer.send(buffers[i % 3]!);
      (await consumer.recv()).release();
    }
    expect([producer.stats.importsCached, consumer.stats.importsCached]).toEqual([3, 3]);
    buffers[0]!.close();
    buffers[1]!.close();
    expect(producer.stats.importsCached).toBe(1);
    for (let polls = 0; consumer.stats.importsCached > 1 && polls < 10_000; polls++) consumer.tryRecv();
    expect(consumer.stats.importsCached).toBe(1);
    await failure("CLOSED", () => producer.trySend(buffers[0]!));
    await failure("CLOSED", () => producer.send(buffers[1]!));
  });

  test("a waiting consumer unmaps a buffer that its sender closed", async () => {
    using allocator = new MemoryAllocator();
    await using ends = await pair({ transport });
    const { producer, consumer } = ends;
    const buffer = allocator.allocate(5000, SHARED);
    await producer.send(buffer);
    (await consumer.recv()).release();
    const next = consumer.recv();
    expect(await settled(next)).toBe(false);
    buffer.close();
    expect(await settled(next)).toBe(false);
    expect(consumer.stats.importsCached).toBe(0);
    await producer.send(Uint8Array.of(1));
    (await next).release();
  });

  test("the frame of a buffer that its sender closed stays valid until it is released", async () => {
    using allocator = new MemoryAllocator();
    await using ends = await pair({ transport });
    const { producer, consumer } = ends;
    const buffer = allocator.allocate(100_000, SHARED);
    buffer.bytes.fill(42);
    await producer.send(buffer);
    await producer.send(buffer);
    buffer.close();
    await producer.send(Uint8Array.of(1));
    const first = await consumer.recv();
    const second = await consumer.recv();
    (await consumer.recv()).release();
    expect([first.bytes[99_999], second.bytes[0]]).toEqual([42, 42]);
    first.release();
    const kept = second.bytes;
    const mapped = second.buffer!;
    expect(kept[50_000]).toBe(42);
    second.release();
    expect(await settled(consumer.recv())).toBe(false);
    expect(consumer.stats.importsCached).toBe(0);
    expect(kept.length).toBe(0);
    await failure("CLOSED", () => mapped.bytes);
  });

  test("after the receiver closed frame.buffer, the next frame has a new one", async () => {
    using allocator = new MemoryAllocator();
    await using ends = await pair({ transport });
    const buffer = allocator.allocate(5000, SHARED);
    let before: MemoryBuffer | undefined;
    for (let i = 0; i < 3; i++) {
      buffer.bytes.fill(i);
      await ends.producer.send(buffer);
      using frame = await ends.consumer.recv();
      expect(frame.buffer === before).toBe(false);
      expect(frame.bytes[1]).toBe(i);
      before = frame.buffer!;
      before.close();
    }
    expect(buffer.bytes[4999]).toBe(2);
  });

  test("closing the channel closes frame.buffer", async () => {
    using allocator = new MemoryAllocator();
    const ends = await pair({ transport });
    const buffer = allocator.allocate(5000, SHARED);
    await ends.producer.send(buffer);
    const frame = await ends.consumer.recv();
    const { buffer: mapped, bytes } = frame;
    await ends.consumer.close();
    await failure("CLOSED", () => mapped!.bytes);
    expect(bytes.length).toBe(0);
    await ends.producer.close();
    expect(buffer.bytes.length).toBe(5000); // the sender's stays
  });

  test(
    "passed on from A over B to C without a copy",
    async () => {
      using allocator = new MemoryAllocator();
      const buffer = allocator.allocate(3_000_000, SHARED);
      const [toB, toC] = [unique("to-b"), unique("to-c")];
      await using b = start("memory/forward", { from: toB, to: toC, transport });
      await using c = start("memory/addOne", { name: toC, transport });
      await using producer = await openChannel(toB, { role: "producer", transport });
      buffer.bytes.fill(1);
      for (let i = 0; i < 20; i++) {
        await producer.send(buffer);
        await producer.flush(); // B releases when C has
      }
      expect([buffer.bytes[0], buffer.bytes[2_999_999]]).toEqual([21, 21]);
      await producer.close();
      await Promise.all([b.done, c.done]);
    },
    PATIENT,
  );

  test("closing a buffer unmaps it on both of its channels", async () => {
    using allocator = new MemoryAllocator();
    await using one = await pair({ transport });
    await using two = await pair({ transport });
    const buffer = allocator.allocate(5000, SHARED);
    for (const { producer, consumer } of [one, two]) {
      await producer.send(buffer);
      (await consumer.recv()).release();
    }
    buffer.close();
    for (const { producer, consumer } of [one, two]) {
      expect(await settled(consumer.recv())).toBe(false);
      expect([producer.stats.importsCached, consumer.stats.importsCached]).toEqual([0, 0]);
    }
  });

  test("more buffers than the process may have descriptors", async () => {
    using allocator = new MemoryAllocator();
    await using ends = await pair({ transport });
    const { producer, consumer } = ends;
    const buffers = Array.from({ length: 300 }, (_, i) => {
      const buffer = allocator.allocate(4096, SHARED);
      buffer.bytes.fill(i);
      return buffer;
    });
    for (let round = 0; round < 3; round++) {
      for (const [i, buffer] of buffers.entries()) {
        await producer.send(buffer);
        using frame = await consumer.recv();
        expect(frame.bytes[4095]).toBe(i % 256);
      }
    }
    expect([producer.stats.importsCached, consumer.stats.importsCached]).toEqual([300, 300]);
    for (const buffer of buffers) buffer.close();
    while (consumer.stats.importsCached > 0) {
      await producer.send(Uint8Array.of(1));
      (await consumer.recv()).release();
    }
    expect([producer.stats.importsCached, consumer.stats.importsCached]).toEqual([0, 0]);
  });
}

/** Buffers are copied on the way: their sender keeps them. */
function carried({ transport, start }: Setting): void {
  const LOCATIONS = [{ kind: "host" }, SHARED] as const;

  test("a buffer arrives as bytes, and its sender may write it after the send", async () => {
    using allocator = new MemoryAllocator();
    await using ends = await pair({ transport });
    for (const size of [1, 100, 4096, 65_536, 1_000_003]) {
      for (const location of LOCATIONS) {
        const buffer = allocator.allocate(size, location);
        buffer.bytes.fill(3);
        await ends.producer.send(buffer);
        buffer.bytes.fill(4);
        using frame = await ends.consumer.recv();
        expect(frame.buffer).toBeUndefined();
        expect(frame.sizeBytes).toBe(size);
        expect(frame.bytes.every((byte) => byte === 3)).toBe(true);
        frame.bytes.fill(5);
        expect(buffer.bytes.every((byte) => byte === 4)).toBe(true);
        buffer.close();
      }
    }
    expect(ends.producer.stats.importsCached).toBe(0);
    expect(ends.consumer.stats.importsCached).toBe(0);
  });

  test(
    "and in another process",
    async () => {
      using allocator = new MemoryAllocator();
      const name = unique();
      const list = specs([100_000, 10, 5_000_000, 70_000, 1]);
      await using other = start("exchange/consume", { name, transport });
      await using producer = await openChannel(name, { role: "producer", transport });
      for (const spec of list) {
        const buffer = allocator.allocate(spec.size, SHARED);
        buffer.bytes.set(content(spec));
        await producer.send(buffer);
        buffer.close();
      }
      await producer.close();
      await other.heard();
      await other.heard();
      expect(await other.heard()).toEqual({ got: expected(list) });
    },
    PATIENT,
  );

  test("a buffer closed during its send arrives, and its views are detached at once", async () => {
    using allocator = new MemoryAllocator();
    await using ends = await pair({ transport });
    const list = specs([1_000_000, 300_000, 3_000_000, 80_000]);
    const sends = list.map((spec) => {
      const buffer = allocator.allocate(spec.size, SHARED);
      const { bytes } = buffer;
      bytes.set(content(spec));
      const send = ends.producer.send(buffer);
      buffer.close();
      expect(bytes.length).toBe(0);
      return send;
    });
    const got: Got[] = [];
    for (const _ of list) {
      using frame = await ends.consumer.recv();
      got.push({ sequence: frame.sequence, size: frame.sizeBytes, sum: checksum(frame.bytes) });
    }
    await Promise.all(sends);
    expect(got).toEqual(expected(list));
  });
}
