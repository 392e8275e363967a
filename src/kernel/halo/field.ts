/** The memory of this process's tiles: as few allocations as there can be, and a buffer for each tile. */
import { LavaFlowError } from "../../errors.ts";
import { type MemoryBuffer, partOf } from "../../memory/buffer.ts";
import type { Tiling } from "./tiling.ts";

/** Where memory for tiles comes from. */
export interface Room {
  /** Of one memory. */
  readonly memoryMaxBytes: number;
  /** What there is in all, free or not, and the code of the error of whoever wants more. */
  readonly capacity: { bytes: number; of: string; code: "HOST_OUT_OF_MEMORY" | "GPU_OUT_OF_MEMORY" };
  /** Zeroed. Out of memory. */
  allocate(sizeBytes: number): Promise<MemoryBuffer>;
}

/** Where a tile lies. */
export interface Slot {
  /** Which of a field's memories. */
  memory: number;
  /** Its first byte there. */
  start: number;
}

/** In which memory, and where in it, each local tile lies: the same in all fields of one exchange. */
export class FieldLayout {
  /** By tile, the smallest number first. */
  readonly slots = new Map<number, Slot>();
  /** Bytes of each memory. */
  readonly sizes: number[] = [];

  /** INVALID_ARGUMENT where not even one tile fits into a memory, out of memory where all of them can't. */
  constructor({ tileBytes }: Tiling, tiles: readonly number[], { memoryMaxBytes, capacity }: Room) {
    if (tiles.length * tileBytes > capacity.bytes) {
      throw new LavaFlowError(
        capacity.code,
        `${tiles.length} tiles of ${tileBytes} bytes, with their borders, are ${tiles.length * tileBytes}; ${capacity.of} has ${capacity.bytes}`,
        { remedy: "Take fewer or smaller tiles, or spread them over more ranks" },
      );
    }
    const together = Math.floor(memoryMaxBytes / tileBytes);
    if (together === 0) {
      throw new LavaFlowError(
        "INVALID_ARGUMENT",
        `a tile of ${tileBytes} bytes with its border: one memory has at most ${memoryMaxBytes} here`,
        { remedy: "Make tiles smaller, and more of them" },
      );
    }
    for (const [index, tile] of tiles.entries()) {
      const memory = Math.floor(index / together);
      const start = (index % together) * tileBytes;
      this.slots.set(tile, { memory, start });
      this.sizes[memory] = start + tileBytes;
    }
  }
}

/** One value for each cell of the local tiles and of their borders; zeroed at first. */
export class Field {
  readonly memories: readonly MemoryBuffer[];
  readonly tiles: ReadonlyMap<number, MemoryBuffer>;

  private constructor(memories: MemoryBuffer[], tiles: Map<number, MemoryBuffer>) {
    this.memories = memories;
    this.tiles = tiles;
  }

  /** HOST_OUT_OF_MEMORY, GPU_OUT_OF_MEMORY. */
  static async make(room: Room, layout: FieldLayout, tileBytes: number): Promise<Field> {
    const memories: MemoryBuffer[] = [];
    try {
      for (const size of layout.sizes) memories.push(await room.allocate(size));
    } catch (error) {
      for (const memory of memories) memory.close();
      throw error;
    }
    const tiles = new Map<number, MemoryBuffer>();
    for (const [tile, { memory, start }] of layout.slots) {
      tiles.set(tile, partOf(memories[memory] as MemoryBuffer, start, tileBytes));
    }
    return new Field(memories, tiles);
  }

  /** Makes this one the same, border included. */
  async copyFrom(other: Field): Promise<void> {
    await Promise.all(other.memories.map((memory, index) => memory.copyTo(this.memories[index] as MemoryBuffer)));
  }

  close(): void {
    for (const memory of this.memories) memory.close();
  }
}
