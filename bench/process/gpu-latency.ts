/**
 * Ping-pong of a GPU buffer of each side over two channels, both ends spinning in recvSync: what latency.ts does with
 * bytes. Before the clock starts, each side reads on the GPU what the other wrote there.
 *
 *     gpu-latency.ts first|second NAME DEVICE BYTES ROUNDS
 */
import { Channel, type Frame } from "../../src/index.ts";
import { lastWord, onGpu, setLastWord } from "./gpu.ts";
import { closeBoth, pingPong } from "./ping-pong.ts";

const [side, name = "", device, size, count] = Bun.argv.slice(2);
const bytes = Number(size);
const rounds = Number(count);
const SPIN = { timeoutMs: 10_000, spinUs: 10_000_000 };
const WORDS = { first: 0x10203040, second: 0x50607080 };

const first = side === "first";
const { allocator, allocate } = onGpu(Number(device));
const open = <Role extends "producer" | "consumer">(direction: string, role: Role) =>
  Channel.open<Role>(`${name}.${direction}`, { role, profile: "low-latency", transport: "vulkan", allocator });
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

await checkAliasing();
const latency = pingPong(first, rounds, send, take);
if (latency) console.log(JSON.stringify({ latency }));
await closeBoth(to, from);
allocator.close();
