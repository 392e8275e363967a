/**
 * A buffer on one GPU sent to a process that works on another: from before `send` until the peer has it on its own GPU
 * and has said so. The answer is an empty frame, which costs next to nothing beside the copy.
 *
 *     gpu-peer.ts first|second NAME DEVICE BYTES COUNT
 */
import { Channel, type Consumer, type Frame, ProcessLocation } from "../../src/index.ts";
import { figureOf } from "../measure.ts";
import { lastWord, onGpu, rate, setLastWord } from "./gpu.ts";

const [side, name = "", device, size, times] = Bun.argv.slice(2);
const bytes = Number(size);
const count = Number(times);
const WARM = Math.ceil(count / 5);
const WORD = 0x0badcafe;

/** Both sides look without a pause, as in the other latency rows: how long a sleeper takes to wake is another row's. */
function received(channel: Consumer): Frame {
  const frame = channel.recvSync({ spinUs: 100_000 });
  if (!frame) throw new Error("nothing came in time");
  return frame;
}

const first = side === "first";
const { allocator, allocate } = onGpu(Number(device));
const location = ProcessLocation.detect({ deviceId: Number(device) });
const [data, taken] = await Promise.all([
  Channel.open(`${name}.data`, {
    role: first ? "producer" : "consumer",
    profile: "gpu-preferred",
    transport: "vulkan",
    allocator,
    location,
  }),
  Channel.open(`${name}.taken`, { role: first ? "consumer" : "producer", transport: "shm" }),
]);

if (data.role === "producer" && taken.role === "consumer") {
  const payload = allocate(bytes);
  await setLastWord(payload, WORD);
  const samples: number[] = [];
  for (let i = -WARM; i < count; i++) {
    const start = Bun.nanoseconds();
    await data.send(payload);
    received(taken).release();
    if (i >= 0) samples.push(rate(bytes, start));
  }
  console.log(JSON.stringify({ peer: figureOf(samples, "higher"), route: data.route.reason }));
} else if (data.role === "consumer" && taken.role === "producer") {
  for (let i = -WARM; i < count; i++) {
    const frame = received(data);
    await taken.send(new Uint8Array(1));
    if (i === count - 1 && (!frame.buffer || (await lastWord(frame.buffer)) !== WORD)) {
      throw new Error("the last bytes did not arrive");
    }
    frame.release();
  }
}
for (const channel of [data, taken]) if (channel.role === "producer") await channel.flush();
await Promise.all([data.close(), taken.close()]);
allocator.close();
