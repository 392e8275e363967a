/** Makes a message from a user's values: every field is checked. */
import { invalidArgument } from "../../errors.ts";
import { checkNames, type OptionNames } from "../../native/options.ts";
import type { Struct } from "../struct/struct.ts";
import type { HlcTimestamp, HybridLogicalClock } from "./clock.ts";
import type { Envelope, EnvelopeInit } from "./envelope.ts";
import type { Message, Priority } from "./message.ts";
import { messageBytes } from "./payload.ts";

/** Correlation ids from this one on belong to calls; users' ids are below it. */
export const OWN_CORRELATIONS = 2 ** 52;
const TYPE_MAX = 2 ** 32 - 1;

/**
 * All fields of an envelope, so that a reply can be sent on as it came. The library ignores `id` and those below it.
 */
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

/** The kernel that a message is for. */
interface Target {
  readonly id: string;
  readonly number: number;
  /** Bytes of its largest payload. */
  readonly payloadBytes: number;
  /** The struct of its requests; null: bytes. */
  readonly request: Struct | null;
}

/** The payload's bytes. Throws INVALID_ARGUMENT where it is no payload, or has more bytes than the kernel takes. */
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

/** The time after which a message is dropped, microseconds since 1970; 0: never. Throws INVALID_ARGUMENT. */
export function deadlineOf(deadlineMs: number, { physicalMicros }: HlcTimestamp): number {
  if (!(deadlineMs >= 0)) throw invalidArgument("deadlineMs", deadlineMs, "milliseconds from 0 to Infinity");
  const deadline = physicalMicros + Math.ceil(deadlineMs * 1000);
  return deadline <= Number.MAX_SAFE_INTEGER ? deadline : 0;
}

/** A message from the host. Throws INVALID_ARGUMENT. */
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
