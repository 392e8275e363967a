/**
 * The 256 bytes before a payload, in RingKernel's layout (mivertowski/RustCompute). This is the only codec: for slots
 * in a GPU's memory, for Workers and for channels. Little-endian; a u64 is two 32-bit words, the low one first.
 */
import type { Message } from "./message.ts";

/** Offsets in 32-bit words. Words without a name are reserved and 0. */
export const HEADER = {
  MAGIC: 0, // u64
  VERSION: 2,
  FLAGS: 3,
  ID: 4, // u64
  CORRELATION: 6, // u64; 0: none
  SOURCE: 8, // u64: the number of a kernel; 0: the host
  DESTINATION: 10, // u64, likewise
  TYPE: 12, // u64
  PRIORITY: 14, // u8
  SIZE: 16, // u64: bytes of the payload
  CRC: 18, // of the payload
  STAMP: 20, // three u64: physical microseconds, logical, node
  DEADLINE: 26, // three u64, as STAMP; all 0: none
  WORDS: 64,
} as const;

export const HEADER_BYTES = HEADER.WORDS * 4;
/** Words before the reserved second half of a header. */
export const USED_WORDS = 32;

/** "RINGKERN" read as a big-endian number. */
export const MAGIC_LOW = 0x4b45524e;
export const MAGIC_HIGH = 0x52494e47;
export const VERSION = 1;

const HIGH = 2 ** 32;

/** The fields of a header, not checked. */
export interface HeaderFields extends Omit<Message, "payload" | "priority"> {
  flags: number;
  priority: number;
  payloadBytes: number;
  crc32: number;
}

/** CRC-32 as in IEEE 802.3. */
export const checksum = (bytes: Uint8Array): number => Bun.hash.crc32(bytes);

const high = (value: number) => (value < HIGH ? 0 : (value / HIGH) >>> 0);

/**
 * Writes the header of `message` from word `at` on. Each word is written once, in ascending order: `words` may be the
 * GPU's memory, which the processor reaches through write-combining buffers. The reserved second half stays unchanged.
 */
export function writeHeader(words: Uint32Array, at: number, message: Message): void {
  const { id, correlationId, payload, timestamp, deadlineMicros } = message;
  const { physicalMicros, nodeId } = timestamp;
  const deadlineNode = deadlineMicros === 0 ? 0 : nodeId;
  words[at + HEADER.MAGIC] = MAGIC_LOW;
  words[at + HEADER.MAGIC + 1] = MAGIC_HIGH;
  words[at + HEADER.VERSION] = VERSION;
  words[at + HEADER.FLAGS] = 0;
  words[at + HEADER.ID] = id;
  words[at + HEADER.ID + 1] = high(id);
  words[at + HEADER.CORRELATION] = correlationId;
  words[at + HEADER.CORRELATION + 1] = high(correlationId);
  words[at + HEADER.SOURCE] = message.source;
  words[at + HEADER.SOURCE + 1] = high(message.source);
  words[at + HEADER.DESTINATION] = message.destination;
  words[at + HEADER.DESTINATION + 1] = high(message.destination);
  words[at + HEADER.TYPE] = message.type;
  words[at + HEADER.TYPE + 1] = high(message.type);
  words[at + HEADER.PRIORITY] = message.priority;
  words[at + HEADER.PRIORITY + 1] = 0;
  words[at + HEADER.SIZE] = payload.length;
  words[at + HEADER.SIZE + 1] = high(payload.length);
  words[at + HEADER.CRC] = checksum(payload);
  words[at + HEADER.CRC + 1] = 0;
  words[at + HEADER.STAMP] = physicalMicros;
  words[at + HEADER.STAMP + 1] = high(physicalMicros);
  words[at + HEADER.STAMP + 2] = timestamp.logical;
  words[at + HEADER.STAMP + 3] = 0;
  words[at + HEADER.STAMP + 4] = nodeId;
  words[at + HEADER.STAMP + 5] = high(nodeId);
  words[at + HEADER.DEADLINE] = deadlineMicros;
  words[at + HEADER.DEADLINE + 1] = high(deadlineMicros);
  words[at + HEADER.DEADLINE + 2] = 0;
  words[at + HEADER.DEADLINE + 3] = 0;
  words[at + HEADER.DEADLINE + 4] = deadlineNode;
  words[at + HEADER.DEADLINE + 5] = high(deadlineNode);
}

/** Why the words from `at` on are no header of this version; null where they are one. */
export function headerFault(words: Uint32Array, at: number): string | null {
  if (words[at] !== MAGIC_LOW || words[at + 1] !== MAGIC_HIGH)
    return `begins with ${exact(words, at).toString(16)}, which is not RINGKERN`;
  const version = words[at + HEADER.VERSION];
  return version === VERSION ? null : `has version ${version}, not ${VERSION}`;
}

export function readHeader(words: Uint32Array, at: number): HeaderFields {
  const long = (field: number) => (words[at + field] as number) + (words[at + field + 1] as number) * HIGH;
  return {
    flags: words[at + HEADER.FLAGS] as number,
    id: long(HEADER.ID),
    correlationId: long(HEADER.CORRELATION),
    source: long(HEADER.SOURCE),
    destination: long(HEADER.DESTINATION),
    type: long(HEADER.TYPE),
    priority: words[at + HEADER.PRIORITY] as number,
    payloadBytes: long(HEADER.SIZE),
    crc32: words[at + HEADER.CRC] as number,
    timestamp: {
      physicalMicros: long(HEADER.STAMP),
      logical: long(HEADER.STAMP + 2),
      nodeId: long(HEADER.STAMP + 4),
    },
    deadlineMicros: long(HEADER.DEADLINE),
  };
}

/** The u64 at word `at`, for errors. */
export const exact = (words: Uint32Array, at: number): bigint =>
  BigInt(words[at + 1] as number) * 2n ** 32n + BigInt(words[at] as number);
