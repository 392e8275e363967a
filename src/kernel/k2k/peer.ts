/**
 * The connection with another runtime, of this or another process or host: a channel each way, with messages, and
 * reports on the outcomes of messages. Each frame of the peer is checked; an invalid frame ends the connection.
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

/** Options of a connection, as for `Channel.open`. */
export type ConnectOptions = Pick<
  ChannelOptions,
  "timeoutMs" | "signal" | "location" | "peer" | "scope" | "transport" | "allocator"
>;

/** An answer to a call: the message, and the kernel that sent it. */
export interface Answer {
  from: string;
  message: Message;
}

/** A message from the peer. */
export interface Arrival {
  from: string;
  to: string;
  hops: number;
  /** Milliseconds after which the sender no longer waits for the outcome. */
  withinMs: number;
  message: Message;
  /** To be called once, with the outcome. */
  report(outcome: Outcome): void;
  /** For a call: sends its answer, once. Without an answer: null and a code of `ANSWERS`, from 1. */
  answer: ((envelope: Envelope | null, code: number) => void) | null;
}

export interface PeerEvents {
  arrived(arrival: Arrival): void;
  /** An answer to a call that was sent to the peer; `code` as in `Arrival.answer`, and 0 for a reply. */
  answered(correlationId: number, answer: Answer, code: number): void;
  /** The connection ended before the answer came. */
  callFailed(correlationId: number, error: LavaFlowError): void;
  /** The connection has ended. */
  ended(peer: Peer): void;
}

/**
 * The frame of a message, of a call (which expects an answer) and of an answer begins with seven u32: kind, number,
 * hops, milliseconds, bytes of the payload, of `from` and of `to`. An answer has the number of its call, and a code
 * instead of the hops. A header (base/header.ts), the payload, `from` and `to` in UTF-8 follow.
 */
const HEAD_BYTES = 28;
const MESSAGE = 1;
const CALL = 3;
const ANSWER = 4;
/** Calls that wait for an answer of the peer, at most. Beyond that, the answer to the oldest call is ignored. */
const CALLS_MAX = 4096;
/** A frame of reports begins with two u32: kind and count. A report is two u32: a number, and an outcome. */
const REPORTS = 2;
const REPORTS_HEAD_BYTES = 8;
/** Reports in one frame, at most. */
const REPORTS_MAX = 256;
/** Outcomes by their numbers on the wire; the CODES follow. */
const STATUSES: readonly DeliveryStatus[] = [
  "delivered",
  "pending",
  "queue-full",
  "not-found",
  "max-hops-exceeded",
  "timeout",
];
const CODES = ["INVALID_ARGUMENT", "CLOCK_DRIFT", "PEER_DIED", "CHANNEL_CLOSED", "CLOSED"] as const;
/** Messages without a report, at most, in each direction. */
const WINDOW = 1024;
/**
 * Milliseconds from a failed send to the end of the connection, in which the peer's last frames can still arrive. A
 * peer closes both channels at the same time, and a peer's death is noticed within 100 ms.
 */
const CLOSE_MS = 2000;

const EMPTY = new Uint8Array(0);
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

/**
 * Connects `mine` with the runtime `theirs`, which connects with `mine` at the same time. Errors as for `Channel.open`.
 */
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
  /** The name of this runtime. */
  readonly #mine: string;
  /** The name of the peer. */
  readonly #name: string;
  readonly #to: Producer;
  readonly #from: Consumer;
  readonly #events: PeerEvents;
  /** Messages that were sent and have no report yet, by their numbers. */
  readonly #inFlight = new Map<number, Delivery>();
  /** Received messages whose report was not sent. */
  #unreported = 0;
  /** Reports to send, two numbers each. */
  readonly #reports: number[] = [];
  #isSending = false;
  /** Correlation ids of calls that were sent, by the number of the message, the oldest first. */
  readonly #calls = new Map<number, number>();
  readonly #answers: Uint8Array[] = [];
  #next = 0;
  /** Set after a failed send; ends the connection. */
  #closeTimer: ReturnType<typeof setTimeout> | null = null;
  #ended: Promise<void> | null = null;

  constructor(mine: string, name: string, to: Producer, from: Consumer, events: PeerEvents) {
    this.#mine = mine;
    this.#name = name;
    this.#to = to;
    this.#from = from;
    this.#events = events;
    void this.#receiveAll();
  }

  /** Whether messages can be sent. */
  get open(): boolean {
    return this.#ended === null && this.#closeTimer === null;
  }

  /**
   * False where the channel or the window is full, or the connection has ended. Otherwise the peer's report, or the end
   * of the connection, finishes the delivery.
   */
  send(delivery: Delivery, to: string, hops: number, isCall: boolean): boolean {
    if (!this.open || this.#inFlight.size >= WINDOW) return false;
    const number = this.#next;
    try {
      if (!this.#to.trySend(frameOf(delivery, isCall ? CALL : MESSAGE, number, to, hops))) return false;
    } catch (error) {
      this.#sendFailed(error);
      return false;
    }
    this.#next = (number + 1) >>> 0;
    this.#inFlight.set(number, delivery);
    if (isCall) this.#addCall(number, delivery.message.correlationId);
    return true;
  }

  /** Resolves when both channels are closed; frames that were sent before are not lost. */
  close(): Promise<void> {
    this.#sendLast();
    return this.#end(new LavaFlowError("CLOSED", `the connection with "${this.#name}" was closed here`));
  }

  async #receiveAll(): Promise<void> {
    try {
      for await (const { bytes } of this.#from) this.#receive(bytes);
      this.#end(new LavaFlowError("CHANNEL_CLOSED", `the runtime "${this.#name}" has closed the connection`));
    } catch (error) {
      this.#end(error);
    }
  }

  #receive(bytes: Uint8Array): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const kind = bytes.byteLength >= REPORTS_HEAD_BYTES ? view.getUint32(0, true) : 0;
    if (kind === MESSAGE || kind === CALL || kind === ANSWER) this.#receiveMessage(kind, view, bytes);
    else if (kind === REPORTS) this.#receiveReports(view);
    else
      throw corrupt(`the runtime "${this.#name}" sent ${bytes.byteLength} bytes that are neither message nor report`);
  }

  #receiveMessage(kind: number, view: DataView, bytes: Uint8Array): void {
    if (bytes.byteLength < HEAD_BYTES) throw corrupt(`"${this.#name}" sent a message of ${bytes.byteLength} bytes`);
    if (kind !== ANSWER && this.#unreported >= WINDOW)
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
      const correlationId = this.#calls.get(number);
      this.#calls.delete(number);
      if (correlationId !== undefined) this.#events.answered(correlationId, { message, from }, hops);
      return;
    }
    const to = addressOf(bytes.subarray(fromEnd));
    this.#unreported++;
    const report = (outcome: Outcome) => {
      this.#reports.push(number, reportOf(outcome));
      if (!this.#isSending) void this.#sendReports();
    };
    const answer = (envelope: Envelope | null, code: number) => this.#answer(number, to, message, envelope, code);
    this.#events.arrived({ from, to, hops, withinMs, message, report, answer: kind === CALL ? answer : null });
  }

  #addCall(number: number, correlationId: number): void {
    this.#calls.set(number, correlationId);
    if (this.#calls.size > CALLS_MAX) this.#calls.delete(this.#calls.keys().next().value as number);
  }

  #answer(number: number, to: string, call: Message, envelope: Envelope | null, code: number): void {
    const { payload = EMPTY, type = 0, priority = 1, timestamp = call.timestamp } = envelope ?? {};
    const message = { ...call, payload, type, priority, timestamp, correlationId: 0, deadlineMicros: 0 };
    const source = envelope?.source ?? to;
    const from = source.includes("/") ? source : `${this.#mine}/${source}`;
    this.#answers.push(frameOf({ message, from, leftMs: 0 }, ANSWER, number, "", code));
    if (!this.#isSending) void this.#sendReports();
  }

  /** Sends answers and reports, with no limit of time. There are at most WINDOW reports. */
  async #sendReports(): Promise<void> {
    this.#isSending = true;
    await null; // reports of this microtask go into one frame
    try {
      while (this.#reports.length + this.#answers.length > 0 && this.open) {
        const answer = this.#answers.shift();
        if (answer) await this.#to.send(answer, { timeoutMs: Number.POSITIVE_INFINITY });
        if (this.#reports.length === 0) continue;
        const reports = this.#reports.splice(0, 2 * REPORTS_MAX);
        await this.#to.send(frameOfReports(reports), { timeoutMs: Number.POSITIVE_INFINITY });
        this.#unreported -= reports.length / 2;
      }
    } catch (error) {
      this.#sendFailed(error);
    }
    this.#isSending = false;
  }

  /**
   * Sends the answers and reports that the channel has capacity for, so that the peer knows the outcomes before the
   * end.
   */
  #sendLast(): void {
    if (!this.open) return;
    try {
      while (this.#answers.length > 0 && this.#to.trySend(this.#answers[0] as Uint8Array)) this.#answers.shift();
      while (this.#reports.length > 0 && this.#to.trySend(frameOfReports(this.#reports.slice(0, 2 * REPORTS_MAX))))
        this.#reports.splice(0, 2 * REPORTS_MAX);
    } catch {
      // The peer is gone.
    }
  }

  /** A send failed. After a close or a death the peer's last frames may still be unread: `#receiveAll` reads to the end. */
  #sendFailed(error: unknown): void {
    if (!isCode(error, "CHANNEL_CLOSED", "PEER_DIED")) this.#end(error);
    else if (this.open) this.#closeTimer = setTimeout(() => this.#end(error), CLOSE_MS);
  }

  #receiveReports(view: DataView): void {
    const count = view.getUint32(4, true);
    if (count > REPORTS_MAX || view.byteLength !== REPORTS_HEAD_BYTES + 8 * count)
      throw corrupt(`"${this.#name}" sent ${view.byteLength} bytes for ${count} reports`);
    for (let at = REPORTS_HEAD_BYTES; at < view.byteLength; at += 8) {
      const number = view.getUint32(at, true);
      const delivery = this.#inFlight.get(number);
      if (!delivery) throw corrupt(`"${this.#name}" reports on message ${number}, which is not in flight`);
      const outcome = this.#outcomeOf(view.getUint32(at + 4, true));
      this.#inFlight.delete(number);
      delivery.finish(outcome);
    }
  }

  #outcomeOf(report: number): Outcome {
    const status = STATUSES[report];
    if (status) return status;
    const code = CODES[report - STATUSES.length];
    if (!code) throw corrupt(`"${this.#name}" reports the outcome ${report}, which does not exist`);
    return new LavaFlowError(code, `the runtime "${this.#name}", or one behind it, did not accept the message`);
  }

  #end(error: unknown): Promise<void> {
    if (this.#ended) return this.#ended;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#ended = promise;
    if (this.#closeTimer !== null) clearTimeout(this.#closeTimer);
    const failure =
      error instanceof LavaFlowError
        ? error
        : new LavaFlowError("SYSTEM", `"${this.#name}": ${error}`, { cause: error });
    this.#events.ended(this);
    for (const delivery of this.#inFlight.values()) delivery.finish(failure);
    this.#inFlight.clear();
    for (const correlationId of this.#calls.values()) this.#events.callFailed(correlationId, failure);
    this.#calls.clear();
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

function frameOfReports(reports: number[]): Uint32Array {
  return Uint32Array.of(REPORTS, reports.length / 2, ...reports);
}

function reportOf(outcome: Outcome): number {
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
    throw corrupt(`an address of ${bytes.byteLength} bytes is invalid`);
  }
}
