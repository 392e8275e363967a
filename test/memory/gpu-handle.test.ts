/** GPU memory that one process passes to another, and handles of a hostile or careless process. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { closeSync, fstatSync, openSync } from "node:fs";
import { join } from "node:path";
import type { MemoryAllocator } from "../../src/memory/allocator.ts";
import type { ExternalMemoryHandle } from "../../src/memory/handle.ts";
import type { MemoryLocation } from "../../src/memory/strategy.ts";
import {
  contentOf,
  device,
  expectSame,
  gpu,
  newAllocator,
  randomBytes,
  validationIsSilent,
  vulkan,
  why,
} from "../gpu/support.ts";
import { onLinux, requires } from "../requires.ts";
import { failureOf, openDescriptors, SHARED } from "./support.ts";

const PEER = join(import.meta.dir, "../process/gpu-peer.ts");
const MIB = 2 ** 20;
const GPU: MemoryLocation = { kind: "gpu", device };
const MAPPED: MemoryLocation = { kind: "gpu", device, hostVisible: true };

const shares =
  onLinux() && requires("vulkan", vulkan && gpu.externalMemory, vulkan ? `${gpu.name} does not share memory` : why);

/** The handle as plain data, as another process gets it. */
function described(handle: ExternalMemoryHandle) {
  const { type, sizeBytes, allocationBytes, deviceUuid, driverUuid, hostVisible } = handle;
  return { type, sizeBytes, allocationBytes, deviceUuid, driverUuid, hostVisible };
}

function isOpen(fd: number): boolean {
  try {
    fstatSync(fd);
    return true;
  } catch {
    return false;
  }
}

describe.skipIf(!shares)("GPU memory", () => {
  let allocator: MemoryAllocator;
  let importer: MemoryAllocator;
  beforeAll(() => {
    allocator = newAllocator();
    importer = newAllocator();
  });
  afterAll(() => {
    allocator.close();
    importer.close();
  });

  test.each([GPU, MAPPED])("%j: a handle has all fields that an import needs", (location) => {
    using buffer = allocator.allocate(100_001, location);
    using handle = buffer.exportHandle();
    expect(described(handle)).toEqual({
      type: "opaque-fd",
      sizeBytes: 100_001,
      allocationBytes: expect.any(Number),
      deviceUuid: gpu.deviceUuid,
      driverUuid: gpu.driverUuid,
      hostVisible: location === MAPPED,
    });
    expect(handle.allocationBytes).toBeGreaterThanOrEqual(100_001);
    expect(isOpen(handle.fd!)).toBe(true);
  });

  test.each([GPU, MAPPED])("%j: two allocators see one memory", async (location) => {
    using buffer = allocator.allocate(5 * MIB + 3, location);
    const bytes = randomBytes(buffer.sizeBytes);
    await buffer.write(bytes);
    using imported = importer.import(buffer.exportHandle());
    expect(imported.isGpu).toBe(true);
    expect(imported.strategy).toBe("gpu");
    expect(imported.location).toEqual(location);
    expect(imported.sizeBytes).toBe(buffer.sizeBytes);
    expectSame(await contentOf(imported), bytes);
    await imported.fill(0x5a5a5a5a, 4 * MIB, 8);
    expectSame(await contentOf(buffer), bytes.fill(0x5a, 4 * MIB, 4 * MIB + 8));
    if (location === MAPPED) expectSame(imported.bytes, buffer.bytes);
  });

  test("outlives the exporter's buffer", async () => {
    const buffer = allocator.allocate(MIB, GPU);
    const bytes = randomBytes(MIB);
    await buffer.write(bytes);
    const handle = buffer.exportHandle();
    buffer.close();
    // The next allocation must not reuse memory that an import still shows.
    using next = allocator.allocate(MIB, GPU);
    await next.fill(0);
    using imported = importer.import(handle);
    expectSame(await contentOf(imported), bytes);
  });

  test("two processes see one memory", async () => {
    using buffer = allocator.allocate(4 * MIB + 1, GPU);
    const bytes = randomBytes(buffer.sizeBytes);
    await buffer.write(bytes);
    const handle = buffer.exportHandle();
    await using child = Bun.spawn([process.execPath, PEER, "import", JSON.stringify(described(handle))], {
      stdio: ["ignore", "pipe", "inherit", handle.fd!],
      timeout: 60_000,
    });
    handle[Symbol.dispose]();
    const told = JSON.parse(await child.stdout.text());
    expect(await child.exited).toBe(0);
    expect(told).toEqual({ sum: bytes.reduce((total, byte) => total + byte, 0), location: GPU });
    expectSame(
      await contentOf(buffer),
      bytes.map((byte) => byte ^ 0xff),
    );
  }, 60_000);

  test("a handle is used once", () => {
    using buffer = allocator.allocate(64, GPU);
    const handle = buffer.exportHandle();
    importer.import(handle).close();
    const error = failureOf(() => importer.import(handle));
    expect(error.code).toBe("CLOSED");
    expect(error.remedy).toBe("Export a handle for each import");
    const disposed = buffer.exportHandle();
    disposed[Symbol.dispose]();
    expect(failureOf(() => importer.import(disposed)).code).toBe("CLOSED");
    expect(failureOf(() => importer.import(disposed)).code).toBe("CLOSED");
  });

  test("a thousand exports and imports leave no descriptor behind", () => {
    const round = (imports: boolean) => {
      using buffer = allocator.allocate(4096, GPU);
      const handle = buffer.exportHandle();
      if (imports) importer.import(handle).close();
      else handle[Symbol.dispose]();
    };
    for (let i = 0; i < 20; i++) round(i % 2 === 0);
    const before = openDescriptors();
    for (let i = 0; i < 1000; i++) round(i % 2 === 0);
    expect(openDescriptors()).toBe(before);
  });

  describe("import refuses", () => {
    /** A handle with a wrong field, and its descriptor. */
    function wrong(changes: Partial<Record<keyof ExternalMemoryHandle, unknown>>) {
      using buffer = allocator.allocate(MIB, GPU);
      const made = buffer.exportHandle() as ExternalMemoryHandle & { take(): void };
      made.take();
      const handle = { ...described(made), fd: made.fd, ...changes, [Symbol.dispose]() {} } as ExternalMemoryHandle;
      return { handle, fd: made.fd! };
    }
    const other = "0123456789abcdef0123456789abcdef";

    test("a handle of another GPU, naming both, before the driver gets it", () => {
      const { handle, fd } = wrong({ deviceUuid: other });
      const error = failureOf(() => importer.import(handle));
      expect(error.code).toBe("EXTERNAL_HANDLE_MISMATCH");
      expect(error.message).toContain(other);
      expect(error.message).toContain(gpu.deviceUuid);
      expect(error.remedy).toContain("include the GPU that exported the handle");
      expect(error.native).toBeUndefined();
      expect(isOpen(fd)).toBe(false);
    });

    test("a handle of another driver", () => {
      const { handle, fd } = wrong({ driverUuid: other });
      const error = failureOf(() => importer.import(handle));
      expect(error.code).toBe("EXTERNAL_HANDLE_MISMATCH");
      expect(error.native).toBeUndefined();
      expect(isOpen(fd)).toBe(false);
    });

    test("memory that is smaller than its handle says", () => {
      const sizeBytes = 64 * MIB;
      const { handle, fd } = wrong({ sizeBytes, allocationBytes: sizeBytes });
      const error = failureOf(() => importer.import(handle));
      expect(["EXTERNAL_HANDLE_MISMATCH", "GPU_OUT_OF_MEMORY"]).toContain(error.code);
      expect(isOpen(fd)).toBe(false);
    });

    test("a descriptor that is closed, or of no GPU memory", () => {
      const gone = wrong({});
      closeSync(gone.fd);
      expect(failureOf(() => importer.import(gone.handle)).code).toBe("CLOSED");
      const fd = openSync("/dev/null", "r");
      expect(failureOf(() => importer.import({ ...gone.handle, fd })).code).toBe("EXTERNAL_HANDLE_MISMATCH");
      expect(isOpen(fd)).toBe(false);
    });

    const malformed: [string, Partial<Record<keyof ExternalMemoryHandle, unknown>>, string][] = [
      ["a size of 0", { sizeBytes: 0 }, "INVALID_ARGUMENT"],
      ["a fraction as size", { sizeBytes: 0.5 }, "INVALID_ARGUMENT"],
      ["less allocated than there is", { allocationBytes: MIB - 1 }, "INVALID_ARGUMENT"],
      ["no allocation", { allocationBytes: undefined }, "INVALID_ARGUMENT"],
      ["no UUID", { deviceUuid: undefined }, "INVALID_ARGUMENT"],
      ["a short UUID", { driverUuid: "00" }, "INVALID_ARGUMENT"],
      ["no hexadecimal UUID", { deviceUuid: "g".repeat(32) }, "INVALID_ARGUMENT"],
      ["a negative descriptor", { fd: -1 }, "INVALID_ARGUMENT"],
      ["no descriptor", { fd: undefined }, "INVALID_ARGUMENT"],
      ["a Windows handle", { type: "opaque-win32" }, "EXTERNAL_HANDLE_MISMATCH"],
    ];
    test.each(malformed)("%s, and leaves the descriptor alone", (_name, changes, code) => {
      const { handle, fd } = wrong(changes);
      const error = failureOf(() => importer.import(handle));
      expect(error.code).toBe(code as "CLOSED");
      expect(error.remedy).toMatch(code === "INVALID_ARGUMENT" ? /^Give \S/ : /"opaque-fd"/);
      expect(isOpen(fd)).toBe(true);
      closeSync(fd);
    });

    test("host memory whose handle says that it is a GPU's", () => {
      using shared = allocator.allocate(MIB, SHARED);
      const { fd } = shared.exportHandle();
      const { handle, fd: other } = wrong({});
      closeSync(other);
      const outcome = failureOf(() => importer.import({ ...handle, fd }));
      expect(outcome.code).toBe("EXTERNAL_HANDLE_MISMATCH");
      expect(isOpen(fd!)).toBe(false);
    });
  });
});

validationIsSilent();
