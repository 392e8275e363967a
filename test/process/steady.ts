/** Both ends in one thread, sending the same sizes over and over. */
import { heapStats } from "bun:jsc";
import { writeSync } from "node:fs";
import { Channel, MemoryAllocator, type MemoryBuffer } from "../../src/index.ts";
import type { Io } from "./peer.ts";

const WARM = 100_000;

let litter: object | undefined;

/** How many messages of a size pass; between two marks on stderr, where the engine logs its collections. */
export async function run(io: Io, { name, messages }: { name: string; messages: number }): Promise<void> {
  await using open = new AsyncDisposableStack();
  const [producer, consumer] = await Promise.all([
    Channel.open(name, { role: "producer" }),
    Channel.open(name, { role: "consumer" }),
  ]);
  open.use(producer);
  open.use(consumer);
  using allocator = new MemoryAllocator();
  const buffer = allocator.allocate(4096, { kind: "host", shared: true });

  const send = (payload: Uint8Array | MemoryBuffer, count: number) => {
    for (let i = 0; i < count; i++) {
      if (!producer.trySend(payload)) throw new Error("no room");
      const frame = consumer.tryRecv()!;
      if (frame.bytes.length !== frame.sizeBytes) throw new Error("the wrong size");
      frame.release();
    }
  };
  const lend = (size: number, count: number) => {
    for (let i = 0; i < count; i++) {
      const loan = producer.tryLoan(size)!;
      loan.bytes[0] = i;
      loan.commit();
      const frame = consumer.tryRecv()!;
      if (frame.bytes[0] !== (i & 255)) throw new Error("the wrong bytes");
      frame.release();
    }
  };
  const [small, block] = [new Uint8Array(64), new Uint8Array(4096)];
  const passes: [string, (count: number) => void][] = [
    ["64 bytes", (count) => send(small, count)],
    ["4096 bytes", (count) => send(block, count)],
    [
      "64 and 4096 bytes in turn",
      (count) => {
        for (let i = 0; i < count; i += 2) {
          send(small, 1);
          send(block, 1);
        }
      },
    ],
    ["a MemoryBuffer", (count) => send(buffer, count)],
    ["loans of 64 bytes", (count) => lend(64, count)],
    ["loans of 4096 bytes", (count) => lend(4096, count)],
    [
      "64 bytes and an object each, which the log has to show",
      (count) => {
        for (let i = 0; i < count; i++) {
          litter = { i };
          send(small, 1);
        }
      },
    ],
  ];
  for (const [what, pass] of passes) {
    pass(WARM);
    heapStats();
    const before = heapStats().objectCount;
    writeSync(2, `begin ${what}\n`);
    pass(messages);
    writeSync(2, `end ${what}\n`);
    io.say({ what, before, after: heapStats().objectCount });
  }
  void litter;
}
