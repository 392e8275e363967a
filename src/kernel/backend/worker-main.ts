/** The Worker's side of worker.ts: loads a module, and gives its handler one message after the other. */
import { HybridLogicalClock } from "../clock.ts";
import { pack, toEnvelope, unpack } from "../envelope.ts";
import type { SendOptions } from "../launch.ts";
import type { KernelSpec } from "./backend.ts";
import { replyTo } from "./reply.ts";

/** The first thing that the Worker is told. */
export interface WorkerStart {
  module: string;
  spec: Pick<KernelSpec, "id" | "number" | "payloadBytes" | "stateBytes">;
  clock: { nodeId: number; memory: SharedArrayBuffer };
}

/** A message to handle: the bytes of `pack`, and the name of its sender. */
export interface WorkerMessage {
  bytes: Uint8Array<ArrayBuffer>;
  source: string;
}

/** What the Worker says. */
export type WorkerWord =
  | { ready: true }
  /** The module can't be loaded, or has no handler. */
  | { unusable: string }
  | { sent: Uint8Array; to: string; options: Required<SendOptions> }
  /** Of the message: the bytes of a packed reply, what the handler threw, or null for no reply. */
  | { done: Uint8Array<ArrayBuffer> | { threw: string } | null };

declare const self: Worker;

const say = (word: WorkerWord, transfer: ArrayBuffer[] = []) => self.postMessage(word, { transfer });

async function handlerOf(module: string): Promise<(message: unknown, context: unknown) => unknown> {
  // A name made at run time, as it is the user's: a bundle must name its modules as entry points of their own.
  const loaded = await import(module);
  if (typeof loaded.default === "function") return loaded.default;
  throw new TypeError(`its default export is ${typeof loaded.default}, not a handler`);
}

async function start({ module, spec, clock: { nodeId, memory } }: WorkerStart): Promise<void> {
  const handler = await handlerOf(module);
  const clock = new HybridLogicalClock({ nodeId, memory });
  /** Of the message that is being handled. */
  let type = 0;
  const context = {
    state: new Uint8Array(spec.stateBytes),
    clock,
    sendTo: (to: string, payload: Uint8Array, options?: SendOptions) =>
      say({ sent: payload.slice(), to, options: { priority: 1, type, ...options } }),
  };
  self.onmessage = ({ data: { bytes, source } }: MessageEvent<WorkerMessage>) => {
    const message = unpack(bytes);
    type = message.type;
    try {
      const reply = replyTo(message, handler(toEnvelope(message, source, spec.id), context), spec, clock);
      const done = reply && pack(reply);
      say({ done }, done ? [done.buffer] : []);
    } catch (error) {
      say({ done: { threw: String((error as Error)?.stack ?? error) } });
    }
  };
  say({ ready: true });
}

self.onmessage = ({ data }: MessageEvent<WorkerStart>) => {
  start(data).catch((error) => say({ unusable: String(error?.message ?? error) }));
};
