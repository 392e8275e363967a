/**
 * Bytes from one memory to another, for every pair of host memory, host memory that a GPU reaches (pinned), and memory
 * of a GPU. What a GPU has to do with goes in the order of its queue, also where the CPU does it. These functions throw
 * what is wrong from the start, and give the queue's own promises, so that those of one queue settle in its order.
 */
import { LavaFlowError } from "../errors.ts";
import type { GpuDevice } from "../gpu/device.ts";
import type { Lane } from "../gpu/work.ts";
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

/** Copies all of `source` to a place. */
export function write(target: Place, source: Uint8Array): Promise<void> {
  const { memory, offset } = target;
  if (!onHost(memory)) return toGpu(target, source);
  const size = source.length;
  return inTurn(memory, (bytes) => bytes.set(whole(source, size), offset));
}

/** Fills all of `target` from a place on. */
export function read(source: Place, target: Uint8Array): Promise<void> {
  const { memory, offset } = source;
  if (!onHost(memory)) return fromGpu(source, target);
  const size = target.length;
  return inTurn(memory, (bytes) => whole(target, size).set(bytes.subarray(offset, offset + size)));
}

/** Writes a word of 32 bits over and over. Offset and size are multiples of 4. */
export function fill({ memory, offset }: Place, size: number, value32: number): Promise<void> {
  if (onHost(memory)) {
    return inTurn(memory, ({ buffer }) => void new Uint32Array(buffer, offset, size / 4).fill(value32));
  }
  const { handle } = memory;
  return size > 0 ? deviceOf(memory).queue.fill(handle, offset, size, value32) : Promise.resolve();
}

/** Copies between any two places; they may overlap. */
export function copy(source: Place, target: Place, size: number): Promise<void> {
  const [from, to] = [source.memory, target.memory];
  if (from.gpu && to.gpu) {
    return from.gpu.device === to.gpu.device ? within(source, target, size) : across(source, target, size);
  }
  if (!onHost(to)) return toGpu(target, part(source, size));
  if (!onHost(from)) return fromGpu(source, part(target, size));
  // At most one of them is pinned: its GPU has to be done with it.
  return inTurn(from.gpu ? from : to, () => part(target, size).set(part(source, size)));
}

/** Between two memories that one GPU reaches. */
function within(source: Place, target: Place, size: number): Promise<void> {
  const { memory } = source;
  const { queue } = deviceOf(memory);
  const overlaps = memory === target.memory && Math.abs(source.offset - target.offset) < size;
  if (!overlaps) return straight(source, target, size);
  if (onHost(memory)) {
    return inTurn(memory, (bytes) => void bytes.copyWithin(target.offset, source.offset, source.offset + size));
  }
  return byWayOfScratch(memory, source.offset, target.offset, size, queue);
}

async function straight(source: Place, target: Place, size: number, lane?: Lane): Promise<void> {
  if (size === 0) return;
  const [from, to] = [source.memory, target.memory];
  const { queue } = deviceOf(from);
  const copy = (done: number, length: number) =>
    queue.copy(from.handle, source.offset + done, to.handle, target.offset + done, length, lane);
  const end = onHost(from) || onHost(to) ? END_BYTES.overBus : END_BYTES.onGpu;
  if (size < 4 * end) return copy(0, size);
  await Promise.all([copy(0, size - end), copy(size - end, end)]);
}

/** As memmove does it: from that end on where nothing is overwritten before it was copied. */
async function byWayOfScratch(memory: NativeMemory, from: number, to: number, size: number, queue: GpuDevice["queue"]) {
  const { handle } = memory;
  const scratch = allocateGpu(deviceOf(memory), Math.min(size, PIECE_BYTES), false, null);
  try {
    const copies: Promise<void>[] = [];
    for (let done = 0; done < size; done += PIECE_BYTES) {
      const length = Math.min(PIECE_BYTES, size - done);
      const at = to < from ? done : size - done - length;
      copies.push(queue.copy(handle, from + at, scratch.handle, 0, length));
      copies.push(queue.copy(scratch.handle, 0, handle, to + at, length));
    }
    await Promise.all(copies);
  } finally {
    scratch.close();
  }
}

/** Between two memories of different GPUs: in a turn of both queues, by way of host memory. */
async function across(source: Place, target: Place, size: number): Promise<void> {
  const [from, to] = [deviceOf(source.memory), deviceOf(target.memory)];
  const [sending, receiving] = [from.queue.hold(), to.queue.hold()];
  try {
    await Promise.all([sending.done, receiving.done]);
    if (onHost(source.memory)) await ended(source.memory);
    if (onHost(target.memory)) await ended(target.memory);
    if (onHost(target.memory)) {
      if (onHost(source.memory)) part(target, size).set(part(source, size));
      else await fromGpu(source, part(target, size), sending.lane);
    } else if (onHost(source.memory)) {
      await toGpu(target, part(source, size), receiving.lane);
    } else {
      await inPieces(source, target, size, sending.lane, receiving.lane);
    }
  } finally {
    sending.release();
    receiving.release();
  }
}

/** One piece comes from the one GPU while the piece before it goes to the other. */
async function inPieces(source: Place, target: Place, size: number, sending: Lane, receiving: Lane): Promise<void> {
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
function toGpu(target: Place, source: Uint8Array, lane?: Lane): Promise<void> {
  const { memory, offset } = target;
  const { handle } = memory;
  const device = deviceOf(memory);
  const behind = memoryBehind(source, device);
  if (behind === memory) return within({ memory, offset: source.byteOffset }, target, source.length);
  if (behind) return straight({ memory: behind, offset: source.byteOffset }, target, source.length, lane);
  return source.length > 0 ? device.queue.write(handle, offset, source, lane) : Promise.resolve();
}

function fromGpu(source: Place, target: Uint8Array, lane?: Lane): Promise<void> {
  const { memory, offset } = source;
  const { handle } = memory;
  const device = deviceOf(memory);
  const behind = memoryBehind(target, device);
  if (behind === memory) return within(source, { memory, offset: target.byteOffset }, target.length);
  if (behind) return straight(source, { memory: behind, offset: target.byteOffset }, target.length, lane);
  return target.length > 0 ? device.queue.read(handle, offset, target, lane) : Promise.resolve();
}

/** Does something by the CPU when the GPU that reaches the memory is done with it, and before it does more. */
async function inTurn(memory: NativeMemory, step: (bytes: Uint8Array<ArrayBuffer>) => void): Promise<void> {
  const queue = memory.gpu?.device.queue;
  if (!queue || (queue.submitted && queue.pending(memory.handle) === 0)) return step(memory.bytes);
  const hold = queue.hold();
  try {
    await hold.done;
    await ended(memory);
    step(memory.bytes);
  } finally {
    hold.release();
  }
}

async function ended(memory: NativeMemory): Promise<void> {
  const { queue } = deviceOf(memory);
  const value = queue.pending(memory.handle);
  if (value > 0) await queue.wait(value);
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
