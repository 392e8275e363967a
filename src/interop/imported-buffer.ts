import type { MemoryBuffer } from "../memory/buffer.ts";

/** The result of an import from another API. */
export interface ImportedBuffer {
  /** The caller owns the buffer and closes it. */
  buffer: MemoryBuffer;
  /** True: the buffer is the other API's memory, proved by a write on each side. False: it is a copy. */
  aliased: boolean;
  /** Why the buffer aliases the memory, or why it does not. */
  reason: string;
}
