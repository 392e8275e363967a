/**
 * Allocating a buffer, writing to its first and last byte, and closing it.
 *
 *     alloc.ts standard|numa|hugepages|shared BYTES COUNT
 */
import { MemoryAllocator, type MemoryLocation } from "../../src/index.ts";
import { figureOf } from "../measure.ts";

const LOCATIONS: Record<string, MemoryLocation> = {
  standard: { kind: "host" },
  numa: { kind: "host", numaNode: 0 },
  hugepages: { kind: "host", hugepages: true },
  shared: { kind: "host", shared: true },
};

const [kind = "", size, times] = Bun.argv.slice(2);
const bytes = Number(size);
const count = Number(times);
const allocator = new MemoryAllocator();
const samples: number[] = [];
for (let i = -Math.ceil(count / 5); i < count; i++) {
  const start = Bun.nanoseconds();
  const buffer = allocator.allocate(bytes, LOCATIONS[kind]);
  const view = buffer.bytes;
  view[0] = view[bytes - 1] = 1;
  const { strategy } = buffer;
  buffer.close();
  if (i >= 0) samples.push((Bun.nanoseconds() - start) / 1000);
  if (strategy !== kind) throw new Error(`asked for ${kind}, got ${strategy}`);
}
console.log(JSON.stringify({ ours: figureOf(samples) }));
