/** A peer that writes whatever it likes into the memory it shares, and one that has to live with it. */
import { readFileSync } from "node:fs";
import {
  type Consumer,
  LavaFlowError,
  MemoryAllocator,
  type MemoryBuffer,
  type MemoryLocation,
  type Producer,
  type TransportName,
} from "../../src/index.ts";
import { detach, viewOf } from "../../src/native/handle.ts";
import { gpuAllocator, openChannel } from "./open.ts";
import type { Io } from "./peer.ts";

interface Args {
  name: string;
  role: "producer" | "consumer";
  seed: number;
  transport: TransportName;
}

type Random = (below: number) => number;

/** Numbers from a seed: Marsaglia's xorshift, as in the tests. */
function random(seed: number): Random {
  let state = seed >>> 0 || 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

// ───────────── the attacker ─────────────

/** Offsets in the segment, as shim/src/shm/ring.h asserts them. */
const RING = { producer: 128, taken: 256, released: 384, consumer: 512, returns: 640, memoryReleased: 33_408 };
const SLOTS = 49_792;
const SLOT_BYTES = 128;
const PAYLOAD = 8;

/**
 * The ring of this process's one channel, mapped like all its shared memory, and known by its first words. What is shown
 * here is detached as soon as it is done with: a mapping that only waits for the collector would still be listed, and could
 * go before it is looked at.
 */
function findRing(): DataView {
  for (const line of readFileSync("/proc/self/maps", "utf8").split("\n")) {
    if (!line.includes("memfd:lava-flow")) continue;
    const [start, end] = line
      .split(" ")[0]!
      .split("-")
      .map((hex) => Number.parseInt(hex, 16)) as [number, number];
    const memory = viewOf(start, end - start);
    if (Buffer.from(memory, 1, 7).toString("latin1") === "LAVRING") return new DataView(memory);
    detach(memory);
  }
  throw new Error("this process maps no ring");
}

/** Writes into a ring what its owner would never write. */
class Vandal {
  readonly #ring: DataView;
  readonly #next: Random;
  readonly #slots: number;

  constructor(ring: DataView, next: Random) {
    this.#ring = ring;
    this.#next = next;
    this.#slots = (ring.byteLength - SLOTS) / SLOT_BYTES;
  }

  /** Before the channel closes. */
  end(): void {
    detach(this.#ring.buffer as ArrayBuffer);
  }

  /** Any word: random, all ones, nothing, small, or the old one with a bit changed. */
  word(offset = this.#next(this.#ring.byteLength >> 2) * 4): void {
    const values = [this.#next(2 ** 32), 0xffffffff, 0, this.#next(4096), this.#old(offset) ^ (1 << this.#next(32))];
    this.#ring.setUint32(offset, values[this.#next(values.length)]! >>> 0, true);
  }

  /** One of the words by which the sides agree. */
  control(): void {
    const { producer, consumer, ...counts } = RING;
    const offsets = [producer, producer + 4, consumer, consumer + 4, ...Object.values(counts)];
    this.word(offsets[this.#next(offsets.length)]!);
  }

  everything(): void {
    for (let offset = 0; offset < this.#ring.byteLength; offset += 4)
      this.#ring.setUint32(offset, this.#next(2 ** 32), true);
  }

  /** A message near `position` that looks right but for one thing or another. */
  message(position: number): void {
    const at = position + this.#next(4);
    const slot = SLOTS + (at % this.#slots) * SLOT_BYTES;
    const payload = slot + PAYLOAD;
    const regions = [0x10000, 0x10001, 0x20000, this.#next(2 ** 32)];
    const sizes = [0, 1, 1000, 1 << 20, 2 ** 32, 2 ** 46, 2 ** 63, 2 ** 64 - 1];
    this.#ring.setUint32(payload, regions[this.#next(4)]!, true);
    this.#ring.setUint32(payload + 4, this.#next(2) ? 0xffffffff : this.#next(5000), true);
    this.#ring.setBigUint64(payload + 8, BigInt(sizes[this.#next(8)]!) & 0xffffffffffffffffn, true);
    this.#ring.setBigUint64(payload + 16, BigInt(sizes[this.#next(8)]!) & 0xffffffffffffffffn, true);
    // What is to be waited for on the GPU, whether it is a staged copy, and a word that has to be 0.
    this.#ring.setBigUint64(payload + 24, this.#next(4) ? 0n : BigInt(this.#next(2 ** 32)), true);
    this.#ring.setUint32(payload + 32, this.#next(4) ? this.#next(2) : this.#next(2 ** 32), true);
    this.#ring.setUint32(payload + 36, this.#next(8) ? 0 : this.#next(2 ** 32), true);
    const lengths = [this.#next(121), 121 + this.#next(100), 0xffffff, this.#next(2 ** 32)];
    this.#ring.setUint32(slot + 4, lengths[this.#next(4)]!, true);
    this.#ring.setUint32(slot, at + 1 - this.#next(2), true);
  }

  /** A block given back that may never have been sent, in the place that is read next or near it. */
  block(returned: number): void {
    const at = returned + this.#next(4);
    const offset = RING.returns + (at % 4096) * 8;
    this.#ring.setUint32(offset + 4, this.#next(2) ? this.#next(8) : this.#next(2 ** 32), true);
    this.#ring.setUint32(offset, at + 1, true);
  }

  #old(offset: number): number {
    return this.#ring.getUint32(offset, true);
  }
}

/** Meets the victim again and again, sends or receives a little, and then writes over everything. */
export async function attack(_: Io, { name, role, seed, transport }: Args): Promise<void> {
  const next = random(seed);
  for (;;) {
    const channel = await openChannel(name, { role, transport });
    const vandal = new Vandal(findRing(), next);
    const kind = next(5);
    const harmless = next(40);
    try {
      for (let step = 0; step < 400; step++) {
        const onGpu = transport === "vulkan" && next(3) === 0;
        if (channel.role === "consumer") channel.tryRecv()?.release();
        else if (onGpu) sendOnGpu(channel, next);
        else channel.trySend(new Uint8Array([8, 3000, 100, 200_000][next(4)]!));
        if (step >= harmless) {
          if (kind === 0) vandal.word();
          else if (kind === 1) vandal.control();
          else if (kind === 2) vandal.everything();
          else if (channel.role === "producer") vandal.message(channel.stats.framesSent);
          else vandal.block(next(channel.stats.framesReceived + 1));
        }
        if (step % 8 === 0) await new Promise(setImmediate);
      }
    } catch (error) {
      // It reads what it has spoilt itself.
      if (!(error instanceof LavaFlowError)) throw error;
    }
    vandal.end();
    await channel.close();
  }
}

/** A few buffers, sent over and over; now and then one is closed and made anew. */
const onGpu: MemoryBuffer[] = [];

function sendOnGpu(channel: Producer, next: Random): void {
  const at = next(4);
  const location: MemoryLocation = { kind: "gpu", hostVisible: at % 2 === 0 };
  onGpu[at] ??= gpuAllocator().allocate([100, 5000, 200_000, 1 << 20][at]!, location);
  channel.trySend(onGpu[at]);
  if (next(10) > 0) return;
  onGpu[at].close();
  delete onGpu[at];
}

// ───────────── the victim ─────────────

/** Opens a number of channels, uses each until an error or until nothing comes, and says how each ended. */
export async function endure(
  io: Io,
  { name, role, seed, rounds, transport }: Args & { rounds: number },
): Promise<void> {
  const next = random(seed);
  using allocator = new MemoryAllocator();
  const ends: Record<string, number> = {};
  let seen = 0;
  for (let round = 0; round < rounds; round++) {
    let end = "nothing";
    let channel: Producer | Consumer | undefined;
    try {
      channel = await openChannel(name, { role, transport });
      for (let step = 0; step < 2000; step++) {
        if (channel.role === "consumer") seen += await receive(channel, next);
        else await send(channel, next, allocator);
      }
    } catch (error) {
      if (!(error instanceof LavaFlowError)) throw error;
      end = error.code;
    }
    await channel?.close();
    ends[end] = (ends[end] ?? 0) + 1;
  }
  io.say({ ends, seen });
}

const firstByte = new Uint8Array(1);

/** Takes a frame in one of the three ways and looks at all of its pages: gives the sum of what it saw. */
async function receive(channel: Consumer, next: Random): Promise<number> {
  const kind = next(3);
  const frame =
    kind === 0
      ? channel.tryRecv()
      : kind === 1
        ? channel.recvSync({ timeoutMs: 5 })
        : await channel.recv({ timeoutMs: 50 });
  if (!frame) return 0;
  const { sizeBytes, buffer } = frame;
  if (buffer?.isGpu && buffer.location.kind === "gpu" && !buffer.location.hostVisible) {
    await buffer.read(firstByte);
    frame.release();
    return firstByte[0]!;
  }
  const { bytes } = frame;
  if (bytes.length !== sizeBytes) throw new Error(`${bytes.length} bytes in a frame of ${sizeBytes}`);
  let seen = 0;
  for (let i = 0; i < sizeBytes; i += 4096) seen += bytes[i]!;
  if (sizeBytes > 0) seen += bytes[sizeBytes - 1]!;
  if (buffer) seen += buffer.bytes[0]!;
  void channel.stats;
  frame.release();
  return seen;
}

async function send(channel: Producer, next: Random, allocator: MemoryAllocator): Promise<void> {
  const kind = next(channel.route.transport === "vulkan" ? 6 : 5);
  const size = [8, 3000, 100, 200_000][next(4)]!;
  if (kind === 0) channel.trySend(new Uint8Array(size));
  else if (kind === 1) await channel.send(new Uint8Array(size), { timeoutMs: 50 });
  else if (kind === 2) {
    const loan = channel.tryLoan(size);
    loan?.bytes.fill(1);
    if (next(4)) loan?.commit();
    else loan?.abort();
  } else if (kind === 3) {
    const buffer = allocator.allocate(size, { kind: "host", shared: true });
    channel.trySend(buffer);
    if (next(4) === 0) await buffer.released({ timeoutMs: 5 });
    buffer.close();
  } else if (kind === 5) {
    sendOnGpu(channel, next);
  } else if (next(20) === 0) {
    await channel.flush({ timeoutMs: 20 });
  }
  void channel.stats;
}
