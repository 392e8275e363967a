/**
 * Receiving a GPU buffer for the first time, which imports it, and each time after that. The frames are in the ring
 * before the clock starts: an empty frame on a second channel says so.
 *
 *     gpu-import.ts first|second NAME DEVICE BYTES BUFFERS ROUNDS
 */
import { Channel, type Consumer, type Frame, type Producer } from "../../src/index.ts";
import { figureOf, measuredOnce } from "../measure.ts";
import { lastWord, onGpu, setLastWord } from "./gpu.ts";

const [side, name = "", device, size, buffers, times] = Bun.argv.slice(2);
const bytes = Number(size);
const count = Number(buffers);
const rounds = Number(times);
const WARM = Math.ceil(rounds / 5);

const first = side === "first";
const { allocator, allocate } = onGpu(Number(device));
const role = first ? "producer" : "consumer";
const [data, sent, taken] = await Promise.all([
  Channel.open(`${name}.data`, { role, profile: "low-latency", transport: "vulkan", allocator }),
  Channel.open(`${name}.sent`, { role, transport: "shm" }),
  Channel.open(`${name}.taken`, { role: first ? "consumer" : "producer", transport: "shm" }),
]);
const tell = (channel: Producer) => channel.send(new Uint8Array(1));
const hear = async (channel: Consumer) => (await channel.recv()).release();

/** One of each buffer is waiting; returns when each was taken. */
function takeAll(data: Consumer, taken: (frame: Frame) => void): void {
  for (let i = 0; i < count; i++) {
    const frame = data.tryRecv();
    if (frame?.buffer?.sizeBytes !== bytes) throw new Error(`frame ${i}: ${frame?.sizeBytes} bytes, no buffer`);
    taken(frame);
  }
}

if (data.role === "producer" && sent.role === "producer" && taken.role === "consumer") {
  const all = Array.from({ length: count }, () => allocate(bytes));
  for (const [i, buffer] of all.entries()) await setLastWord(buffer, 1000 + i);
  for (let round = 0; round <= WARM + rounds; round++) {
    for (const buffer of all) await data.send(buffer);
    await tell(sent);
    await hear(taken);
  }
} else if (data.role === "consumer" && sent.role === "consumer" && taken.role === "producer") {
  await hear(sent);
  // The first frame brings all announcements that are there, and imports what they name: only the total says anything.
  const frames: Frame[] = [];
  const start = Bun.nanoseconds();
  takeAll(data, (frame) => frames.push(frame));
  const perImport = (Bun.nanoseconds() - start) / 1000 / count;
  for (const [i, frame] of frames.entries()) {
    if ((await lastWord(frame.buffer!)) !== 1000 + i) throw new Error(`buffer ${i} is not the peer's`);
    frame.release();
  }
  await tell(taken);
  const known: number[] = [];
  for (let round = 0; round < WARM + rounds; round++) {
    await hear(sent);
    const start = Bun.nanoseconds();
    takeAll(data, (frame) => frame.release());
    if (round >= WARM) known.push((Bun.nanoseconds() - start) / count);
    await tell(taken);
  }
  console.log(JSON.stringify({ first: measuredOnce(perImport), cached: figureOf(known) }));
}
for (const channel of [data, sent, taken]) if (channel.role === "producer") await channel.flush();
for (const channel of [data, sent, taken]) await channel.close();
allocator.close();
