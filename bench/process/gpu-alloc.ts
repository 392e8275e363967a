/**
 * Allocating GPU memory: new from the driver, as long as nothing was closed, and reused from what was closed before.
 *
 *     gpu-alloc.ts DEVICE BYTES COUNT
 */
import type { MemoryBuffer } from "../../src/index.ts";
import { figureOf } from "../measure.ts";
import { onGpu } from "./gpu.ts";

const [device, size, times] = Bun.argv.slice(2);
const bytes = Number(size);
const count = Number(times);
const { allocator, allocate } = onGpu(Number(device));

const made: MemoryBuffer[] = [];
const first: number[] = [];
for (let i = -Math.ceil(count / 5); i < count; i++) {
  const start = Bun.nanoseconds();
  made.push(allocate(bytes));
  if (i >= 0) first.push((Bun.nanoseconds() - start) / 1000);
}
for (const buffer of made) buffer.close();

const reused: number[] = [];
for (let i = -count; i < 10 * count; i++) {
  const start = Bun.nanoseconds();
  const buffer = allocate(bytes);
  if (i >= 0) reused.push((Bun.nanoseconds() - start) / 1000);
  buffer.close();
}
console.log(JSON.stringify({ first: figureOf(first), reused: figureOf(reused) }));
allocator.close();
