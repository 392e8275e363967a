/** The memory of this process's tiles: as few allocations as possible, and a buffer for each tile. */
import { LavaFlowError } from "../../errors.ts";
import { type MemoryBuffer, partOf } from "../../memory/buffer.ts";
import type { Tiling } from "./tiling.ts";

/** The source of memory for tiles. */
export interface TileMemory {
  /** Bytes of one memory, at most. */
  readonly memoryMaxBytes: number;
  /** Bytes of the machine or the GPU `of`, free or not, and the code of the error for more. */
  readonly capacity: { bytes: number; of: string; code: "HOST_OUT_OF_MEMORY" | "GPU_OUT_OF_MEMORY" };
  /** A zeroed memory. Rejects with HOST_OUT_OF_MEMORY, GPU_OUT_OF_MEMORY. */
  allocate(sizeBytes: number): Promise<MemoryBuffer>;
}

/** The position of a tile in a field. */
export interface Slot {
  /** The index of the memory. */
  memory: number;
  /** The offset in the memory, bytes. */
  start: number;
}

/** The position of each local tile: the same in all fields of one exchange. */
export class FieldLayout {
  /** By tile, in ascending order. */
  readonly slots = new Map<number, Slot>();
  /** Bytes of each memory. */
  readonly sizes: number[] = [];

  /**
   * Throws INVALID_ARGUMENT where a tile is larger than a memory can be, and HOST_OUT_OF_MEMORY or GPU_OUT_OF_MEMORY
   * where the tiles are larger than the capacity.
   */
  constructor({ tileBytes }: Tiling, tiles: readonly number[], { memoryMaxBytes, capacity }: TileMemory) {
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

  /** Rejects with HOST_OUT_OF_MEMORY, GPU_OUT_OF_MEMORY. */
  static async make(tileMemory: TileMemory, layout: FieldLayout, tileBytes: number): Promise<Field> {
    const memories: MemoryBuffer[] = [];
    try {
      for (const size of layout.sizes) memories.push(await tileMemory.allocate(size));
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

  /** Copies all cells of the other field, borders included. */
  async copyFrom(other: Field): Promise<void> {
    await Promise.all(other.memories.map((memory, index) => memory.copyTo(this.memories[index] as MemoryBuffer)));
  }

  close(): void {
    for (const memory of this.memories) memory.close();
  }
}
