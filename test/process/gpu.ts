/** Sides that send and get buffers on a GPU. */
import { type ChannelOptions, type Frame, MemoryAllocator, type MemoryBuffer } from "../../src/index.ts";
import { channelDevice } from "../../src/memory/allocator.ts";
import { uuidsOf } from "../../src/memory/handle.ts";
import { MEMORY_INFO } from "../../src/native/layout.ts";
import { native } from "../../src/native/load.ts";
import { keepBusy } from "../gpu/busy.ts";
import { gpuAllocator, openChannel } from "./open.ts";
import { checksum, content, type Spec } from "./payload.ts";
import type { Io } from "./peer.ts";

type Options = Omit<ChannelOptions, "role"> & { name: string };

/** One of a list to be sent: bytes as they are, or in a buffer of that kind. */
export interface Item extends Spec {
  as: "bytes" | "shared" | "gpu" | "gpu-visible";
  /** Where it begins in a larger buffer, whose part is then sent. */
  at?: number;
}

/** What came: `on` says where the frame's buffer was, null for a frame without one. */
export interface Came {
  sequence: number;
  size: number;
  sum: string;
  on: "shared" | "gpu" | "gpu-visible" | null;
}

/** The list, as a receiver sees it that gets buffers on a GPU as `on`. */
export function expectedOf(items: Item[], on: (item: Item) => Came["on"]): Came[] {
  return items.map((item, sequence) => ({ sequence, size: item.size, sum: checksum(content(item)), on: on(item) }));
}

/** Says which way it took. Sends the list twice, with the same buffers, waits until all was released, and says so. */
export async function produce(io: Io, { items, name, ...options }: Options & { items: Item[] }): Promise<void> {
  await using channel = await openChannel(name, { ...options, role: "producer" });
  io.say(channel.route);
  using host = new MemoryAllocator({ devices: "none" });
  const buffers: MemoryBuffer[] = [];
  const payloads: (Uint8Array | MemoryBuffer)[] = [];
  for (const item of items) {
    const bytes = content(item);
    if (item.as === "bytes") {
      payloads.push(bytes);
      continue;
    }
    const all = item.at === undefined ? item.size : item.at + item.size + 100;
    const buffer =
      item.as === "shared"
        ? host.allocate(all, { kind: "host", shared: true })
        : gpuAllocator().allocate(all, { kind: "gpu", hostVisible: item.as === "gpu-visible" });
    const payload = item.at === undefined ? buffer : buffer.part(item.at, item.size);
    await buffer.fill(0x55555555);
    await payload.write(bytes);
    buffers.push(buffer);
    payloads.push(payload);
  }
  for (const payload of [...payloads, ...payloads]) await channel.send(payload);
  await channel.flush();
  for (const buffer of buffers) buffer.close();
  io.say({ sent: channel.stats.framesSent, queued: channel.stats.queued });
}

async function see(frame: Frame): Promise<Came> {
  const { buffer, sequence, sizeBytes: size } = frame;
  let bytes: Uint8Array;
  if (buffer?.isGpu) {
    bytes = new Uint8Array(size);
    await buffer.read(bytes);
  } else {
    bytes = frame.bytes;
  }
  const visible = buffer?.location.kind === "gpu" && buffer.location.hostVisible;
  const on = buffer ? (visible ? "gpu-visible" : (buffer.strategy as "gpu" | "shared")) : null;
  return { sequence, size, sum: checksum(bytes), on };
}

/** Says which way it took; receives until the producer closes, in one of the three ways, and says what came. */
export async function consume(
  io: Io,
  { how, name, ...options }: Options & { how: "recv" | "tryRecv" | "recvSync" },
): Promise<void> {
  await using channel = await openChannel(name, { ...options, role: "consumer" });
  io.say(channel.route);
  const came: Came[] = [];
  try {
    for (;;) {
      const frame = how === "recv" ? await channel.recv() : how === "recvSync" ? channel.recvSync() : channel.tryRecv();
      if (frame) {
        came.push(await see(frame));
        frame.release();
      } else if (how === "tryRecv") await new Promise(setImmediate);
    }
  } catch (error) {
    if ((error as { code?: string }).code !== "CHANNEL_CLOSED") throw error;
  }
  io.say(came);
}

/**
 * The same with a CUDA that is none: this process's own GPU does what CUDA would be asked to, and it can, as the sender's
 * other GPU is the same under another name. Says at the end what is left of what was imported.
 */
export async function consumeByCopies(io: Io, args: Parameters<typeof consume>[1]): Promise<void> {
  const open = standInForCuda();
  await consume(io, args);
  io.say([...open]);
}

function standInForCuda(): Set<number> {
  const { device } = channelDevice(gpuAllocator(), undefined);
  if (!device) throw new Error("no GPU here");
  const own = uuidsOf(device.info);
  const shim = native();
  const info = new Int32Array(new ArrayBuffer(MEMORY_INFO.sizeof));
  const value = new Float64Array(1);
  const imported = new Set<number>();
  const copies = new Map<number, number>();
  const cuda = {
    lf_cuda_peer_viable: () => 1,
    lf_cuda_import_os_handle(handle: bigint, allocation: number, size: number, uuid: Uint8Array): number {
      if (own.subarray(0, 16).toHex() === uuid.subarray(0, 16).toHex()) throw new Error("not another GPU");
      const result = shim.lf_memory_import_gpu(device.handle, handle, size, allocation, 0, own, info);
      if (result < 0) return result;
      const made = info[MEMORY_INFO.handle / 4]!;
      imported.add(made);
      return made;
    },
    lf_cuda_import: (memory: number) => memory,
    lf_cuda_copy(target: number, targetOffset: number, source: number, sourceOffset: number, size: number): number {
      const result = shim.lf_queue_copy(device.handle, source, sourceOffset, target, targetOffset, size, value);
      copies.set(target, value[0]!);
      return result;
    },
    lf_cuda_copied: (target: number) => shim.lf_queue_reached(device.handle, copies.get(target)!, 0),
    lf_cuda_close: (memory: number) => (imported.delete(memory) ? shim.lf_memory_close(memory) : 0),
  };
  Object.assign(shim, cuda);
  return imported;
}

/**
 * Copies every frame's buffer to memory of its own and releases it at once, with the copy under way. Says how many of
 * the copy's words are not the number of the frame.
 */
export async function copyAway(io: Io, { name, size, ...options }: Options & { size: number }): Promise<void> {
  await using channel = await openChannel(name, { ...options, role: "consumer" });
  const target = gpuAllocator().allocate(size, { kind: "gpu" });
  const words = new Uint32Array(size / 4);
  for await (const frame of channel) {
    const { sequence } = frame;
    const busy = keepBusy(gpuAllocator());
    const copying = frame.buffer!.copyTo(target);
    frame.release();
    await Promise.all([busy, copying]);
    await target.read(words);
    io.say(words.reduce((wrong, word) => wrong + (word === sequence ? 0 : 1), 0));
  }
}

/** Writes over every frame's buffer on the GPU and blocks its thread for the next, with the writing under way. */
export async function writeAndBlock(_: Io, { name, ...options }: Options): Promise<void> {
  await using channel = await openChannel(name, { ...options, role: "consumer" });
  try {
    for (;;) {
      const frame = channel.recvSync({ spinUs: 0 });
      if (!frame) continue;
      void frame.buffer!.fill(frame.sequence + 1000);
      frame.release();
    }
  } catch (error) {
    if ((error as { code?: string }).code !== "CHANNEL_CLOSED") throw error;
  }
}

/** Sends one buffer, filled with 7, and stays until it is killed. */
export async function sendAndStay(io: Io, { name, size, ...options }: Options & { size: number }): Promise<void> {
  await using channel = await openChannel(name, { ...options, role: "producer" });
  const buffer = gpuAllocator().allocate(size, { kind: "gpu" });
  await buffer.fill(7);
  await channel.send(buffer);
  io.say("sent");
  await io.hear();
}

/** Holds every frame that comes, with work on it under way, and stays until it is killed. */
export async function holdAndStay(io: Io, { name, ...options }: Options): Promise<void> {
  await using channel = await openChannel(name, { ...options, role: "consumer" });
  for (;;) {
    const frame = await channel.recv();
    void keepBusy(gpuAllocator());
    void frame.buffer?.fill(9);
    io.say("held");
  }
}

/** Sends a buffer with `rounds` fills of it under way, and stays until it is killed. */
export async function sendBusyAndStay(
  io: Io,
  { name, size, rounds, ...options }: Options & { size: number; rounds: number },
): Promise<void> {
  await using channel = await openChannel(name, { ...options, role: "producer" });
  const buffer = gpuAllocator().allocate(size, { kind: "gpu" });
  for (let i = 0; i < rounds; i++) void buffer.fill(i).catch(() => {});
  await channel.send(buffer);
  io.say("sent");
  await io.hear();
}
