/** Shared memory that one process passes to another, and handles of a hostile or careless process. */
import { afterAll, describe, expect, test } from "bun:test";
import { closeSync, ftruncateSync, openSync, unlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MemoryAllocator } from "../../src/memory/allocator.ts";
import { type ExternalMemoryHandle, GPU_TYPE } from "../../src/memory/handle.ts";
import { MEMORY_INFO } from "../../src/native/layout.ts";
import { native } from "../../src/native/load.ts";
import type { Told } from "../process/memory-peer.ts";
import { onLinux, onPosix } from "../requires.ts";
import { failureOf, openDescriptors, SHARED, STRATEGIES } from "./support.ts";

const PEER = join(import.meta.dir, "../process/memory-peer.ts");
const allocator = new MemoryAllocator();
afterAll(() => allocator.close());

function handleOf(fd: unknown, sizeBytes: unknown, type = "host-fd"): ExternalMemoryHandle {
  return { type, fd, sizeBytes, allocationBytes: sizeBytes, [Symbol.dispose]() {} } as ExternalMemoryHandle;
}

describe.skipIf(!onPosix())("exportHandle and import", () => {
  test("show one memory to two processes", async () => {
    const size = 300_001;
    using buffer = allocator.allocate(size, SHARED);
    for (let at = 0; at < size; at++) buffer.bytes[at] = at % 251;
    const sum = buffer.bytes.reduce((total, byte) => total + byte, 0);
    const handle = buffer.exportHandle();
    expect(handle.type).toBe("host-fd");
    expect(handle.sizeBytes).toBe(size);
    expect(handle.allocationBytes).toBeGreaterThanOrEqual(size);
    await using child = Bun.spawn([process.execPath, PEER, "import", String(size)], {
      stdio: ["ignore", "pipe", "inherit", handle.fd!],
      timeout: 60_000,
    });
    handle[Symbol.dispose]();
    const told = JSON.parse(await child.stdout.text()) as Told;
    expect(told).toEqual({ sum });
    expect(await child.exited).toBe(0);
    expect(buffer.bytes[size - 1]).toBe(99);
  });

  test("outlive the exporter's buffer", () => {
    const buffer = allocator.allocate(5000, SHARED);
    buffer.bytes[4999] = 5;
    const handle = buffer.exportHandle();
    buffer.close();
    using imported = allocator.import(handle);
    expect(imported.strategy).toBe("shared");
    expect(imported.location).toEqual({ kind: "host", shared: true });
    expect(imported.sizeBytes).toBe(5000);
    expect(imported.bytes[4999]).toBe(5);
    using again = allocator.import(imported.exportHandle());
    again.bytes[0] = 3;
    expect(imported.bytes[0]).toBe(3);
  });

  test.skipIf(!onLinux())("leave no descriptor behind", () => {
    const before = openDescriptors();
    for (let round = 0; round < 1000; round++) {
      using buffer = allocator.allocate(4096, SHARED);
      const handle = buffer.exportHandle();
      if (round % 2) allocator.import(handle).close();
      else handle[Symbol.dispose]();
    }
    expect(openDescriptors()).toBe(before);
  });

  test("a handle is used once", () => {
    using buffer = allocator.allocate(64, SHARED);
    const imported = buffer.exportHandle();
    allocator.import(imported).close();
    expect(failureOf(() => allocator.import(imported)).code).toBe("CLOSED");
    imported[Symbol.dispose](); // the buffer owns the descriptor, so this must close nothing

    const disposed = buffer.exportHandle();
    disposed[Symbol.dispose]();
    disposed[Symbol.dispose]();
    expect(failureOf(() => allocator.import(disposed)).code).toBe("CLOSED");
  });

  test.each(STRATEGIES.filter(([strategy]) => strategy !== "shared"))("%s memory has none", (strategy, location) => {
    using buffer = allocator.allocate(64, location);
    const error = failureOf(() => buffer.exportHandle());
    expect(error.code).toBe("EXTERNAL_MEMORY_UNSUPPORTED");
    expect(error.message).toContain(strategy);
    expect(error.remedy).toContain("shared: true");
  });
});

describe("import refuses", () => {
  const bad: [string, unknown, string][] = [
    ["nothing", undefined, "INVALID_ARGUMENT"],
    ["a number", 3, "INVALID_ARGUMENT"],
    ["GPU memory without UUIDs", handleOf(3, 64, GPU_TYPE), "INVALID_ARGUMENT"],
    ["an unknown type", handleOf(3, 64, "file"), "EXTERNAL_HANDLE_MISMATCH"],
    [
      "another system's handle",
      handleOf(3, 64, process.platform === "win32" ? "host-fd" : "win32-mapping"),
      "EXTERNAL_HANDLE_MISMATCH",
    ],
  ];
  test.each(bad)("%s", (_name, handle, code) => {
    expect(failureOf(() => allocator.import(handle as ExternalMemoryHandle)).code).toBe(code as "CLOSED");
  });

  describe.skipIf(!onPosix())("as descriptor or size", () => {
    test.each([[undefined], [-1], [1.5], [Number.NaN], ["3"], [2 ** 31]])("%p as descriptor", (fd) => {
      expect(failureOf(() => allocator.import(handleOf(fd, 64))).code).toBe("INVALID_ARGUMENT");
    });

    test.each([[0], [-1], [0.5], [2 ** 32 + 1], [undefined]])("%p as size", (size) => {
      expect(failureOf(() => allocator.import(handleOf(0, size))).code).toBe("INVALID_ARGUMENT");
    });

    test("a closed descriptor", () => {
      const error = failureOf(() => allocator.import(handleOf(0x7fff_fff0, 64)));
      expect(["SYSTEM", "CORRUPT_SEGMENT"]).toContain(error.code);
    });

    test("memory that is smaller than its handle says, and closes its descriptor", () => {
      using buffer = allocator.allocate(4096, SHARED);
      const { fd } = buffer.exportHandle();
      const error = failureOf(() => allocator.import(handleOf(fd, 1_000_000)));
      expect(error.code).toBe("CORRUPT_SEGMENT");
      expect(error.message).toContain("1000000");
      expect(() => closeSync(fd!)).toThrow("EBADF");
    });
  });

  test.skipIf(!onLinux())("memory that its owner could shrink, and closes its descriptor", () => {
    const path = join(tmpdir(), `lava-flow-handle-${process.pid}`);
    const fd = openSync(path, "wx+");
    unlinkSync(path);
    ftruncateSync(fd, 8192);
    const error = failureOf(() => allocator.import(handleOf(fd, 8192)));
    expect(error.code).toBe("CORRUPT_SEGMENT");
    expect(error.message).toContain("not sealed");
    expect(() => closeSync(fd)).toThrow("EBADF");
  });
});

describe("the shim", () => {
  const shim = native();
  const info = new Uint8Array(new ArrayBuffer(MEMORY_INFO.sizeof));
  const bad: [string, () => number, number][] = [
    ["no place for the answer", () => shim.lf_memory_allocate(0, 64, -1, null), -1],
    ["GPU memory without a GPU", () => shim.lf_memory_allocate(4, 64, -1, info), -1],
    ["a strategy that is none", () => shim.lf_memory_allocate(6, 64, -1, info), -1],
    ["a negative strategy", () => shim.lf_memory_allocate(-1, 64, -1, info), -1],
    ["a size of NaN", () => shim.lf_memory_allocate(0, Number.NaN, -1, info), -1],
    ["a fractional size", () => shim.lf_memory_allocate(0, 1.5, -1, info), -1],
    ["a size over 4 GiB", () => shim.lf_memory_allocate(0, 2 ** 32 + 1, -1, info), -1],
    ["an import without a place", () => shim.lf_memory_import(-1, 64, null), -1],
    ["an import of no size", () => shim.lf_memory_import(-1, 0, info), -1],
    ["a handle that never was", () => shim.lf_memory_close(12_345), -2],
    ["handle 0", () => shim.lf_memory_close(0), -2],
    ["a negative handle", () => shim.lf_memory_close(-1), -2],
    ["an export of no memory", () => shim.lf_memory_export(12_345, info), -2],
    ["an export without a place", () => shim.lf_memory_export(12_345, null), -1],
    ["the nodes of no memory", () => shim.lf_memory_nodes(12_345, 1, info), -2],
    ["the closing of descriptor -1", () => shim.lf_os_handle_close(-1), -1],
  ];
  test.each(bad)("refuses %s", (_name, call, status) => {
    expect(call()).toBe(status);
  });
});
