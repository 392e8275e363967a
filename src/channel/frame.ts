/**
 * What a receiver holds and what a sender fills in. Both are reused: a released Frame or a committed Loan becomes
 * another message's after a while, so keep neither. Until then, using it again is an error.
 */
import type { MemoryBuffer } from "../memory/buffer.ts";

/** A received message, in place. It is the receiver's until `release`. */
export interface Frame extends Disposable {
  /** The payload, without a copy where it lies in shared memory; valid until `release`. Throws CLOSED after it. */
  readonly bytes: Uint8Array;
  /** Set where the peer sent a MemoryBuffer: the same memory, mapped here. The channel owns it. */
  readonly buffer?: MemoryBuffer;
  readonly sizeBytes: number;
  /** The message's number on this channel, from 0. */
  readonly sequence: number;
  /** Gives the room back to the sender. CLOSED when it was given back before. */
  release(): void;
}

/** Room for one message, to be written in place. It is the sender's until `commit` or `abort`. */
export interface Loan {
  /** Not cleared: it has what an earlier message left there. Throws CLOSED after `commit` or `abort`. */
  readonly bytes: Uint8Array;
  /** Sends the first `sizeBytes` bytes (default: all). Never finds the queue full: the loan kept its place. */
  commit(sizeBytes?: number): void;
  abort(): void;
}
