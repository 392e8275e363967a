/** Native memory as an ArrayBuffer. */
import { type Pointer, toArrayBuffer } from "bun:ffi";
import { native } from "./load.ts";
import { check } from "./status.ts";

/** As Bun has it: `release(address, context)` is called, on whichever thread, when no ArrayBuffer has the memory any more. */
const wrap = toArrayBuffer as (
  address: Pointer,
  byteOffset: number,
  byteLength: number,
  context: Pointer,
  release: Pointer,
) => ArrayBuffer;

/** The address of what the engine calls when an ArrayBuffer's memory is let go. */
const deallocator = new BigUint64Array(new ArrayBuffer(8));

/** Where the memory behind an ArrayBuffer of `viewOf` begins. */
const bases = new WeakMap<ArrayBufferLike, number>();

/** Buffers of `viewOf` whose memory was closed. */
const detached = new WeakSet<ArrayBufferLike>();

/**
 * The memory itself, not a copy: 1 byte to 4 GiB of what the shim gave out at `base`. The shim unmaps that only when no
 * ArrayBuffer has it any more, wherever this one was transferred to: closing detaches it first (`detach`), so that this is at
 * once, as long as nothing native reads it.
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
 * Every view of it has length 0 from now on. Not while the engine has it pinned, as something native reads it (zlib, a file
 * that is written, a socket): then it stays as it is, and so does the memory, until it is collected.
 */
export function detach(buffer: ArrayBuffer): void {
  if (buffer.detached) return;
  buffer.transfer(0);
  if (buffer.detached) detached.add(buffer);
}

/** Whether `detach` took its memory away: it was closed, not transferred by its user. */
export function wasDetached(buffer: ArrayBufferLike): boolean {
  return detached.has(buffer);
}

/**
 * Keeps the memory behind `view` mapped, whoever closes it: something reads it that can't be stopped. Returns what ends that;
 * null where the memory is the engine's own.
 */
export function holdView({ buffer }: ArrayBufferView): (() => void) | null {
  const base = bases.get(buffer);
  if (base === undefined) return null;
  const shim = native();
  check(shim, shim.lf_backing_retain(base as Pointer, null));
  return () => void check(shim, shim.lf_backing_release(base as Pointer));
}
