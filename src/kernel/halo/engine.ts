/** What tiles need of the place where they lie: host memory, or a GPU's. */
import type { MemoryAllocator } from "../../memory/allocator.ts";
import type { MemoryBuffer } from "../../memory/buffer.ts";
import type { BoxList } from "./boxes.ts";
import type { Room } from "./field.ts";
import type { Sweep, SweepSpec } from "./sweep.ts";

/** A GPU reaches its own memory only; a processor is also given what channels show. */
export type Memory = MemoryBuffer | Uint8Array;

/** Boxes, ready to be copied again and again. */
export interface Copies {
  /** Bytes that one run writes. */
  readonly bytes: number;
  /** By the numbers of the list. Runs are done in their order; resolves when this one is. */
  run(memories: readonly Memory[]): Promise<void>;
  close(): void;
}

export interface Engine extends Room {
  readonly allocator: MemoryAllocator;
  /** Whether memories are a GPU's. */
  readonly gpu: boolean;
  copies(boxes: BoxList): Promise<Copies>;
  /** SHADER_INVALID, INVALID_ARGUMENT. */
  sweep(spec: SweepSpec): Promise<Sweep>;
  close(): void;
}
