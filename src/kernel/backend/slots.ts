/** Messages as bytes: the header of 256 bytes, and the payload behind it. */

import type { Message, Priority } from "../base/message.ts";
import { FLAG, HEADER, MAGIC_HIGH, MAGIC_LOW, VERSION } from "../shader/layout.ts";

const WORD = 4;
const HIGH = 2 ** 32;
/** Of a header, the lines of the caches that are not reserved; in words. */
const LINES = 32;

const high = (value: number) => (value < HIGH ? 0 : (value / HIGH) >>> 0);

/** Room for a header and a payload, in words: whole lines of the caches. */
export const slotWords = (payloadBytes: number): number => HEADER.WORDS + Math.ceil(payloadBytes / 64) * 16;

/** CRC-32 as in IEEE 802.3. */
export const checksum = (bytes: Uint8Array): number => Bun.hash.crc32(bytes);

/**
 * `words` and `bytes` show one memory, which is only written, and best in whole lines and in order: it may be the GPU's,
 * behind buffers that combine writes.
 */
export function writeSlot(words: Uint32Array, bytes: Uint8Array, at: number, message: Message): void {
  const { id, correlationId, payload, timestamp, deadlineMicros } = message;
  const { physicalMicros, nodeId } = timestamp;
  const size = payload.length;
  words[at + HEADER.MAGIC] = MAGIC_LOW;
  words[at + HEADER.MAGIC + 1] = MAGIC_HIGH;
  words[at + HEADER.VERSION] = VERSION;
  words[at + HEADER.FLAGS] = 0;
  words[at + HEADER.ID] = id;
  words[at + HEADER.ID + 1] = high(id);
  words[at + HEADER.CORRELATION] = correlationId;
  words[at + HEADER.CORRELATION + 1] = high(correlationId);
  words[at + HEADER.SOURCE] = message.source;
  words[at + HEADER.SOURCE + 1] = 0;
  words[at + HEADER.DESTINATION] = message.destination;
  words[at + HEADER.DESTINATION + 1] = 0;
  words[at + HEADER.TYPE] = message.type;
  words[at + HEADER.TYPE + 1] = high(message.type);
  words[at + HEADER.PRIORITY] = message.priority;
  words[at + HEADER.PRIORITY + 1] = 0;
  words[at + HEADER.SIZE] = size;
  words[at + HEADER.SIZE + 1] = 0;
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
  for (let i = HEADER.DEADLINE + 2; i < LINES; i++) words[at + i] = 0;
  if (size === 0) return;
  // What the last word has beyond the payload is 0.
  words[at + HEADER.WORDS + ((size - 1) >> 2)] = 0;
  bytes.set(payload, (at + HEADER.WORDS) * WORD);
}

/** What a kernel put out: a message, or word of one that its body was not given. */
export interface Found {
  message: Message;
  /** Null for a message. */
  dropped: "deadline" | "checksum" | null;
  /** It had a correlation, and no reply: so many messages carry that on. -1: another case. */
  silent: number;
}

/**
 * Reads what a device wrote: nothing of it is believed. A string says what is wrong: it is none that `source`, a kernel
 * with payloads of at most `payloadBytes`, can have written.
 */
export function readSlot(
  words: Uint32Array,
  bytes: Uint8Array,
  at: number,
  source: number,
  payloadBytes: number,
): Found | string {
  const word = (field: number) => words[at + field] as number;
  const long = (field: number) => word(field) + word(field + 1) * HIGH;
  if (word(HEADER.MAGIC) !== MAGIC_LOW || word(HEADER.MAGIC + 1) !== MAGIC_HIGH || word(HEADER.VERSION) !== VERSION)
    return "an output that does not begin as a message does";
  const flags = word(HEADER.FLAGS);
  const size = long(HEADER.SIZE);
  if (size > payloadBytes) return `a payload of ${size} bytes, where ${payloadBytes} are the most`;
  const priority = word(HEADER.PRIORITY);
  if (priority > 3) return `the priority ${priority}`;
  const from = long(HEADER.SOURCE);
  const isDropped = (flags & (FLAG.DROPPED_DEADLINE | FLAG.DROPPED_CHECKSUM)) !== 0;
  const isSilent = (flags & FLAG.SILENT) !== 0;
  if (!isDropped && !isSilent && from !== source) return `a message of kernel ${from} from kernel ${source}`;
  const [physicalMicros, logical] = [long(HEADER.STAMP), long(HEADER.STAMP + 2)];
  const begin = (at + HEADER.WORDS) * WORD;
  const payload = bytes.slice(begin, begin + size);
  const message: Message = {
    id: long(HEADER.ID),
    type: long(HEADER.TYPE),
    priority: priority as Priority,
    correlationId: long(HEADER.CORRELATION),
    payload,
    timestamp: { physicalMicros, logical, nodeId: long(HEADER.STAMP + 4) },
    deadlineMicros: long(HEADER.DEADLINE),
    source: from,
    destination: long(HEADER.DESTINATION),
  };
  if (isDropped)
    return { message, dropped: (flags & FLAG.DROPPED_DEADLINE) !== 0 ? "deadline" : "checksum", silent: -1 };
  if (isSilent) return { message, dropped: null, silent: word(HEADER.CRC) };
  const isWhole = (flags & FLAG.UNCHECKED) !== 0 || checksum(payload) === word(HEADER.CRC);
  return { message, dropped: isWhole ? null : "checksum", silent: -1 };
}
