/** The public interface of a kernel: its state, sends, receives and calls. */
import type { LavaFlowError } from "../errors.ts";
import type { Limits } from "../native/limits.ts";
import type { Envelope, EnvelopeInit } from "./base/envelope.ts";
import type { Payload, PayloadInit } from "./base/payload.ts";
import type { Struct } from "./struct/struct.ts";

/** created → launched → active ⇄ deactivated → terminating → terminated; from launched also to terminating. */
export type KernelState = "created" | "launched" | "active" | "deactivated" | "terminating" | "terminated";

/**
 * Messages that waited when a kernel was asked to end: those that it handled before the end, and those that it did not.
 */
export interface Remains {
  drained: number;
  rejected: number;
}

/** Counts since the launch, with the same meaning on all backends. */
export interface KernelMetrics {
  /**
   * Messages of the program and of other kernels, not handled yet: in the input, waiting for the input, or in the body.
   */
  readonly pending: number;
  /** Messages from which the body returned: with a reply, without one, or by throwing. */
  readonly handled: number;
  /** Replies that wait for `receive` now. */
  readonly replies: number;
  /** Messages whose deadline passed before the body was given them. */
  readonly expired: number;
  /** Messages with a wrong checksum, which the body was not given. */
  readonly corrupt: number;
  /** Messages for which the handler threw. */
  readonly errors: number;
  /** The last error that the handler threw. */
  readonly lastError: LavaFlowError | null;
}

/**
 * A kernel. `Request` and `Reply`: the structs of its launch; undefined where payloads are bytes.
 *
 * Each wait takes `timeoutMs` and `signal`, and rejects with TIMEOUT or ABORTED. A call with an aborted signal has no
 * effect.
 */
export interface Kernel<Request extends Struct | undefined = undefined, Reply extends Struct | undefined = undefined>
  extends AsyncDisposable {
  readonly id: string;
  readonly state: KernelState;
  readonly metrics: KernelMetrics;
  /**
   * Resolves when the kernel has ended: with null after `terminate` or a shutdown, with the error after a failure.
   * Never rejects.
   */
  readonly closed: Promise<LavaFlowError | null>;
  /**
   * Lets the kernel take and handle messages. Rejects with INVALID_TRANSITION. `timeoutMs` defaults to Infinity. After
   * TIMEOUT or ABORTED the change goes on: `state` already is "active".
   */
  activate(limits?: Limits): Promise<void>;
  /**
   * Resolves when the kernel's body does not run; messages stay in the input. Rejects with INVALID_TRANSITION.
   * `timeoutMs` defaults to Infinity. After TIMEOUT or ABORTED the change goes on: `state` already is "deactivated",
   * and a running body is not interrupted.
   */
  deactivate(limits?: Limits): Promise<void>;
  /**
   * Ends the kernel: waiting calls and sends reject with KERNEL_NOT_ACTIVE. With `drainMs`, an active kernel first
   * handles its messages for at most that time. Replies that wait can still be received. Rejects with
   * INVALID_TRANSITION. `timeoutMs` defaults to Infinity. After TIMEOUT or ABORTED the kernel still drains for
   * `drainMs` and ends: `closed` resolves then.
   */
  terminate(options?: { drainMs?: number } & Limits): Promise<Remains>;
  /**
   * Resolves when the message is in the kernel's input: at once unless the input is full. The payload must not change
   * until then. Rejects with TIMEOUT (the input stayed full until the deadline or for `timeoutMs`, default 30,000),
   * ABORTED, KERNEL_NOT_ACTIVE, INVALID_ARGUMENT. A message whose send rejects is never handled.
   */
  send(message: EnvelopeInit<PayloadInit<Request>>, limits?: Limits): Promise<void>;
  /** False where the input is full. Throws KERNEL_NOT_ACTIVE, INVALID_ARGUMENT. */
  trySend(message: EnvelopeInit<PayloadInit<Request>>): boolean;
  /**
   * Sends the payloads in order, in a tenth of the time of single sends: they are one event with one timestamp.
   * Resolves when all are in the input. Rejects as `send` does; the first payloads may be sent then. All payloads are
   * checked before the first is sent. `timeoutMs` limits the wait of each payload.
   */
  sendMany(payloads: readonly PayloadInit<Request>[], options?: Omit<EnvelopeInit, "payload"> & Limits): Promise<void>;
  /**
   * The next reply that belongs to no call. Rejects with TIMEOUT (`timeoutMs`, default 30,000), ABORTED, and
   * KERNEL_NOT_ACTIVE when the kernel has ended. After an error, a later reply goes to the next receiver.
   */
  receive(limits?: Limits): Promise<Envelope<Payload<Reply>>>;
  /**
   * The next reply that belongs to no call; null where none waits. Throws KERNEL_NOT_ACTIVE when the kernel has ended.
   */
  tryReceive(): Envelope<Payload<Reply>> | null;
  /**
   * Sends, and resolves with the reply of the same correlation id. Without a correlation id the call makes one. Other
   * replies stay for `receive`. Rejects with TIMEOUT (`timeoutMs`, default 30,000, or the message's deadline), ABORTED,
   * HANDLER_FAILED with the handler's error as its cause, KERNEL_NOT_ACTIVE, INVALID_ARGUMENT, CORRUPT_SEGMENT where
   * the checksum was wrong, and, as all waits, BACKEND_UNAVAILABLE when the kernel has failed. After TIMEOUT or ABORTED
   * a message that is not in the input is not sent. A message in the input is handled, and its reply is dropped; with a
   * correlation id of the caller's own the reply goes to `receive`.
   */
  call(message: EnvelopeInit<PayloadInit<Request>>, limits?: Limits): Promise<Envelope<Payload<Reply>>>;
  /** Ends the kernel, unless it has ended. */
  [Symbol.asyncDispose](): Promise<void>;
}
