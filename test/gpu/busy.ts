/** Work that lasts until a test polls, on a GPU in hardware as on one in software. */
import type { MemoryAllocator } from "../../src/index.ts";

/** Keeps the allocator's GPU at work for tens of milliseconds: work submitted next begins after that. */
export async function keepBusy(allocator: MemoryAllocator): Promise<void> {
  const hardware = allocator.topology.gpus[0]?.type !== "cpu";
  const [sizeBytes, rounds] = hardware ? [2 ** 30, 60] : [2 ** 26, 4];
  using buffer = allocator.allocate(sizeBytes, { kind: "gpu" });
  await Promise.all(Array.from({ length: rounds }, (_, round) => buffer.fill(round)));
}
