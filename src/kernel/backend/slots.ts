/** Slots of a GPU's rings: a header of 256 bytes, and the payload. */

import { checksum, HEADER, headerFault, readHeader, writeHeader } from "../base/header.ts";
import type { Message, Priority } from "../base/message.ts";
import { FLAG } from "../shader/layout.ts";

const WORD = 4;

/** Words of a slot: a header and a payload, rounded up to 64 bytes, a line of most caches. */
export const slotWords = (payloadBytes: number): number => HEADER.WORDS + Math.ceil(payloadBytes / 64) * 16;

/** `words` and `bytes` are views of one memory, which is only written, in ascending order: it may be BAR memory. */
export function writeSlot(words: Uint32Array, bytes: Uint8Array, at: number, message: Message): void {
  const { payload } = message;
  writeHeader(words, at, message);
  if (payload.length === 0) return;
  // The bytes of the last word behind the payload must be 0.
  words[at + HEADER.WORDS + ((payload.length - 1) >> 2)] = 0;
  bytes.set(payload, (at + HEADER.WORDS) * WORD);
}

/** An output of a kernel: a message, or a report on a message that was dropped or not replied to. */
export interface Found {
  message: Message;
  /** Why the body was not given the message; null for other outputs. */
  dropped: "deadline" | "checksum" | null;
  /** Messages that carry on the call of a message without a reply; -1 for other outputs. */
  silent: number;
}

/**
 * Reads and checks an output of the kernel `source`, with payloads of at most `payloadBytes`. Returns a description of
 * the fault where the kernel can't have written it.
 */
export function readSlot(
  words: Uint32Array,
  bytes: Uint8Array,
  at: number,
  source: number,
  payloadBytes: number,
): Found | string {
  const fault = headerFault(words, at);
  if (fault !== null) return `an output that ${fault}`;
  const header = readHeader(words, at);
  const { flags, payloadBytes: size, crc32, priority } = header;
  if (size > payloadBytes) return `a payload of ${size} bytes, where ${payloadBytes} are the most`;
  if (priority > 3) return `the priority ${priority}`;
  const isDropped = (flags & (FLAG.DROPPED_DEADLINE | FLAG.DROPPED_CHECKSUM)) !== 0;
  const isSilent = (flags & FLAG.SILENT) !== 0;
  if (!isDropped && !isSilent && header.source !== source)
    return `a message of kernel ${header.source} from kernel ${source}`;
  const begin = (at + HEADER.WORDS) * WORD;
  const payload = bytes.slice(begin, begin + size);
  const message: Message = {
    id: header.id,
    type: header.type,
    priority: priority as Priority,
    correlationId: header.correlationId,
    payload,
    timestamp: header.timestamp,
    deadlineMicros: header.deadlineMicros,
    source: header.source,
    destination: header.destination,
  };
  if (isDropped)
    return { message, dropped: (flags & FLAG.DROPPED_DEADLINE) !== 0 ? "deadline" : "checksum", silent: -1 };
  if (isSilent) return { message, dropped: null, silent: crc32 };
  const isWhole = (flags & FLAG.UNCHECKED) !== 0 || checksum(payload) === crc32;
  return { message, dropped: isWhole ? null : "checksum", silent: -1 };
}
