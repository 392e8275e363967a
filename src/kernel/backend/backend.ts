/** What the runtime asks of a backend, and what a backend tells a kernel. */
import type { LavaFlowError } from "../../errors.ts";
import type { HlcTimestamp, HybridLogicalClock } from "../clock.ts";

/** 3 goes first. */
export type Priority = 0 | 1 | 2 | 3;

/** A message on its way. Whoever takes one copies the payload. */
export interface Message {
  /** Another one for each message of the runtime. */
  id: number;
  /** What the user calls it; a whole number from 0. */
  type: number;
  priority: Priority;
  /** 0: none. */
  correlationId: number;
  payload: Uint8Array;
  timestamp: HlcTimestamp;
  /** When it is worthless, microseconds of the clock; 0: never. */
  deadlineMicros: number;
  /** Numbers of kernels; 0: the host. */
  source: number;
  destination: number;
}

/** What runs in a kernel: exactly one of them is what a backend uses. */
export interface Body {
  wgsl?: string;
  handler?: (message: Message, context: BodyContext) => Uint8Array | undefined;
  /** A module whose default export is a handler, to run in a Worker. */
  module?: string | URL;
}

/** What a handler has besides the message. */
export interface BodyContext {
  readonly state: Uint8Array;
  readonly clock: HybridLogicalClock;
  /** QUEUE_FULL, and KERNEL_NOT_ACTIVE for one that is not there. */
  sendTo(destination: number, payload: Uint8Array, priority?: Priority, type?: number): void;
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
  /** A message that the body was not given. */
  dropped(message: Pick<Message, "id" | "correlationId" | "source">, reason: "deadline" | "checksum"): void;
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
  /** Messages that wait for it. */
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
  /** Times that something was handed to the device or the event loop, and messages handled. */
  readonly metrics: { readonly dispatches: number; readonly messagesProcessed: number };
  /** SHADER_INVALID, INVALID_ARGUMENT, out of memory. */
  launch(spec: KernelSpec, port: KernelPort): Promise<BackendKernel>;
  close(): Promise<void>;
}
