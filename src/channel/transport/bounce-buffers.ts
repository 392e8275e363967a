/** Bounce buffers: host memory for the fragments of a GPU buffer. The GPU accesses it if it can be pinned. */

import type { GpuDevice } from "../../gpu/device.ts";
import { tryAllocatePinned } from "../../memory/gpu.ts";
import type { NativeMemory } from "../../memory/memory.ts";
import { CONSTANTS } from "../../native/layout.ts";

const { LF_FRAGMENT_BYTES } = CONSTANTS;

/** Fragments under way at once: enough that the GPU and MPI both have work. */
export const FRAGMENTS = 8;

/** Memory that MPI may access until the process exits. */
const left: BounceBuffers[] = [];

export class BounceBuffers {
  readonly #device: GpuDevice;
  readonly #pinned: NativeMemory | null;
  readonly #bytes: Uint8Array;

  constructor(device: GpuDevice) {
    this.#device = device.retain();
    this.#pinned = tryAllocatePinned(device, FRAGMENTS * LF_FRAGMENT_BYTES);
    // `new ArrayBuffer`: the store of a small typed array may move.
    this.#bytes = this.#pinned?.bytes ?? new Uint8Array(new ArrayBuffer(FRAGMENTS * LF_FRAGMENT_BYTES));
  }

  /** The handle of memory that the device can access; 0: the device copies through its staging ring. */
  get memory(): number {
    return this.#pinned?.gpu ? this.#pinned.handle : 0;
  }

  offset(slot: number): number {
    return slot * LF_FRAGMENT_BYTES;
  }

  view(slot: number, sizeBytes: number): Uint8Array {
    return this.#bytes.subarray(slot * LF_FRAGMENT_BYTES, slot * LF_FRAGMENT_BYTES + sizeBytes);
  }

  /** `unused`: no GPU and no MPI request accesses the memory. Else it is never freed. */
  close(unused: boolean): void {
    if (unused) this.#pinned?.close();
    else left.push(this);
    this.#device.release();
  }
}
