/** A kernel as its users hold it: its state, what is sent to it, and what comes back. */
import type { LavaFlowError } from "../errors.ts";
import type { Envelope, EnvelopeInit } from "./envelope.ts";

/** created → launched → active ⇄ deactivated → terminating → terminated; from launched also to terminating. */
export type KernelState = "created" | "launched" | "active" | "deactivated" | "terminating" | "terminated";

/** Messages that waited when a kernel ended: those that it still handled, and those that it did not. */
export interface Remains {
  drained: number;
  rejected: number;
}

/** Counts since the launch. */
export interface KernelMetrics {
  /** Messages that wait for it now. */
  readonly pending: number;
  /** Replies that wait for `receive` now. */
  readonly replies: number;
  /** Messages whose deadline passed, and whose checksum was wrong: the body was not given them. */
  readonly expired: number;
  readonly corrupt: number;
  /** Messages that the handler threw at, and the last of those errors. */
  readonly errors: number;
  readonly lastError: LavaFlowError | null;
}

export interface Kernel extends AsyncDisposable {
  readonly id: string;
  readonly state: KernelState;
  readonly metrics: KernelMetrics;
  /** From now on it is sent messages and handles them. INVALID_TRANSITION. */
  activate(): Promise<void>;
  /** Resolves when nothing of it runs; what waits goes on waiting. INVALID_TRANSITION. */
  deactivate(): Promise<void>;
  /**
   * Ends it, with what waits for it: calls and sends reject with KERNEL_NOT_ACTIVE. With `drainMs` it first handles for so
   * long what waits. Replies that are there can still be received. INVALID_TRANSITION.
   */
  terminate(options?: { drainMs?: number }): Promise<Remains>;
  /**
   * Resolves when the message is in the kernel's input, at once where there is room; until then its payload must not change.
   * Rejects with TIMEOUT (no room by the deadline, or for 30 s), KERNEL_NOT_ACTIVE, INVALID_ARGUMENT.
   */
  send(message: EnvelopeInit): Promise<void>;
  /** False where the input is full. Throws KERNEL_NOT_ACTIVE, INVALID_ARGUMENT. */
  trySend(message: EnvelopeInit): boolean;
  /**
   * Sends the payloads in order, which costs a tenth of as many sends: they are one event, and have one timestamp. Resolves
   * when all are in the input; rejects as `send` does, and then some may be sent. What is wrong with one of them is said
   * before any is sent.
   */
  sendMany(payloads: readonly Uint8Array[], options?: Omit<EnvelopeInit, "payload">): Promise<void>;
  /** The next reply that no call waits for. Rejects with TIMEOUT (default 30 000 ms), KERNEL_NOT_ACTIVE when it has ended. */
  receive(options?: { timeoutMs?: number }): Promise<Envelope>;
  /** Null where there is none. */
  tryReceive(): Envelope | null;
  /**
   * Sends, and resolves with the reply that carries the same correlation id, one of its own where none is given; other
   * messages stay for `receive`. Rejects with TIMEOUT (default 30 000 ms, or the message's deadline), HANDLER_FAILED with
   * what the handler threw as its cause, KERNEL_NOT_ACTIVE, INVALID_ARGUMENT, CORRUPT_SEGMENT where the message did not
   * arrive as it was sent; and, as all that waits, with BACKEND_UNAVAILABLE and the reason when the kernel has failed.
   */
  call(message: EnvelopeInit, options?: { timeoutMs?: number }): Promise<Envelope>;
  /** Ends it, unless it has ended. */
  [Symbol.asyncDispose](): Promise<void>;
}
