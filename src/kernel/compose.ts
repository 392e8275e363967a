/** What a user gives, made into a message: every field is looked at. */
import { invalidArgument } from "../errors.ts";
import type { Message, Priority } from "./backend/backend.ts";
import type { HybridLogicalClock } from "./clock.ts";
import type { EnvelopeInit } from "./envelope.ts";

/** Correlation ids from here on are those that calls make for themselves. */
export const OWN_CORRELATIONS = 2 ** 52;
const TYPE_MAX = 2 ** 32 - 1;

/** Whom a message is for. */
interface Target {
  readonly id: string;
  readonly number: number;
  readonly payloadBytes: number;
}

/** INVALID_ARGUMENT where it is none, or too large for the kernel. */
export function checkPayload(payload: unknown, { id, payloadBytes }: Target): void {
  if (!(payload instanceof Uint8Array)) throw invalidArgument("payload", payload, "a Uint8Array");
  if (payload.byteLength <= payloadBytes) return;
  const limit = `at most ${payloadBytes}, or launch "${id}" with a larger payloadBytes`;
  throw invalidArgument("the payload's size", payload.byteLength, limit);
}

export function checkType(type: number): number {
  if (Number.isInteger(type) && type >= 0 && type <= TYPE_MAX) return type;
  throw invalidArgument("type", type, `a whole number from 0 to ${TYPE_MAX}`);
}

export function checkPriority(priority: Priority): Priority {
  if (priority === 0 || priority === 1 || priority === 2 || priority === 3) return priority;
  throw invalidArgument("priority", priority, "0, 1, 2 or 3");
}

/** A message from the host. INVALID_ARGUMENT. */
export function compose(
  init: EnvelopeInit,
  target: Target,
  { clock, nextId }: { clock: HybridLogicalClock; nextId(): number },
): Message {
  if (typeof init !== "object" || init === null) throw invalidArgument("message", init, "{ payload: ... }");
  const { payload, type = 0, priority = 1, correlationId = 0, deadlineMs = Number.POSITIVE_INFINITY } = init;
  checkPayload(payload, target);
  if (!(Number.isInteger(correlationId) && correlationId >= 0 && correlationId < OWN_CORRELATIONS))
    throw invalidArgument("correlationId", correlationId, "a whole number from 1 to 2^52 - 1, or 0 for none");
  if (!(deadlineMs >= 0)) throw invalidArgument("deadlineMs", deadlineMs, "milliseconds from 0 to Infinity");
  const timestamp = clock.tick();
  const deadline = timestamp.physicalMicros + Math.ceil(deadlineMs * 1000);
  return {
    id: nextId(),
    type: checkType(type),
    priority: checkPriority(priority),
    correlationId,
    payload,
    timestamp,
    deadlineMicros: deadline <= Number.MAX_SAFE_INTEGER ? deadline : 0,
    source: 0,
    destination: target.number,
  };
}
