/** One memory of the GPU for many kernels, in ranges that are acquired and released. The memory grows on demand. */
import { LavaFlowError } from "../../errors.ts";
import type { ComputeDevice, ComputeMemory, MemoryUse, Step } from "./compute.ts";

const WORD = 4;
/** Words to which ranges are aligned, 256 bytes: kernels share no line of any cache. */
const GRAIN = 64;
/** Words of a new arena. */
const FIRST_WORDS = 2 ** 16;
/**
 * Milliseconds after which a submission counts as hung. Loops have fuel and kernels pause, so that submissions are
 * short.
 */
export const HANG_MS = 10_000;

/** A range of an arena, in words. */
export interface Range {
  readonly at: number;
  readonly size: number;
}

const rounded = (words: number) => Math.max(1, Math.ceil(words / GRAIN)) * GRAIN;
const NOTHING = new Uint8Array(0);

/** The memories, in the order of the shaders' bindings. */
export interface Memories {
  readonly upload: Arena;
  readonly readback: Arena;
  readonly store: Arena;
  readonly readyList: Arena;
}

export class Arena {
  readonly #device: ComputeDevice;
  readonly #use: MemoryUse;
  #memory: ComputeMemory;
  /** The mapped memory; empty where the memory is not mapped. Another array after the arena has grown. */
  bytes: Uint8Array = NOTHING;
  words = new Uint32Array(0);
  /** Ranges that the host wrote while the memory was being copied: the copy may not have them. Null at other times. */
  #late: Range[] | null = null;
  /** Free ranges in ascending order; no two of them are adjacent. */
  #free: { at: number; size: number }[];

  private constructor(device: ComputeDevice, use: MemoryUse, memory: ComputeMemory) {
    this.#device = device;
    this.#use = use;
    this.#memory = memory;
    this.#free = [{ at: 0, size: memory.sizeBytes / WORD }];
    this.#show();
  }

  static async open(device: ComputeDevice, use: MemoryUse): Promise<Arena> {
    return new Arena(device, use, await device.allocate(use, FIRST_WORDS * WORD));
  }

  /** To be called after each write of the host that may happen while the arena grows. */
  wrote(at: number, size: number): void {
    this.#late?.push({ at, size });
  }

  get memory(): ComputeMemory {
    return this.#memory;
  }

  #show(): void {
    const { bytes } = this.#memory;
    if (!bytes) return;
    this.bytes = bytes;
    this.words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / WORD);
  }

  /**
   * Acquires a range, with undefined content. No submission may be in flight, because the arena may grow into new
   * memory. Rejects as `allocate` of the device does; the arena is unchanged then.
   */
  async acquire(words: number): Promise<Range> {
    const size = rounded(words);
    const found = this.#free.find((range) => range.size >= size) ?? (await this.#grow(size));
    const range = { at: found.at, size };
    found.at += size;
    found.size -= size;
    if (found.size === 0) this.#free.splice(this.#free.indexOf(found), 1);
    return range;
  }

  release({ at, size }: Range): void {
    const free = this.#free;
    const next = free.findIndex((range) => range.at > at);
    const index = next < 0 ? free.length : next;
    free.splice(index, 0, { at, size });
    const [before, own, after] = [free[index - 1], free[index] as Range & { size: number }, free[index + 1]];
    if (after && own.at + own.size === after.at) {
      own.size += after.size;
      free.splice(index + 1, 1);
    }
    if (before && before.at + before.size === own.at) {
      before.size += own.size;
      free.splice(index, 1);
    }
  }

  /** Doubles the memory, or adds `size` words where that is more. Returns the free range at its end. */
  async #grow(size: number): Promise<{ at: number; size: number }> {
    const old = this.#memory;
    const words = old.sizeBytes / WORD;
    const max = Math.floor(this.#device.memoryMaxBytes / WORD / GRAIN) * GRAIN;
    const needed = words + size;
    if (needed > max) {
      throw new LavaFlowError(
        "GPU_OUT_OF_MEMORY",
        `the kernels on ${this.#device.name} need ${needed * WORD} bytes in one memory, and its shaders reach ${max * WORD}`,
        { remedy: "Launch fewer kernels, or give them smaller payloads, capacities or states" },
      );
    }
    const grown = await this.#device.allocate(this.#use, Math.min(Math.max(2 * words, rounded(needed)), max) * WORD);
    const late: Range[] = [];
    this.#late = late;
    try {
      await copyAll(this.#device, old, grown);
    } catch (error) {
      grown.close();
      throw error;
    } finally {
      this.#late = null;
    }
    for (const { at, size: length } of late) {
      grown.bytes?.set(this.bytes.subarray(at * WORD, (at + length) * WORD), at * WORD);
    }
    this.#memory = grown;
    this.#show();
    old.close();
    const more = { at: words, size: grown.sizeBytes / WORD - words };
    this.release(more);
    return this.#free.at(-1) as { at: number; size: number };
  }

  close(): void {
    this.#memory.close();
  }
}

function copyAll(device: ComputeDevice, from: ComputeMemory, to: ComputeMemory): Promise<void> {
  return complete(
    device,
    [from, to],
    [{ kind: "copy", from: 0, fromOffset: 0, to: 1, toOffset: 0, size: from.sizeBytes }],
  );
}

/** Fills ranges with 0. */
export async function clear(device: ComputeDevice, ranges: readonly [Arena, Range][]): Promise<void> {
  const memories = [...new Set(ranges.map(([arena]) => arena.memory))];
  const steps = ranges.map(([arena, { at, size }], i): Step => {
    const memory = memories.indexOf(arena.memory);
    return { kind: "zero", memory, offset: at * WORD, size: size * WORD, noBarrier: i > 0 };
  });
  await complete(device, memories, steps);
}

/** Resolves when the steps have ended. Rejects with TIMEOUT after `limitMs`. */
export async function complete(
  device: ComputeDevice,
  memories: ComputeMemory[],
  steps: Step[],
  limitMs = HANG_MS,
): Promise<void> {
  let value = device.submit(memories, steps);
  while (value === 0) {
    await device.waitCapacity(HANG_MS);
    value = device.submit(memories, steps);
  }
  await device.wait(value, limitMs);
}
