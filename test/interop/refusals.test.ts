/** Arguments that all three APIs refuse. */
import { describe, expect, test } from "bun:test";
import { MemoryAllocator, type MemoryBuffer } from "../../src/index.ts";
import * as interop from "../../src/interop/index.ts";
import { device, newAllocator, validationIsSilent, vulkan } from "../gpu/support.ts";
import { failureOf, rejectionOf } from "../memory/support.ts";

const imports = [interop.importIntoCuda, interop.importIntoOpenCl, interop.importIntoOpenGl] as const;
const semaphoreImports = [
  interop.importSemaphoreIntoCuda,
  (semaphore: never) => interop.importSemaphoreIntoOpenCl(semaphore, 1n),
  interop.importSemaphoreIntoOpenGl,
] as const;

describe("imports refuse", () => {
  test("host memory", () => {
    using allocator = new MemoryAllocator({ devices: "none" });
    for (const location of [undefined, { kind: "host", shared: true } as const]) {
      const buffer = allocator.allocate(4096, location);
      for (const into of imports) {
        expect(failureOf(() => into(buffer))).toMatchObject({
          code: "EXTERNAL_MEMORY_UNSUPPORTED",
          remedy: expect.stringContaining('kind: "gpu"'),
        });
      }
    }
  });

  test("values that are no buffer and no semaphore", () => {
    for (const wrong of [undefined, null, 1, {}, new Uint8Array(4)]) {
      for (const into of imports) {
        expect(failureOf(() => into(wrong as unknown as MemoryBuffer))).toMatchObject({ code: "INVALID_ARGUMENT" });
      }
      for (const into of semaphoreImports) {
        expect(failureOf(() => into(wrong as never))).toMatchObject({ code: "INVALID_ARGUMENT" });
      }
    }
  });

  test("values that are no allocator, no pointer and no queue", async () => {
    using allocator = new MemoryAllocator({ devices: "none" });
    const wrong = [
      interop.importFromCuda({} as MemoryAllocator, 1n, 4),
      interop.importFromCuda(allocator, 0n, 4),
      interop.importFromCuda(allocator, 1n << 64n, 4),
      interop.importFromCuda(allocator, 1n, 1.5),
      interop.importFromOpenCl({} as MemoryAllocator, 1n, 1n),
      interop.importFromOpenCl(allocator, 0n, 1n),
      interop.importFromOpenCl(allocator, 1n, 5 as unknown as bigint),
    ];
    for (const promise of wrong) expect(await rejectionOf(promise)).toMatchObject({ code: "INVALID_ARGUMENT" });
  });

  test.skipIf(!vulkan)("a closed buffer, and an API that this machine lacks", () => {
    using allocator = newAllocator();
    const buffer = allocator.allocate(4096, { kind: "gpu", device });
    for (const [index, { viable, reason }] of interop.interopViability().entries()) {
      if (viable) continue;
      const error = failureOf(() => (imports[index] as (buffer: MemoryBuffer) => unknown)(buffer));
      expect(error).toMatchObject({ code: "BACKEND_UNAVAILABLE", message: expect.stringContaining(reason) });
    }
    buffer.close();
    for (const into of imports) expect(failureOf(() => into(buffer))).toMatchObject({ code: "CLOSED" });
  });

  test.skipIf(!vulkan)("a context that is no bigint", () => {
    using allocator = newAllocator();
    const buffer = allocator.allocate(4096, { kind: "gpu", device });
    for (const context of [0n, -1n, 7, "7", null]) {
      const error = failureOf(() => interop.importIntoOpenCl(buffer, context as unknown as bigint));
      expect(error).toMatchObject({ code: "INVALID_ARGUMENT", message: expect.stringContaining("cl_context") });
    }
  });
});

validationIsSilent();
