import { afterAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { LavaFlowError } from "../../src/errors.ts";
import { MemoryAllocator } from "../../src/memory/allocator.ts";
import { adoptMemory, MemoryBuffer, nativeMemory, onClose } from "../../src/memory/buffer.ts";
import { native } from "../../src/native/load.ts";
import { gone, type ViewClass } from "../gone.ts";
import { lying } from "../lying.ts";
import { onLinux } from "../requires.ts";
import { addressOf, failureOf, rejectionOf, SHARED, STRATEGIES } from "./support.ts";

/** Whether the address is mapped in this process. */
function isMapped(address: number): boolean {
  return readFileSync("/proc/self/maps", "utf8")
    .split("\n")
    .some((line) => {
      const [from, to] = line.split(/[- ]/, 2).map((hex) => Number.parseInt(hex, 16)) as [number, number];
      return from <= address && address < to;
    });
}

const allocator = new MemoryAllocator();
afterAll(() => allocator.close());

describe.each(STRATEGIES)("a %s buffer", (strategy, location) => {
  test("has the properties that were asked for, zeroed and aligned", () => {
    using buffer = allocator.allocate(100_001, location);
    expect(buffer.strategy).toBe(strategy);
    expect(buffer.location).toMatchObject(location);
    expect(buffer.sizeBytes).toBe(100_001);
    expect(buffer.isGpu).toBe(false);
    expect(buffer.decision.reason).toContain("the location asks for it");
    expect(buffer.decision.rejected).toEqual([]);
    expect(buffer.pageBytes % 4096).toBe(0);
    expect(buffer.bytes.length).toBe(100_001);
    expect(buffer.bytes.every((byte) => byte === 0)).toBe(true);
    expect(addressOf(buffer) % 4096).toBe(0);
  });

  test("is zeroed also where another one was closed before", () => {
    for (let round = 0; round < 4; round++) {
      using buffer = allocator.allocate(70_000, location);
      expect(buffer.bytes.findIndex((byte) => byte !== 0)).toBe(-1);
      buffer.bytes.fill(0xff);
    }
  });

  test("keeps what is written, up to its last byte", () => {
    using buffer = allocator.allocate(65_536 + 7, location);
    const bytes = buffer.bytes;
    for (let at = 0; at < bytes.length; at++) bytes[at] = at * 31;
    expect(
      Buffer.compare(
        buffer.bytes,
        Uint8Array.from({ length: bytes.length }, (_, at) => at * 31),
      ),
    ).toBe(0);
    expect(buffer.view(DataView).getUint8(65_536 + 6)).toBe(((65_536 + 6) * 31) & 0xff);
  });

  test("detaches every view when it closes", () => {
    const buffer = allocator.allocate(8192, location);
    const views = [buffer.bytes, buffer.view(Float64Array), buffer.view(Uint32Array), buffer.bytes.subarray(16, 32)];
    const data = buffer.view(DataView);
    views[0]![20] = 1;
    buffer.close();
    expect(views.map((view) => view.length)).toEqual([0, 0, 0, 0]);
    expect(views[0]![20]).toBeUndefined();
    expect(() => data.getUint8(0)).toThrow(TypeError);
    buffer.close();
  });

  test("refuses all use after close", async () => {
    const buffer = allocator.allocate(64, location);
    const other = allocator.allocate(64, location);
    buffer.close();
    expect(buffer.sizeBytes).toBe(64);
    for (const use of [() => buffer.bytes, () => buffer.view(Uint8Array), () => nativeMemory(buffer)]) {
      expect(failureOf(use).code).toBe("CLOSED");
    }
    for (const promise of [
      buffer.write(new Uint8Array(4)),
      buffer.read(new Uint8Array(4)),
      buffer.fill(1),
      buffer.copyTo(other),
      other.copyTo(buffer),
    ]) {
      expect((await rejectionOf(promise)).code).toBe("CLOSED");
    }
    if (strategy === "shared") expect(failureOf(() => buffer.exportHandle()).code).toBe("CLOSED");
    other.close();
  });
});

describe("view", () => {
  test.each([
    Int8Array,
    Uint8ClampedArray,
    Int16Array,
    Uint16Array,
    Int32Array,
    Uint32Array,
    Float32Array,
    Float64Array,
    BigInt64Array,
    BigUint64Array,
  ])("as %p covers the buffer", (type) => {
    using buffer = allocator.allocate(64);
    const view = buffer.view<Uint8Array | BigInt64Array>(type as unknown as Uint8ArrayConstructor);
    expect(view.byteLength).toBe(64);
    expect(view.buffer as ArrayBuffer).toBe(buffer.bytes.buffer);
  });

  test.each([
    [1, Uint16Array],
    [6, Uint32Array],
    [12, Float64Array],
    [4097, BigUint64Array],
  ])("of %d bytes as %p is refused", (size, type) => {
    using buffer = allocator.allocate(size);
    const error = failureOf(() => buffer.view(type as unknown as Uint32ArrayConstructor));
    expect(error.code).toBe("INVALID_ARGUMENT");
    expect(error.message).toContain(`${size} bytes`);
    expect(error.message).toContain(type.name);
  });

  test("as no class is refused", () => {
    using buffer = allocator.allocate(8);
    expect(failureOf(() => buffer.view(undefined as unknown as Uint8ArrayConstructor)).code).toBe("INVALID_ARGUMENT");
  });
});

describe("write, read, fill and copyTo", () => {
  test("move bytes at offsets", async () => {
    using buffer = allocator.allocate(64);
    await buffer.write(new Uint16Array([0x0201, 0x0403]), 3);
    expect([...buffer.bytes.subarray(0, 8)]).toEqual([0, 0, 0, 1, 2, 3, 4, 0]);
    await buffer.write(new DataView(new Uint8Array([9, 8, 7, 6]).buffer, 1, 2), 62);
    expect([...buffer.bytes.subarray(60)]).toEqual([0, 0, 8, 7]);
    const target = new Uint32Array(2);
    await buffer.read(target, 3);
    expect([...target]).toEqual([0x04030201, 0]);
    await buffer.write(new Uint8Array(0), 64);
    await buffer.read(new Uint8Array(0), 64);
  });

  test("fill writes whole words, to the end by default", async () => {
    using buffer = allocator.allocate(20);
    await buffer.fill(0xdeadbeef);
    expect([...buffer.view(Uint32Array)]).toEqual(Array(5).fill(0xdeadbeef));
    await buffer.fill(-1, 4, 8);
    expect([...buffer.view(Int32Array)]).toEqual([0xdeadbeef | 0, -1, -1, 0xdeadbeef | 0, 0xdeadbeef | 0]);
    await buffer.fill(7, 16);
    expect(buffer.view(Uint32Array)[4]).toBe(7);
    await buffer.fill(1, 20);
    await buffer.fill(1, 0, 0);
    expect(buffer.view(Uint32Array)[0]).toBe(0xdeadbeef);
  });

  test("fill begins with the word's lowest byte, wherever that is, and ends within a word", async () => {
    using buffer = allocator.allocate(23);
    await buffer.fill(0x44332211);
    expect([...buffer.bytes]).toEqual(Array.from({ length: 23 }, (_, at) => [0x11, 0x22, 0x33, 0x44][at % 4]!));
    for (let offset = 0; offset < 8; offset++) {
      for (let size = 0; size + offset <= 23; size++) {
        buffer.bytes.fill(0);
        await buffer.fill(0x44332211, offset, size);
        const wanted = new Uint8Array(23);
        for (let at = 0; at < size; at++) wanted[offset + at] = [0x11, 0x22, 0x33, 0x44][at % 4]!;
        expect([...buffer.bytes]).toEqual([...wanted]);
      }
    }
  });

  for (const type of [Uint8Array, Float64Array, DataView] as ViewClass<ArrayBufferView>[]) {
    test.each(gone(type))(`refuse a ${type.name} whose ArrayBuffer was %s`, async (_, view) => {
      using buffer = allocator.allocate(4096);
      expect((await rejectionOf(buffer.write(view))).code).toBe("INVALID_ARGUMENT");
      expect((await rejectionOf(buffer.read(view))).code).toBe("INVALID_ARGUMENT");
    });
  }

  test.each(lying(64))("take %s by its real range, whatever its properties say", async (_, view) => {
    using buffer = allocator.allocate(128);
    await buffer.write(view, 8);
    const expected = Array.from({ length: 64 }, (_, i) => i + 1);
    expect([...buffer.bytes]).toEqual([...Array(8).fill(0), ...expected, ...Array(56).fill(0)]);
    // Reading fills the real range of the view, and no other byte.
    await buffer.fill(0x05050505, 64);
    await buffer.read(view, 64);
    await buffer.fill(0);
    await buffer.write(view);
    expect([...buffer.bytes.subarray(0, 72)]).toEqual([...Array(64).fill(5), ...Array(8).fill(0)]);
  });

  test("reject a view of a closed buffer with CLOSED", async () => {
    using buffer = allocator.allocate(4096);
    const other = allocator.allocate(4096);
    const views = [other.bytes, other.view(DataView), other.bytes.buffer];
    other.close();
    for (const view of views) {
      expect((await rejectionOf(buffer.write(view))).code).toBe("CLOSED");
      expect((await rejectionOf(buffer.read(view))).code).toBe("CLOSED");
    }
  });

  test("take whole ArrayBuffers, also shared ones", async () => {
    using buffer = allocator.allocate(16);
    const source = new Uint8Array([1, 2, 3, 4]);
    await buffer.write(source.buffer, 4);
    const shared = new SharedArrayBuffer(4);
    const plain = new ArrayBuffer(4);
    await buffer.read(shared, 4);
    await buffer.read(plain, 4);
    expect([...new Uint8Array(shared)]).toEqual([...source]);
    expect(new Uint8Array(plain)).toEqual(source);
  });

  test("copyTo copies between buffers, and within one that overlaps", async () => {
    using source = allocator.allocate(16);
    using target = allocator.allocate(8, SHARED);
    source.bytes.set([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]);
    await source.copyTo(target, { sourceOffset: 4, targetOffset: 2, sizeBytes: 3 });
    expect([...target.bytes]).toEqual([0, 0, 5, 6, 7, 0, 0, 0]);
    await source.copyTo(target, { sourceOffset: 8 });
    expect([...target.bytes]).toEqual([9, 10, 11, 12, 13, 14, 15, 16]);
    await source.copyTo(source, { sourceOffset: 0, targetOffset: 2, sizeBytes: 8 });
    expect([...source.bytes]).toEqual([1, 2, 1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 13, 14, 15, 16]);
  });

  const small = allocator.allocate(16);
  const large = allocator.allocate(64);
  const bytes = (count: number) => new Uint8Array(count);
  const bad: [string, () => Promise<void>][] = [
    ["write past the end", () => small.write(bytes(17))],
    ["write past the end from an offset", () => small.write(bytes(8), 9)],
    ["write at a negative offset", () => small.write(bytes(1), -1)],
    ["write at a fractional offset", () => small.write(bytes(1), 0.5)],
    ["write at NaN", () => small.write(bytes(1), Number.NaN)],
    ["write at infinity", () => small.write(bytes(0), Infinity)],
    ["write of no view", () => small.write("text" as unknown as Uint8Array)],
    ["read past the end", () => small.read(bytes(17))],
    ["read past the end from an offset", () => small.read(bytes(1), 16)],
    ["read at a negative offset", () => small.read(bytes(1), -1)],
    ["read to no view", () => small.read(undefined as unknown as Uint8Array)],
    ["fill past the end", () => small.fill(0, 8, 12)],
    ["fill from past the end", () => small.fill(0, 20)],
    ["fill of a negative size", () => small.fill(0, 4, -4)],
    ["fill with a fraction", () => small.fill(0.5)],
    ["fill with NaN", () => small.fill(Number.NaN)],
    ["fill with 33 bits", () => small.fill(2 ** 32)],
    ["fill below 32 bits", () => small.fill(-(2 ** 31) - 1)],
    ["copy of more than fits", () => large.copyTo(small)],
    ["copy past the source", () => small.copyTo(large, { sizeBytes: 17 })],
    ["copy past the target", () => small.copyTo(large, { targetOffset: 60, sizeBytes: 8 })],
    ["copy at a negative source offset", () => small.copyTo(large, { sourceOffset: -1, sizeBytes: 4 })],
    ["copy at a negative target offset", () => small.copyTo(large, { targetOffset: -1 })],
    ["copy from past the source", () => small.copyTo(large, { sourceOffset: 17 })],
    ["copy of a fraction", () => small.copyTo(large, { sizeBytes: 1.5 })],
    ["copy to no buffer", () => small.copyTo(bytes(64) as unknown as MemoryBuffer)],
  ];
  test.each(bad)("%s is refused, and changes nothing", async (_name, run) => {
    small.bytes.fill(0x5a);
    large.bytes.fill(0xa5);
    const error = await rejectionOf(run());
    expect(error.code).toBe("INVALID_ARGUMENT");
    expect(error.remedy).toMatch(/^(Give|Stay between) \S/);
    expect(small.bytes.every((byte) => byte === 0x5a)).toBe(true);
    expect(large.bytes.every((byte) => byte === 0xa5)).toBe(true);
  });
});

describe("close", () => {
  test("runs at the end of a using block", () => {
    let bytes: Uint8Array;
    {
      using buffer = allocator.allocate(16);
      bytes = buffer.bytes;
      expect(bytes.length).toBe(16);
    }
    expect(bytes.length).toBe(0);
  });

  test("makes the shim's handle stale", () => {
    const buffer = allocator.allocate(4096);
    const handle = nativeMemory(buffer);
    buffer.close();
    expect(native().lf_memory_close(handle)).toBeLessThan(0);
  });

  test.skipIf(!onLinux()).each(STRATEGIES)("gives %s memory back to the system", (_strategy, location) => {
    const buffer = allocator.allocate(5 << 20, location);
    const address = addressOf(buffer);
    buffer.bytes.fill(1);
    expect(isMapped(address)).toBe(true);
    buffer.close();
    expect(isMapped(address)).toBe(false);
  });

  test("calls each closer once, while the memory is still mapped", () => {
    const buffer = allocator.allocate(64, SHARED);
    buffer.bytes[5] = 42;
    const told: string[] = [];
    onClose(buffer, () => {
      buffer.close(); // already closing
      told.push(`first ${buffer.bytes[5]} ${nativeMemory(buffer) > 0}`);
    });
    const takeBack = onClose(buffer, () => told.push("never"));
    onClose(buffer, () => told.push("last"));
    takeBack();
    buffer.close();
    buffer.close();
    expect(told).toEqual(["first 42 true", "last"]);
  });

  test("frees the memory also when a closer throws", () => {
    const buffer = allocator.allocate(64);
    const bytes = buffer.bytes;
    let told = false;
    onClose(buffer, () => {
      throw new Error("no");
    });
    onClose(buffer, () => {
      told = true;
    });
    expect(() => buffer.close()).toThrow("no");
    expect(told).toBe(true);
    expect(bytes.length).toBe(0);
    expect(failureOf(() => nativeMemory(buffer)).code).toBe("CLOSED");
  });

  test("leaves memory mapped that the user has transferred", () => {
    const buffer = allocator.allocate(4096);
    buffer.bytes[9] = 77;
    const escaped = new Uint8Array(buffer.bytes.buffer.transfer());
    expect(buffer.bytes[9]).toBe(77); // a new ArrayBuffer
    buffer.close();
    expect(escaped[9]).toBe(77);
  });
});

describe("adoptMemory", () => {
  test("shows memory of another owner, and calls its release at close", () => {
    using owner = allocator.allocate(4096, SHARED);
    owner.bytes[3] = 9;
    let released = 0;
    const adopted = adoptMemory(nativeMemory(owner), addressOf(owner), 4096, () => released++);
    expect(adopted).toBeInstanceOf(MemoryBuffer);
    expect(adopted.strategy).toBe("shared");
    expect(adopted.location).toEqual({ kind: "host", shared: true });
    expect(nativeMemory(adopted)).toBe(nativeMemory(owner));
    const bytes = adopted.bytes;
    expect(bytes[3]).toBe(9);
    bytes[4] = 8;
    adopted.close();
    adopted.close();
    expect(released).toBe(1);
    expect(bytes.length).toBe(0);
    expect(owner.bytes[4]).toBe(8);
  });
});

test("a buffer can't be made with new", () => {
  const Any = MemoryBuffer as unknown as new () => MemoryBuffer;
  const error = failureOf(() => new Any());
  expect(error).toBeInstanceOf(LavaFlowError);
  expect(error.code).toBe("INVALID_ARGUMENT");
});
