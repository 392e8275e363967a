/** What a handler on the CPU returned, made into a message. */
import { invalidArgument } from "../../errors.ts";
import { BYTES_ALLOWED, bytesOf } from "../../memory/bytes.ts";
import type { HybridLogicalClock } from "../base/clock.ts";
import type { Message } from "../base/message.ts";
import { isThenable } from "../base/payload.ts";
import type { KernelSpec } from "./backend.ts";

/**
 * Null where it returned nothing. A copy, as it may use that memory again. INVALID_ARGUMENT where it is neither nothing nor
 * a payload that fits.
 */
export function replyTo(
  message: Message,
  payload: unknown,
  { id, number, payloadBytes }: Pick<KernelSpec, "id" | "number" | "payloadBytes">,
  clock: HybridLogicalClock,
): Message | null {
  if (payload === undefined) return null;
  // Refused below; that it rejects later is nobody's concern then.
  if (isThenable(payload)) Promise.resolve(payload).catch(() => {});
  const allowed = `${BYTES_ALLOWED}, or undefined for no reply`;
  const bytes = bytesOf(`what the handler of "${id}" returned`, payload, allowed);
  if (bytes.byteLength > payloadBytes) {
    const limit = `at most payloadBytes, ${payloadBytes}`;
    throw invalidArgument(`the size of what the handler of "${id}" returned`, bytes.byteLength, limit);
  }
  return {
    id: 0, // the kernel numbers what it is given
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
