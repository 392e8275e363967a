/**
 * What one trySend of a GPU buffer that the peer already knows costs its caller while the peer drains: what send.ts does
 * with bytes.
 *
 *     gpu-send.ts first|second NAME DEVICE BYTES BATCHES
 */
import { Channel, type Consumer, type MemoryBuffer, type Producer } from "../../src/index.ts";
import { figureOf } from "../measure.ts";
import { onGpu } from "./gpu.ts";

const [side, name = "", device, size, batches] = Bun.argv.slice(2);
const bytes = Number(size);
const count = Number(batches);
const BATCH = 64;
const WARM = Math.ceil(count / 5);
const SPIN = { timeoutMs: 10_000, spinUs: 10_000_000 };

function sendBatch(channel: Producer, payload: MemoryBuffer): boolean {
  let sent = true;
  for (let i = 0; i < BATCH; i++) if (!channel.trySend(payload)) sent = false;
  return sent;
}

function produce(channel: Producer, payload: MemoryBuffer, batches: number): number[] {
  const samples: number[] = [];
  for (let n = 0; n < batches; n++) {
    while (channel.stats.queued > BATCH);
    const start = Bun.nanoseconds();
    const sent = sendBatch(channel, payload);
    samples.push((Bun.nanoseconds() - start) / BATCH);
    if (!sent) throw new Error(`batch ${n}: the queue was full`);
  }
  return samples;
}

function consume(channel: Consumer, batches: number): void {
  for (let n = 0; n < batches * BATCH; n++) {
    const frame = channel.recvSync(SPIN);
    if (frame?.sequence !== sequence++ || frame.buffer?.sizeBytes !== bytes) {
      throw new Error(`message ${n}: number ${frame?.sequence}, ${frame?.buffer?.sizeBytes} bytes on the GPU`);
    }
    frame.release();
  }
}

let sequence = 0;
const { allocator, allocate } = onGpu(Number(device));
const role = side === "first" ? "producer" : "consumer";
const channel = await Channel.open(name, { role, profile: "high-throughput", transport: "vulkan", allocator });
if (channel.role === "producer") {
  const payload = allocate(bytes);
  produce(channel, payload, WARM);
  console.log(JSON.stringify({ send: figureOf(produce(channel, payload, count)) }));
  await channel.flush();
} else {
  consume(channel, WARM);
  consume(channel, count);
}
await channel.close();
allocator.close();
