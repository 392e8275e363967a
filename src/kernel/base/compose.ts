/** What a user gives, made into a message: every field is looked at. */
import { invalidArgument } from "../../errors.ts";
import { checkNames, type OptionNames } from "../../native/options.ts";
import type { Struct } from "../struct/struct.ts";
import type { HlcTimestamp, HybridLogicalClock } from "./clock.ts";
import type { Envelope, EnvelopeInit } from "./envelope.ts";
import type { Message, Priority } from "./message.ts";
import { messageBytes } from "./payload.ts";

/** Correlation ids from here on are those that calls make for themselves. */
export const OWN_CORRELATIONS = 2 ** 52;
const TYPE_MAX = 2 ** 32 - 1;

/** A reply may be sent on as it came: what it has besides is the library's, and made anew. */
const NAMES: OptionNames<Envelope> = {
  payload: true,
  type: true,
  priority: true,
  correlationId: true,
  deadlineMs: true,
  id: true,
  source: true,
  destination: true,
  timestamp: true,
};

/** Whom a message is for. */
interface Target {
  readonly id: string;
  readonly number: number;
  readonly payloadBytes: number;
  /** Of what it is sent; null: bytes. */
  readonly request: Struct | null;
}

/** The payload's bytes. INVALID_ARGUMENT where it has none, or too many for the kernel. */
export function checkPayload(payload: unknown, { id, payloadBytes, request }: Target): Uint8Array {
  const bytes = messageBytes("payload", payload, request);
  if (bytes.byteLength <= payloadBytes) return bytes;
  const limit = `at most ${payloadBytes}, or launch "${id}" with a larger payloadBytes`;
  throw invalidArgument("the payload's size", bytes.byteLength, limit);
}

export function checkType(type: number): number {
  if (Number.isInteger(type) && type >= 0 && type <= TYPE_MAX) return type;
  throw invalidArgument("type", type, `a whole number from 0 to ${TYPE_MAX}`);
}

export function checkPriority(priority: Priority): Priority {
  if (priority === 0 || priority === 1 || priority === 2 || priority === 3) return priority;
  throw invalidArgument("priority", priority, "0, 1, 2 or 3");
}

/** When a message is worthless, microseconds of the clock; 0: never. INVALID_ARGUMENT. */
export function deadlineOf(deadlineMs: number, { physicalMicros }: HlcTimestamp): number {
  if (!(deadlineMs >= 0)) throw invalidArgument("deadlineMs", deadlineMs, "milliseconds from 0 to Infinity");
  const deadline = physicalMicros + Math.ceil(deadlineMs * 1000);
  return deadline <= Number.MAX_SAFE_INTEGER ? deadline : 0;
}

/** A message from the host. INVALID_ARGUMENT. */
export function compose(
  init: EnvelopeInit,
  target: Target,
  { clock, nextId }: { clock: HybridLogicalClock; nextId(): number },
): Message {
  if (typeof init !== "object" || init === null) throw invalidArgument("message", init, "{ payload: ... }");
  checkNames("a message", init, NAMES);
  const { payload, type = 0, priority = 1, correlationId = 0, deadlineMs = Number.POSITIVE_INFINITY } = init;
  const bytes = checkPayload(payload, target);
  if (!(Number.isInteger(correlationId) && correlationId >= 0 && correlationId < OWN_CORRELATIONS))
    throw invalidArgument("correlationId", correlationId, "a whole number from 1 to 2^52 - 1, or 0 for none");
  const timestamp = clock.tick();
  return {
    id: nextId(),
    type: checkType(type),
    priority: checkPriority(priority),
    correlationId,
    payload: bytes,
    timestamp,
    deadlineMicros: deadlineOf(deadlineMs, timestamp),
    source: 0,
    destination: target.number,
  };
}
