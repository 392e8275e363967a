import { afterAll, describe, expect, test } from "bun:test";
import { listGpus } from "../../src/gpu/device.ts";
import { ProcessLocation } from "../../src/location.ts";
import { MemoryAllocator } from "../../src/memory/allocator.ts";
import type { ChannelProfile, MemoryLocation } from "../../src/memory/strategy.ts";
import { onLinux } from "../requires.ts";
import {
  failureOf,
  hasNuma,
  isLinux,
  openDescriptors,
  residentBytes,
  SHARED,
  STANDARD,
  STRATEGIES,
} from "./support.ts";

const MIB = 2 ** 20;
/** Needs no GPU, so every machine gives the same results; test/memory/gpu.test.ts has the tests with a GPU. */
const allocator = new MemoryAllocator({ devices: "none" });
afterAll(() => allocator.close());

describe("allocate", () => {
  test("makes standard memory by default", () => {
    using buffer = allocator.allocate(10);
    expect(buffer.strategy).toBe("standard");
    expect(buffer.location).toEqual({ kind: "host" });
  });

  test.each(STRATEGIES)("%s: from one byte to tens of megabytes", (_strategy, location) => {
    for (const size of [1, 63, 4095, 4096, 4097, MIB - 1, MIB, 2 * MIB + 1, 20 * MIB + 12_345]) {
      using buffer = allocator.allocate(size, location);
      expect(buffer.sizeBytes).toBe(size);
      expect(buffer.bytes.length).toBe(size);
      buffer.bytes[size - 1] = 7;
    }
  });

  test.each(STRATEGIES)("%s: many at once do not overlap", (_strategy, location) => {
    const buffers = Array.from({ length: 50 }, () => allocator.allocate(5000, location));
    for (const [index, buffer] of buffers.entries()) buffer.bytes.fill(index + 1);
    for (const [index, buffer] of buffers.entries()) {
      expect(buffer.bytes.every((byte) => byte === index + 1)).toBe(true);
    }
    for (const buffer of buffers) buffer.close();
  });

  test.each(STRATEGIES)("%s: refuses sizes out of range", (_strategy, location) => {
    for (const size of [0, -1, 1.5, Number.NaN, Infinity, 2 ** 32 + 1, "1", null, undefined]) {
      expect(failureOf(() => allocator.allocate(size as number, location)).code).toBe("INVALID_ARGUMENT");
    }
  });

  const GPU: MemoryLocation = { kind: "gpu" };
  const PINNED: MemoryLocation = { kind: "host", gpuPinned: true };
  test.each([
    ["gpu", GPU, "GPU_DEVICE_NOT_FOUND"],
    ["gpu-pinned", PINNED, "GPU_PINNING_FAILED"],
  ] as const)("%s is refused, or falls back as asked", (strategy, location, code) => {
    const error = failureOf(() => allocator.allocate(64, location));
    expect(error.code).toBe(code);
    expect(error.message).toContain('devices: "none"');
    expect(error.remedy).toMatch(/GPU/);

    using buffer = allocator.allocate(64, location, { fallback: SHARED });
    expect(buffer.strategy).toBe("shared");
    expect(buffer.location).toEqual({ kind: "host", shared: true });
    expect(buffer.decision.reason).toContain(strategy);
    expect(buffer.decision.rejected).toEqual([{ strategy, reason: error.message }]);
  });

  test("a fallback that can't be had either fails with its own reason", () => {
    expect(failureOf(() => allocator.allocate(64, PINNED, { fallback: GPU })).code).toBe("GPU_DEVICE_NOT_FOUND");
  });

  test("a fallback does not excuse a wrong argument", () => {
    expect(failureOf(() => allocator.allocate(-1, GPU, { fallback: STANDARD })).code).toBe("INVALID_ARGUMENT");
    const wrong = { kind: "disk" } as unknown as MemoryLocation;
    expect(failureOf(() => allocator.allocate(1, wrong, { fallback: STANDARD })).code).toBe("INVALID_ARGUMENT");
    expect(failureOf(() => allocator.allocate(1, STANDARD, { fallback: wrong })).code).toBe("INVALID_ARGUMENT");
  });
});

describe("allocateAuto", () => {
  const here = ProcessLocation.detect();
  const there: ProcessLocation = { ...here, hostId: "another-kernel", hostname: "elsewhere" };
  const onGpu: ProcessLocation = { ...here, deviceId: 0 };

  test("takes standard memory for a small local buffer", () => {
    using buffer = allocator.allocateAuto(1000, here, here);
    expect(buffer.strategy).toBe("standard");
    expect(buffer.decision.rejected.map(({ strategy }) => strategy).sort()).toEqual([
      "gpu",
      "gpu-pinned",
      "hugepages",
      "numa",
      "shared",
    ]);
    for (const { reason } of buffer.decision.rejected) expect(reason).not.toBe("");
  });

  test("takes shared memory on the shared profile", () => {
    using buffer = allocator.allocateAuto(1000, here, here, "cpu-shared");
    expect(buffer.strategy).toBe("shared");
    buffer.exportHandle()[Symbol.dispose]();
  });

  test("passes over pinned memory, and says why", () => {
    using buffer = allocator.allocateAuto(1000, onGpu, here);
    expect(buffer.strategy).toBe("standard");
    expect(buffer.decision.rejected.find(({ strategy }) => strategy === "gpu-pinned")?.reason).toContain(
      'devices: "none"',
    );
  });

  test("takes huge pages for a large remote buffer, or says why it could not", () => {
    using buffer = allocator.allocateAuto(2 * MIB, here, there);
    if (buffer.strategy === "hugepages") {
      expect(buffer.pageBytes).toBeGreaterThan(65_536);
      expect(buffer.decision.reason).toMatch(/remote.*: (reserved|transparent) huge pages/);
    } else {
      const reason = buffer.decision.rejected.find(({ strategy }) => strategy === "hugepages")?.reason;
      expect(reason).toContain("HUGEPAGES_UNAVAILABLE");
    }
  });

  const bad: [string, unknown[], string][] = [
    ["a bad size", [0, here, here], "sizeBytes is 0"],
    ["no location", [64, undefined, here], "location is undefined"],
    ["no peer", [64, here, null], "location is null"],
    ["a bad device", [64, { ...here, deviceId: -1 }, here], "location.deviceId is -1"],
    ["an unknown profile", [64, here, here, "fast"], 'profile is "fast"'],
  ];
  test.each(bad)("refuses %s", (_name, args, words) => {
    type Arguments = [number, ProcessLocation, ProcessLocation, ChannelProfile];
    const error = failureOf(() => allocator.allocateAuto(...(args as Arguments)));
    expect(error.code).toBe("INVALID_ARGUMENT");
    expect(error.message).toContain(words);
  });
});

describe("the allocator", () => {
  test("closes its open buffers when it closes", () => {
    const own = new MemoryAllocator();
    const closed = own.allocate(64);
    const open = STRATEGIES.map(([, location]) => own.allocate(64, location));
    const views = open.map((buffer) => buffer.bytes);
    const other = allocator.allocate(64);
    closed.close();
    own.close();
    own.close();
    expect(views.map((view) => view.length)).toEqual(views.map(() => 0));
    for (const buffer of open) expect(failureOf(() => buffer.bytes).code).toBe("CLOSED");
    expect(other.bytes.length).toBe(64);
    other.close();
  });

  test("refuses all use after close", () => {
    const own = new MemoryAllocator();
    own[Symbol.dispose]();
    const here = ProcessLocation.detect();
    expect(failureOf(() => own.allocate(64)).code).toBe("CLOSED");
    expect(failureOf(() => own.allocateAuto(64, here, here)).code).toBe("CLOSED");
    using shared = allocator.allocate(64, SHARED);
    using handle = shared.exportHandle();
    expect(failureOf(() => own.import(handle)).code).toBe("CLOSED");
  });

  test.each([["none"], [[]]] as const)("lists no GPU with devices %j", (devices) => {
    using own = new MemoryAllocator({ devices: devices as "none" });
    expect(own.topology.gpus).toEqual([]);
    expect(failureOf(() => own.allocate(64, { kind: "gpu" })).code).toBe("GPU_DEVICE_NOT_FOUND");
  });

  test.each([["auto"], [undefined]] as const)("lists all GPUs with devices %j", (devices) => {
    using own = new MemoryAllocator({ devices });
    expect(own.topology.gpus).toEqual(listGpus().filter(({ missing }) => missing === null));
  });

  test.each([["all"], [[-1]], [[0.5]], [["0"]], [7]] as const)("refuses devices %j", (devices) => {
    expect(failureOf(() => new MemoryAllocator({ devices: devices as unknown as "auto" })).code).toBe(
      "INVALID_ARGUMENT",
    );
  });

  test("refuses a named GPU that does not exist", () => {
    const error = failureOf(() => new MemoryAllocator({ devices: [77] }));
    expect(error.code).toBe("GPU_DEVICE_NOT_FOUND");
    expect(error.remedy).toMatch(/GPU/);
  });

  test("lists the features of the machine, and those that it lacks", () => {
    const { topology, unavailable } = allocator;
    expect(unavailable.map(({ feature }) => feature)).toContain("gpu");
    expect(unavailable.some(({ feature }) => feature === "mpi")).toBe(topology.mpi === null);
    for (const { reason } of unavailable) expect(reason).not.toBe("");
    expect(unavailable.some(({ feature }) => feature === "numa")).toBe(!hasNuma);
    if (!isLinux) return;
    expect(topology.numaNodes.map(({ id }) => id)).toContain(0);
    for (const { freeBytes, totalBytes } of topology.numaNodes) {
      expect(totalBytes).toBeGreaterThan(0);
      expect(freeBytes).toBeLessThanOrEqual(totalBytes);
    }
    for (const { sizeBytes, free, total } of topology.hugepages) {
      expect(sizeBytes).toBeGreaterThan(4096);
      expect(free).toBeLessThanOrEqual(total);
    }
  });
});

describe.skipIf(!onLinux())("a thousand rounds", () => {
  test.each(STRATEGIES)("of %s leave no descriptor and no memory behind", (_strategy, location) => {
    const size = 256 * 1024; // 250 MiB if nothing were freed
    const round = () => {
      const buffer = allocator.allocate(size, location);
      buffer.bytes[size - 1] = 1;
      buffer.close();
    };
    for (let i = 0; i < 50; i++) round();
    Bun.gc(true);
    const [descriptors, resident] = [openDescriptors(), residentBytes()];
    for (let i = 0; i < 1000; i++) round();
    Bun.gc(true);
    expect(openDescriptors()).toBe(descriptors);
    expect(residentBytes() - resident).toBeLessThan(64 * MIB);
  });
});
