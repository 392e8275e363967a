/** The connection with another rank of an exchange: a channel each way. */
import { Channel } from "../../channel/channel.ts";
import type { Consumer } from "../../channel/consumer.ts";
import type { Producer } from "../../channel/producer.ts";
import type { Frame } from "../../channel/wire/frame.ts";
import { LavaFlowError } from "../../errors.ts";
import type { MemoryBuffer } from "../../memory/buffer.ts";
import type { Engine, Memory } from "./engine.ts";
import type { Traffic } from "./share.ts";

/** A frame to send: `memory` is filled first. */
export interface OutgoingFrame {
  readonly memory: Memory;
  send(): Promise<void>;
}

/** A received frame: `memory` is read, then released. */
export interface Delivery {
  readonly memory: Memory;
  release(): void;
}

export interface PeerOptions {
  /** The name of the exchange. */
  name: string;
  /** The rank of this process. */
  mine: number;
  /** The rank of the peer. */
  rank: number;
  timeoutMs: number;
  signal: AbortSignal;
}

export class Peer {
  readonly rank: number;
  readonly #engine: Engine;
  readonly #traffic: Traffic;
  readonly #timeoutMs: number;
  readonly #out: Producer;
  readonly #in: Consumer;
  /**
   * On a GPU: two outgoing buffers, used alternately. A frame of the peer proves that it has read the last frame but
   * one.
   */
  readonly #outgoing: MemoryBuffer[] = [];
  /** On a GPU: the buffer for frames that arrive in host memory. */
  #incoming: MemoryBuffer | null = null;
  /** The index of the next outgoing buffer. */
  #nextOutgoing = 0;

  /**
   * Connects, and compares the descriptions of both grids. Rejects as Channel.open does; INVALID_ARGUMENT with the
   * difference.
   */
  static async connect(
    engine: Engine,
    options: PeerOptions,
    traffic: Traffic,
    description: GridDescription,
  ): Promise<Peer> {
    const { name, mine, rank, timeoutMs, signal } = options;
    const { allocator } = engine;
    const rest = { allocator, timeoutMs, signal, ...(engine.gpu ? { profile: "gpu-preferred" as const } : {}) };
    const opening = [
      Channel.open(`${name}.${mine}-${rank}`, { ...rest, role: "producer" }),
      Channel.open(`${name}.${rank}-${mine}`, { ...rest, role: "consumer" }),
    ] as const;
    const opened = await Promise.allSettled(opening);
    const channels = opened.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
    try {
      const [out, into] = await Promise.all(opening);
      await out.send(Buffer.from(JSON.stringify(description)), { timeoutMs, signal });
      using frame = await into.recv({ timeoutMs, signal });
      compare(description, read(frame, rank), rank);
      const peer = new Peer(engine, options, traffic, out, into);
      if (engine.gpu) for (let i = 0; i < 2; i++) peer.#outgoing.push(await engine.allocate(traffic.outgoing));
      return peer;
    } catch (error) {
      await Promise.all(channels.map((channel) => channel.close()));
      throw error;
    }
  }

  private constructor(engine: Engine, options: PeerOptions, traffic: Traffic, out: Producer, into: Consumer) {
    this.#engine = engine;
    this.rank = options.rank;
    this.#timeoutMs = options.timeoutMs;
    this.#traffic = traffic;
    this.#out = out;
    this.#in = into;
  }

  /** The next outgoing frame. */
  async outgoingFrame(): Promise<OutgoingFrame> {
    const timeoutMs = this.#timeoutMs;
    if (this.#engine.gpu) {
      const memory = this.#outgoing[this.#nextOutgoing] as MemoryBuffer;
      this.#nextOutgoing = 1 - this.#nextOutgoing;
      return { memory, send: () => this.#sent(this.#out.send(memory, { timeoutMs })) };
    }
    const loan = await this.#sent(this.#out.loan(this.#traffic.outgoing, { timeoutMs }));
    return { memory: loan.bytes, send: () => this.#sent((async () => loan.commit())()) };
  }

  /** Rejects with the peer's reason where the channel is closed: an error frame may wait in the other channel. */
  async #sent<T>(sending: Promise<T>): Promise<T> {
    try {
      return await sending;
    } catch (error) {
      if (!(error instanceof LavaFlowError) || error.code !== "CHANNEL_CLOSED") throw error;
      for (;;) {
        const reason = await this.#in.recv({ timeoutMs: this.#timeoutMs }).then(
          (frame) => {
            const said = this.#errorOf(frame);
            frame.release();
            return said;
          },
          () => error,
        );
        if (reason) throw reason;
      }
    }
  }

  /** The error of an error frame; null for other frames. */
  #errorOf(frame: Frame): LavaFlowError | null {
    if (frame.sizeBytes % 4 !== ERROR_REMAINDER || frame.sizeBytes > DESCRIPTION_MAX || frame.buffer) return null;
    return new LavaFlowError("PEER_DIED", `rank ${this.rank} can't go on: ${textOf(frame.bytes)}`);
  }

  /** The next frame of halos. Rejects with CORRUPT_SEGMENT where its size is not the agreed one. */
  async delivery(): Promise<Delivery> {
    const frame = await this.#in.recv({ timeoutMs: this.#timeoutMs });
    if (frame.sizeBytes !== this.#traffic.incoming) {
      const { sizeBytes } = frame;
      const error = this.#errorOf(frame);
      frame.release();
      if (error) throw error;
      throw new LavaFlowError(
        "CORRUPT_SEGMENT",
        `rank ${this.rank} sent ${sizeBytes} bytes of halos, and ${this.#traffic.incoming} were agreed on`,
        { remedy: "Close the exchange: the peer is broken or hostile" },
      );
    }
    const release = () => frame.release();
    if (!this.#engine.gpu) return { memory: frame.bytes, release };
    if (frame.buffer?.isGpu) return { memory: frame.buffer, release };
    this.#incoming ??= await this.#engine.allocate(this.#traffic.incoming);
    const memory = this.#incoming;
    await memory.write(frame.bytes);
    frame.release();
    return { memory, release: () => {} };
  }

  /**
   * Closes the connection after an error. A rank's death is sent to the peer, which may have no connection with that
   * rank.
   */
  leave(why: unknown): void {
    const said = why instanceof LavaFlowError && why.code === "PEER_DIED" ? errorFrame(why.reason) : null;
    try {
      if (said) this.#out.trySend(said);
    } catch {
      // The peer is gone too.
    }
    void this.close();
  }

  async close(): Promise<void> {
    await Promise.all([this.#out.close(), this.#in.close()]);
    for (const buffer of this.#outgoing) buffer.close();
    this.#incoming?.close();
  }
}

/** The size of an error frame modulo 4. Frames of halos are whole words. */
const ERROR_REMAINDER = 1;

function errorFrame(why: string): Uint8Array {
  const text = Buffer.from(why.slice(0, 500));
  const bytes = new Uint8Array(Math.ceil(text.length / 4) * 4 + ERROR_REMAINDER).fill(0x20);
  bytes.set(text);
  return bytes;
}

/** The text of an error frame. Control characters become blanks: the text may reach a terminal. */
const textOf = (bytes: Uint8Array): string =>
  new TextDecoder()
    .decode(bytes)
    .replace(/\p{Cc}+/gu, " ")
    .trim();

/** The properties that both ranks must have in common, as text for errors. */
export type GridDescription = Readonly<Record<string, string>>;

/** Bytes of a description and of an error frame, at most. */
const DESCRIPTION_MAX = 4096;

/** The peer's description, checked; control characters become blanks, because the text may reach a terminal. */
function read(frame: Frame, rank: number): GridDescription {
  const strange = new LavaFlowError("CORRUPT_SEGMENT", `rank ${rank} sent an invalid description of its grid`);
  if (frame.sizeBytes > DESCRIPTION_MAX || frame.buffer) throw strange;
  let said: unknown;
  try {
    said = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(frame.bytes));
  } catch {
    throw strange;
  }
  if (typeof said !== "object" || said === null || Array.isArray(said)) throw strange;
  const pairs = Object.entries(said);
  if (!pairs.every(([, value]) => typeof value === "string")) throw strange;
  return Object.fromEntries(pairs.map(([key, value]) => [key, value.slice(0, 200).replace(/\p{Cc}+/gu, " ")]));
}

function compare(mine: GridDescription, theirs: GridDescription, rank: number): void {
  const different = Object.keys(mine).filter((key) => mine[key] !== theirs[key]);
  if (different.length === 0) return;
  const list = different.map((key) => `its ${key} is ${theirs[key] ?? "missing"}, and ${mine[key]} here`).join("; ");
  throw new LavaFlowError("INVALID_ARGUMENT", `rank ${rank} has another grid: ${list}`, {
    remedy: "Give every rank the same grid, options and owner",
  });
}
