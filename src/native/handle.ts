/** Native memory as an ArrayBuffer. */
import { type Pointer, toArrayBuffer } from "bun:ffi";
import { native } from "./load.ts";
import { check } from "./status.ts";

/** Bun's signature: any thread calls `release(address, context)` when no ArrayBuffer has the memory any more. */
const wrap = toArrayBuffer as (
  address: Pointer,
  byteOffset: number,
  byteLength: number,
  context: Pointer,
  release: Pointer,
) => ArrayBuffer;

/** The shim writes here the address of the function that the engine calls when it drops an ArrayBuffer's memory. */
const deallocator = new BigUint64Array(new ArrayBuffer(8));

/** The address at which the mapping behind an ArrayBuffer of `viewOf` begins. */
const bases = new WeakMap<ArrayBufferLike, number>();

/** ArrayBuffers of `viewOf` that `detach` has detached. */
const detached = new WeakSet<ArrayBufferLike>();

/**
 * An ArrayBuffer of the memory itself, not a copy: 1 byte to 4 GiB of the shim's mapping at `base`. The shim unmaps it when no
 * ArrayBuffer has the memory any more, including ArrayBuffers that this one was transferred to. Closing detaches the
 * ArrayBuffer first (`detach`), so the unmapping follows at once unless native code reads the memory.
 */
export function viewOf(address: number, sizeBytes: number, base = address): ArrayBuffer {
  const shim = native();
  check(shim, shim.lf_backing_retain(base as Pointer, deallocator));
  try {
    const release = Number(deallocator[0]) as Pointer;
    const buffer = wrap(address as Pointer, 0, sizeBytes, base as Pointer, release);
    bases.set(buffer, base);
    return buffer;
  } catch (error) {
    shim.lf_backing_release(base as Pointer);
    throw error;
  }
}

/**
 * Sets the length of every view to 0. An ArrayBuffer that the engine has pinned, because native code reads it (zlib, a file
 * that is written, a socket), can't be detached: it keeps its memory until it is collected.
 */
export function detach(buffer: ArrayBuffer): void {
  if (buffer.detached) return;
  buffer.transfer(0);
  if (buffer.detached) detached.add(buffer);
}

/** Whether `detach` has detached the ArrayBuffer: the memory was closed, not transferred by the user. */
export function wasDetached(buffer: ArrayBufferLike): boolean {
  return detached.has(buffer);
}

/**
 * Keeps the memory behind `view` mapped after its close, for a reader that can't be stopped. Returns a function that ends
 * the hold; null where the memory is the engine's own.
 */
export function holdView({ buffer }: ArrayBufferView): (() => void) | null {
  const base = bases.get(buffer);
  if (base === undefined) return null;
  const shim = native();
  check(shim, shim.lf_backing_retain(base as Pointer, null));
  return () => void check(shim, shim.lf_backing_release(base as Pointer));
}
