/** Parts of buffers: the same bytes, for every kind of memory, and closed with the whole at the latest. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { MemoryAllocator } from "../../src/memory/allocator.ts";
import type { MemoryLocation } from "../../src/memory/strategy.ts";
import {
  contentOf,
  device,
  expectSame,
  newAllocator,
  randomBytes,
  validationIsSilent,
  vulkan,
} from "../gpu/support.ts";
import { failureOf, rejectionOf, SHARED, STANDARD } from "./support.ts";

const SIZE = 10_000;
/** Where parts begin, and how long they are. */
const RANGES = [
  [0, SIZE],
  [0, 1],
  [SIZE - 1, 1],
  [1, 4],
  [37, 5001],
  [4096, 4096],
] as const;

const HOST: [string, MemoryLocation][] = [
  ["standard memory", STANDARD],
  ["shared memory", SHARED],
];
const OF_GPU: [string, MemoryLocation][] = [
  ["GPU memory", { kind: "gpu", device }],
  ["mapped GPU memory", { kind: "gpu", device, hostVisible: true }],
  ["pinned memory", { kind: "host", gpuPinned: true, device }],
];

for (const [name, location] of vulkan ? [...HOST, ...OF_GPU] : HOST) {
  describe(`a part of ${name}`, () => {
    let allocator: MemoryAllocator;
    beforeAll(() => {
      allocator = newAllocator();
    });
    afterAll(() => allocator.close());

    test("has the whole's bytes, and no others are touched", async () => {
      using whole = allocator.allocate(SIZE, location);
      const expected = randomBytes(SIZE);
      await whole.write(expected);
      for (const [offset, size] of RANGES) {
        using part = whole.part(offset, size);
        expect(part).toMatchObject({ sizeBytes: size, strategy: whole.strategy, isGpu: whole.isGpu, location });
        expectSame(await contentOf(part), expected.subarray(offset, offset + size));
        const content = randomBytes(size);
        await part.write(content);
        expected.set(content, offset);
        expectSame(await contentOf(whole), expected);
        await part.fill(0x04030201);
        for (let at = 0; at < size; at++) expected[offset + at] = 1 + (at % 4);
        expectSame(await contentOf(whole), expected);
        if (part.isGpu && !("hostVisible" in location)) continue;
        expectSame(part.bytes, expected.subarray(offset, offset + size));
      }
    });

    test("copies to others, and to another part of the same", async () => {
      using whole = allocator.allocate(SIZE, location);
      const expected = randomBytes(SIZE);
      await whole.write(expected);
      using from = whole.part(101, 3000);
      using to = whole.part(5003, 3000);
      await from.copyTo(to);
      expected.copyWithin(5003, 101, 3101);
      using over = whole.part(1101, 3000);
      await from.copyTo(over);
      expected.copyWithin(1101, 101, 3101);
      expectSame(await contentOf(whole), expected);
      for (const [, other] of vulkan ? [...HOST, ...OF_GPU] : HOST) {
        using target = allocator.allocate(3000, other);
        await to.copyTo(target);
        expectSame(await contentOf(target), expected.subarray(5003, 8003));
        await target.copyTo(over, { sizeBytes: 1000, targetOffset: 7 });
        expected.set(expected.slice(5003, 6003), 1108);
        expectSame(await contentOf(whole), expected);
      }
    });

    test("of a part is a part of the whole", async () => {
      using whole = allocator.allocate(SIZE, location);
      const expected = randomBytes(SIZE);
      await whole.write(expected);
      const outer = whole.part(1000, 5000);
      const inner = outer.part(7);
      expect(inner.sizeBytes).toBe(4993);
      expectSame(await contentOf(inner), expected.subarray(1007, 6000));
      outer.close();
      expect((await rejectionOf(inner.read(new Uint8Array(1)))).code).toBe("CLOSED");
      expectSame(await contentOf(whole), expected);
    });

    test("closes with the whole, before it, and twice", async () => {
      const whole = allocator.allocate(SIZE, location);
      const parts = RANGES.map(([offset, size]) => whole.part(offset, size));
      parts[2]!.close();
      parts[2]!.close();
      await whole.fill(1);
      whole.close();
      for (const part of parts) {
        expect((await rejectionOf(part.fill(1))).code).toBe("CLOSED");
        expect(failureOf(() => part.part(0, 1)).code).toBe("CLOSED");
        expect(failureOf(() => part.bytes).code).toBe("CLOSED");
        part.close();
      }
    });

    test("lies inside, and has no handle of its own", () => {
      using whole = allocator.allocate(SIZE, location);
      for (const [offset, size] of [
        [0, 0],
        [-1, 5],
        [0, SIZE + 1],
        [SIZE, 1],
        [0.5, 1],
        [0, Number.NaN],
        [1, SIZE],
      ]) {
        expect(failureOf(() => whole.part(offset!, size)).code).toBe("INVALID_ARGUMENT");
      }
      using part = whole.part(16, 16);
      expect(failureOf(() => part.exportHandle()).code).toBe("EXTERNAL_MEMORY_UNSUPPORTED");
      whole.close();
      expect(failureOf(() => whole.part(0, 1)).code).toBe("CLOSED");
    });
  });
}

validationIsSilent();
