/**
 * Another runtime, in this or another process or on another host: a channel each way, with messages and the words that say
 * what became of those that came. What it sends is looked at before it is believed; where it can't be, the connection ends.
 */
import { Channel } from "../../channel/channel.ts";
import type { Consumer } from "../../channel/consumer.ts";
import type { ChannelOptions } from "../../channel/options.ts";
import type { Producer } from "../../channel/producer.ts";
import { isCode, LavaFlowError } from "../../errors.ts";
import { parseAddress } from "../base/addresses.ts";
import { corrupt, type Envelope, unpack } from "../base/envelope.ts";
import { HEADER_BYTES, writeHeader } from "../base/header.ts";
import type { Message } from "../base/message.ts";
import type { Delivery, DeliveryStatus, Outcome } from "./delivery.ts";

/** How to meet, as for `Channel.open`. */
export type ConnectOptions = Pick<
  ChannelOptions,
  "timeoutMs" | "signal" | "location" | "peer" | "scope" | "transport" | "allocator"
>;

/** What was sent to a call, and by whom. */
export interface Answer {
  from: string;
  message: Message;
}

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
  /** Of a call: sends its answer, once; null and a code of `ANSWERS`, from 1, where there is none. */
  answer: ((envelope: Envelope | null, code: number) => void) | null;
}

export interface PeerEvents {
  arrived(arrival: Arrival): void;
  /** To a call that was sent there; `code` as in `Arrival.answer`, and 0 for a reply. */
  answered(correlationId: number, answer: Answer, code: number): void;
  /** No answer comes any more. */
  left(correlationId: number, error: LavaFlowError): void;
  /** Nothing comes or goes any more. */
  ended(peer: Peer): void;
}

/**
 * The frame of a message, of a call (whose answer is wanted) and of an answer begins with seven u32: kind, number, hops, milliseconds, bytes of the payload, of `from` and of `to`.
 * An answer has the number of its call, and a code in place of the hops. Behind them are a header as in envelope.ts, the payload, `from` and `to` in UTF-8.
 */
const HEAD_BYTES = 28;
const MESSAGE = 1;
const CALL = 3;
const ANSWER = 4;
/** Calls whose answers are waited for; of more, that of the oldest is not heard. */
const ASKED_MOST = 4096;
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
/**
 * Milliseconds within which the other side's last frames and its end come, once it takes nothing more. It closes both channels at
 * once, and a death is noticed within 100 ms: only an MPI that is far behind takes longer, or a side that lies.
 */
const LAST_MS = 2000;

const EMPTY = new Uint8Array(0);
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
    return new Peer(mine, theirs, to, from, events);
  } catch (error) {
    over.abort();
    for (const each of await Promise.allSettled(opening)) if (each.status === "fulfilled") await each.value.close();
    throw error;
  }
}

export class Peer {
  /** Of this runtime, and of the other one. */
  readonly #mine: string;
  readonly #name: string;
  readonly #to: Producer;
  readonly #from: Consumer;
  readonly #events: PeerEvents;
  /** Sent, and nothing heard of them yet. */
  readonly #unsettled = new Map<number, Delivery>();
  /** Of those that came: for how many no word has been sent, and the words that are ready. */
  #owed = 0;
  readonly #words: number[] = [];
  #speaking = false;
  /** Correlations of calls that were sent, by the number of the message: the oldest first. */
  readonly #asked = new Map<number, number>();
  readonly #answers: Uint8Array[] = [];
  #next = 0;
  /** Runs since the other side takes nothing more. */
  #leaving: ReturnType<typeof setTimeout> | null = null;
  #ended: Promise<void> | null = null;

  constructor(mine: string, name: string, to: Producer, from: Consumer, events: PeerEvents) {
    this.#mine = mine;
    this.#name = name;
    this.#to = to;
    this.#from = from;
    this.#events = events;
    void this.#listen();
  }

  /** Something can be sent. */
  get open(): boolean {
    return this.#ended === null && this.#leaving === null;
  }

  /** False where there is no room for it now, or it is not open. Else the delivery is settled when the peer says what became of it, or is gone. */
  send(delivery: Delivery, to: string, hops: number, isCall: boolean): boolean {
    if (!this.open || this.#unsettled.size >= WINDOW) return false;
    const number = this.#next;
    try {
      if (!this.#to.trySend(frameOf(delivery, isCall ? CALL : MESSAGE, number, to, hops))) return false;
    } catch (error) {
      this.#unsent(error);
      return false;
    }
    this.#next = (number + 1) >>> 0;
    this.#unsettled.set(number, delivery);
    if (isCall) this.#ask(number, delivery.message.correlationId);
    return true;
  }

  /** Resolves when what was sent is on its way, and both channels are closed. */
  close(): Promise<void> {
    this.#speakLast();
    return this.#end(new LavaFlowError("CLOSED", `the connection with "${this.#name}" was closed here`));
  }

  async #listen(): Promise<void> {
    try {
      for await (const { bytes } of this.#from) this.#heard(bytes);
      this.#end(new LavaFlowError("CHANNEL_CLOSED", `the runtime "${this.#name}" has closed the connection`));
    } catch (error) {
      this.#end(error);
    }
  }

  #heard(bytes: Uint8Array): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const kind = bytes.byteLength >= WORDS_HEAD_BYTES ? view.getUint32(0, true) : 0;
    if (kind === MESSAGE || kind === CALL || kind === ANSWER) this.#arrived(kind, view, bytes);
    else if (kind === WORDS_KIND) this.#told(view);
    else throw corrupt(`the runtime "${this.#name}" sent ${bytes.byteLength} bytes that are neither message nor word`);
  }

  #arrived(kind: number, view: DataView, bytes: Uint8Array): void {
    if (bytes.byteLength < HEAD_BYTES) throw corrupt(`"${this.#name}" sent a message of ${bytes.byteLength} bytes`);
    if (kind !== ANSWER && this.#owed >= WINDOW)
      throw corrupt(`"${this.#name}" sent more than ${WINDOW} messages ahead`);
    const [number = 0, hops = 0, withinMs = 0, payloadBytes = 0, fromBytes = 0, toBytes = 0] = [
      4, 8, 12, 16, 20, 24,
    ].map((at) => view.getUint32(at, true));
    const payloadEnd = HEAD_BYTES + HEADER_BYTES + payloadBytes;
    const fromEnd = payloadEnd + fromBytes;
    if (fromEnd + toBytes !== bytes.byteLength)
      throw corrupt(`"${this.#name}" sent ${bytes.byteLength} bytes that should be ${fromEnd + toBytes}`);
    const message = unpack(bytes.subarray(HEAD_BYTES, payloadEnd));
    const from = addressOf(bytes.subarray(payloadEnd, fromEnd));
    if (kind === ANSWER) {
      const correlationId = this.#asked.get(number);
      this.#asked.delete(number);
      if (correlationId !== undefined) this.#events.answered(correlationId, { message, from }, hops);
      return;
    }
    const to = addressOf(bytes.subarray(fromEnd));
    this.#owed++;
    const told = (outcome: Outcome) => {
      this.#words.push(number, wordOf(outcome));
      if (!this.#speaking) void this.#speak();
    };
    const answer = (envelope: Envelope | null, code: number) => this.#answer(number, to, message, envelope, code);
    this.#events.arrived({ from, to, hops, withinMs, message, told, answer: kind === CALL ? answer : null });
  }

  #ask(number: number, correlationId: number): void {
    this.#asked.set(number, correlationId);
    if (this.#asked.size > ASKED_MOST) this.#asked.delete(this.#asked.keys().next().value as number);
  }

  #answer(number: number, to: string, call: Message, envelope: Envelope | null, code: number): void {
    const { payload = EMPTY, type = 0, priority = 1, timestamp = call.timestamp } = envelope ?? {};
    const message = { ...call, payload, type, priority, timestamp, correlationId: 0, deadlineMicros: 0 };
    const source = envelope?.source ?? to;
    const from = source.includes("/") ? source : `${this.#mine}/${source}`;
    this.#answers.push(frameOf({ message, from, leftMs: 0 }, ANSWER, number, "", code));
    if (!this.#speaking) void this.#speak();
  }

  /** Words wait for room as long as it takes; there are never more of them than a window. */
  async #speak(): Promise<void> {
    this.#speaking = true;
    await null; // those of this turn go together
    try {
      while (this.#words.length + this.#answers.length > 0 && this.open) {
        const answer = this.#answers.shift();
        if (answer) await this.#to.send(answer, { timeoutMs: Number.POSITIVE_INFINITY });
        if (this.#words.length === 0) continue;
        const words = this.#words.splice(0, 2 * WORDS_MOST);
        await this.#to.send(frameOfWords(words), { timeoutMs: Number.POSITIVE_INFINITY });
        this.#owed -= words.length / 2;
      }
    } catch (error) {
      this.#unsent(error);
    }
    this.#speaking = false;
  }

  /** What is to be said goes before the end, as far as there is room: the other side then knows what became of its messages. */
  #speakLast(): void {
    if (!this.open) return;
    try {
      while (this.#answers.length > 0 && this.#to.trySend(this.#answers[0] as Uint8Array)) this.#answers.shift();
      while (this.#words.length > 0 && this.#to.trySend(frameOfWords(this.#words.slice(0, 2 * WORDS_MOST))))
        this.#words.splice(0, 2 * WORDS_MOST);
    } catch {
      // The other side is gone.
    }
  }

  /** The other side takes nothing more. What it sent before may not have been heard yet: `#listen` finds the end behind it. */
  #unsent(error: unknown): void {
    if (!isCode(error, "CHANNEL_CLOSED", "PEER_DIED")) this.#end(error);
    else if (this.open) this.#leaving = setTimeout(() => this.#end(error), LAST_MS);
  }

  #told(view: DataView): void {
    const count = view.getUint32(4, true);
    if (count > WORDS_MOST || view.byteLength !== WORDS_HEAD_BYTES + 8 * count)
      throw corrupt(`"${this.#name}" sent ${view.byteLength} bytes for ${count} words`);
    for (let at = WORDS_HEAD_BYTES; at < view.byteLength; at += 8) {
      const number = view.getUint32(at, true);
      const delivery = this.#unsettled.get(number);
      if (!delivery) throw corrupt(`"${this.#name}" speaks of message ${number}, which is not on its way`);
      const outcome = this.#outcomeOf(view.getUint32(at + 4, true));
      this.#unsettled.delete(number);
      delivery.settle(outcome);
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
    if (this.#leaving !== null) clearTimeout(this.#leaving);
    const failure =
      error instanceof LavaFlowError
        ? error
        : new LavaFlowError("SYSTEM", `"${this.#name}": ${error}`, { cause: error });
    this.#events.ended(this);
    for (const delivery of this.#unsettled.values()) delivery.settle(failure);
    this.#unsettled.clear();
    for (const correlationId of this.#asked.values()) this.#events.left(correlationId, failure);
    this.#asked.clear();
    void Promise.allSettled([this.#to.close(), this.#from.close()]).then(() => resolve());
    return promise;
  }
}

interface Framed extends Answer {
  leftMs: number;
}

function frameOf(
  { message, from, leftMs }: Framed,
  kind: number,
  number: number,
  to: string,
  hops: number,
): Uint8Array {
  const [source, destination] = [encoder.encode(from), encoder.encode(to)];
  const payloadAt = HEAD_BYTES + HEADER_BYTES;
  const fromAt = payloadAt + message.payload.byteLength;
  const bytes = new Uint8Array(new ArrayBuffer(fromAt + source.length + destination.length));
  const view = new DataView(bytes.buffer);
  const head = [kind, number, hops, leftMs, message.payload.byteLength, source.length, destination.length];
  for (const [i, word] of head.entries()) view.setUint32(4 * i, word, true);
  writeHeader(new Uint32Array(bytes.buffer, HEAD_BYTES, HEADER_BYTES / 4), 0, message);
  bytes.set(message.payload, payloadAt);
  bytes.set(source, fromAt);
  bytes.set(destination, fromAt + source.length);
  return bytes;
}

function frameOfWords(words: number[]): Uint32Array {
  return Uint32Array.of(WORDS_KIND, words.length / 2, ...words);
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
