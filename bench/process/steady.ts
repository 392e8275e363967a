/**
 * What the steady state leaves on the JavaScript heap: its statistics after a full collection, before and after COUNT
 * messages. Two lines on stderr stand around the messages, so that collections which the engine logs (BUN_JSC_logGC=1)
 * can be counted: a single small object for each message would need many.
 *
 *     steady.ts first|second NAME COUNT
 */
import { heapStats } from "bun:jsc";
import { writeSync } from "node:fs";
import { Channel, type Consumer, type Producer } from "../../src/index.ts";

const [side, name = "", messages] = Bun.argv.slice(2);
const count = Number(messages);
const WARM = 1_000_000;
const SPIN = { timeoutMs: 10_000, spinUs: 10_000_000 };
const payload = new Uint8Array(new ArrayBuffer(64));

function produce(channel: Producer, count: number): void {
  for (let n = 0; n < count; n++) {
    payload[0] = n;
    while (!channel.trySend(payload));
  }
}

function consume(channel: Consumer, count: number): void {
  for (let n = 0; n < count; n++) {
    const frame = channel.recvSync(SPIN);
    if (frame?.bytes[0] !== (n & 255)) throw new Error(`message ${n} is wrong`);
    frame.release();
  }
}

function heap(): { objects: number; bytes: number } {
  Bun.gc(true);
  const { objectCount, heapSize, extraMemorySize } = heapStats();
  return { objects: objectCount, bytes: heapSize + extraMemorySize };
}

const role = side === "first" ? "producer" : "consumer";
await using channel = await Channel.open(name, { role });
const pass = (count: number) => (channel.role === "producer" ? produce(channel, count) : consume(channel, count));

function measure(count: number): string {
  const before = heap();
  writeSync(2, "messages begin\n");
  pass(count);
  writeSync(2, "messages end\n");
  return JSON.stringify({ before, after: heap() });
}

pass(WARM);
measure(0); // what looking at the heap leaves there the first time
console.log(measure(count));
if (channel.role === "producer") await channel.flush();
