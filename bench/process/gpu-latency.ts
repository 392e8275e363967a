/**
 * Ping-pong of a GPU buffer of each side over two channels, both ends spinning in recvSync: what latency.ts does with
 * bytes. Before the clock starts, each side reads on the GPU what the other wrote there.
 *
 *     gpu-latency.ts first|second NAME DEVICE BYTES ROUNDS
 */
import { Channel, type Frame } from "../../src/index.ts";
import { figureOf } from "../measure.ts";
import { lastWord, onGpu, setLastWord } from "./gpu.ts";

const [side, name = "", device, size, count] = Bun.argv.slice(2);
const bytes = Number(size);
const rounds = Number(count);
const BATCH = 100;
const WARM = rounds / 5;
const SPIN = { timeoutMs: 10_000, spinUs: 10_000_000 };
const WORDS = { first: 0x10203040, second: 0x50607080 };

const first = side === "first";
const { allocator, allocate } = onGpu(Number(device));
const open = (direction: string, role: "producer" | "consumer") =>
  Channel.open(`${name}.${direction}`, { role, profile: "low-latency", transport: "vulkan", allocator });
const [to, from] = await Promise.all([
  open(first ? "there" : "back", "producer"),
  open(first ? "back" : "there", "consumer"),
]);
const payload = allocate(bytes);

function send(): void {
  while (!to.trySend(payload));
}

function take(): Frame {
  const frame = from.recvSync(SPIN);
  if (frame?.buffer?.sizeBytes !== bytes) throw new Error(`a frame of ${frame?.sizeBytes} bytes, no buffer`);
  return frame;
}

async function checkAliasing(): Promise<void> {
  await setLastWord(payload, first ? WORDS.first : WORDS.second);
  send();
  const frame = take();
  const word = await lastWord(frame.buffer!);
  if (word !== (first ? WORDS.second : WORDS.first)) throw new Error(`the peer's memory holds ${word}`);
  frame.release();
}

function play(rounds: number): number[] {
  const samples: number[] = [];
  for (let n = 0; n < rounds; ) {
    const start = Bun.nanoseconds();
    for (let i = 0; i < BATCH; i++, n++) {
      send();
      take().release();
    }
    samples.push((Bun.nanoseconds() - start) / BATCH / 2);
  }
  return samples;
}

function answer(rounds: number): void {
  for (let n = 0; n < rounds; n++) {
    const frame = take();
    send();
    frame.release();
  }
}

await checkAliasing();
if (first) {
  play(WARM);
  console.log(JSON.stringify({ latency: figureOf(play(rounds)) }));
} else {
  answer(WARM);
  answer(rounds);
}
await to.waitSend();
await to.close();
await from.close();
allocator.close();
