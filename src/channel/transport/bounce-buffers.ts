/** Host memory for some pieces of a buffer, which the GPU reads and writes itself where it can be pinned. */

import type { GpuDevice } from "../../gpu/device.ts";
import { tryAllocatePinned } from "../../memory/gpu.ts";
import type { NativeMemory } from "../../memory/memory.ts";
import { CONSTANTS } from "../../native/layout.ts";

const { LF_PIECE_BYTES } = CONSTANTS;

/** How many pieces are under way at once: enough that nobody waits for who is late. */
export const FRAGMENTS = 8;

/** Rooms that MPI may read or write for as long as the process lives. */
const left: BounceBuffers[] = [];

export class BounceBuffers {
  readonly #device: GpuDevice;
  readonly #pinned: NativeMemory | null;
  readonly #bytes: Uint8Array;

  constructor(device: GpuDevice) {
    this.#device = device.retain();
    this.#pinned = tryAllocatePinned(device, FRAGMENTS * LF_PIECE_BYTES);
    // Not of a typed array's own small store, which moves.
    this.#bytes = this.#pinned?.bytes ?? new Uint8Array(new ArrayBuffer(FRAGMENTS * LF_PIECE_BYTES));
  }

  /** The shim's handle of memory that the device knows; 0 where the device has to copy by way of its staging ring. */
  get memory(): number {
    return this.#pinned?.gpu ? this.#pinned.handle : 0;
  }

  offset(slot: number): number {
    return slot * LF_PIECE_BYTES;
  }

  view(slot: number, sizeBytes: number): Uint8Array {
    return this.#bytes.subarray(slot * LF_PIECE_BYTES, slot * LF_PIECE_BYTES + sizeBytes);
  }

  /** `unused`: nothing is read or written here any more. Else the room stays for good. */
  leave(unused: boolean): void {
    if (unused) this.#pinned?.close();
    else left.push(this);
    this.#device.release();
  }
}
