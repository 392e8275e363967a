/** Sides that work until they are killed, and keep a ledger in shared memory of how far they came. */
import { Channel, MemoryAllocator } from "../../src/index.ts";
import { content } from "./payload.ts";
import type { Io } from "./peer.ts";

/** What the frame with this number has: mostly small, now and then so large that a kill lands in the middle of it. */
export function sizeOf(sequence: number): number {
  return [8, 100, 4096, 0, 300_000, 120, 3_000_000, 60_000, 121, 1_500_000][(sequence * 7) % 10] as number;
}

/** Sends its ledger, then frame after frame; the ledger's first word counts those that are committed. */
export async function producer(_: Io, { name, seed }: { name: string; seed: number }): Promise<void> {
  await using channel = await Channel.open(name, { role: "producer" });
  using allocator = new MemoryAllocator();
  const buffer = allocator.allocate(4096, { kind: "host", shared: true });
  const ledger = buffer.view(Uint32Array);
  await channel.send(buffer);
  for (let i = 1; ; i++) {
    const bytes = content({ size: sizeOf(i), seed: i });
    if ((i + seed) % 3 === 0) {
      const loan = await channel.loan(bytes.length);
      loan.bytes.set(bytes);
      loan.commit();
    } else {
      await channel.send(bytes);
    }
    ledger[0] = i;
  }
}

/** Takes a ledger, then frame after frame: the first word counts those that were released, the second wrong ones. */
export async function consumer(_: Io, { name }: { name: string }): Promise<void> {
  await using channel = await Channel.open(name, { role: "consumer" });
  let ledger: Uint32Array | undefined;
  for (;;) {
    const frame = await channel.recv();
    if (!ledger) {
      ledger = frame.buffer!.view(Uint32Array);
      continue;
    }
    const { sequence } = frame;
    const right = Buffer.compare(frame.bytes, content({ size: sizeOf(sequence), seed: sequence })) === 0;
    if (!right) ledger[1]!++;
    frame.release();
    ledger[0]!++;
  }
}
