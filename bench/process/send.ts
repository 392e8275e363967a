/**
 * What one trySend costs its caller while the other process drains: the time of 64 calls, through 64. Between two
 * batches the sender waits, off the clock, until there is room for the next.
 *
 *     send.ts first|second NAME BATCHES
 */
import { Channel, type Consumer, type Producer } from "../../src/index.ts";
import { figureOf } from "../measure.ts";

const [side, name = "", batches] = Bun.argv.slice(2);
const count = Number(batches);
const BATCH = 64;
const WARM = Math.ceil(count / 5);
const SPIN = { timeoutMs: 10_000, spinUs: 10_000_000 };

const payload = new Uint8Array(new ArrayBuffer(64));

function sendBatch(channel: Producer, n: number): boolean {
  let sent = true;
  for (let i = 0; i < BATCH; i++) {
    payload[0] = n;
    payload[63] = i;
    if (!channel.trySend(payload)) sent = false;
  }
  return sent;
}

function produce(channel: Producer, batches: number): number[] {
  const samples: number[] = [];
  for (let n = 0; n < batches; n++) {
    while (channel.stats.queued > BATCH);
    const start = Bun.nanoseconds();
    const sent = sendBatch(channel, n);
    samples.push((Bun.nanoseconds() - start) / BATCH);
    if (!sent) throw new Error(`batch ${n}: the queue was full`);
  }
  return samples;
}

function consume(channel: Consumer, batches: number): void {
  for (let n = 0; n < batches; n++) {
    for (let i = 0; i < BATCH; i++) {
      const frame = channel.recvSync(SPIN);
      const got = frame?.bytes;
      if (got?.[0] !== (n & 255) || got[63] !== i) throw new Error(`message ${i} of batch ${n} is wrong`);
      frame!.release();
    }
  }
}

const role = side === "first" ? "producer" : "consumer";
await using channel = await Channel.open(name, { role, profile: "high-throughput" });
if (channel.role === "producer") {
  produce(channel, WARM);
  console.log(JSON.stringify({ send: figureOf(produce(channel, count)) }));
  await channel.flush();
} else {
  consume(channel, WARM);
  consume(channel, count);
}
