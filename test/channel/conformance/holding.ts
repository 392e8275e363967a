/** MemoryBuffers that a peer still reads: writes wait, `released` resolves, and a pool gives out free buffers. */
import { describe, expect, test } from "bun:test";
import { type Frame, MemoryAllocator } from "../../../src/index.ts";
import { openChannel } from "../../process/open.ts";
import type { Setting } from "../conformance.ts";
import { failure, PATIENT, pair, unique } from "../support.ts";
import { settled } from "./sending.ts";

const SHARED = { kind: "host", shared: true } as const;
const SIZE = 5000;

export function holding(setting: Setting): void {
  const { transport, start, shares } = setting;
  describe("when a sent buffer may be written", () => {
    if (shares) held(setting);

    test("a write to memory that was never sent, or sent as a copy, never waits", async () => {
      using allocator = new MemoryAllocator();
      await using ends = await pair({ transport });
      const { producer, consumer } = ends;
      const unsent = allocator.allocate(SIZE, SHARED);
      const copied = allocator.allocate(SIZE, shares ? { kind: "host" } : SHARED);
      await copied.fill(0x01010101);
      await producer.send(copied);
      using frame = await consumer.recv();
      for (const buffer of [unsent, copied]) {
        await buffer.released({ timeoutMs: 0 });
        await buffer.fill(0x02020202);
      }
      expect([frame.bytes[0], frame.bytes[SIZE - 1]]).toEqual([1, 1]);
      await failure("INVALID_ARGUMENT", () => unsent.released({ timeout: 5 } as object));
      unsent.close();
      await failure("CLOSED", () => unsent.released());
    });

    test(
      "a pool in a loop, with a slow reader in another process",
      async () => {
        using allocator = new MemoryAllocator();
        const name = unique();
        await using other = start("memory/readSlowly", { name, transport });
        await using producer = await openChannel(name, { role: "producer", transport });
        using pool = allocator.pool(3, SIZE);
        for (let i = 0; i < 200; i++) {
          const buffer = await pool.take();
          buffer.bytes.fill(i);
          await producer.send(buffer);
          pool.put(buffer);
        }
        await producer.flush();
        await producer.close();
        expect(await other.heard()).toEqual({ frames: 200, wrong: [] });
        await other.done;
      },
      PATIENT,
    );
  });
}

/** The line that an error shows first: that of the call, which `failure` makes. */
function firstFrame(stack = ""): string {
  return stack.split("\n").find((line) => line.startsWith("    at ")) ?? "";
}

/** Buffers are the same memory on both sides. */
function held({ transport, start }: Setting): void {
  test("a fan-out of one buffer, with a slow consumer: every frame holds what was written for it", async () => {
    using allocator = new MemoryAllocator();
    await using fast = await pair({ transport });
    await using slow = await pair({ transport });
    const buffer = allocator.allocate(SIZE, SHARED);
    const wrong: string[] = [];
    const read = async (reader: string, { consumer }: typeof fast, turns: number) => {
      for (let i = 0; i < 60; i++) {
        using frame = await consumer.recv();
        for (let turn = 0; turn < turns; turn++) await new Promise(setImmediate);
        const { bytes } = frame;
        if (!bytes.every((byte) => byte === i)) wrong.push(`${reader}: frame ${i} holds ${bytes[0]}`);
      }
    };
    const write = async () => {
      for (let i = 0; i < 60; i++) {
        await buffer.write(new Uint8Array(SIZE).fill(i));
        for (const { producer } of [fast, slow]) await producer.send(buffer);
      }
    };
    await Promise.all([write(), read("fast", fast, 0), read("slow", slow, 20)]);
    expect(wrong).toEqual([]);
  });

  test("write, fill and the target of copyTo wait for the release, and do not change the frame", async () => {
    using allocator = new MemoryAllocator();
    await using ends = await pair({ transport });
    const [buffer, source] = [allocator.allocate(SIZE, SHARED), allocator.allocate(SIZE)];
    source.bytes.fill(9);
    const writes = [
      () => buffer.write(new Uint8Array(SIZE).fill(9)),
      () => buffer.fill(0x09090909),
      () => source.copyTo(buffer),
    ];
    for (const write of writes) {
      buffer.bytes.fill(1);
      await ends.producer.send(buffer);
      const written = write();
      expect(await settled(written)).toBe(false);
      const frame = await ends.consumer.recv();
      expect(await settled(written)).toBe(false);
      expect(frame.bytes.every((byte) => byte === 1)).toBe(true);
      await buffer.copyTo(source, { sizeBytes: 1 }); // a read waits for no peer
      source.bytes.fill(9);
      frame.release();
      await written;
      expect(buffer.bytes.every((byte) => byte === 9)).toBe(true);
    }
  });

  test("the source of a write must not change until the write is done", async () => {
    using allocator = new MemoryAllocator();
    await using ends = await pair({ transport });
    const buffer = allocator.allocate(SIZE, SHARED);
    await ends.producer.send(buffer);
    const source = new Uint8Array(SIZE).fill(9);
    const written = failure("INVALID_ARGUMENT", () => buffer.write(source));
    source.buffer.transfer();
    (await ends.consumer.recv()).release();
    await written;
    expect(buffer.bytes[0]).toBe(0);
  });

  test("released is exact for each buffer, in whatever order frames are released", async () => {
    using allocator = new MemoryAllocator();
    await using ends = await pair({ transport });
    const { producer, consumer } = ends;
    const [a, b] = [allocator.allocate(SIZE, SHARED), allocator.allocate(SIZE, SHARED)];
    for (const payload of [a, b, a, new Uint8Array(10), b, new Uint8Array(3000)]) await producer.send(payload);
    const frames: Frame[] = [];
    for (let i = 0; i < 6; i++) frames.push(await consumer.recv());
    const [forA, forB] = [a.released(), b.released()];
    for (const i of [5, 4, 3]) frames[i]!.release();
    expect([await settled(forA), await settled(forB)]).toEqual([false, false]);
    frames[1]!.release();
    await forB;
    await b.released({ timeoutMs: 0 });
    expect(await settled(forA)).toBe(false);
    frames[2]!.release();
    expect(await settled(forA)).toBe(false);
    frames[0]!.release();
    await forA;
  });

  test("a new buffer at the address of a closed one does not wait for the frames of the closed one", async () => {
    using allocator = new MemoryAllocator();
    await using ends = await pair({ transport });
    const first = allocator.allocate(SIZE, SHARED);
    await ends.producer.send(first);
    using _kept = await ends.consumer.recv();
    first.close();
    const second = allocator.allocate(SIZE, SHARED);
    await ends.producer.send(second);
    (await ends.consumer.recv()).release();
    await second.released();
  });

  test("TIMEOUT names the channels and their unreleased frames, with a remedy; ABORTED; CLOSED", async () => {
    using allocator = new MemoryAllocator();
    const [left, right, third] = [unique("left"), unique("right"), unique("third")];
    await using one = await pair({ transport, name: left });
    await using two = await pair({ transport, name: right });
    await using three = await pair({ transport, name: third });
    const buffer = allocator.allocate(SIZE, SHARED);
    for (const { producer } of [one, one, two, three]) await producer.send(buffer);
    (await three.consumer.recv()).release();
    const { message, stack } = await failure("TIMEOUT", () => buffer.released({ timeoutMs: 1 }));
    expect(firstFrame(stack)).toContain("test/channel/support.ts");
    expect(message).toContain(
      `the buffer of ${SIZE} bytes was not released (2 frames on "${left}", 1 frame on "${right}")`,
    );
    expect(message).toContain("within 1 ms. Release the frames where they were received");
    const abort = new AbortController();
    const aborted = failure("ABORTED", () => buffer.released({ signal: abort.signal }));
    abort.abort();
    await aborted;
    const closed = [failure("CLOSED", () => buffer.released()), failure("CLOSED", () => buffer.fill(1))];
    expect(await settled(Promise.all(closed))).toBe(false);
    buffer.close();
    await Promise.all(closed);
  });

  test("frames of a channel that was closed at either end count as released", async () => {
    using allocator = new MemoryAllocator();
    const buffer = allocator.allocate(SIZE, SHARED);
    const ends = [await pair({ transport }), await pair({ transport })] as const;
    for (const { producer } of ends) await producer.send(buffer);
    const { bytes } = await ends[0].consumer.recv();
    const released = buffer.released();
    expect(await settled(released)).toBe(false);
    await ends[0].consumer.close();
    expect(bytes.length).toBe(0);
    expect(await settled(released)).toBe(false);
    await ends[1].producer.close();
    await released;
    await buffer.fill(7);
    await Promise.all([ends[0].producer.close(), ends[1].consumer.close()]);
  });

  test(
    "a peer that is killed: its frames count as released",
    async () => {
      using allocator = new MemoryAllocator();
      const name = unique();
      await using other = start("memory/keep", { name, transport });
      await using producer = await openChannel(name, { role: "producer", transport });
      const buffer = allocator.allocate(SIZE, SHARED);
      await producer.send(buffer);
      await other.heard();
      const released = buffer.released();
      expect(await settled(released)).toBe(false);
      await other.kill();
      await released;
      await buffer.fill(1);
    },
    PATIENT,
  );

  test("a pool serves waiting calls in order", async () => {
    using allocator = new MemoryAllocator();
    await using ends = await pair({ transport });
    const { producer, consumer } = ends;
    using pool = allocator.pool(2, SIZE);
    expect([pool.count, pool.sizeBytes]).toEqual([2, SIZE]);
    const [a, b] = [await pool.take(), pool.tryTake()!];
    expect(a.strategy).toBe("shared");
    expect([a === b, pool.tryTake()]).toEqual([false, null]);
    const { message, stack } = await failure("TIMEOUT", () => pool.take({ timeoutMs: 1 }));
    expect(firstFrame(stack)).toContain("test/channel/support.ts");
    expect(message).toContain(
      `no buffer of ${SIZE} bytes was free within 1 ms: 2 of 2 are taken. Put each buffer back`,
    );
    const [next, last] = [pool.take(), pool.take()];
    // Sent, but its taker may send it again: it is not free when that frame is released.
    await producer.send(a);
    (await consumer.recv()).release();
    await a.released();
    expect(await settled(next)).toBe(false);
    await producer.send(a);
    pool.put(a);
    await failure("INVALID_ARGUMENT", () => pool.put(a));
    expect(await settled(next)).toBe(false);
    expect(pool.tryTake()).toBe(null);
    pool.put(b); // unused
    expect(await next).toBe(b);
    expect(await settled(last)).toBe(false);
    (await consumer.recv()).release();
    expect(await last).toBe(a);
    const abort = new AbortController();
    const aborted = failure("ABORTED", () => pool.take({ signal: abort.signal }));
    abort.abort();
    await aborted;
    const waiting = failure("CLOSED", () => pool.take());
    pool.close();
    await waiting;
    await failure("CLOSED", () => a.bytes);
    await failure("CLOSED", () => pool.tryTake());
    await failure("CLOSED", () => pool.put(b));
  });

  test("closing the allocator closes its pool, and closing a buffer removes it from the pool", async () => {
    const allocator = new MemoryAllocator();
    const pool = allocator.pool(2, SIZE);
    const a = await pool.take();
    a.close();
    await failure("CLOSED", () => pool.put(a));
    expect(pool.count).toBe(1);
    allocator.close();
    await failure("CLOSED", () => pool.take());
    await failure("CLOSED", () => allocator.pool(1, SIZE));
    using other = new MemoryAllocator();
    for (const count of [0, 1.5, 65_537, Number.NaN]) await failure("INVALID_ARGUMENT", () => other.pool(count, SIZE));
    await failure("INVALID_ARGUMENT", () => other.pool(1, 0));
  });

  test("a wait for a pool's buffer rejects when the last buffer was closed", async () => {
    using allocator = new MemoryAllocator();
    using pool = allocator.pool(1, SIZE);
    const only = await pool.take();
    const waiting = failure("CLOSED", () => pool.take());
    only.close();
    await failure("CLOSED", () => pool.put(only));
    await waiting;
  });
}
