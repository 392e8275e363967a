/** The interface to the memory of tiles, host memory or a GPU's, and to the processor that computes them. */
import type { MemoryAllocator } from "../../memory/allocator.ts";
import type { MemoryBuffer } from "../../memory/buffer.ts";
import type { BoxList } from "./boxes.ts";
import type { TileMemory } from "./field.ts";
import type { Sweep, SweepSpec } from "./sweep.ts";

/** A memory of a run: a GPU takes buffers of its own only; the processor also takes the bytes of frames. */
export type Memory = MemoryBuffer | Uint8Array;

/** A prepared list of boxes, which can be copied many times. */
export interface Copies {
  /** Bytes that one run writes. */
  readonly bytes: number;
  /**
   * Copies the boxes; `memories` by their indices in the list. Runs keep their order. Resolves at the end of this one.
   */
  run(memories: readonly Memory[]): Promise<void>;
  close(): void;
}

export interface Engine extends TileMemory {
  readonly allocator: MemoryAllocator;
  /** Whether the tiles lie in GPU memory. */
  readonly gpu: boolean;
  copies(boxes: BoxList): Promise<Copies>;
  /** Rejects with SHADER_INVALID, INVALID_ARGUMENT. */
  sweep(spec: SweepSpec): Promise<Sweep>;
  close(): void;
}
