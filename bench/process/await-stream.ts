/**
 * One direction in promises: the first process awaits each `send`, the second receives in `for await`. The receiver looks at
 * its clock once in a window of messages.
 *
 *     await-stream.ts first|second NAME BYTES COUNT
 */
import { Channel, type Consumer, type Producer } from "../../src/index.ts";
import { figureOf } from "../measure.ts";

const [side, name = "", size, messages] = Bun.argv.slice(2);
const bytes = Number(size);
const last = bytes - 1;
const WINDOW = 100_000;
const count = Math.ceil(Number(messages) / WINDOW) * WINDOW;

/** Functions, as in most programs: the engine does not optimise the body of a module, where each await takes twice as long. */
async function send(channel: Producer): Promise<void> {
  const payload = new Uint8Array(new ArrayBuffer(bytes));
  for (let n = 0; n < count; n++) {
    payload[0] = n & 127;
    payload[last] = (n >> 7) & 127;
    await channel.send(payload);
  }
  await channel.flush();
}

async function receive(channel: Consumer): Promise<void> {
  const rates: number[] = [];
  let n = 0;
  let start = Bun.nanoseconds();
  for await (const frame of channel) {
    const got = frame.bytes;
    if (got.length !== bytes || got[0] !== (n & 127) || got[last] !== ((n >> 7) & 127)) {
      throw new Error(`message ${n}: ${got.length} bytes, ${got[0]} and ${got[last]}`);
    }
    if (++n % WINDOW === 0) {
      const now = Bun.nanoseconds();
      rates.push((WINDOW * 1000) / (now - start)); // million messages/s
      start = now;
    }
  }
  if (n !== count) throw new Error(`${n} messages of ${count}`);
  console.log(JSON.stringify({ await: figureOf(rates.slice(rates.length / 5), "higher") }));
}

const role = side === "first" ? "producer" : "consumer";
await using channel = await Channel.open(name, { role, profile: "high-throughput" });
await (channel.role === "producer" ? send(channel) : receive(channel));
