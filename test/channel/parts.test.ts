/** Parts of buffers through a channel: the peer gets the part, of memory that it knows once. */
import { afterAll, describe, expect, test } from "bun:test";
import type { Frame, MemoryAllocator, MemoryBuffer } from "../../src/index.ts";
import {
  contentOf,
  device,
  expectSame,
  newAllocator,
  randomBytes,
  validationIsSilent,
  vulkan,
} from "../gpu/support.ts";
import { settled } from "./conformance/sending.ts";
import { failure, pair, privateDirectory } from "./support.ts";

privateDirectory();
const allocator: MemoryAllocator = newAllocator();
afterAll(() => allocator.close());

const KINDS = [
  ["shared memory", "shm", { kind: "host", shared: true }],
  ["GPU memory", "vulkan", { kind: "gpu", device }],
  ["mapped GPU memory", "vulkan", { kind: "gpu", device, hostVisible: true }],
] as const;

function bufferOf(frame: Frame): MemoryBuffer {
  if (!frame.buffer) throw new Error("bytes came, not a buffer");
  return frame.buffer;
}

for (const [what, transport, location] of KINDS) {
  const ends = () => pair({ transport, allocator });
  const isMapped = transport === "shm" || "hostVisible" in location;

  describe.skipIf(transport === "vulkan" && !vulkan)(`a part of ${what}`, () => {
    test("is the same memory on both sides", async () => {
      await using both = await ends();
      const content = randomBytes(5000);
      using whole = allocator.allocate(5000, location);
      await whole.write(content);
      for (const [offset, size] of [
        [0, 5000],
        [0, 1],
        [4999, 1],
        [37, 1000],
        [1024, 2048],
      ] as const) {
        using part = whole.part(offset, size);
        await both.producer.send(part);
        using frame = await both.consumer.recv();
        expect(frame.sizeBytes).toBe(size);
        const received = bufferOf(frame);
        expect(received.sizeBytes).toBe(size);
        expect(frame.buffer).toBe(received);
        expectSame(await contentOf(received), content.subarray(offset, offset + size));
        if (isMapped) expectSame(frame.bytes, content.subarray(offset, offset + size));
        const answer = randomBytes(size);
        await received.write(answer);
        content.set(answer, offset);
        expectSame(await contentOf(whole), content);
      }
      expect([both.producer.stats.importsCached, both.consumer.stats.importsCached]).toEqual([1, 1]);
    });

    test("several at once, with the whole between them, closed and released in any order", async () => {
      await using both = await ends();
      const content = randomBytes(4000);
      using whole = allocator.allocate(4000, location);
      await whole.write(content);
      const ranges = [
        [0, 4000],
        [3000, 1000],
        [1, 3999],
        [3000, 999],
        [0, 4000],
        [5, 5],
      ] as const;
      for (const [offset, size] of ranges) {
        using part = size === 4000 ? null : whole.part(offset, size);
        await both.producer.send(part ?? whole);
      }
      const frames: Frame[] = [];
      for (const _ of ranges) frames.push(await both.consumer.recv());
      for (const at of [3, 0, 5, 1, 4, 2]) {
        const [offset, size] = ranges[at]!;
        const received = bufferOf(frames[at]!);
        expectSame(await contentOf(received), content.subarray(offset, offset + size));
        frames[at]!.release();
        // The whole is the channel's until it is closed; a part ends with its frame.
        if (size !== 4000) await failure("CLOSED", () => received.part(0, 1));
      }
      await whole.released();
    });

    test("a write to a part waits until the peer has released the part or the whole", async () => {
      await using both = await ends();
      using whole = allocator.allocate(1000, location);
      using one = whole.part(0, 500);
      using other = whole.part(500, 500);
      await whole.fill(1);
      await both.producer.send(one);
      const frame = await both.consumer.recv();
      const writes = [one.fill(2), other.fill(2), whole.fill(3)];
      for (const write of writes) expect(await settled(write)).toBe(false);
      expect(new Set(await contentOf(bufferOf(frame)).then((bytes) => bytes.filter((_, at) => at % 4 === 0)))).toEqual(
        new Set([1]),
      );
      frame.release();
      await Promise.all(writes);
      await one.released();
    });

    test("a part of a closed buffer is refused", async () => {
      await using both = await ends();
      const whole = allocator.allocate(1000, location);
      const [part, closed] = [whole.part(0, 500), whole.part(0, 400)];
      closed.close();
      await failure("CLOSED", () => both.producer.trySend(closed));
      await both.producer.send(part);
      whole.close();
      await failure("CLOSED", () => both.producer.trySend(part));
      using frame = await both.consumer.recv();
      expect(frame.sizeBytes).toBe(500);
    });

    test("a received part can be sent to a third process", async () => {
      await using one = await ends();
      await using two = await ends();
      const content = randomBytes(3000);
      using whole = allocator.allocate(3000, location);
      await whole.write(content);
      await one.producer.send(whole.part(100, 2000));
      using first = await one.consumer.recv();
      await two.producer.send(bufferOf(first).part(50, 1000));
      using second = await two.consumer.recv();
      expectSame(await contentOf(bufferOf(second)), content.subarray(150, 1150));
    });
  });
}

validationIsSilent();
