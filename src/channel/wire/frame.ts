/**
 * What a receiver holds and what a sender fills in. Both are reused: a released Frame or a committed Loan becomes
 * another message's after a while, so keep neither. Until then, using it again is an error.
 */

import type { MemoryBuffer } from "../../memory/buffer.ts";
import type { ViewType } from "../../memory/bytes.ts";

/** A received message, in place. It is the receiver's until `release`. */
export interface Frame extends Disposable {
  /** The payload, without a copy where it lies in shared memory; valid until `release`. Throws CLOSED after it. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /**
   * The payload as a typed array or a DataView, without a copy; valid as `bytes` is. INVALID_ARGUMENT when its size is no
   * multiple of the elements. (`bytes.buffer` may hold other frames too: a view that is made of it needs `bytes.byteOffset`.)
   */
  view<T extends ArrayBufferView>(type: ViewType<T>): T;
  /**
   * Set where the peer sent a MemoryBuffer: the same memory, mapped here. The channel owns it. Where that was a part of
   * another buffer, this is the part, and `release` closes it.
   */
  readonly buffer?: MemoryBuffer;
  readonly sizeBytes: number;
  /** The message's number on this channel, from 0. */
  readonly sequence: number;
  /**
   * Gives the room back to the sender, who writes its next message there: what still reads `bytes` (a file that is written,
   * zlib) reads that then, so await it first. CLOSED when it was given back before.
   */
  release(): void;
}

/** A frame as an end of a channel keeps it: what it gives to those who await one is made once, as frames are. */
export interface ReusedFrame extends Frame {
  /** Counts the messages that it has been: who remembers one can tell whether it still is that. */
  readonly uses: number;
  readonly received: Promise<Frame>;
  readonly result: IteratorYieldResult<Frame>;
  /** Of the result. */
  readonly next: Promise<IteratorYieldResult<Frame>>;
}

/** Room for one message, to be written in place. It is the sender's until `commit` or `abort`. */
export interface Loan {
  /** Not cleared: it has what an earlier message left there. Throws CLOSED after `commit` or `abort`. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The same as a typed array or a DataView. INVALID_ARGUMENT when the size is no multiple of its elements. */
  view<T extends ArrayBufferView>(type: ViewType<T>): T;
  /** Sends the first `sizeBytes` bytes (default: all). Never finds the queue full: the loan kept its place. */
  commit(sizeBytes?: number): void;
  /** Gives the memory back unsent. */
  abort(): void;
}
