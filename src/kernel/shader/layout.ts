/**
 * The memory that host and shaders share, as offsets in 32-bit words. HEADER and CONTROL are layouts of RingKernel
 * (little-endian; a u64 is two words, the low one first); fields of this library lie behind RingKernel's. The shaders
 * get these numbers as constants (`shaderConstants`), so that host and shaders can't differ.
 */
import { HEADER, MAGIC_HIGH, MAGIC_LOW, VERSION } from "../base/header.ts";

/**
 * HEADER.FLAGS. UNCHECKED: a message from kernel to kernel never leaves the device and has no checksum. SILENT: the
 * body did not reply to a message with a correlation; CRC has the number of messages that carry the call on.
 */
export const FLAG = { UNCHECKED: 1, DROPPED_DEADLINE: 2, DROPPED_CHECKSUM: 4, SILENT: 8 } as const;

/** A kernel's control block: RingKernel's 128 bytes, and 128 bytes with the offsets of the kernel's memory. */
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
  LAST_ERROR: 24, // 1: a body used up its fuel
  ERROR_COUNT: 25,
  MADE: 26, // messages that the kernel sent, for their ids
  // ---- behind the 128 bytes; offsets are of words in the named memory
  NUMBER: 32,
  NODE: 33, // u64: the node id of the kernel's clock
  STATE: 35, // store
  STATE_WORDS: 36,
  PAYLOAD_BYTES: 37, // of the largest payload
  SLOT_WORDS: 38, // of a header and a payload
  INPUTS: 39, // upload
  OUTPUTS: 40, // readback
  ORDERS: 41, // upload: the slots to handle, in their order
  REPORT: 42, // readback
  LIMIT: 43, // OUT_HEAD stays at or below it
  STAGING: 44, // store: the payload of the reply, then that of a message
  ROUTES: 45, // upload
  ROUTE_COUNT: 46,
  INBOX: 47, // readyList; 0: the kernel has no inbox
  INBOX_SLOTS: 48, // store
  LIST: 49, // readyList: two lists of the kernels of its body that run next, for even and odd rounds
  LIST_CAPACITY: 50, // of each list
  BODY: 51, // the body's index in a round's sizes
  INBOX_CAPACITY: 52,
  COUNT: 53, // of the messages that the host gives the kernel in this submission
  FIRST: 54, // the slot of the first of them
  REFUSED: 55, // messages that the kernel could not send: the destination was full or absent
  WORDS: 64,
} as const;

/**
 * A kernel's report at the end of a dispatch: 32 bytes. TAKEN counts the host's messages only; REFUSED is as in
 * CONTROL.
 */
export const REPORT = { SERIAL: 0, OUT_HEAD: 1, PROCESSED: 2, FLAGS: 3, TAKEN: 4, REFUSED: 5, WORDS: 8 } as const;
/** REPORT.FLAGS. SPENT: the body used up its fuel. MORE: messages wait in the kernel's inbox. */
export const REPORTED = { SPENT: 1, MORE: 2 } as const;

/** A route of a kernel: 32 bytes. BLOCK: the destination's control block; 0: the message goes through the host. */
export const ROUTE = { DESTINATION: 0, BLOCK: 2, WORDS: 8 } as const;

/**
 * The header of an inbox: 64 bytes. CLAIMED counts the slots that senders have claimed. ARRIVED counts, for even and
 * for odd rounds, the messages that the owner has not added to SAFE yet. FREE follows TAIL one round later.
 */
export const INBOX = {
  CLAIMED: 0,
  FREE: 1,
  ARRIVED: 2, // two
  SAFE: 4,
  TAIL: 5,
  WANTED: 6, // the round that the owner is listed for
  WORDS: 16,
} as const;

/** Rounds whose sizes are kept at a time. */
export const ROUNDS = 64;
/** Bodies whose kernels can have an inbox, at most. */
export const BODIES = 16;
/**
 * The sizes of rounds, on the ready list from word 0: for each body x, y and z of its dispatch, and a word for
 * alignment.
 */
export const SIZES = { ROUND_WORDS: BODIES * 4, WORDS: ROUNDS * BODIES * 4 } as const;

/**
 * Immediate data of a dispatch: values that many dispatches share, so that recorded commands can be submitted again.
 */
export const PUSH = { OFFSET: 0, ROUND: 1, KIND: 2, PARITY: 3, WORDS: 4 } as const;
/**
 * PUSH.KIND, and the meaning of OFFSET. ALONE: the control block of the one kernel that the host woke. TOGETHER: the
 * offset in the upload memory of a list with the control blocks of several such kernels. BY_OTHERS: the offset on the
 * ready list of a list with the control blocks of the kernels that other kernels woke.
 */
export const WOKEN = { ALONE: 0, TOGETHER: 1, BY_OTHERS: 2 } as const;

/**
 * The first words of the upload memory, which change with each submission. NOW is a packed timestamp. PARITY alternates
 * between 0 and 1; a dispatch with another parity does nothing: it was pre-submitted and mispredicted.
 */
export const FRONT = { SERIAL: 0, NOW: 1 /* two */, PARITY: 3, WORDS: 16 } as const;

/** Limits of loop iterations, for each invocation. */
export interface Rounds {
  /** Of all loops of a body together, for one message. */
  fuel: number;
  /** Of all loops in a dispatch, after which a kernel stops although messages wait: other kernels run then. */
  pause: number;
  /** Of the library's own loops, for one message. */
  reserve: number;
}

/** `most`: iterations after which the device breaks out of an invocation's loops in a dispatch. */
export function roundsFor(most: number): Rounds {
  const fuel = Math.min(2 ** 25, Math.floor(most / 4));
  const reserve = Math.min(2 ** 25, Math.floor(most / 2));
  return { fuel, pause: Math.min(2 ** 22, most - fuel - reserve), reserve };
}

/**
 * Bytes of the largest payload that `reserve` allows: a word takes two iterations for checksums, and 1/4 to copy it.
 */
export const payloadMax = ({ reserve }: Rounds): number => Math.floor((reserve - SEND_FUEL) / 2.25) * 4;

/** Iterations for a message to another kernel, besides those for its words. */
const SEND_FUEL = 64;

/** WGSL constants of all fields, named as `LF_HEADER_MAGIC`. */
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
 * The CRC-32 (IEEE 802.3) of each single bit of a word, from the checksum 0. The checksum is linear: a word's is the
 * exclusive or of those of its bits. On a GPU, that takes less time than one table lookup.
 */
export function checksumsOfBits(): number[] {
  const POLYNOMIAL = 0xedb88320;
  return Array.from({ length: 32 }, (_, i) => {
    let rest = (1 << i) >>> 0;
    for (let bit = 0; bit < 32; bit++) rest = (rest >>> 1) ^ (rest & 1 ? POLYNOMIAL : 0);
    return rest >>> 0;
  });
}
