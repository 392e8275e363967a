/** The interfaces between the runtime and its backends. */
import type { LavaFlowError } from "../../errors.ts";
import type { Limits } from "../../native/limits.ts";
import type { HybridLogicalClock } from "../base/clock.ts";
import type { Message, Priority } from "../base/message.ts";
import type { MessageBytes } from "../base/payload.ts";
import type { StructLibrary } from "../struct/library.ts";
import type { StructDefinition } from "../struct/struct.ts";

/** Options of a handler's message. */
export interface Sending {
  type?: number;
  priority?: Priority;
  /** That of the message that is being handled; 0: none. */
  correlationId?: number;
  deadlineMs?: number;
}

/** The code of a kernel. A backend runs exactly one of `wgsl`, `handler` and `module`. */
export interface Body {
  wgsl?: string;
  /** The structs of the WGSL. */
  structs?: StructLibrary;
  handler?: (message: Message, context: BodyContext) => MessageBytes | undefined;
  /** A module whose default export is a handler, to run in a Worker. */
  module?: string | URL;
  /** The structs of the module's messages; null: bytes. */
  request?: StructDefinition | null;
  reply?: StructDefinition | null;
}

/** The second argument of a body's handler. */
export interface BodyContext {
  readonly state: Uint8Array;
  readonly clock: HybridLogicalClock;
  /** Sends to a kernel of the backend. Throws QUEUE_FULL, and KERNEL_NOT_ACTIVE where there is no such kernel. */
  sendTo(destination: number, payload: Uint8Array, options?: Sending): void;
}

/** A launch for a backend, checked by the runtime. */
export interface KernelSpec {
  /** The kernel's name in errors. */
  id: string;
  /** The kernel's number: from 1, each given once by a runtime. */
  number: number;
  body: Body;
  /** A multiple of 4. */
  stateBytes: number;
  /** Powers of two. */
  inputCapacity: number;
  outputCapacity: number;
  /** Bytes of the largest payload, in and out: a multiple of 4. */
  payloadBytes: number;
  workgroupSize: number;
  /** The number of routes in the kernel's table. */
  routeCount: number;
}

/** The events of a kernel, which its backend reports. */
export interface KernelPort {
  /**
   * A reply for the host, or a message for a kernel that this backend does not have. The receiver keeps the payload.
   */
  deliver(message: Message): void;
  /**
   * Messages that the kernel may deliver now. At 0 the kernel handles nothing, so that every reply can be delivered.
   */
  readonly credits: number;
  /** Messages were taken from the input: waiting sends may try again. */
  taken(count: number): void;
  /**
   * The body has returned from `count` messages, with or without a reply, or by throwing; `pending` is less by them.
   */
  handled(count: number): void;
  /** Messages between kernels of this backend: received by this kernel, and those of its own that were not sent. */
  counted?(delivered: number, rejected: number): void;
  /** A message that the body was not given. */
  dropped(message: Pick<Message, "id" | "correlationId" | "source">, reason: "deadline" | "checksum"): void;
  /** A message with a correlation was handled without a reply; `sent` messages of the device carry the call on. */
  silent?(correlationId: number, sent: number): void;
  /** The kernel has failed. No event follows. */
  failed(error: LavaFlowError): void;
  /** The body threw, or returned no valid reply. The kernel goes on with the next message. */
  threw?(message: Pick<Message, "id" | "correlationId" | "source">, error: unknown): void;
}

export interface BackendKernel {
  /**
   * Copies the message into the input; false where that is full. Waiting messages are ordered by priority, then by age.
   * The caller reuses the message object.
   */
  trySend(message: Message): boolean;
  /** Messages in the input, and the message that is being handled. */
  readonly pending: number;
  /** The kernel handles messages from now on. */
  activate(): void;
  /** Resolves when the body does not run any more; messages stay in the input. */
  deactivate(): Promise<void>;
  /** To be called when `port.credits` has grown. */
  resume(): void;
  /** Sets the destination of a route: a kernel's number; 0: none. */
  setRoute(route: number, destination: number): void;
  /**
   * Releases the kernel's resources when its body has ended. Returns the number of messages that it had not handled.
   */
  close(): Promise<number>;
}

export interface KernelBackend {
  /** Submissions to the device, drains of the scheduler, or messages posted to Workers. */
  readonly metrics: { readonly dispatches: number };
  /**
   * Rejects with SHADER_INVALID, INVALID_ARGUMENT, out of memory, TIMEOUT, ABORTED; the kernel's resources are released
   * then.
   */
  launch(spec: KernelSpec, port: KernelPort, limits?: Limits): Promise<BackendKernel>;
  close(): Promise<void>;
}
