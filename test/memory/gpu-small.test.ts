/** Many small buffers of a GPU: they share blocks, which are never exported. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import type { MemoryAllocator } from "../../src/memory/allocator.ts";
import type { MemoryBuffer } from "../../src/memory/buffer.ts";
import type { MemoryLocation } from "../../src/memory/strategy.ts";
import {
  contentOf,
  device,
  expectSame,
  inSoftware,
  newAllocator,
  randomBytes,
  validationIsSilent,
  vulkan,
} from "../gpu/support.ts";
import { onLinux } from "../requires.ts";
import { openDescriptors, peerCommand, shellLine, tellOf } from "./support.ts";

const GPU: MemoryLocation = { kind: "gpu", device };
const MANY = 10_000;

/** A generator with a fixed seed: every run has the same numbers. */
function* numbersBelow(seed: number, limits: Iterable<number>): Generator<number> {
  let state = seed;
  for (const limit of limits) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    yield Math.floor((state / 2 ** 32) * limit);
  }
}

function closeInAnyOrder(buffers: MemoryBuffer[]): void {
  const left = [...buffers];
  for (const at of numbersBelow(
    7,
    left.map((_, index) => left.length - index),
  )) {
    left[at]!.close();
    left[at] = left.at(-1)!;
    left.pop();
  }
}

describe.skipIf(!vulkan)("small GPU memory", () => {
  let allocator: MemoryAllocator;
  beforeAll(() => {
    allocator = newAllocator();
  });
  afterAll(() => allocator.close());

  test("10 000 buffers of 64 bytes take no descriptor each, and keep their bytes apart", async () => {
    allocator.allocate(64, GPU).close();
    const before = onLinux() ? openDescriptors() : 0;
    const buffers = Array.from({ length: MANY }, () => allocator.allocate(64, GPU));
    if (onLinux()) expect(openDescriptors() - before).toBeLessThan(20);
    await Promise.all(buffers.map((buffer, index) => buffer.fill(index)));
    const words = await Promise.all(
      buffers.map(async (buffer) => {
        const bytes = new Uint32Array(16);
        await buffer.read(bytes);
        return bytes;
      }),
    );
    expect(words.findIndex((word, index) => word.some((each) => each !== index))).toBe(-1);
    closeInAnyOrder(buffers);
    if (onLinux()) expect(openDescriptors() - before).toBeLessThan(20);
  });

  test("works for sizes below and above the limit for an allocation of its own", async () => {
    const sizes = [1, 2, 3, 63, 64, 65, 255, 257, 4096, 4097, 65_536, 100_003, 262_143, 262_144, 262_145];
    const content = sizes.map(randomBytes);
    const buffers = sizes.map((size) => allocator.allocate(size, GPU));
    await Promise.all(buffers.map((buffer, index) => buffer.write(content[index]!)));
    for (const [index, buffer] of buffers.entries()) expectSame(await contentOf(buffer), content[index]!);
    closeInAnyOrder(buffers);
  });

  test("closes in any order while work on it is under way", async () => {
    const buffers = Array.from({ length: 300 }, (_, index) => allocator.allocate(1 + index * 40, GPU));
    const content = randomBytes(400);
    const source = allocator.allocate(400, GPU);
    await source.write(content);
    const copies = buffers.map((buffer) =>
      source.copyTo(buffer, { sizeBytes: Math.min(400, buffer.sizeBytes) }).then(
        () => "done",
        (error) => error.code,
      ),
    );
    closeInAnyOrder(buffers);
    const later = Array.from({ length: 300 }, () => allocator.allocate(400, GPU));
    await Promise.all(later.map((buffer) => source.copyTo(buffer)));
    for (const outcome of await Promise.all(copies)) expect(["done", "CLOSED"]).toContain(outcome);
    for (const buffer of later) expectSame(await contentOf(buffer), content);
    closeInAnyOrder([source, ...later]);
  });

  test("an exported buffer keeps its bytes, and imports alias them", async () => {
    const content = randomBytes(1000);
    using buffer = allocator.allocate(1000, GPU);
    await buffer.write(content);
    const handle = buffer.exportHandle();
    expect(handle.allocationBytes).toBeGreaterThanOrEqual(1000);
    using theirs = allocator.import(handle);
    expectSame(await contentOf(theirs), content);
    const answer = randomBytes(1000);
    await theirs.write(answer);
    expectSame(await contentOf(buffer), answer);
    using again = allocator.import(buffer.exportHandle());
    expectSame(await contentOf(again), answer);
  });

  test("an export has the bytes of writes that were not awaited", async () => {
    const content = randomBytes(200_000);
    using buffer = allocator.allocate(content.length, GPU);
    const written = buffer.write(content);
    using theirs = allocator.import(buffer.exportHandle());
    await written;
    expectSame(await contentOf(theirs), content);
  });

  // A software GPU's driver opens a descriptor for each exportable allocation.
  test.skipIf(!inSoftware || !onLinux())("the error names descriptors when they run out", async () => {
    const command = peerCommand("exhaust", 300_000, GPU, 1000);
    const told = await tellOf(["sh", "-c", `ulimit -n 200 && exec ${shellLine(command)}`]);
    expect(told.code).toBe("GPU_OUT_OF_MEMORY");
    expect(told.message).toContain("no descriptor is left");
    expect(told.message).toContain("200");
    const small = peerCommand("exhaust", 64, GPU, 5000);
    expect(await tellOf(["sh", "-c", `ulimit -n 200 && exec ${shellLine(small)}`])).toMatchObject({ made: 5000 });
  });

  // The memory of a software GPU is a file, so the test can read all bytes that the descriptor gives access to.
  test.skipIf(!inSoftware || !onLinux())("an exported handle gives access to no other buffer", async () => {
    const secret = randomBytes(64);
    const around = Array.from({ length: 100 }, () => allocator.allocate(64, GPU));
    const sent = around[50]!;
    await Promise.all(around.map((buffer) => buffer.write(buffer === sent ? randomBytes(64) : secret)));
    const own = await contentOf(sent);
    using handle = sent.exportHandle();
    const seen = readFileSync(`/proc/self/fd/${handle.fd}`);
    expect(seen.indexOf(own)).toBeGreaterThanOrEqual(0);
    expect(seen.indexOf(secret)).toBe(-1);
    closeInAnyOrder(around);
    // No later buffer is allocated in the exported memory.
    const later = Array.from({ length: 100 }, () => allocator.allocate(64, GPU));
    await Promise.all(later.map((buffer) => buffer.write(secret)));
    expect(readFileSync(`/proc/self/fd/${handle.fd}`).indexOf(secret)).toBe(-1);
    closeInAnyOrder(later);
  });
});

validationIsSilent();
