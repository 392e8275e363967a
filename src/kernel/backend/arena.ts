/** One memory of the GPU for many kernels, in ranges that are given back and taken again. It grows as they need it. */
import { LavaFlowError } from "../../errors.ts";
import type { ComputeDevice, ComputeMemory, MemoryUse, Step } from "./compute.ts";

const WORD = 4;
/** Ranges begin at multiples of 256 bytes: no two kernels share a line of any cache. */
const GRAIN = 64;
const FIRST_WORDS = 2 ** 16;
/** A device that does not end a submission for so long hangs: loops have fuel, and kernels yield. */
export const HANG_MS = 10_000;

export interface Range {
  /** In words. */
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
  /** What it shows to the host, which is nothing where the host does not see it. Changes when it grows. */
  bytes: Uint8Array = NOTHING;
  words = new Uint32Array(0);
  /** What the host writes while the memory is being copied: it may have been too late for that. Null at other times. */
  #late: Range[] | null = null;
  /** By place; no two of them touch. */
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

  /** To be told after the host wrote there, where that can be at any time. */
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
   * A range; what is in it is not defined. No submission may be under way, as the memory may become another one. Rejects
   * as `allocate` of the device does, with everything as it was.
   */
  async take(words: number): Promise<Range> {
    const size = rounded(words);
    const place = this.#free.find((range) => range.size >= size) ?? (await this.#grow(size));
    const range = { at: place.at, size };
    place.at += size;
    place.size -= size;
    if (place.size === 0) this.#free.splice(this.#free.indexOf(place), 1);
    return range;
  }

  give({ at, size }: Range): void {
    const free = this.#free;
    const next = free.findIndex((range) => range.at > at);
    const place = next < 0 ? free.length : next;
    free.splice(place, 0, { at, size });
    const [before, own, after] = [free[place - 1], free[place] as Range & { size: number }, free[place + 1]];
    if (after && own.at + own.size === after.at) {
      own.size += after.size;
      free.splice(place + 1, 1);
    }
    if (before && before.at + before.size === own.at) {
      before.size += own.size;
      free.splice(place, 1);
    }
  }

  /** Twice as much, or what `size` more words need. Returns the free range at its end. */
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
    this.give(more);
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

/** Resolves when the steps have been done; TIMEOUT where that takes longer than `limitMs`. */
export async function complete(
  device: ComputeDevice,
  memories: ComputeMemory[],
  steps: Step[],
  limitMs = HANG_MS,
): Promise<void> {
  let value = device.submit(memories, steps);
  while (value === 0) {
    await device.room(HANG_MS);
    value = device.submit(memories, steps);
  }
  await device.wait(value, limitMs);
}
