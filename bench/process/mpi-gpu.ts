/**
 * A buffer on a GPU from one rank to the memory of another rank's GPU, through MPI; and each stage of that alone. The
 * first process writes the figures "total" (ms, one buffer from `send` until it was released), "stream" (GB/s, one after
 * the other), "host" (ms, the same bytes of host memory), "download" and "link" (ms and GB/s, from the GPU to pinned memory);
 * the second one "upload" (ms). The last word of each buffer is checked where it arrives.
 *
 *     mpi-gpu.ts first|second NAME DEVICE BYTES COUNT
 */
import { Channel, type Consumer, type MemoryBuffer, type Producer } from "../../src/index.ts";
import { type Figures, figureOf, measuredOnce } from "../measure.ts";
import { lastWord, onGpu, setLastWord } from "./gpu.ts";

const [side, name = "", device, size, times] = Bun.argv.slice(2);
const bytes = Number(size);
const count = Number(times);
const WARM = 2;
const { allocator, allocate } = onGpu(Number(device));
const buffer = allocate(bytes);
const pinned = allocator.allocate(bytes, { kind: "host", gpuPinned: true });
const first = side === "first";

/** Milliseconds of each turn. */
async function timed(turn: (i: number) => Promise<void>): Promise<number[]> {
  const samples: number[] = [];
  for (let i = -WARM; i < count; i++) {
    const start = Bun.nanoseconds();
    await turn(i);
    if (i >= 0) samples.push((Bun.nanoseconds() - start) / 1e6);
  }
  return samples;
}

const rates = (samples: number[]) =>
  figureOf(
    samples.map((ms) => bytes / ms / 1e6),
    "higher",
  );

const channel = await Channel.open(name, {
  role: first ? "producer" : "consumer",
  transport: "mpi",
  profile: "gpu-preferred",
  allocator,
});

/** Sends `what` with a mark, and waits until it is released. */
const whole = (channel: Producer, what: MemoryBuffer) => async () => {
  await channel.send(what);
  await channel.flush();
};

async function send(channel: Producer): Promise<Figures> {
  await setLastWord(buffer, 0xfeed);
  await buffer.copyTo(pinned);
  const total = await timed(whole(channel, buffer));
  const host = await timed(whole(channel, pinned));
  for (let i = 0; i < WARM; i++) await channel.send(buffer);
  await channel.flush();
  const start = Bun.nanoseconds();
  for (let i = 0; i < count; i++) await channel.send(buffer);
  await channel.flush();
  const stream = (bytes * count) / (Bun.nanoseconds() - start);
  await channel.close(); // The second process measures its stage when this one is through.
  const download = await timed(() => buffer.copyTo(pinned));
  return {
    total: figureOf(total),
    host: figureOf(host),
    stream: measuredOnce(stream),
    download: figureOf(download),
    link: rates(download),
  };
}

async function receive(channel: Consumer): Promise<Figures> {
  let received = 0;
  for await (const frame of channel) {
    received++;
    const word = frame.buffer
      ? await lastWord(frame.buffer)
      : new DataView(frame.bytes.slice(-4).buffer).getUint32(0, true);
    if (word !== 0xfeed) throw new Error(`frame ${received} ends with ${word.toString(16)}`);
  }
  if (received !== 3 * (WARM + count)) throw new Error(`${received} frames`);
  await channel.close();
  const upload = await timed(() => pinned.copyTo(buffer));
  return { upload: figureOf(upload) };
}

console.log(JSON.stringify(await (channel.role === "producer" ? send(channel) : receive(channel))));
allocator.close();
