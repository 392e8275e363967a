/** What the runtime asks of a backend, and what a backend tells a kernel. */
import type { LavaFlowError } from "../../errors.ts";
import type { Limits } from "../../native/limits.ts";
import type { HybridLogicalClock } from "../base/clock.ts";
import type { Message, Priority } from "../base/message.ts";
import type { MessageBytes } from "../base/payload.ts";
import type { StructLibrary } from "../struct/library.ts";
import type { StructDefinition } from "../struct/struct.ts";

/** How a handler sends. */
export interface Sending {
  type?: number;
  priority?: Priority;
  /** Of the message that is being handled; 0: none. */
  correlationId?: number;
  deadlineMs?: number;
}

/** What runs in a kernel: exactly one of them is what a backend uses. */
export interface Body {
  wgsl?: string;
  /** What structs give the WGSL. */
  structs?: StructLibrary;
  handler?: (message: Message, context: BodyContext) => MessageBytes | undefined;
  /** A module whose default export is a handler, to run in a Worker. */
  module?: string | URL;
  /** Of the module's messages; null: bytes. */
  request?: StructDefinition | null;
  reply?: StructDefinition | null;
}

/** What a handler has besides the message. */
export interface BodyContext {
  readonly state: Uint8Array;
  readonly clock: HybridLogicalClock;
  /** A message as it is, but for its id, stamp and source. QUEUE_FULL, and KERNEL_NOT_ACTIVE for one that is not there. */
  sendTo(destination: number, payload: Uint8Array, options?: Sending): void;
}

/** All that a backend has to know to launch a kernel. Checked by the runtime. */
export interface KernelSpec {
  /** For errors. */
  id: string;
  /** Its address: from 1, and never given twice by a runtime. */
  number: number;
  body: Body;
  /** Multiples of 4; capacities are powers of two. */
  stateBytes: number;
  inputCapacity: number;
  outputCapacity: number;
  /** The largest payload, in and out. */
  payloadBytes: number;
  workgroupSize: number;
  /** How many routes its table has room for. */
  routeCount: number;
}

/** A kernel as its backend sees it: where goes what it says. */
export interface KernelPort {
  /** A reply for the host, or a message for a kernel that this backend does not have. The payload is the receiver's to keep. */
  deliver(message: Message): void;
  /** How many messages it can be given now. The kernel handles nothing while there is no room for a reply. */
  readonly room: number;
  /** Messages were taken from its input: who waits for room may try again. */
  taken(count: number): void;
  /** The body has come back from so many messages, and `pending` is less by them: whether it replied or not, or threw. */
  handled(count: number): void;
  /** Messages between kernels of this backend: so many came to this one, and so many of its own were not sent. */
  counted?(delivered: number, rejected: number): void;
  /** A message that the body was not given. */
  dropped(message: Pick<Message, "id" | "correlationId" | "source">, reason: "deadline" | "checksum"): void;
  /** A message with a correlation was handled without a reply; the device sent `sent` on that carry the correlation. */
  silent?(correlationId: number, sent: number): void;
  /** It runs no more; nothing else comes. */
  failed(error: LavaFlowError): void;
  /** The body threw, or returned what is no reply; it goes on with the next message. */
  threw?(message: Pick<Message, "id" | "correlationId" | "source">, error: unknown): void;
}

export interface BackendKernel {
  /**
   * False where its input is full. Messages that wait are ordered by priority, then by age. The caller uses the message
   * again for its next one: what is kept is a copy.
   */
  trySend(message: Message): boolean;
  /** Messages that it has, and has not handled yet: the one that it is at too. */
  readonly pending: number;
  /** From now on messages are handled. */
  activate(): void;
  /** Resolves when nothing of it runs any more; messages wait. */
  deactivate(): Promise<void>;
  /** `port.room` has grown. */
  resume(): void;
  /** Where `route` of its table leads: a kernel's number; 0: nowhere. */
  setRoute(route: number, destination: number): void;
  /** Gives all that it holds back, once nothing of it runs any more. Returns how many messages it had not handled. */
  close(): Promise<number>;
}

export interface KernelBackend {
  /** Times that something was handed to the device, to the event loop or to a Worker. */
  readonly metrics: { readonly dispatches: number };
  /**
   * SHADER_INVALID, INVALID_ARGUMENT, out of memory, TIMEOUT, ABORTED. After an error the backend gives up what it made for
   * the kernel.
   */
  launch(spec: KernelSpec, port: KernelPort, limits?: Limits): Promise<BackendKernel>;
  close(): Promise<void>;
}
