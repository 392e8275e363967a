/** Makes a message of the result of a handler on the CPU. */
import { invalidArgument } from "../../errors.ts";
import { BYTES_ALLOWED, bytesOf } from "../../memory/bytes.ts";
import type { HybridLogicalClock } from "../base/clock.ts";
import type { Message } from "../base/message.ts";
import { isThenable } from "../base/payload.ts";
import type { KernelSpec } from "./backend.ts";

/**
 * The reply, with a copy of the payload, because the handler may reuse its memory; null for undefined. Throws
 * INVALID_ARGUMENT where the result is no payload of at most `payloadBytes`.
 */
export function replyTo(
  message: Message,
  payload: unknown,
  { id, number, payloadBytes }: Pick<KernelSpec, "id" | "number" | "payloadBytes">,
  clock: HybridLogicalClock,
): Message | null {
  if (payload === undefined) return null;
  // A promise is refused below: its rejection must not become an unhandled one.
  if (isThenable(payload)) Promise.resolve(payload).catch(() => {});
  const allowed = `${BYTES_ALLOWED}, or undefined for no reply`;
  const bytes = bytesOf(`the result of the handler of "${id}"`, payload, allowed);
  if (bytes.byteLength > payloadBytes) {
    const limit = `at most payloadBytes, ${payloadBytes}`;
    throw invalidArgument(`the size of the result of the handler of "${id}"`, bytes.byteLength, limit);
  }
  return {
    id: 0, // the kernel sets it
    type: message.type,
    priority: message.priority,
    correlationId: message.correlationId,
    payload: bytes.slice(),
    timestamp: clock.tick(),
    deadlineMicros: 0,
    source: number,
    destination: 0,
  };
}
