/** The Worker of worker.ts: loads a module, and gives its handler one message after the other. */
import { HybridLogicalClock } from "../base/clock.ts";
import { pack, toEnvelope, unpack } from "../base/envelope.ts";
import type { SendOptions } from "../base/launch.ts";
import { type MessageBytes, messageBytes } from "../base/payload.ts";
import { replyBytes, withValue } from "../base/values.ts";
import { revive, type StructDefinition } from "../struct/struct.ts";
import type { KernelSpec } from "./backend.ts";
import { replyTo } from "./reply.ts";

/** The first message to the Worker. */
export interface WorkerStart {
  module: string;
  spec: Pick<KernelSpec, "id" | "number" | "payloadBytes" | "stateBytes">;
  clock: { nodeId: number; memory: SharedArrayBuffer };
  request: StructDefinition | null;
  reply: StructDefinition | null;
}

/** A message to handle: the bytes of `pack`, and the name of its sender. */
export interface WorkerMessage {
  bytes: Uint8Array<ArrayBuffer>;
  source: string;
}

/** The Worker's messages. */
export type WorkerReport =
  | { ready: true }
  /** Why the module can't be loaded, or has no handler. */
  | { unusable: string }
  | { sent: Uint8Array; to: string; options: SendOptions; isHandling: boolean }
  /** The message was handled: a packed reply, the error that the handler threw, or null for no reply. */
  | { done: Uint8Array<ArrayBuffer> | { threw: string } | null };

declare const self: Worker;

const post = (report: WorkerReport, transfer: ArrayBuffer[] = []) => self.postMessage(report, { transfer });

async function handlerOf(module: string): Promise<(message: unknown, context: unknown) => unknown> {
  // A run-time specifier: bundlers do not follow it, so that in a bundle the module must be an entry point.
  const loaded = await import(module);
  if (typeof loaded.default === "function") return loaded.default;
  throw new TypeError(`its default export is ${typeof loaded.default}, not a handler`);
}

async function start({ module, spec, clock: { nodeId, memory }, ...structs }: WorkerStart): Promise<void> {
  const handler = await handlerOf(module);
  const request = structs.request && revive(structs.request);
  const answer = structs.reply && revive(structs.reply);
  const clock = new HybridLogicalClock({ nodeId, memory });
  /** The type of the message that is being handled. */
  let type = 0;
  let isHandling = false;
  const context = {
    state: new Uint8Array(spec.stateBytes),
    clock,
    sendTo: (to: string, payload: MessageBytes, options?: SendOptions) =>
      post({ sent: messageBytes("payload", payload).slice(), to, options: { type, ...options }, isHandling }),
  };
  self.onmessage = ({ data: { bytes, source } }: MessageEvent<WorkerMessage>) => {
    const message = unpack(bytes);
    type = message.type;
    isHandling = true;
    try {
      const envelope = toEnvelope(message, source, spec.id);
      if (request) withValue(envelope, request);
      const reply = replyTo(message, replyBytes(handler(envelope, context), answer), spec, clock);
      const done = reply && pack(reply);
      post({ done }, done ? [done.buffer] : []);
    } catch (error) {
      post({ done: { threw: String((error as Error)?.stack ?? error) } });
    } finally {
      isHandling = false;
    }
  };
  post({ ready: true });
}

self.onmessage = ({ data }: MessageEvent<WorkerStart>) => {
  start(data).catch((error) => post({ unusable: String(error?.message ?? error) }));
};
