/** Messages as users see them, and as packed bytes for Workers and channels. */
import { LavaFlowError } from "../../errors.ts";
import { remedyFor } from "../../native/status.ts";
import type { HlcTimestamp } from "./clock.ts";
import { checksum, exact, HEADER, HEADER_BYTES, headerFault, readHeader, USED_WORDS, writeHeader } from "./header.ts";
import type { Message, Priority } from "./message.ts";
import type { MessageBytes } from "./payload.ts";

/** A message to send. `P`: bytes, or a value of the kernel's `request`. */
export interface EnvelopeInit<P = MessageBytes> {
  /** The library copies the payload: its memory may be used again when the send has resolved. */
  payload: P;
  /** A number of the user's own choice, 0 (the default) to 2^32 - 1. */
  type?: number;
  /** 3 is handled first; default 1. */
  priority?: Priority;
  /** The reply has the same correlation id: 1 to 2^52 - 1; 0 (the default) for none. */
  correlationId?: number;
  /** Milliseconds from the timestamp after which the message is dropped; default Infinity. */
  deadlineMs?: number;
}

/** A message that was received. `P`: bytes, or a value of the kernel's `request` or `reply`. */
export interface Envelope<P = Uint8Array> extends Required<EnvelopeInit<P>> {
  /** Each message of the runtime has its own. */
  id: number;
  /** Ids of kernels; "host" for this program; "runtime/kernel" for a kernel of another runtime. */
  source: string;
  destination: string;
  timestamp: HlcTimestamp;
}

const LOGICAL_MAX = 4095;
const PRIORITY_MAX = 3;
const TYPE_MAX = 2 ** 32 - 1;

/** A checked header: a message with the size and the checksum of its payload instead of the payload. */
export interface Header extends Omit<Message, "payload"> {
  payloadBytes: number;
  crc32: number;
}

/** The words of a header before they are checked: a copy, because a frame's bytes may not be aligned to words. */
const words = new Uint32Array(new ArrayBuffer(4 * USED_WORDS));
const wordBytes = new Uint8Array(words.buffer);

/** The error of an invalid message that came from another thread or process. */
export function corrupt(what: string): LavaFlowError {
  return new LavaFlowError("CORRUPT_SEGMENT", what, { remedy: remedyFor("CORRUPT_SEGMENT") });
}

/** The u64 fields, with their names in errors and their largest values. */
const BOUNDS: readonly (readonly [field: number, name: string, most: number])[] = [
  [HEADER.ID, "id", Number.MAX_SAFE_INTEGER],
  [HEADER.CORRELATION, "correlation id", Number.MAX_SAFE_INTEGER],
  [HEADER.SOURCE, "source", Number.MAX_SAFE_INTEGER],
  [HEADER.DESTINATION, "destination", Number.MAX_SAFE_INTEGER],
  [HEADER.TYPE, "type", TYPE_MAX],
  [HEADER.SIZE, "payload size", Number.MAX_SAFE_INTEGER],
  [HEADER.STAMP, "timestamp", Number.MAX_SAFE_INTEGER],
  [HEADER.STAMP + 2, "logical time", LOGICAL_MAX],
  [HEADER.STAMP + 4, "node id", Number.MAX_SAFE_INTEGER],
  [HEADER.DEADLINE, "deadline", Number.MAX_SAFE_INTEGER],
];

/** Throws CORRUPT_SEGMENT where the bytes are no header of version 1, or a field is out of its range. */
export function checkHeader(bytes: Uint8Array): Header {
  if (bytes.byteLength < HEADER_BYTES)
    throw corrupt(`a message has ${bytes.byteLength} bytes, less than its header's ${HEADER_BYTES}`);
  wordBytes.set(bytes.subarray(0, wordBytes.length));
  const fault = headerFault(words, 0);
  if (fault !== null) throw corrupt(`a message ${fault}`);
  for (const [field, name, most] of BOUNDS) {
    const value = (words[field] as number) + (words[field + 1] as number) * 2 ** 32;
    if (value > most) throw corrupt(`a message's ${name} is ${exact(words, field)}, above ${most}`);
  }
  const { flags, priority, ...fields } = readHeader(words, 0);
  const urgency = priority & 0xff; // a u8
  if (urgency > PRIORITY_MAX) throw corrupt(`a message's priority is ${urgency}, above ${PRIORITY_MAX}`);
  return { ...fields, priority: urgency as Priority };
}

/** The header, and the payload behind it. */
export function pack(message: Message): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(new ArrayBuffer(HEADER_BYTES + message.payload.byteLength));
  writeHeader(new Uint32Array(bytes.buffer, 0, HEADER.WORDS), 0, message);
  bytes.set(message.payload, HEADER_BYTES);
  return bytes;
}

/**
 * The message in the bytes of `pack`; its payload is a copy. Throws CORRUPT_SEGMENT as `checkHeader` does, and where
 * the header's payload size or checksum is not that of the bytes behind the header.
 */
export function unpack(bytes: Uint8Array): Message {
  const { payloadBytes, crc32, ...message } = checkHeader(bytes);
  const payload = bytes.slice(HEADER_BYTES);
  if (payload.byteLength !== payloadBytes)
    throw corrupt(`message ${message.id} has ${payload.byteLength} bytes of payload, and says ${payloadBytes}`);
  const actual = checksum(payload);
  if (actual !== crc32) throw corrupt(`message ${message.id} has the checksum ${actual}, and says ${crc32}`);
  return { ...message, payload };
}

/** Milliseconds from the timestamp to the deadline. */
function deadlineMsOf({ deadlineMicros, timestamp }: Message): number {
  return deadlineMicros === 0 ? Number.POSITIVE_INFINITY : (deadlineMicros - timestamp.physicalMicros) / 1000;
}

/** A message with the names of the kernels instead of their numbers. */
export function toEnvelope(message: Message, source: string, destination: string): Envelope {
  return {
    id: message.id,
    type: message.type,
    priority: message.priority,
    correlationId: message.correlationId,
    payload: message.payload,
    deadlineMs: deadlineMsOf(message),
    source,
    destination,
    timestamp: message.timestamp,
  };
}
