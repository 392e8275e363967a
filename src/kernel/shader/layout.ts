/**
 * What host and shaders share, as offsets in 32-bit words. HEADER and CONTROL are the layouts of RingKernel (little-endian;
 * a u64 is two words, the low one first); what this library adds lies behind them. The shaders get these numbers as
 * constants from here (`shaderConstants`), so the two can't differ.
 */
import { HEADER, MAGIC_HIGH, MAGIC_LOW, VERSION } from "../base/header.ts";

/** HEADER.FLAGS. A message from kernel to kernel was never outside the device, and has no checksum. SILENT: of a message with a
 * correlation that the body did not reply to; CRC says how many messages carry it on. */
export const FLAG = { UNCHECKED: 1, DROPPED_DEADLINE: 2, DROPPED_CHECKSUM: 4, SILENT: 8 } as const;

/** A kernel's control block: 128 bytes, and 128 more that say where its things are. */
export const CONTROL = {
  ACTIVE: 0,
  TERMINATE: 1,
  TERMINATED: 2,
  PROCESSED: 4, // u64
  IN_FLIGHT: 6, // u64: given to the kernel and not handled when it stopped last
  IN_HEAD: 8, // u64
  IN_TAIL: 10, // u64
  OUT_HEAD: 12, // u64
  OUT_TAIL: 14, // u64
  IN_CAPACITY: 16,
  OUT_CAPACITY: 17,
  IN_MASK: 18,
  OUT_MASK: 19,
  CLOCK: 20, // two u64: physical microseconds, logical
  LAST_ERROR: 24, // 1: a body did not come to an end
  ERROR_COUNT: 25,
  MADE: 26, // messages that it sent, for their ids
  // ---- behind the 128 bytes: offsets of words, in the memory that is named
  NUMBER: 32,
  NODE: 33, // u64: whose clock its stamps are of
  STATE: 35, // store
  STATE_WORDS: 36,
  PAYLOAD_BYTES: 37, // the largest
  SLOT_WORDS: 38, // of a header and a payload
  INPUTS: 39, // upload
  OUTPUTS: 40, // readback
  ORDERS: 41, // upload: the slots to handle, in their order
  REPORT: 42, // readback
  LIMIT: 43, // how far OUT_HEAD may come
  STAGING: 44, // store: the payload of the reply, then that of a message
  ROUTES: 45, // upload
  ROUTE_COUNT: 46,
  INBOX: 47, // readyList; 0: it has none
  INBOX_SLOTS: 48, // store
  LIST: 49, // readyList: two lists of those of its body that run next
  LIST_CAPACITY: 50, // of each
  BODY: 51, // its place in a round's sizes
  INBOX_CAPACITY: 52,
  COUNT: 53, // of the messages that the host gives it with a submission
  FIRST: 54, // the slot of the first of them
  REFUSED: 55, // messages of its own that were not sent: there was no room, or nobody
  WORDS: 64,
} as const;

/** What a kernel says when it stops: 32 bytes. TAKEN is of the dispatch that the host entered it for; REFUSED is as in CONTROL. */
export const REPORT = { SERIAL: 0, OUT_HEAD: 1, PROCESSED: 2, FLAGS: 3, TAKEN: 4, REFUSED: 5, WORDS: 8 } as const;
/** REPORT.FLAGS. MORE: messages wait in its inbox. */
export const REPORTED = { SPENT: 1, MORE: 2 } as const;

/** Where a kernel's route leads: 32 bytes. */
export const ROUTE = { DESTINATION: 0, BLOCK: 2 /* 0: through the host */, WORDS: 8 } as const;

/**
 * The header of an inbox: 64 bytes. CLAIMED counts messages that senders have begun, ARRIVED those that were sent in rounds
 * of one parity and that the owner has not added to SAFE yet; FREE follows TAIL a round later.
 */
export const INBOX = {
  CLAIMED: 0,
  FREE: 1,
  ARRIVED: 2, // two
  SAFE: 4,
  TAIL: 5,
  WANTED: 6, // the round that it is listed for
  WORDS: 16,
} as const;

/** Rounds of which the sizes are kept, and bodies whose kernels message each other on the device. */
export const ROUNDS = 64;
export const BODIES = 16;
/** A round's sizes, on the ready list from word 0: for each body x, y and z of its dispatch, and a word for alignment. */
export const SIZES = { ROUND_WORDS: BODIES * 4, WORDS: ROUNDS * BODIES * 4 } as const;

/** Immediate data of a dispatch: what is the same for many of them, so that their commands can be submitted again. */
export const PUSH = { WHO: 0, ROUND: 1, KIND: 2, TURN: 3, WORDS: 4 } as const;
/**
 * PUSH.KIND, and what WHO is then: the control block of the one kernel that the host woke; where in the upload memory the
 * blocks of several such kernels are named; where on the ready list those of the kernels are that others woke.
 */
export const WOKEN = { ALONE: 0, TOGETHER: 1, BY_OTHERS: 2 } as const;

/**
 * In front of the upload memory: what is new with each submission. NOW is a stamp, packed. TURN is 0 or 1, the other one than
 * in the submission before; dispatches with another turn than this do nothing: they were prepared, and not wanted.
 */
export const FRONT = { SERIAL: 0, NOW: 1 /* two */, TURN: 3, WORDS: 16 } as const;

/** How often loops may go round, in each invocation. */
export interface Rounds {
  /** The loops of a body, all together, while it handles one message. */
  fuel: number;
  /** All loops, before a kernel stops though messages wait: others are to have their turn. */
  pause: number;
  /** What the library's own loops may take for a message. */
  reserve: number;
}

/** `most`: rounds that a device lets an invocation make in one dispatch, before it ends loops where they are. */
export function roundsFor(most: number): Rounds {
  const fuel = Math.min(2 ** 25, Math.floor(most / 4));
  const reserve = Math.min(2 ** 25, Math.floor(most / 2));
  return { fuel, pause: Math.min(2 ** 22, most - fuel - reserve), reserve };
}

/** The largest payload that the library's loops get through: a round of two checksums for a word, and a quarter to copy it. */
export const payloadMax = ({ reserve }: Rounds): number => Math.floor((reserve - SEND_FUEL) / 2.25) * 4;

/** Rounds for a message to another kernel, beside those for its words. */
const SEND_FUEL = 64;

/** The names as the shaders have them, `LF_HEADER_MAGIC` for example. */
export function shaderConstants({ fuel, pause }: Rounds): string {
  const groups = { HEADER, FLAG, CONTROL, REPORT, REPORTED, ROUTE, INBOX, SIZES, WOKEN, FRONT };
  const plain = { MAGIC_LOW, MAGIC_HIGH, VERSION, ROUNDS, SEND_FUEL, FUEL: fuel, PAUSE: pause };
  const constant = (name: string, value: number) => `const LF_${name} = ${value}u;`;
  const bits = checksumsOfBits();
  return [
    ...Object.entries(groups).flatMap(([group, fields]) =>
      Object.entries(fields).map(([name, value]) => constant(`${group}_${name}`, value)),
    ),
    ...Object.entries(plain).map(([name, value]) => constant(name, value)),
    ...[0, 1, 2, 3, 4, 5, 6, 7].map((i) => `const LF_CRC_${i} = vec4<u32>(${bits.slice(4 * i, 4 * i + 4)});`),
  ].join("\n");
}

/**
 * What each bit of a word, alone, makes of the checksum 0 by CRC-32 (IEEE 802.3). The checksum is linear, so a word's is the
 * exclusive or of those of its bits: on a GPU that takes less time than one look into a table.
 */
export function checksumsOfBits(): number[] {
  const POLYNOMIAL = 0xedb88320;
  return Array.from({ length: 32 }, (_, i) => {
    let rest = (1 << i) >>> 0;
    for (let bit = 0; bit < 32; bit++) rest = (rest >>> 1) ^ (rest & 1 ? POLYNOMIAL : 0);
    return rest >>> 0;
  });
}
