/** Buffers on the GPU that both sides use: the same memory on both, known once, and safe to write again when released. */
import { afterAll, describe, expect, test } from "bun:test";
import { type Frame, type MemoryAllocator, type MemoryBuffer, ProcessLocation } from "../../src/index.ts";
import { keepBusy } from "../gpu/busy.ts";
import {
  contentOf,
  device,
  expectSame,
  newAllocator,
  randomBytes,
  timeline,
  validationIsSilent,
  vulkan,
} from "../gpu/support.ts";
import { openChannel } from "../process/open.ts";
import { settled } from "./conformance/sending.ts";
import { inProcess } from "./peers.ts";
import { eventually, failure, PATIENT, pair, privateDirectory, unique } from "./support.ts";

privateDirectory();

const allocator: MemoryAllocator = newAllocator();
afterAll(() => allocator.close());

const transport = "vulkan";
const LOCAL = { kind: "gpu", device } as const;
const VISIBLE = { kind: "gpu", device, hostVisible: true } as const;
const MIB = 2 ** 20;

async function filled(bytes: Uint8Array, location: typeof LOCAL | typeof VISIBLE): Promise<MemoryBuffer> {
  const buffer = allocator.allocate(bytes.length, location);
  await buffer.write(bytes);
  return buffer;
}

function bufferOf(frame: Frame): MemoryBuffer {
  if (!frame.buffer) throw new Error("bytes came, not a buffer");
  return frame.buffer;
}

describe.skipIf(!vulkan)("a buffer on the GPU", () => {
  for (const [where, location] of [
    ["the GPU's own memory", LOCAL],
    ["memory that the host sees", VISIBLE],
  ] as const) {
    test(`in ${where} is the same memory on both sides`, async () => {
      await using ends = await pair({ transport, allocator });
      for (const size of [1, 100, 4096, 1_000_003]) {
        const bytes = randomBytes(size);
        using buffer = await filled(bytes, location);
        await ends.producer.send(buffer);
        const frame = await ends.consumer.recv();
        const received = bufferOf(frame);
        expect(received).toMatchObject({ sizeBytes: size, strategy: "gpu", isGpu: true, location });
        expect(frame.sizeBytes).toBe(size);
        expectSame(await contentOf(received), bytes);
        const answer = randomBytes(size);
        await received.write(answer);
        expectSame(await contentOf(buffer), answer);
        frame.release();
        await ends.producer.flush();
        buffer.close();
      }
    });
  }

  test("a write waits until the peer has released the buffer", async () => {
    await using ends = await pair({ transport, allocator });
    const [before, after] = [randomBytes(5000), randomBytes(5000)];
    using buffer = await filled(before, LOCAL);
    await ends.producer.send(buffer);
    const written = buffer.write(after);
    const frame = await ends.consumer.recv();
    expect(await settled(written)).toBe(false);
    expectSame(await contentOf(bufferOf(frame)), before);
    expect(await settled(written)).toBe(false);
    frame.release();
    await written;
    expectSame(await contentOf(buffer), after);
  });

  test("a frame has bytes if the host can map the buffer, and throws if not", async () => {
    await using ends = await pair({ transport, allocator });
    const bytes = randomBytes(5000);
    using visible = await filled(bytes, VISIBLE);
    await ends.producer.send(visible);
    using first = await ends.consumer.recv();
    expectSame(first.bytes, bytes);
    first.bytes[4999]! ^= 1;
    expect(visible.bytes[4999]).toBe(bytes[4999]! ^ 1);
    using local = await filled(bytes, LOCAL);
    await ends.producer.send(local);
    using second = await ends.consumer.recv();
    await failure("NOT_HOST_VISIBLE", () => second.bytes);
    expect(second.sequence).toBe(1);
  });

  test("a buffer that is sent repeatedly is imported once, and the import ends when it is closed", async () => {
    await using ends = await pair({ transport, allocator });
    const { producer, consumer } = ends;
    const buffers = await Promise.all([1, 2, 3].map((size) => filled(randomBytes(size * 1000), LOCAL)));
    for (let i = 0; i < 300; i++) {
      await producer.send(buffers[i % 3]!);
      (await consumer.recv()).release();
    }
    expect([producer.stats.importsCached, consumer.stats.importsCached]).toEqual([3, 3]);
    for (const buffer of buffers) buffer.close();
    expect(producer.stats.importsCached).toBe(0);
    const next = consumer.recv();
    await eventually(() => consumer.stats.importsCached === 0, "the consumer lets go of closed buffers");
    await producer.send(Uint8Array.of(1));
    (await next).release();
    await failure("CLOSED", () => producer.trySend(buffers[0]!));
  });

  test("the frame of a buffer that its sender closed stays valid until it is released", async () => {
    await using ends = await pair({ transport, allocator });
    const bytes = randomBytes(100_000);
    using buffer = await filled(bytes, LOCAL);
    await ends.producer.send(buffer);
    await ends.producer.send(buffer);
    buffer.close();
    for (const _ of [1, 2]) {
      using frame = await ends.consumer.recv();
      expectSame(await contentOf(bufferOf(frame)), bytes);
    }
    const next = ends.consumer.recv();
    await eventually(() => ends.consumer.stats.importsCached === 0, "the consumer lets go of it");
    await ends.producer.send(Uint8Array.of(1));
    (await next).release();
  });

  test("a received buffer can be sent to a third process", async () => {
    await using one = await pair({ transport, allocator });
    await using two = await pair({ transport, allocator });
    const bytes = randomBytes(64 * 1024);
    using buffer = await filled(bytes, LOCAL);
    await one.producer.send(buffer);
    const middle = await one.consumer.recv();
    await two.producer.send(bufferOf(middle));
    using last = await two.consumer.recv();
    expectSame(await contentOf(bufferOf(last)), bytes);
    last[Symbol.dispose]();
    await two.producer.flush();
    middle.release();
    await one.producer.flush();
  });

  test("buffers keep the order of bytes, loans and shared memory, with each kind of receive", async () => {
    await using ends = await pair({ transport, allocator });
    const { producer, consumer } = ends;
    using onGpu = await filled(new Uint8Array(3000).fill(1), VISIBLE);
    using shared = allocator.allocate(3000, { kind: "host", shared: true });
    shared.bytes.fill(2);
    for (let round = 0; round < 20; round++) {
      await producer.send(onGpu);
      await producer.send(shared);
      await producer.send(new Uint8Array(30).fill(3));
      (await producer.loan(5000)).commit();
      const receive = [
        () => consumer.recv(),
        async () => consumer.recvSync()!,
        async () => {
          for (;;) {
            const frame = consumer.tryRecv();
            if (frame) return frame;
          }
        },
      ][round % 3]!;
      for (const [size, first] of [
        [3000, 1],
        [3000, 2],
        [30, 3],
        [5000, null],
      ] as const) {
        using frame = await receive();
        expect(frame.sizeBytes).toBe(size);
        if (first !== null) expect(frame.bytes[0]).toBe(first);
      }
    }
  });
});

describe.skipIf(!vulkan)("order", () => {
  const rounds = 30;
  const size = 8 * MIB;

  test(
    "GPU work before a send ends before the receiver's work, and the receiver's before the sender's next",
    async () => {
      const name = unique();
      await using peer = inProcess("gpu/copyAway", { name, transport, size });
      await using producer = await openChannel(name, { role: "producer", transport, allocator });
      using buffer = allocator.allocate(size, LOCAL);
      for (let round = 0; round < rounds; round++) {
        void buffer.fill(0xfffffffe);
        const busy = keepBusy(allocator);
        void buffer.fill(round);
        await producer.send(buffer);
        await producer.flush();
        // The receiver has copied all of it by now: what is written next is not seen.
        void buffer.fill(0xffffffff);
        expect(await peer.heard()).toBe(0);
        await busy;
      }
      await producer.close();
      await peer.done;
    },
    PATIENT,
  );

  test(
    "a receiver that blocks its thread releases frames when its work on them has ended",
    async () => {
      const name = unique();
      await using peer = inProcess("gpu/writeAndBlock", { name, transport });
      await using producer = await openChannel(name, { role: "producer", transport, allocator });
      using buffer = allocator.allocate(size, LOCAL);
      for (let round = 0; round < rounds; round++) {
        await producer.send(buffer);
        await producer.flush();
        const words = new Uint32Array((await contentOf(buffer)).buffer);
        expect(words.findIndex((word) => word !== round + 1000)).toBe(-1);
      }
      await producer.close();
      await peer.done;
    },
    PATIENT,
  );

  test("trySend returns false while work runs that the peer can't wait for, and a waiting send wakes at its end", async () => {
    await using ends = await pair({ transport, allocator });
    const { producer, consumer } = ends;
    using buffer = allocator.allocate(32 * MIB, VISIBLE);
    for (let round = 1; round <= 5; round++) {
      const writing = buffer.fill(round);
      while (!producer.trySend(buffer)) await new Promise(setImmediate);
      using frame = await consumer.recv();
      // The bytes are there without any wait for the GPU.
      const words = frame.view(Uint32Array);
      expect([words[0], words.at(-1)]).toEqual([round, round]);
      await writing;
    }
  });

  test.skipIf(!timeline)("with a shared timeline a buffer is sent while work on it runs", async () => {
    await using ends = await pair({ transport, allocator });
    expect(ends.producer.route.reason).toContain("shared timeline");
    using buffer = allocator.allocate(256 * MIB, LOCAL);
    await buffer.fill(1);
    const busy = keepBusy(allocator);
    const writing = buffer.fill(2);
    expect(ends.producer.trySend(buffer)).toBe(true);
    using frame = await ends.consumer.recv();
    expect(new Uint32Array((await contentOf(bufferOf(frame))).buffer).every((word) => word === 2)).toBe(true);
    await Promise.all([busy, writing]);
  });
});

describe.skipIf(!vulkan)("the route", () => {
  test("the route names the GPU and how its work is ordered", async () => {
    await using ends = await pair({ transport, allocator });
    for (const { route } of [ends.producer, ends.consumer]) {
      expect(route.reason).toStartWith("both sides use the same GPU (");
      expect(route.reason).toContain(timeline ? "shared timeline" : "waited for before");
    }
  });

  for (const [requested, options] of [
    ["the profile", { profile: "gpu-preferred", allocator }],
    ["the location", { location: ProcessLocation.detect({ deviceId: device }), allocator }],
    ["an allocator that has used a GPU", { allocator }],
  ] as const) {
    test(`the transport is vulkan if ${requested} requests a GPU`, async () => {
      allocator.allocate(1, LOCAL).close();
      await using ends = await pair(options);
      expect(ends.producer.route.transport).toBe("vulkan");
      expect(ends.consumer.route).toMatchObject({
        transport: "vulkan",
        rejected: [{ transport: "mpi" }, { transport: "shm" }],
      });
    });
  }

  test("no GPU is probed if neither side requests one", async () => {
    await using ends = await pair({ transport: undefined });
    expect(ends.producer.route.transport).toBe("shm");
    const { reason } = ends.producer.route.rejected.find(({ transport }) => transport === "vulkan")!;
    expect(reason).toContain("neither side asks for a GPU");
  });
});

validationIsSilent();
