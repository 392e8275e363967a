/**
 * The objects that carry one message. Both are reused: a released Frame or a committed Loan later carries another message,
 * so keep neither. Until then its use throws CLOSED.
 */
import type { MemoryBuffer } from "../../memory/buffer.ts";
import type { ViewType } from "../../memory/bytes.ts";

/** A received message, in place. The receiver owns it until `release`. */
export interface Frame extends Disposable {
  /** The payload, without a copy where it lies in shared memory; valid until `release`. Throws CLOSED after it. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /**
   * The payload as a typed array or a DataView, without a copy; valid until `release`. INVALID_ARGUMENT when its size is no
   * multiple of the element size. `bytes.buffer` may hold other frames too: a view of it needs `bytes.byteOffset`.
   */
  view<T extends ArrayBufferView>(type: ViewType<T>): T;
  /**
   * Set if the peer sent a MemoryBuffer: the same memory, mapped here. The channel owns it. If the peer sent a part of a
   * buffer, this is that part, and `release` closes it.
   */
  readonly buffer?: MemoryBuffer;
  readonly sizeBytes: number;
  /** The message's number on this channel, from 0. */
  readonly sequence: number;
  /**
   * Gives the memory back to the sender, which writes its next message there. Await every reader of `bytes` first, such as
   * a file write or zlib: it would read the next message. Throws CLOSED the second time.
   */
  release(): void;
}

/** A frame with the promises and results that resolve to it, which are allocated once a frame. */
export interface ReusedFrame extends Frame {
  /** How many messages this object has carried: a caller that remembers the count can tell whether it was reused. */
  readonly uses: number;
  readonly received: Promise<Frame>;
  readonly result: IteratorYieldResult<Frame>;
  /** Resolves to `result`. */
  readonly next: Promise<IteratorYieldResult<Frame>>;
}

/** Memory for one message, to write in place. The sender owns it until `commit` or `abort`. */
export interface Loan {
  /** Not cleared: may contain bytes of an earlier message. Throws CLOSED after `commit` or `abort`. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The same as a typed array or a DataView. INVALID_ARGUMENT when the size is no multiple of the element size. */
  view<T extends ArrayBufferView>(type: ViewType<T>): T;
  /** Sends the first `sizeBytes` bytes (default: all). The queue is never full: the loan reserved its slot. */
  commit(sizeBytes?: number): void;
  /** Gives the memory back unsent. */
  abort(): void;
}
