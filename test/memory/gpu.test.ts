/** GPU memory and pinned memory: copies between all kinds, checked with random bytes. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { ProcessLocation } from "../../src/location.ts";
import { MemoryAllocator } from "../../src/memory/allocator.ts";
import { deviceOf } from "../../src/memory/buffer.ts";
import type { MemoryLocation } from "../../src/memory/strategy.ts";
import {
  contentOf,
  device,
  expectSame,
  gpu,
  inSoftware,
  newAllocator,
  randomBytes,
  validationIsSilent,
  vulkan,
} from "../gpu/support.ts";
import { lying } from "../lying.ts";
import { onLinux, requires } from "../requires.ts";
import { failureOf, openDescriptors, rejectionOf, SHARED, STANDARD } from "./support.ts";

const MIB = 2 ** 20;
/** Sizes around those of the shim's staging ring: 32 slots of 4 MiB. */
const SIZES = [1, 3, 4, 63, 16_384, 16_385, 1_000_003, 4 * MIB - 1, 4 * MIB, 4 * MIB + 1, 37 * MIB + 11];

const GPU: MemoryLocation = { kind: "gpu", device };
const MAPPED: MemoryLocation = { kind: "gpu", device, hostVisible: true };
const PINNED: MemoryLocation = { kind: "host", gpuPinned: true, device };
const KINDS: [string, MemoryLocation][] = [
  ["GPU memory", GPU],
  ["mapped GPU memory", MAPPED],
  ["pinned memory", PINNED],
];
const ALL: [string, MemoryLocation][] = [...KINDS, ["standard memory", STANDARD], ["shared memory", SHARED]];
const PAIRS = ALL.flatMap(([from, source]) => ALL.map(([to, target]) => [from, to, source, target] as const));

describe.skipIf(!vulkan)("with a GPU", () => {
  let allocator: MemoryAllocator;
  beforeAll(() => {
    allocator = newAllocator();
  });
  afterAll(() => allocator.close());

  test.each(lying(64))("%s is written and read by its real range, whatever its properties say", async (_, view) => {
    for (const [, location] of KINDS) {
      using buffer = allocator.allocate(128, location);
      const whole = new Uint8Array(128);
      await buffer.fill(0);
      await buffer.write(view, 8);
      await buffer.read(whole);
      const expected = Array.from({ length: 64 }, (_, i) => i + 1);
      expect([...whole]).toEqual([...Array(8).fill(0), ...expected, ...Array(56).fill(0)]);
      await buffer.read(view, 8);
      await buffer.write(view, 64);
      await buffer.read(whole);
      expect([...whole.subarray(64)]).toEqual(expected);
    }
  });

  test("the buffers have the properties that were asked for", () => {
    using own = allocator.allocate(1000, GPU);
    expect(own.isGpu).toBe(true);
    expect(own.strategy).toBe("gpu");
    expect(own.location).toEqual(GPU);
    expect(own.sizeBytes).toBe(1000);
    expect(own.decision.reason).toContain(gpu.name);
    expect(deviceOf(own)?.info).toBe(gpu);
    for (const use of [() => own.bytes, () => own.view(Uint32Array)]) {
      const error = failureOf(use);
      expect(error.code).toBe("NOT_HOST_VISIBLE");
      expect(error.remedy).toContain("hostVisible: true");
    }

    using mapped = allocator.allocate(1000, MAPPED);
    expect(mapped.isGpu).toBe(true);
    expect(mapped.location).toEqual(MAPPED);
    expect(mapped.bytes.length).toBe(1000);
    expect(mapped.bytes).toBe(mapped.bytes);
    expect(mapped.view(Uint16Array).length).toBe(500);
    // Some drivers (NVIDIA's) do not share mapped device memory; no property tells which.
    const how = mapped.decision.reason.slice(mapped.decision.reason.indexOf(`(${gpu.name})`) + gpu.name.length + 2);
    const inHost = (why: string) => `; ${why}, so this is host memory that it reaches`;
    expect(
      gpu.hostVisibleDeviceLocal
        ? [", mapped", inHost("it can map its own memory, but not share it with other processes then")]
        : [inHost("it can't map its own memory")],
    ).toContain(how);

    using pinned = allocator.allocate(1000, PINNED);
    expect(pinned.isGpu).toBe(false);
    expect(pinned.strategy).toBe("gpu-pinned");
    expect(pinned.location).toEqual(PINNED);
    expect(pinned.decision.reason).toContain("VK_EXT_external_memory_host");
    expect(pinned.bytes.every((byte) => byte === 0)).toBe(true);
    expect(deviceOf(pinned)?.info).toBe(gpu);

    using plain = allocator.allocate(1000);
    expect(deviceOf(plain)).toBeNull();
  });

  describe.each(KINDS)("%s", (_name, location) => {
    test.each(SIZES)("keeps %d bytes, up to the last one", async (size) => {
      using buffer = allocator.allocate(size, location);
      const bytes = randomBytes(size);
      await buffer.write(bytes);
      expectSame(await contentOf(buffer), bytes);
      if (location !== GPU) expectSame(buffer.bytes, bytes);
    });

    test("takes parts at any offset, and leaves the rest alone", async () => {
      using buffer = allocator.allocate(9 * MIB + 7, location);
      const expected = randomBytes(buffer.sizeBytes);
      await buffer.write(expected);
      const parts: [number, number][] = [
        [0, 1],
        [1, 2],
        [5, 16_384],
        [65_537, 16_385],
        [4 * MIB - 3, 6],
        [MIB + 1, 5 * MIB],
        [9 * MIB + 6, 1],
      ];
      const works = parts.map(([offset, size]) => {
        const bytes = randomBytes(size);
        expected.set(bytes, offset);
        return buffer.write(bytes, offset);
      });
      await Promise.all(works);
      expectSame(await contentOf(buffer), expected);
      const got = parts.map(([, size]) => new Uint8Array(size));
      await Promise.all(parts.map(([offset], index) => buffer.read(got[index]!, offset)));
      for (const [index, [offset, size]] of parts.entries()) {
        expectSame(got[index]!, expected.subarray(offset, offset + size));
      }
    });

    test("writes from and reads into any kind of view", async () => {
      using buffer = allocator.allocate(64, location);
      await buffer.write(new Float64Array([1.5, -2]), 8);
      const view = new DataView(new ArrayBuffer(40), 8, 16);
      await buffer.read(view, 8);
      expect(view.getFloat64(0, true)).toBe(1.5);
      expect(view.getFloat64(8, true)).toBe(-2);
      const shared = new Uint8Array(new SharedArrayBuffer(16));
      await buffer.read(shared, 8);
      await buffer.write(shared, 40);
      await buffer.read(view, 40);
      expect(view.getFloat64(8, true)).toBe(-2);
      await buffer.write(new Uint8Array(0), 64);
      await buffer.read(new Uint8Array(0), 64);
    });

    test("is filled in words", async () => {
      using buffer = allocator.allocate(5 * MIB, location);
      await buffer.fill(0xdeadbeef);
      await buffer.fill(-2, 4 * MIB - 4, 8);
      await buffer.fill(7, 5 * MIB - 4);
      await buffer.fill(1, 5 * MIB);
      const words = new Uint32Array((await contentOf(buffer)).buffer as ArrayBuffer);
      const expected = new Uint32Array(words.length).fill(0xdeadbeef);
      expected.fill(0xfffffffe, MIB - 1, MIB + 1);
      expected[expected.length - 1] = 7;
      expectSame(new Uint8Array(words.buffer), new Uint8Array(expected.buffer));
    });

    test("copies within itself, also where the ranges overlap", async () => {
      using buffer = allocator.allocate(40 * MIB, location);
      const expected = randomBytes(buffer.sizeBytes);
      await buffer.write(expected);
      for (const [from, to, size] of [
        [0, 20 * MIB, 20 * MIB],
        [0, 1, 35 * MIB],
        [MIB + 3, 0, 38 * MIB],
        [100, 50, 51],
        [50, 100, 51],
        [9, 9, 1000],
      ] as const) {
        await buffer.copyTo(buffer, { sourceOffset: from, targetOffset: to, sizeBytes: size });
        expected.copyWithin(to, from, from + size);
      }
      expectSame(await contentOf(buffer), expected);
    });

    test("refuses what does not lie inside, and changes nothing", async () => {
      using buffer = allocator.allocate(64, location);
      using other = allocator.allocate(32);
      const bytes = randomBytes(64);
      await buffer.write(bytes);
      for (const work of [
        buffer.write(new Uint8Array(65)),
        buffer.write(new Uint8Array(1), 64),
        buffer.write(new Uint8Array(1), -1),
        buffer.read(new Uint8Array(2), 63),
        buffer.fill(0, 65),
        buffer.fill(0, 0, 68),
        buffer.fill(0.5),
        buffer.copyTo(other),
        other.copyTo(buffer, { targetOffset: 33 }),
      ]) {
        expect((await rejectionOf(work)).code).toBe("INVALID_ARGUMENT");
      }
      expectSame(await contentOf(buffer), bytes);
    });

    test("refuses all use after close", async () => {
      const buffer = allocator.allocate(64, location);
      using other = allocator.allocate(64);
      const bytes = location === GPU ? null : buffer.bytes;
      buffer.close();
      buffer.close();
      expect(bytes?.length ?? 0).toBe(0);
      expect(failureOf(() => buffer.bytes).code).toBe("CLOSED");
      for (const work of [
        buffer.write(new Uint8Array(4)),
        buffer.read(new Uint8Array(4)),
        buffer.write(new Uint8Array(0)),
        buffer.fill(1),
        buffer.copyTo(other),
        other.copyTo(buffer),
      ]) {
        expect((await rejectionOf(work)).code).toBe("CLOSED");
      }
    });
  });

  test.each(PAIRS)("%s to %s", async (_from, _to, from, to) => {
    using source = allocator.allocate(6 * MIB + 13, from);
    using target = allocator.allocate(6 * MIB + 13, to);
    const [bytes, expected] = [randomBytes(source.sizeBytes), randomBytes(target.sizeBytes)];
    await Promise.all([source.write(bytes), target.write(expected)]);
    const parts: [number, number, number][] = [
      [0, 0, 5 * MIB],
      [3, 5 * MIB + 1, MIB],
      [6 * MIB, 77, 13],
      [1, 2, 0],
    ];
    // All calls are made at once: each takes its turn, whether the GPU or the CPU copies.
    const works = parts.map(([sourceOffset, targetOffset, sizeBytes]) => {
      expected.set(bytes.subarray(sourceOffset, sourceOffset + sizeBytes), targetOffset);
      return source.copyTo(target, { sourceOffset, targetOffset, sizeBytes });
    });
    await Promise.all(works);
    expectSame(await contentOf(target), expected);
    await source.copyTo(target);
    expectSame(await contentOf(target), bytes);
  });

  test("copies of the CPU on pinned memory keep the order of the queue", async () => {
    using pinned = allocator.allocate(24 * MIB, PINNED);
    using own = allocator.allocate(24 * MIB, GPU);
    using third = allocator.allocate(24 * MIB, GPU);
    const [first, second] = [randomBytes(pinned.sizeBytes), randomBytes(pinned.sizeBytes)];
    const got = new Uint8Array(pinned.sizeBytes);
    await Promise.all([
      pinned.write(first),
      pinned.copyTo(own),
      pinned.write(second),
      own.copyTo(third),
      pinned.copyTo(own),
      own.copyTo(pinned),
      pinned.read(got),
      pinned.fill(0),
    ]);
    expectSame(await contentOf(third), first);
    expectSame(await contentOf(own), second);
    expectSame(got, second);
    expect(pinned.bytes.every((byte) => byte === 0)).toBe(true);
  });

  test("views of pinned memory are taken as what they are", async () => {
    using pinned = allocator.allocate(8 * MIB, PINNED);
    using own = allocator.allocate(8 * MIB, GPU);
    const bytes = randomBytes(pinned.sizeBytes);
    pinned.bytes.set(bytes);
    await own.write(pinned.bytes.subarray(5, 5 * MIB), 3);
    await own.write(pinned.view(Uint8Array).subarray(0, 3));
    pinned.bytes.fill(0);
    await own.read(pinned.bytes.subarray(1, 5 * MIB - 1));
    expect(pinned.bytes[0]).toBe(0);
    expectSame(pinned.bytes.slice(1, 4), bytes.slice(0, 3));
    expectSame(pinned.bytes.subarray(4, 5 * MIB - 1), bytes.subarray(5, 5 * MIB));
    // Closing the source fails its work, and the GPU does not read freed memory.
    const closing = allocator.allocate(8 * MIB, PINNED);
    const work = rejectionOf(own.write(closing.bytes));
    closing.close();
    expect((await work).code).toBe("CLOSED");
  });

  test("closing one allocator does not harm another on the same GPU", async () => {
    const [one, other] = [newAllocator(), newAllocator()];
    const [source, target] = [one.allocate(MIB, GPU), other.allocate(MIB, GPU)];
    expect(deviceOf(source)).toBe(deviceOf(target));
    const bytes = randomBytes(MIB);
    await source.write(bytes);
    await source.copyTo(target);
    one.close();
    expectSame(await contentOf(target), bytes);
    other.close();
  });

  test("a size above the GPU's memory is GPU_OUT_OF_MEMORY with the bytes, and uses the fallback", () => {
    const size = gpu.allocationMaxBytes + 2 ** 32;
    const error = failureOf(() => allocator.allocate(size, GPU));
    expect(error.code).toBe("GPU_OUT_OF_MEMORY");
    expect(error.message).toContain(String(size));
    expect(error.remedy).toMatch(/fallback|smaller|Close/);
    for (const bad of [0, -1, 1.5, Number.NaN, 2 ** 53, "1"]) {
      expect(failureOf(() => allocator.allocate(bad as number, GPU)).code).toBe("INVALID_ARGUMENT");
    }
    // Host memory is limited to the size of an ArrayBuffer.
    expect(failureOf(() => allocator.allocate(size, GPU, { fallback: STANDARD })).code).toBe("INVALID_ARGUMENT");
  });

  test("a flood of buffers closed with work under way", async () => {
    const works: Promise<string>[] = [];
    for (let round = 0; round < 300; round++) {
      const buffer = allocator.allocate(64 * 1024, round % 2 ? GPU : PINNED);
      works.push(
        buffer.fill(round).then(
          () => "done",
          ({ code }) => code,
        ),
      );
      buffer.close();
    }
    for (const outcome of await Promise.all(works)) expect(["done", "CLOSED"]).toContain(outcome);
  });
});

const GIB = 2 ** 30;
const roomy = gpu?.type !== "cpu" && (gpu?.allocationMaxBytes ?? 0) > 5 * GIB;

describe.skipIf(!requires("gpu", roomy, "no GPU in hardware with more than 5 GiB of memory"))("over 4 GiB", () => {
  test.each([GPU, MAPPED])("%j is there up to its last byte", async (location) => {
    using allocator = newAllocator();
    using buffer = allocator.allocate(5 * GIB, location);
    const error = failureOf(() => buffer.bytes);
    expect(error.code).toBe("NOT_HOST_VISIBLE");
    if (location === MAPPED) expect(error.message).toContain("4 GiB");
    const [bytes, got] = [randomBytes(MIB), new Uint8Array(MIB)];
    await buffer.fill(0);
    await buffer.write(bytes, 5 * GIB - MIB);
    await buffer.copyTo(buffer, { sourceOffset: 5 * GIB - MIB, targetOffset: 7, sizeBytes: MIB });
    await buffer.read(got, 7);
    expectSame(got, bytes);
    await buffer.read(got, GIB);
    expect(got.every((byte) => byte === 0)).toBe(true);
  });
});

describe.skipIf(!vulkan || !onLinux())("a thousand rounds", () => {
  /** Closes the GPU at the end, and with it the blocks of its cache. */
  async function rounds(count: number, location: MemoryLocation): Promise<number> {
    using allocator = newAllocator();
    for (let i = 0; i < count; i++) {
      using buffer = allocator.allocate(128 * 1024, location);
      await buffer.fill(1, 0, 4);
    }
    allocator.close();
    return openDescriptors();
  }

  test.each(KINDS)("of %s leave no descriptor behind", async (_name, location) => {
    const before = await rounds(20, location);
    expect(await rounds(1000, location)).toBe(before);
  });
});

describe.skipIf(!vulkan)("allocateAuto", () => {
  const here = ProcessLocation.detect();
  const onGpu: ProcessLocation = { ...here, deviceId: device };

  test("takes GPU memory where both work on a GPU and prefer it", () => {
    using allocator = newAllocator();
    using buffer = allocator.allocateAuto(MIB, onGpu, onGpu, "gpu-preferred");
    expect(buffer.strategy).toBe("gpu");
    expect(buffer.location).toEqual(GPU);
    expect(buffer.decision.reason).toContain("both sides work on a GPU");
    using without = allocator.allocateAuto(MIB, onGpu, onGpu);
    expect(without.strategy).toBe("standard");
  });

  test("takes pinned memory between a GPU and a CPU", () => {
    using allocator = newAllocator();
    for (const [mine, peer] of [
      [onGpu, here],
      [here, onGpu],
    ] as const) {
      using buffer = allocator.allocateAuto(MIB, mine, peer);
      expect(buffer.strategy).toBe("gpu-pinned");
      expect(buffer.location).toEqual(PINNED);
    }
  });

  test.skipIf(!inSoftware)("takes a software device only when the allocator's devices name it", () => {
    using allocator = new MemoryAllocator();
    using buffer = allocator.allocateAuto(MIB, onGpu, onGpu, "gpu-preferred");
    expect(buffer.strategy).toBe("standard");
    const reason = buffer.decision.rejected.find(({ strategy }) => strategy === "gpu")?.reason;
    expect(reason).toContain("software device");
    expect(reason).toContain(gpu.name);
  });

  test("passes over a GPU that is not there, and says why", () => {
    using allocator = newAllocator();
    const elsewhere = { ...here, deviceId: 99 };
    using buffer = allocator.allocateAuto(MIB, elsewhere, elsewhere, "gpu-preferred");
    expect(buffer.strategy).toBe("standard");
    expect(buffer.decision.rejected.find(({ strategy }) => strategy === "gpu")?.reason).toContain("no GPU 99");
  });
});

validationIsSilent();
