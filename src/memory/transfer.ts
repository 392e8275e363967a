/**
 * Copies bytes between any two of host memory, pinned host memory and GPU memory. Every copy that involves a GPU takes its
 * turn in the order of that GPU's queue, also where the CPU copies. The functions return the queue's own promises, so
 * promises of one queue settle in its order. A `Stop` ends them early: work that was not submitted is dropped.
 */
import { LavaFlowError } from "../errors.ts";
import type { GpuDevice } from "../gpu/device.ts";
import type { Stop } from "../gpu/stop.ts";
import type { Entry } from "../gpu/work.ts";
import { allocateGpu, tryAllocatePinned } from "./gpu.ts";
import { memoryBehind, type NativeMemory } from "./memory.ts";

/** Bytes of one copy through a bounce buffer: large enough for the bus's speed, small enough to overlap two buses. */
const CHUNK_BYTES = 16 * 2 ** 20;

/**
 * Bytes at the end of a large copy that are submitted as a work of their own, which takes some 100 µs. A parked thread is
 * notified when the last part begins, so that it polls by the time the part ends.
 */
const END_BYTES = { overBus: 16 * 2 ** 20, onGpu: 512 * 2 ** 20 };

/** A byte of a memory. */
export interface Address {
  memory: NativeMemory;
  offset: number;
}

/** Whether the CPU must wait for a GPU before it reads or writes the memory. */
export function waitsForGpu({ gpu }: NativeMemory): boolean {
  return gpu !== null && !(gpu.pinned && gpu.device.queue.atRest);
}

/** Copies all of `source` to `target`. */
export function write(target: Address, source: Uint8Array, stop: Stop | null): Promise<void> {
  const { memory, offset } = target;
  if (!onHost(memory)) return toGpu(target, source, { stop });
  const size = source.length;
  return inOrder(memory, stop, (bytes) => bytes.set(whole(source, size), offset));
}

/** Fills all of `target` from `source` on. */
export function read(source: Address, target: Uint8Array, stop: Stop | null): Promise<void> {
  const { memory, offset } = source;
  if (!onHost(memory)) return fromGpu(source, target, { stop });
  const size = target.length;
  return inOrder(memory, stop, (bytes) => whole(target, size).set(bytes.subarray(offset, offset + size)));
}

/**
 * Repeats the bytes of a 32-bit word, the lowest first. GPUs fill whole words at multiples of 4; `queue.write` fills the
 * bytes before and after those.
 */
export function fill({ memory, offset }: Address, size: number, value32: number, stop: Stop | null): Promise<void> {
  const before = Math.min(size, (4 - (offset % 4)) % 4);
  const after = (size - before) % 4;
  const words = size - before - after;
  const word = rotated(value32, before);
  const first = bytesOfWord(value32).subarray(0, before);
  const last = bytesOfWord(word).subarray(0, after);
  if (onHost(memory)) {
    return inOrder(memory, stop, (bytes) => {
      bytes.set(first, offset);
      if (words > 0) new Uint32Array(bytes.buffer, offset + before, words / 4).fill(word);
      bytes.set(last, offset + before + words);
    });
  }
  const { handle } = memory;
  const { queue } = deviceOf(memory);
  if (size === 0) return Promise.resolve();
  if (words === size) return queue.fill(handle, offset, size, value32, { stop });
  const parts: Promise<void>[] = [];
  if (before > 0) parts.push(queue.write(handle, offset, first, { stop }));
  if (words > 0) parts.push(queue.fill(handle, offset + before, words, word, { stop }));
  if (after > 0) parts.push(queue.write(handle, offset + before + words, last, { stop }));
  return Promise.all(parts).then(() => {});
}

function bytesOfWord(value32: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value32, true);
  return bytes;
}

/** `value32` without its first `count` bytes (0 to 3), which follow its last. */
function rotated(value32: number, count: number): number {
  return count === 0 ? value32 : (value32 >>> (8 * count)) | (value32 << (32 - 8 * count));
}

/** Copies between any two addresses; the ranges may overlap. */
export function copy(source: Address, target: Address, size: number, stop: Stop | null): Promise<void> {
  const [from, to] = [source.memory, target.memory];
  if (from.gpu && to.gpu) {
    const sameDevice = from.gpu.device === to.gpu.device;
    return sameDevice ? within(source, target, size, { stop }) : across(source, target, size, stop);
  }
  if (!onHost(to)) return toGpu(target, part(source, size), { stop });
  if (!onHost(from)) return fromGpu(source, part(target, size), { stop });
  // At most one of them is pinned: the copy waits for its GPU.
  return inOrder(from.gpu ? from : to, stop, () => part(target, size).set(part(source, size)));
}

/** Between two memories that one GPU reaches. */
function within(source: Address, target: Address, size: number, entry: Entry): Promise<void> {
  const { memory } = source;
  const { queue } = deviceOf(memory);
  const overlaps = memory === target.memory && Math.abs(source.offset - target.offset) < size;
  if (!overlaps) return straight(source, target, size, entry);
  if (onHost(memory)) {
    return inOrder(
      memory,
      entry.stop ?? null,
      (bytes) => void bytes.copyWithin(target.offset, source.offset, source.offset + size),
    );
  }
  return throughScratch(memory, source.offset, target.offset, size, queue, entry);
}

async function straight(source: Address, target: Address, size: number, entry: Entry): Promise<void> {
  if (size === 0) return;
  const [from, to] = [source.memory, target.memory];
  const { queue } = deviceOf(from);
  const copy = (done: number, length: number) =>
    queue.copy(from.handle, source.offset + done, to.handle, target.offset + done, length, entry);
  const end = onHost(from) || onHost(to) ? END_BYTES.overBus : END_BYTES.onGpu;
  if (size < 4 * end) return copy(0, size);
  await Promise.all([copy(0, size - end), copy(size - end, end)]);
}

/** Copies as memmove does, from the end at which no byte is overwritten before it was copied. */
async function throughScratch(
  memory: NativeMemory,
  from: number,
  to: number,
  size: number,
  queue: GpuDevice["queue"],
  entry: Entry,
) {
  const { handle } = memory;
  const scratch = allocateGpu(deviceOf(memory), Math.min(size, CHUNK_BYTES), false, null);
  try {
    const copies: Promise<void>[] = [];
    for (let done = 0; done < size; done += CHUNK_BYTES) {
      const length = Math.min(CHUNK_BYTES, size - done);
      const at = to < from ? done : size - done - length;
      copies.push(queue.copy(handle, from + at, scratch.handle, 0, length, entry));
      copies.push(queue.copy(scratch.handle, 0, handle, to + at, length, entry));
    }
    await Promise.all(copies);
  } finally {
    scratch.close();
  }
}

/** Copies between memories of two GPUs, with both queues locked. The bytes pass through host memory. */
async function across(source: Address, target: Address, size: number, stop: Stop | null): Promise<void> {
  const [from, to] = [deviceOf(source.memory), deviceOf(target.memory)];
  const [sending, receiving] = [from.queue.lock(stop), to.queue.lock(stop)];
  try {
    await Promise.all([sending.done, receiving.done]);
    if (onHost(source.memory)) await ended(source.memory, stop);
    if (onHost(target.memory)) await ended(target.memory, stop);
    if (onHost(target.memory)) {
      if (onHost(source.memory)) part(target, size).set(part(source, size));
      else await fromGpu(source, part(target, size), { within: sending.work, stop });
    } else if (onHost(source.memory)) {
      await toGpu(target, part(source, size), { within: receiving.work, stop });
    } else {
      await inChunks(source, target, size, { within: sending.work, stop }, { within: receiving.work, stop });
    }
  } finally {
    sending.release();
    receiving.release();
  }
}

/** Two bounce buffers: one GPU writes a chunk into one while the other GPU reads the previous chunk from the other. */
async function inChunks(
  source: Address,
  target: Address,
  size: number,
  sending: Entry,
  receiving: Entry,
): Promise<void> {
  const bounceBytes = Math.min(size, 2 * CHUNK_BYTES);
  const pinned = tryAllocatePinned(deviceOf(source.memory), bounceBytes);
  const bytes = pinned?.bytes ?? new Uint8Array(bounceBytes);
  const halves = [bytes.subarray(0, CHUNK_BYTES), bytes.subarray(CHUNK_BYTES)] as const;
  const sent: [Promise<void>, Promise<void>] = [Promise.resolve(), Promise.resolve()];
  try {
    for (let done = 0, chunk = 0; done < size; done += CHUNK_BYTES, chunk++) {
      const half = chunk % 2 === 0 ? 0 : 1;
      await sent[half];
      const part = halves[half].subarray(0, Math.min(CHUNK_BYTES, size - done));
      await fromGpu({ memory: source.memory, offset: source.offset + done }, part, sending);
      sent[half] = toGpu({ memory: target.memory, offset: target.offset + done }, part, receiving);
      sent[half].catch(() => {}); // awaited later: until then the runtime would report it as unhandled
    }
    await Promise.all(sent);
  } finally {
    await Promise.allSettled(sent);
    pinned?.close();
  }
}

/** Copies directly from memory that the GPU reaches, else through the staging ring. */
function toGpu(target: Address, source: Uint8Array, entry: Entry): Promise<void> {
  const { memory, offset } = target;
  const { handle } = memory;
  const device = deviceOf(memory);
  const behind = memoryBehind(source, device);
  if (behind === memory) return within({ memory, offset: source.byteOffset }, target, source.length, entry);
  if (behind) return straight({ memory: behind, offset: source.byteOffset }, target, source.length, entry);
  return source.length > 0 ? device.queue.write(handle, offset, source, entry) : Promise.resolve();
}

function fromGpu(source: Address, target: Uint8Array, entry: Entry): Promise<void> {
  const { memory, offset } = source;
  const { handle } = memory;
  const device = deviceOf(memory);
  const behind = memoryBehind(target, device);
  if (behind === memory) return within(source, { memory, offset: target.byteOffset }, target.length, entry);
  if (behind) return straight(source, { memory: behind, offset: target.byteOffset }, target.length, entry);
  return target.length > 0 ? device.queue.read(handle, offset, target, entry) : Promise.resolve();
}

/** Runs `step` on the CPU when the memory's GPU has ended earlier work on it, and before it begins later work. */
async function inOrder(
  memory: NativeMemory,
  stop: Stop | null,
  step: (bytes: Uint8Array<ArrayBuffer>) => void,
): Promise<void> {
  const queue = memory.gpu?.device.queue;
  if (!queue || (queue.submitted && queue.pending(memory.handle) === 0)) return step(memory.bytes);
  const lock = queue.lock(stop);
  try {
    await lock.done;
    await ended(memory, stop);
    step(memory.bytes);
  } finally {
    lock.release();
  }
}

async function ended(memory: NativeMemory, stop: Stop | null): Promise<void> {
  const { queue } = deviceOf(memory);
  const value = queue.pending(memory.handle);
  if (value > 0) await (stop ? queue.until(value, stop) : queue.wait(value));
}

/** Whether the CPU copies from and to the memory: host memory, pinned or not. */
function onHost({ gpu }: NativeMemory): boolean {
  return gpu === null || gpu.pinned;
}

function deviceOf({ gpu }: NativeMemory): GpuDevice {
  if (gpu) return gpu.device;
  throw new Error("host memory has no GPU");
}

function part({ memory, offset }: Address, size: number): Uint8Array {
  return memory.bytes.subarray(offset, offset + size);
}

/** CLOSED where the view has changed its size while the call waited. */
function whole(view: Uint8Array, size: number): Uint8Array {
  if (view.length === size) return view;
  throw new LavaFlowError("CLOSED", "the view was closed, transferred or shrunk before the copy began", {
    remedy: "Keep the view until the promise settles",
  });
}
