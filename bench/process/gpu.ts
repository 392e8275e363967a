/** What the programs for GPUs share. */
import { MemoryAllocator as Memory, type MemoryAllocator, type MemoryBuffer } from "../../src/index.ts";

/** Memory of one GPU and no other: a software device is used only when it is named. */
export function onGpu(device: number): { allocator: MemoryAllocator; allocate(bytes: number): MemoryBuffer } {
  const allocator = new Memory({ devices: [device] });
  return { allocator, allocate: (bytes) => allocator.allocate(bytes, { kind: "gpu", device }) };
}

/** The last four bytes of a buffer: both ends of a channel agree on them to prove that they see the same memory. */
export async function lastWord(buffer: MemoryBuffer): Promise<number> {
  const word = new Uint32Array(new ArrayBuffer(4));
  await buffer.read(word, buffer.sizeBytes - 4);
  return word[0] as number;
}

export async function setLastWord(buffer: MemoryBuffer, word: number): Promise<void> {
  await buffer.fill(word, buffer.sizeBytes - 4, 4);
}

/** A reading of 1 stands for a billion bytes a second. */
export const rate = (bytes: number, startedNs: number): number => bytes / (Bun.nanoseconds() - startedNs);
