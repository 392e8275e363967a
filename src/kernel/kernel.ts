/** A kernel as its users hold it: its state, what is sent to it, and what comes back. */
import type { LavaFlowError } from "../errors.ts";
import type { Limits } from "../native/limits.ts";
import type { Envelope, EnvelopeInit } from "./base/envelope.ts";
import type { Payload, PayloadInit } from "./base/payload.ts";
import type { Struct } from "./struct/struct.ts";

/** created → launched → active ⇄ deactivated → terminating → terminated; from launched also to terminating. */
export type KernelState = "created" | "launched" | "active" | "deactivated" | "terminating" | "terminated";

/** Messages that waited when a kernel ended: those that it still handled, and those that it did not. */
export interface Remains {
  drained: number;
  rejected: number;
}

/** Counts since the launch. They mean the same whatever the kernel runs on. */
export interface KernelMetrics {
  /**
   * Messages that it has been sent and has not handled yet, by the program or by other kernels: those that wait, for room in its
   * input too, and the one that it is at.
   */
  readonly pending: number;
  /** Messages that its body was given and came back from, whether it replied, was silent or threw. */
  readonly handled: number;
  /** Replies that wait for `receive` now. */
  readonly replies: number;
  /** Messages whose deadline passed, and whose checksum was wrong: the body was not given them. */
  readonly expired: number;
  readonly corrupt: number;
  /** Messages that the handler threw at, and the last of those errors. */
  readonly errors: number;
  readonly lastError: LavaFlowError | null;
}

/**
 * `Request` and `Reply`: the structs that it was launched with; undefined where payloads are bytes.
 *
 * Each wait takes `timeoutMs` and `signal`, and rejects with TIMEOUT or ABORTED. A signal that was aborted before the call
 * begins nothing.
 */
export interface Kernel<Request extends Struct | undefined = undefined, Reply extends Struct | undefined = undefined>
  extends AsyncDisposable {
  readonly id: string;
  readonly state: KernelState;
  readonly metrics: KernelMetrics;
  /** Resolves when it has ended: with null where it was asked to, and with the reason where it has failed. It never rejects. */
  readonly closed: Promise<LavaFlowError | null>;
  /**
   * The kernel takes messages and handles them. INVALID_TRANSITION. `timeoutMs` defaults to Infinity. After TIMEOUT or
   * ABORTED the change goes on: `state` already is "active".
   */
  activate(limits?: Limits): Promise<void>;
  /**
   * Resolves when the kernel runs nothing; its messages wait. INVALID_TRANSITION. `timeoutMs` defaults to Infinity. After
   * TIMEOUT or ABORTED the change goes on: `state` already is "deactivated", and a body that runs is not interrupted.
   */
  deactivate(limits?: Limits): Promise<void>;
  /**
   * Ends the kernel: calls and sends that wait reject with KERNEL_NOT_ACTIVE. With `drainMs` an active kernel first handles
   * its messages for at most that time. Replies that are there can still be received. INVALID_TRANSITION. `timeoutMs`
   * defaults to Infinity. After TIMEOUT or ABORTED the kernel still drains for `drainMs` and ends: `closed` resolves then.
   */
  terminate(options?: { drainMs?: number } & Limits): Promise<Remains>;
  /**
   * Resolves when the message is in the kernel's input, at once where there is room; until then its payload must not change.
   * Rejects with TIMEOUT (no room by the deadline or within `timeoutMs`, default 30,000), ABORTED, KERNEL_NOT_ACTIVE,
   * INVALID_ARGUMENT. A message whose send rejects is never handled.
   */
  send(message: EnvelopeInit<PayloadInit<Request>>, limits?: Limits): Promise<void>;
  /** False where the input is full. Throws KERNEL_NOT_ACTIVE, INVALID_ARGUMENT. */
  trySend(message: EnvelopeInit<PayloadInit<Request>>): boolean;
  /**
   * Sends the payloads in order, which costs a tenth of as many sends: they are one event, and have one timestamp. Resolves
   * when all are in the input; rejects as `send` does, and then the first of them may be sent. What is wrong with one of
   * them is said before any is sent. `timeoutMs` bounds the wait of each payload.
   */
  sendMany(payloads: readonly PayloadInit<Request>[], options?: Omit<EnvelopeInit, "payload"> & Limits): Promise<void>;
  /**
   * The next reply that no call waits for. Rejects with TIMEOUT (`timeoutMs`, default 30,000), ABORTED, KERNEL_NOT_ACTIVE
   * when the kernel has ended. A reply that comes later goes to the next receiver.
   */
  receive(limits?: Limits): Promise<Envelope<Payload<Reply>>>;
  /** Null where there is none. */
  tryReceive(): Envelope<Payload<Reply>> | null;
  /**
   * Sends, and resolves with the reply that carries the same correlation id, one of its own where none is given; other
   * messages stay for `receive`. Rejects with TIMEOUT (`timeoutMs`, default 30,000, or the message's deadline), ABORTED,
   * HANDLER_FAILED with what the handler threw as its cause, KERNEL_NOT_ACTIVE, INVALID_ARGUMENT, CORRUPT_SEGMENT where the
   * message did not arrive as it was sent; and, as all that waits, with BACKEND_UNAVAILABLE and the reason when the kernel
   * has failed. After TIMEOUT or ABORTED a message that is not in the input yet is not sent. One that is there is handled,
   * and its reply is dropped; with a correlation id of the caller's own it goes to `receive`.
   */
  call(message: EnvelopeInit<PayloadInit<Request>>, limits?: Limits): Promise<Envelope<Payload<Reply>>>;
  /** Ends it, unless it has ended. */
  [Symbol.asyncDispose](): Promise<void>;
}
