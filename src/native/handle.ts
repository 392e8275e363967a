/** Native memory as an ArrayBuffer. */
import { type Pointer, toArrayBuffer } from "bun:ffi";

/**
 * The memory itself, not a copy: 1 byte to 4 GiB. It frees nothing when it is collected, and whoever unmaps the memory
 * detaches the buffer first (`transfer(0)`), so that no view is left on it.
 */
export function viewOf(address: number, sizeBytes: number): ArrayBuffer {
  return toArrayBuffer(address as Pointer, 0, sizeBytes);
}
