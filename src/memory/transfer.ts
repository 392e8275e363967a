/**
 * Bytes from one memory to another, for every pair of host memory, host memory that a GPU reaches (pinned), and memory
 * of a GPU. What a GPU has to do with goes in the order of its queue, also where the CPU does it. These functions throw
 * what is wrong from the start, and give the queue's own promises, so that those of one queue settle in its order. A `Stop`
 * ends them early: what is not handed to a GPU by then is left out.
 */
import { LavaFlowError } from "../errors.ts";
import type { GpuDevice } from "../gpu/device.ts";
import type { Stop } from "../gpu/stop.ts";
import type { Entry } from "../gpu/work.ts";
import { allocateGpu, allocatePinned } from "./gpu.ts";
import { memoryBehind, type NativeMemory } from "./memory.ts";

/** Where bytes can't go straight, this many go at a time. */
const PIECE_BYTES = 16 * 2 ** 20;

/**
 * The end of a large copy is a work of its own, of this many bytes: some hundred microseconds. Who sleeps is woken at its
 * beginning, since waking up takes a while, and then looks for its end awake.
 */
const END_BYTES = { overBus: 16 * 2 ** 20, onGpu: 512 * 2 ** 20 };

/** A place in memory. */
export interface Place {
  memory: NativeMemory;
  offset: number;
}

/** Whether the CPU can't read or write the memory at once. */
export function waitsForGpu({ gpu }: NativeMemory): boolean {
  return gpu !== null && !(gpu.pinned && gpu.device.queue.atRest);
}

/** Copies all of `source` to a place. */
export function write(target: Place, source: Uint8Array, stop: Stop | null): Promise<void> {
  const { memory, offset } = target;
  if (!onHost(memory)) return toGpu(target, source, { stop });
  const size = source.length;
  return inTurn(memory, stop, (bytes) => bytes.set(whole(source, size), offset));
}

/** Fills all of `target` from a place on. */
export function read(source: Place, target: Uint8Array, stop: Stop | null): Promise<void> {
  const { memory, offset } = source;
  if (!onHost(memory)) return fromGpu(source, target, { stop });
  const size = target.length;
  return inTurn(memory, stop, (bytes) => whole(target, size).set(bytes.subarray(offset, offset + size)));
}

/**
 * Writes the bytes of a word of 32 bits over and over, the lowest first. GPUs fill whole words at multiples of 4: the bytes
 * before and behind those are written.
 */
export function fill({ memory, offset }: Place, size: number, value32: number, stop: Stop | null): Promise<void> {
  const before = Math.min(size, (4 - (offset % 4)) % 4);
  const behind = (size - before) % 4;
  const words = size - before - behind;
  const word = turned(value32, before);
  const first = bytesOfWord(value32).subarray(0, before);
  const last = bytesOfWord(word).subarray(0, behind);
  if (onHost(memory)) {
    return inTurn(memory, stop, (bytes) => {
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
  if (behind > 0) parts.push(queue.write(handle, offset + before + words, last, { stop }));
  return Promise.all(parts).then(() => {});
}

function bytesOfWord(value32: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value32, true);
  return bytes;
}

/** The word that goes on where `count` bytes of `value32` (0 to 3) have been written. */
function turned(value32: number, count: number): number {
  return count === 0 ? value32 : (value32 >>> (8 * count)) | (value32 << (32 - 8 * count));
}

/** Copies between any two places; they may overlap. */
export function copy(source: Place, target: Place, size: number, stop: Stop | null): Promise<void> {
  const [from, to] = [source.memory, target.memory];
  if (from.gpu && to.gpu) {
    const alike = from.gpu.device === to.gpu.device;
    return alike ? within(source, target, size, { stop }) : across(source, target, size, stop);
  }
  if (!onHost(to)) return toGpu(target, part(source, size), { stop });
  if (!onHost(from)) return fromGpu(source, part(target, size), { stop });
  // At most one of them is pinned: its GPU has to be done with it.
  return inTurn(from.gpu ? from : to, stop, () => part(target, size).set(part(source, size)));
}

/** Between two memories that one GPU reaches. */
function within(source: Place, target: Place, size: number, entry: Entry): Promise<void> {
  const { memory } = source;
  const { queue } = deviceOf(memory);
  const overlaps = memory === target.memory && Math.abs(source.offset - target.offset) < size;
  if (!overlaps) return straight(source, target, size, entry);
  if (onHost(memory)) {
    return inTurn(
      memory,
      entry.stop ?? null,
      (bytes) => void bytes.copyWithin(target.offset, source.offset, source.offset + size),
    );
  }
  return byWayOfScratch(memory, source.offset, target.offset, size, queue, entry);
}

async function straight(source: Place, target: Place, size: number, entry: Entry): Promise<void> {
  if (size === 0) return;
  const [from, to] = [source.memory, target.memory];
  const { queue } = deviceOf(from);
  const copy = (done: number, length: number) =>
    queue.copy(from.handle, source.offset + done, to.handle, target.offset + done, length, entry);
  const end = onHost(from) || onHost(to) ? END_BYTES.overBus : END_BYTES.onGpu;
  if (size < 4 * end) return copy(0, size);
  await Promise.all([copy(0, size - end), copy(size - end, end)]);
}

/** As memmove does it: from that end on where nothing is overwritten before it was copied. */
async function byWayOfScratch(
  memory: NativeMemory,
  from: number,
  to: number,
  size: number,
  queue: GpuDevice["queue"],
  entry: Entry,
) {
  const { handle } = memory;
  const scratch = allocateGpu(deviceOf(memory), Math.min(size, PIECE_BYTES), false, null);
  try {
    const copies: Promise<void>[] = [];
    for (let done = 0; done < size; done += PIECE_BYTES) {
      const length = Math.min(PIECE_BYTES, size - done);
      const at = to < from ? done : size - done - length;
      copies.push(queue.copy(handle, from + at, scratch.handle, 0, length, entry));
      copies.push(queue.copy(scratch.handle, 0, handle, to + at, length, entry));
    }
    await Promise.all(copies);
  } finally {
    scratch.close();
  }
}

/** Between two memories of different GPUs: in a turn of both queues, by way of host memory. */
async function across(source: Place, target: Place, size: number, stop: Stop | null): Promise<void> {
  const [from, to] = [deviceOf(source.memory), deviceOf(target.memory)];
  const [sending, receiving] = [from.queue.hold(stop), to.queue.hold(stop)];
  try {
    await Promise.all([sending.done, receiving.done]);
    if (onHost(source.memory)) await ended(source.memory, stop);
    if (onHost(target.memory)) await ended(target.memory, stop);
    if (onHost(target.memory)) {
      if (onHost(source.memory)) part(target, size).set(part(source, size));
      else await fromGpu(source, part(target, size), { lane: sending.lane, stop });
    } else if (onHost(source.memory)) {
      await toGpu(target, part(source, size), { lane: receiving.lane, stop });
    } else {
      await inPieces(source, target, size, { lane: sending.lane, stop }, { lane: receiving.lane, stop });
    }
  } finally {
    sending.release();
    receiving.release();
  }
}

/** One piece comes from the one GPU while the piece before it goes to the other. */
async function inPieces(source: Place, target: Place, size: number, sending: Entry, receiving: Entry): Promise<void> {
  const room = Math.min(size, 2 * PIECE_BYTES);
  const pinned = pinnedIfPossible(deviceOf(source.memory), room);
  const bytes = pinned?.bytes ?? new Uint8Array(room);
  const halves = [bytes.subarray(0, PIECE_BYTES), bytes.subarray(PIECE_BYTES)] as const;
  const sent: [Promise<void>, Promise<void>] = [Promise.resolve(), Promise.resolve()];
  try {
    for (let done = 0, turn = 0; done < size; done += PIECE_BYTES, turn = 1 - turn) {
      const half = turn === 0 ? 0 : 1;
      await sent[half];
      const piece = halves[half].subarray(0, Math.min(PIECE_BYTES, size - done));
      await fromGpu({ memory: source.memory, offset: source.offset + done }, piece, sending);
      sent[half] = toGpu({ memory: target.memory, offset: target.offset + done }, piece, receiving);
      sent[half].catch(() => {}); // it is awaited later, which may be too late for the runtime
    }
    await Promise.all(sent);
  } finally {
    await Promise.allSettled(sent);
    pinned?.close();
  }
}

function pinnedIfPossible(device: GpuDevice, size: number): NativeMemory | null {
  try {
    return allocatePinned(device, size, null);
  } catch (error) {
    if (error instanceof LavaFlowError) return null; // ordinary memory does too: one more copy by the CPU
    throw error;
  }
}

/** Straight from memory that the GPU reaches itself, else through its staging ring. */
function toGpu(target: Place, source: Uint8Array, entry: Entry): Promise<void> {
  const { memory, offset } = target;
  const { handle } = memory;
  const device = deviceOf(memory);
  const behind = memoryBehind(source, device);
  if (behind === memory) return within({ memory, offset: source.byteOffset }, target, source.length, entry);
  if (behind) return straight({ memory: behind, offset: source.byteOffset }, target, source.length, entry);
  return source.length > 0 ? device.queue.write(handle, offset, source, entry) : Promise.resolve();
}

function fromGpu(source: Place, target: Uint8Array, entry: Entry): Promise<void> {
  const { memory, offset } = source;
  const { handle } = memory;
  const device = deviceOf(memory);
  const behind = memoryBehind(target, device);
  if (behind === memory) return within(source, { memory, offset: target.byteOffset }, target.length, entry);
  if (behind) return straight(source, { memory: behind, offset: target.byteOffset }, target.length, entry);
  return target.length > 0 ? device.queue.read(handle, offset, target, entry) : Promise.resolve();
}

/** Does something by the CPU when the GPU that reaches the memory is done with it, and before it does more. */
async function inTurn(
  memory: NativeMemory,
  stop: Stop | null,
  step: (bytes: Uint8Array<ArrayBuffer>) => void,
): Promise<void> {
  const queue = memory.gpu?.device.queue;
  if (!queue || (queue.submitted && queue.pending(memory.handle) === 0)) return step(memory.bytes);
  const hold = queue.hold(stop);
  try {
    await hold.done;
    await ended(memory, stop);
    step(memory.bytes);
  } finally {
    hold.release();
  }
}

async function ended(memory: NativeMemory, stop: Stop | null): Promise<void> {
  const { queue } = deviceOf(memory);
  const value = queue.pending(memory.handle);
  if (value > 0) await (stop ? queue.until(value, stop) : queue.wait(value));
}

/** Whether the CPU works on it: host memory, pinned or not. */
function onHost({ gpu }: NativeMemory): boolean {
  return gpu === null || gpu.pinned;
}

function deviceOf({ gpu }: NativeMemory): GpuDevice {
  if (gpu) return gpu.device;
  throw new Error("host memory has no GPU");
}

function part({ memory, offset }: Place, size: number): Uint8Array {
  return memory.bytes.subarray(offset, offset + size);
}

/** What was given may be gone by its turn. */
function whole(view: Uint8Array, size: number): Uint8Array {
  if (view.length === size) return view;
  throw new LavaFlowError("CLOSED", "the memory of the other side was closed, transferred or shrunk before its turn", {
    remedy: "Keep it until the promise settles",
  });
}
