/**
 * Messages as users see them, and the 256 bytes that stand before a payload wherever a message leaves its thread. The
 * header's layout is RingKernel's (mivertowski/RustCompute), little-endian.
 */
import { LavaFlowError } from "../../errors.ts";
import { remedyFor } from "../../native/status.ts";
import type { HlcTimestamp } from "./clock.ts";
import type { Message, Priority } from "./message.ts";
import type { MessageBytes } from "./payload.ts";

/** `P`: bytes, or what the kernel's `request` may be given as. */
export interface EnvelopeInit<P = MessageBytes> {
  /** Copied by whoever takes it: it may be used again when the send has resolved. */
  payload: P;
  /** What the message is, in the user's own numbering: 0 (the default) to 2^32 - 1. */
  type?: number;
  /** 3 is handled first; default 1. */
  priority?: Priority;
  /** What a reply will carry too, 1 to 2^52 - 1; 0 (the default) for none. */
  correlationId?: number;
  /** The body is not given the message later than this, milliseconds from its timestamp; default Infinity. */
  deadlineMs?: number;
}

/** `P`: bytes, or a value of the kernel's `request` or `reply`. */
export interface Envelope<P = Uint8Array> extends Required<EnvelopeInit<P>> {
  /** Another one for each message of the runtime. */
  id: number;
  /** Ids of kernels; "host" for this program; "runtime/kernel" for a kernel of another runtime. */
  source: string;
  destination: string;
  timestamp: HlcTimestamp;
}

/** Where the fields of a header are, in bytes. What is not named here is reserved and 0. */
export const HEADER = {
  magic: 0,
  version: 8,
  /** None is defined. */
  flags: 12,
  id: 16,
  correlation: 24,
  source: 32,
  destination: 40,
  type: 48,
  priority: 56,
  payloadSize: 64,
  /** IEEE 802.3, of the payload. */
  crc32: 72,
  /** Physical microseconds, logical, node: 64 bits each. */
  timestamp: 80,
  /** The same three; all 0 where there is none. */
  deadline: 104,
  size: 256,
} as const;

/** "RINGKERN" read as a big-endian number: the lower half stands first. */
const MAGIC_LOW = 0x4b45524e;
const MAGIC_HIGH = 0x52494e47;
const VERSION = 1;
const WORD = 2 ** 32;
/** The upper half of the largest whole number that JavaScript counts to. */
const SAFE_HIGH = 2 ** 21 - 1;
const LOGICAL_MAX = 4095;
const PRIORITY_MAX = 3;

/** A header that was read: a message without its payload, of which it tells size and checksum. */
export interface Header extends Omit<Message, "payload"> {
  payloadBytes: number;
  crc32: number;
}

function setU64(view: DataView, at: number, value: number): void {
  view.setUint32(at, value >>> 0, true);
  view.setUint32(at + 4, (value / WORD) >>> 0, true);
}

/** Writes the 256 bytes before the message's payload. The reserved ones are left as they are. */
export function writeHeader(view: DataView, at: number, message: Message): void {
  const { payload, timestamp, deadlineMicros } = message;
  view.setUint32(at + HEADER.magic, MAGIC_LOW, true);
  view.setUint32(at + HEADER.magic + 4, MAGIC_HIGH, true);
  view.setUint32(at + HEADER.version, VERSION, true);
  view.setUint32(at + HEADER.flags, 0, true);
  setU64(view, at + HEADER.id, message.id);
  setU64(view, at + HEADER.correlation, message.correlationId);
  setU64(view, at + HEADER.source, message.source);
  setU64(view, at + HEADER.destination, message.destination);
  setU64(view, at + HEADER.type, message.type);
  setU64(view, at + HEADER.priority, message.priority);
  setU64(view, at + HEADER.payloadSize, payload.byteLength);
  setU64(view, at + HEADER.crc32, Bun.hash.crc32(payload));
  setU64(view, at + HEADER.timestamp, timestamp.physicalMicros);
  setU64(view, at + HEADER.timestamp + 8, timestamp.logical);
  setU64(view, at + HEADER.timestamp + 16, timestamp.nodeId);
  setU64(view, at + HEADER.deadline, deadlineMicros);
  setU64(view, at + HEADER.deadline + 8, 0);
  setU64(view, at + HEADER.deadline + 16, deadlineMicros === 0 ? 0 : timestamp.nodeId);
}

/** What is wrong with a message that came from elsewhere. */
export function corrupt(what: string): LavaFlowError {
  return new LavaFlowError("CORRUPT_SEGMENT", what, { remedy: remedyFor("CORRUPT_SEGMENT") });
}

function u64(view: DataView, at: number, field: number, name: string): number {
  const high = view.getUint32(at + field + 4, true);
  if (high > SAFE_HIGH) throw corrupt(`a message's ${name} is ${view.getBigUint64(at + field, true)}, above 2^53 - 1`);
  return high * WORD + view.getUint32(at + field, true);
}

function bounded(value: number, limit: number, name: string): number {
  if (value > limit) throw corrupt(`a message's ${name} is ${value}, above ${limit}`);
  return value;
}

/** CORRUPT_SEGMENT where it is no header of version 1, or a field is out of its range. */
export function readHeader(view: DataView, at: number): Header {
  if (at < 0 || at + HEADER.size > view.byteLength)
    throw corrupt(`a message has ${Math.max(0, view.byteLength - at)} bytes, less than its header's ${HEADER.size}`);
  if (view.getUint32(at, true) !== MAGIC_LOW || view.getUint32(at + 4, true) !== MAGIC_HIGH)
    throw corrupt(`a message begins with ${view.getBigUint64(at, true).toString(16)}, which is not RINGKERN`);
  const version = view.getUint32(at + HEADER.version, true);
  if (version !== VERSION) throw corrupt(`a message has version ${version}, not ${VERSION}`);
  return {
    id: u64(view, at, HEADER.id, "id"),
    correlationId: u64(view, at, HEADER.correlation, "correlation id"),
    source: u64(view, at, HEADER.source, "source"),
    destination: u64(view, at, HEADER.destination, "destination"),
    type: bounded(u64(view, at, HEADER.type, "type"), WORD - 1, "type"),
    priority: bounded(view.getUint8(at + HEADER.priority), PRIORITY_MAX, "priority") as Priority,
    payloadBytes: u64(view, at, HEADER.payloadSize, "payload size"),
    crc32: view.getUint32(at + HEADER.crc32, true),
    timestamp: {
      physicalMicros: u64(view, at, HEADER.timestamp, "timestamp"),
      logical: bounded(u64(view, at, HEADER.timestamp + 8, "logical time"), LOGICAL_MAX, "logical time"),
      nodeId: u64(view, at, HEADER.timestamp + 16, "node id"),
    },
    deadlineMicros: u64(view, at, HEADER.deadline, "deadline"),
  };
}

/** A message as one run of bytes, header first, after `before` bytes for the caller. */
export function pack(message: Message, before = 0): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(new ArrayBuffer(before + HEADER.size + message.payload.byteLength));
  writeHeader(new DataView(bytes.buffer), before, message);
  bytes.set(message.payload, before + HEADER.size);
  return bytes;
}

/**
 * The message in the bytes of `pack`; its payload is a copy. CORRUPT_SEGMENT, as for `readHeader`, and where the size of
 * the payload is not that of the bytes behind the header, or its checksum is another.
 */
export function unpack(bytes: Uint8Array): Message {
  const { payloadBytes, crc32, ...message } = readHeader(
    new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength),
    0,
  );
  const payload = bytes.slice(HEADER.size);
  if (payload.byteLength !== payloadBytes)
    throw corrupt(`message ${message.id} has ${payload.byteLength} bytes of payload, and says ${payloadBytes}`);
  const actual = Bun.hash.crc32(payload);
  if (actual !== crc32) throw corrupt(`message ${message.id} has the checksum ${actual}, and says ${crc32}`);
  return { ...message, payload };
}

/** How long a message may wait, milliseconds from its timestamp. */
function deadlineMsOf({ deadlineMicros, timestamp }: Message): number {
  return deadlineMicros === 0 ? Number.POSITIVE_INFINITY : (deadlineMicros - timestamp.physicalMicros) / 1000;
}

/** A message with the names of the kernels in place of their numbers. */
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
