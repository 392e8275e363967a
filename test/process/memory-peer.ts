/**
 * A second process for the tests of memory. It runs what its first argument names, and prints what came of it as one
 * line of JSON.
 */
import { dlopen, FFIType } from "bun:ffi";
import { readFileSync } from "node:fs";
import { LavaFlowError } from "../../src/errors.ts";
import { MemoryAllocator } from "../../src/memory/allocator.ts";
import type { MemoryBuffer } from "../../src/memory/buffer.ts";
import type { MemoryLocation } from "../../src/memory/strategy.ts";

export interface Told {
  made?: number;
  sum?: number;
  code?: string;
  message?: string;
  strategy?: string;
  reason?: string;
  remedy?: string;
}

const allocator = new MemoryAllocator();
const [task, ...args] = process.argv.slice(2);

if (process.env.NO_TRANSPARENT_HUGEPAGES) {
  const PR_SET_THP_DISABLE = 41;
  const libc = /\S+\/(libc\.so\.6|libc-[\d.]+\.so|ld-musl-\S+)$/m.exec(readFileSync("/proc/self/maps", "utf8"))![0];
  const { symbols } = dlopen(libc, {
    prctl: { args: [FFIType.i32, FFIType.u64, FFIType.u64, FFIType.u64, FFIType.u64], returns: FFIType.i32 },
  });
  if (symbols.prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) !== 0) throw new Error("prctl(PR_SET_THP_DISABLE) failed");
}

const tasks: Record<string, () => Told> = {
  /** Imports descriptor 3, adds up what is in it, and writes to its last byte. */
  import() {
    const sizeBytes = Number(args[0]);
    const handle = { type: "host-fd", fd: 3, sizeBytes, allocationBytes: sizeBytes, [Symbol.dispose]() {} } as const;
    using buffer = allocator.import(handle);
    const sum = buffer.bytes.reduce((total, byte) => total + byte, 0);
    buffer.bytes[sizeBytes - 1] = 99;
    return { sum };
  },

  /** Allocates until that fails; then gives all back, and allocates once more. */
  exhaust() {
    const [sizeBytes, location, most] = [Number(args[0]), JSON.parse(args[1]!) as MemoryLocation, Number(args[2])];
    const buffers: MemoryBuffer[] = [];
    try {
      while (buffers.length < most) buffers.push(allocator.allocate(sizeBytes, location));
      return { made: buffers.length };
    } catch (error) {
      if (!(error instanceof LavaFlowError)) throw error;
      const { code, message, remedy } = error;
      const made = buffers.length;
      for (const buffer of buffers) buffer.close();
      allocator.allocate(sizeBytes, location).close();
      return { made, code, message, remedy };
    }
  },

  /** Allocates once as the second argument says, falling back to standard memory; tells what became of it. */
  fallback() {
    const [sizeBytes, location, feature] = [Number(args[0]), JSON.parse(args[1]!) as MemoryLocation, args[2]];
    const reason = allocator.unavailable.find((missing) => missing.feature === feature)?.reason;
    using buffer = allocator.allocate(sizeBytes, location, { fallback: { kind: "host" } });
    try {
      allocator.allocate(sizeBytes, location).close();
    } catch (error) {
      if (!(error instanceof LavaFlowError)) throw error;
      const { code, message, remedy } = error;
      return { strategy: buffer.strategy, reason, code, message, remedy };
    }
    return { strategy: buffer.strategy, reason };
  },

  /** Drops one buffer without closing it and closes another; then collects garbage until someone complains. */
  leak() {
    (() => {
      allocator.allocate(12_345).bytes[0] = 1;
      allocator.allocate(54_321).close();
    })();
    return {};
  },
};

process.stdout.write(`${JSON.stringify(tasks[task!]!())}\n`);
if (task === "leak") {
  let complaints = 0;
  process.on("warning", () => complaints++);
  for (let round = 0; round < 200 && complaints === 0; round++) {
    Bun.gc(true);
    await Bun.sleep(0); // the callbacks of a FinalizationRegistry run as tasks
  }
}
