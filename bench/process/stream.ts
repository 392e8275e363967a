/**
 * One direction: the first process sends COUNT messages as fast as there is room, the second receives them. The receiver
 * looks at its clock once in a window of messages: what is measured is what arrived.
 *
 *     stream.ts first|second NAME BYTES COUNT ends|all [TRANSPORT]
 *
 * "ends" reads the first and the last byte of each frame, "all" every byte.
 */
import { Channel, type Consumer, type Producer, type TransportName } from "../../src/index.ts";
import { figureOf } from "../measure.ts";

const [side, name = "", size, messages, reading, pin] = Bun.argv.slice(2);
const bytes = Number(size);
const last = bytes - 1;
const LARGE = bytes > 4096;
const WINDOW = LARGE ? 64 : 100_000;
const count = Math.ceil(Number(messages) / WINDOW) * WINDOW;
const SPIN = { timeoutMs: 10_000, spinUs: 10_000_000 };
/** No payload has this byte: looking for it reads them all. */
const ABSENT = 255;

function produce(channel: Producer, payload: Uint8Array, count: number): void {
  for (let n = 0; n < count; n++) {
    payload[0] = n & 127;
    payload[last] = (n >> 7) & 127;
    while (!channel.trySend(payload));
  }
}

/** Every byte of a small frame, in plain code; a large one is searched by the engine's own vector code. */
function readAll(got: Uint8Array): number {
  if (LARGE) return got.indexOf(ABSENT) + 1;
  let sum = 0;
  for (let i = 0; i < got.length; i++) sum += got[i] as number;
  return sum;
}

let checksum = 0;
/** Frames of the same block have the same view: how many blocks take turns within a window. */
const views = new Set<Uint8Array>();

function consumeOne(channel: Consumer, n: number): void {
  const frame = channel.recvSync(SPIN);
  const got = frame?.bytes;
  if (!got || got.length !== bytes || got[0] !== (n & 127) || got[last] !== ((n >> 7) & 127)) {
    throw new Error(`message ${n}: ${got?.length} bytes, ${got?.[0]} and ${got?.[last]}`);
  }
  if (reading === "all") checksum += readAll(got);
  if (LARGE) views.add(got);
  frame.release();
}

function consume(channel: Consumer, count: number): { rates: number[]; blocks: number[] } {
  const rates: number[] = [];
  const blocks: number[] = [];
  for (let n = 0; n < count; ) {
    const start = Bun.nanoseconds();
    for (let i = 0; i < WINDOW; i++, n++) consumeOne(channel, n);
    rates.push((WINDOW * (LARGE ? bytes : 1000)) / (Bun.nanoseconds() - start)); // GB/s, or million messages/s
    blocks.push(views.size);
    views.clear();
  }
  return { rates, blocks };
}

const role = side === "first" ? "producer" : "consumer";
const transport = pin as TransportName | undefined;
await using channel = await Channel.open(name, { role, profile: "high-throughput", transport });
if (channel.role === "producer") {
  const payload = new Uint8Array(new ArrayBuffer(bytes));
  produce(channel, payload, count);
  await channel.flush();
} else {
  const { rates, blocks } = consume(channel, count);
  const warm = rates.length / 5;
  const figures = { [reading!]: figureOf(rates.slice(warm), "higher"), blocks: figureOf(blocks.slice(warm)) };
  if (Number.isNaN(checksum)) throw new Error("no checksum");
  console.log(JSON.stringify(figures));
}
