/**
 * Another runtime, in this or another process or on another host: a channel each way, with messages and the words that say
 * what became of those that came. What it sends is looked at before it is believed; where it can't be, the connection ends.
 */
import { Channel } from "../channel/channel.ts";
import type { ChannelOptions } from "../channel/options.ts";
import { LavaFlowError } from "../errors.ts";
import { parseAddress } from "./addresses.ts";
import type { Message } from "./backend/backend.ts";
import { corrupt, HEADER, unpack, writeHeader } from "./envelope.ts";
import type { DeliveryStatus, Outcome, Parcel } from "./parcel.ts";

/** How to meet, as for `Channel.open`. */
export type ConnectOptions = Pick<
  ChannelOptions,
  "timeoutMs" | "signal" | "location" | "peer" | "transport" | "allocator"
>;

/** A message that came. */
export interface Arrival {
  from: string;
  to: string;
  hops: number;
  /** The sender will not wait longer for what became of it. */
  withinMs: number;
  message: Message;
  /** To be told once. */
  told(outcome: Outcome): void;
}

export interface PeerEvents {
  arrived(arrival: Arrival): void;
  /** Nothing comes or goes any more. */
  ended(peer: Peer): void;
}

/**
 * A frame of messages begins with seven u32: kind, number, hops, milliseconds, bytes of the payload, of `from` and of `to`.
 * Behind them are a header as in envelope.ts, the payload, `from` and `to` in UTF-8.
 */
const HEAD_BYTES = 28;
const MESSAGE = 1;
/** A frame of words begins with two u32, kind and count; each word is two more, a number and an index into WORDS. */
const WORDS_KIND = 2;
const WORDS_HEAD_BYTES = 8;
const WORDS_MOST = 256;
/** What becomes of a message, in the order of its numbers on the wire. */
const STATUSES: readonly DeliveryStatus[] = [
  "delivered",
  "pending",
  "queue-full",
  "not-found",
  "max-hops-exceeded",
  "timeout",
];
const CODES = ["INVALID_ARGUMENT", "CLOCK_DRIFT", "PEER_DIED", "CHANNEL_CLOSED", "CLOSED"] as const;
/** Messages of one side without a word from the other. */
const WINDOW = 1024;
/** After so many frames the event loop has a turn. */
const TURN_FRAMES = 256;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

/** Meets the runtime `theirs`, which connects with `mine` at the same time. Errors as for `Channel.open`. */
export async function connectPeer(
  mine: string,
  theirs: string,
  options: ConnectOptions,
  closed: AbortSignal,
  events: PeerEvents,
): Promise<Peer> {
  const { timeoutMs, signal, location, peer, transport, allocator } = options;
  const over = new AbortController();
  const meeting = {
    ...{ timeoutMs, location, peer, transport, allocator },
    profile: "high-throughput",
    signal: AbortSignal.any([over.signal, closed, ...(signal ? [signal] : [])]),
  } as const;
  const opening = [
    Channel.open(`k2k ${mine}>${theirs}`, { ...meeting, role: "producer" }),
    Channel.open(`k2k ${theirs}>${mine}`, { ...meeting, role: "consumer" }),
  ] as const;
  try {
    const [to, from] = await Promise.all(opening);
    return new Peer(theirs, to, from, events);
  } catch (error) {
    over.abort();
    for (const each of await Promise.allSettled(opening)) if (each.status === "fulfilled") await each.value.close();
    throw error;
  }
}

export class Peer {
  readonly #name: string;
  readonly #to: Channel;
  readonly #from: Channel;
  readonly #events: PeerEvents;
  /** Sent, and nothing heard of them yet. */
  readonly #unsettled = new Map<number, Parcel>();
  /** Of those that came: for how many no word has been sent, and the words that are ready. */
  #owed = 0;
  readonly #words: number[] = [];
  #speaking = false;
  #next = 0;
  #ended: Promise<void> | null = null;

  constructor(name: string, to: Channel, from: Channel, events: PeerEvents) {
    this.#name = name;
    this.#to = to;
    this.#from = from;
    this.#events = events;
    void this.#listen();
  }

  get open(): boolean {
    return this.#ended === null;
  }

  /** False where there is no room for it now, or it is not open. Else the parcel is settled when the peer says what became of it, or is gone. */
  send(parcel: Parcel, to: string, hops: number): boolean {
    if (this.#ended || this.#unsettled.size >= WINDOW) return false;
    const number = this.#next;
    try {
      if (!this.#to.trySend(frameOf(parcel, number, to, hops))) return false;
    } catch (error) {
      this.#end(error);
      return false;
    }
    this.#next = (number + 1) >>> 0;
    this.#unsettled.set(number, parcel);
    return true;
  }

  /** Resolves when what was sent is on its way, and both channels are closed. */
  close(): Promise<void> {
    return this.#end(new LavaFlowError("CLOSED", `the connection with "${this.#name}" was closed here`));
  }

  async #listen(): Promise<void> {
    let frames = 0;
    try {
      for await (const { bytes } of this.#from) {
        this.#heard(bytes);
        if (++frames % TURN_FRAMES === 0) await new Promise(setImmediate);
      }
      this.#end(new LavaFlowError("CHANNEL_CLOSED", `the runtime "${this.#name}" has closed the connection`));
    } catch (error) {
      this.#end(error);
    }
  }

  #heard(bytes: Uint8Array): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const kind = bytes.byteLength >= WORDS_HEAD_BYTES ? view.getUint32(0, true) : 0;
    if (kind === MESSAGE) this.#arrived(view, bytes);
    else if (kind === WORDS_KIND) this.#told(view);
    else throw corrupt(`the runtime "${this.#name}" sent ${bytes.byteLength} bytes that are neither message nor word`);
  }

  #arrived(view: DataView, bytes: Uint8Array): void {
    if (bytes.byteLength < HEAD_BYTES) throw corrupt(`"${this.#name}" sent a message of ${bytes.byteLength} bytes`);
    if (this.#owed >= WINDOW) throw corrupt(`"${this.#name}" sent more than ${WINDOW} messages ahead`);
    const [number = 0, hops = 0, withinMs = 0, payloadBytes = 0, fromBytes = 0, toBytes = 0] = [
      4, 8, 12, 16, 20, 24,
    ].map((at) => view.getUint32(at, true));
    const payloadEnd = HEAD_BYTES + HEADER.size + payloadBytes;
    const fromEnd = payloadEnd + fromBytes;
    if (fromEnd + toBytes !== bytes.byteLength)
      throw corrupt(`"${this.#name}" sent ${bytes.byteLength} bytes that should be ${fromEnd + toBytes}`);
    const message = unpack(bytes.subarray(HEAD_BYTES, payloadEnd));
    const from = addressOf(bytes.subarray(payloadEnd, fromEnd));
    const to = addressOf(bytes.subarray(fromEnd));
    this.#owed++;
    const told = (outcome: Outcome) => {
      this.#words.push(number, wordOf(outcome));
      if (!this.#speaking) void this.#speak();
    };
    this.#events.arrived({ from, to, hops, withinMs, message, told });
  }

  /** Words wait for room as long as it takes; there are never more of them than a window. */
  async #speak(): Promise<void> {
    this.#speaking = true;
    await null; // those of this turn go together
    try {
      while (this.#words.length > 0 && this.#ended === null) {
        const words = this.#words.splice(0, 2 * WORDS_MOST);
        const frame = Uint32Array.of(WORDS_KIND, words.length / 2, ...words);
        await this.#to.send(frame, { timeoutMs: Number.POSITIVE_INFINITY });
        this.#owed -= words.length / 2;
      }
    } catch (error) {
      this.#end(error);
    }
    this.#speaking = false;
  }

  #told(view: DataView): void {
    const count = view.getUint32(4, true);
    if (count > WORDS_MOST || view.byteLength !== WORDS_HEAD_BYTES + 8 * count)
      throw corrupt(`"${this.#name}" sent ${view.byteLength} bytes for ${count} words`);
    for (let at = WORDS_HEAD_BYTES; at < view.byteLength; at += 8) {
      const number = view.getUint32(at, true);
      const parcel = this.#unsettled.get(number);
      if (!parcel) throw corrupt(`"${this.#name}" speaks of message ${number}, which is not on its way`);
      const outcome = this.#outcomeOf(view.getUint32(at + 4, true));
      this.#unsettled.delete(number);
      parcel.settle(outcome);
    }
  }

  #outcomeOf(word: number): Outcome {
    const status = STATUSES[word];
    if (status) return status;
    const code = CODES[word - STATUSES.length];
    if (!code) throw corrupt(`"${this.#name}" says ${word}, which is no word`);
    return new LavaFlowError(code, `the runtime "${this.#name}", or one behind it, could not take the message`);
  }

  #end(error: unknown): Promise<void> {
    if (this.#ended) return this.#ended;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#ended = promise;
    const failure =
      error instanceof LavaFlowError
        ? error
        : new LavaFlowError("SYSTEM", `"${this.#name}": ${error}`, { cause: error });
    this.#events.ended(this);
    for (const parcel of this.#unsettled.values()) parcel.settle(failure);
    this.#unsettled.clear();
    void Promise.allSettled([this.#to.close(), this.#from.close()]).then(() => resolve());
    return promise;
  }
}

function frameOf({ message, from, leftMs }: Parcel, number: number, to: string, hops: number): Uint8Array {
  const [source, destination] = [encoder.encode(from), encoder.encode(to)];
  const payloadAt = HEAD_BYTES + HEADER.size;
  const fromAt = payloadAt + message.payload.byteLength;
  const bytes = new Uint8Array(new ArrayBuffer(fromAt + source.length + destination.length));
  const view = new DataView(bytes.buffer);
  const head = [MESSAGE, number, hops, leftMs, message.payload.byteLength, source.length, destination.length];
  for (const [i, word] of head.entries()) view.setUint32(4 * i, word, true);
  writeHeader(view, HEAD_BYTES, message);
  bytes.set(message.payload, payloadAt);
  bytes.set(source, fromAt);
  bytes.set(destination, fromAt + source.length);
  return bytes;
}

function wordOf(outcome: Outcome): number {
  if (typeof outcome === "string") return STATUSES.indexOf(outcome);
  const code = CODES.indexOf(outcome.code as (typeof CODES)[number]);
  return STATUSES.length + (code < 0 ? CODES.indexOf("CLOSED") : code);
}

function addressOf(bytes: Uint8Array): string {
  try {
    const address = decoder.decode(bytes);
    parseAddress(address, "address");
    return address;
  } catch {
    throw corrupt(`an address of ${bytes.byteLength} bytes is none`);
  }
}
