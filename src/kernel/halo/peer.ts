/** One other process of an exchange: a channel each way, and what is said over them. */
import { Channel } from "../../channel/channel.ts";
import type { Consumer } from "../../channel/consumer.ts";
import type { Producer } from "../../channel/producer.ts";
import type { Frame } from "../../channel/wire/frame.ts";
import { LavaFlowError } from "../../errors.ts";
import type { MemoryBuffer } from "../../memory/buffer.ts";
import type { Engine, Memory } from "./engine.ts";
import type { Traffic } from "./share.ts";

/** What is going out: its memory is filled, then it is sent. */
export interface OutgoingFrame {
  readonly memory: Memory;
  send(): Promise<void>;
}

/** What came: its memory is read, then it is let go. */
export interface Delivery {
  readonly memory: Memory;
  release(): void;
}

export interface PeerOptions {
  /** Of the whole exchange. */
  name: string;
  mine: number;
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
  /** On a GPU, what goes out lies in these in turn: when a frame of the peer's came, it has read the last but one. */
  readonly #outgoing: MemoryBuffer[] = [];
  /** On a GPU, for what comes as bytes. */
  #incoming: MemoryBuffer | null = null;
  #turn = 0;

  /** Meets it, and compares the words of the two. As Channel.open; INVALID_ARGUMENT with the difference. */
  static async connect(engine: Engine, options: PeerOptions, traffic: Traffic, words: Words): Promise<Peer> {
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
      await out.send(Buffer.from(JSON.stringify(words)), { timeoutMs, signal });
      using frame = await into.recv({ timeoutMs, signal });
      compare(words, read(frame, rank), rank);
      const peer = new Peer(engine, options, traffic, out, into);
      if (engine.gpu) for (let turn = 0; turn < 2; turn++) peer.#outgoing.push(await engine.allocate(traffic.outgoing));
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

  /** Room for what goes out next. */
  async outgoingFrame(): Promise<OutgoingFrame> {
    const timeoutMs = this.#timeoutMs;
    if (this.#engine.gpu) {
      const memory = this.#outgoing[this.#turn] as MemoryBuffer;
      this.#turn = 1 - this.#turn;
      return { memory, send: () => this.#sent(this.#out.send(memory, { timeoutMs })) };
    }
    const loan = await this.#sent(this.#out.loan(this.#traffic.outgoing, { timeoutMs }));
    return { memory: loan.bytes, send: () => this.#sent((async () => loan.commit())()) };
  }

  /** A peer that left may have said why, in a frame that still waits. */
  async #sent<T>(sending: Promise<T>): Promise<T> {
    try {
      return await sending;
    } catch (error) {
      if (!(error instanceof LavaFlowError) || error.code !== "CHANNEL_CLOSED") throw error;
      for (;;) {
        const farewell = await this.#in.recv({ timeoutMs: this.#timeoutMs }).then(
          (frame) => {
            const why = this.#farewellOf(frame);
            frame.release();
            return why;
          },
          () => error,
        );
        if (farewell) throw farewell;
      }
    }
  }

  #farewellOf(frame: Frame): LavaFlowError | null {
    if (frame.sizeBytes % 4 !== FAREWELL_REST || frame.sizeBytes > WORDS_MAX || frame.buffer) return null;
    return new LavaFlowError("PEER_DIED", `rank ${this.rank} can't go on: ${textOf(frame.bytes)}`);
  }

  /** What came next. CORRUPT_SEGMENT where it is not what was agreed on. */
  async delivery(): Promise<Delivery> {
    const frame = await this.#in.recv({ timeoutMs: this.#timeoutMs });
    if (frame.sizeBytes !== this.#traffic.incoming) {
      const { sizeBytes } = frame;
      const farewell = this.#farewellOf(frame);
      frame.release();
      if (farewell) throw farewell;
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

  /** Nothing more comes from here, and why: who waits for us learns of a death that he can't see himself. */
  leave(why: unknown): void {
    const said = why instanceof LavaFlowError && why.code === "PEER_DIED" ? farewell(why.reason) : null;
    try {
      if (said) this.#out.trySend(said);
    } catch {
      // That one is gone too.
    }
    void this.close();
  }

  async close(): Promise<void> {
    await Promise.all([this.#out.close(), this.#in.close()]);
    for (const buffer of this.#outgoing) buffer.close();
    this.#incoming?.close();
  }
}

/** Halos are whole words: this rest, of bytes divided by 4, only a farewell has. */
const FAREWELL_REST = 1;

function farewell(why: string): Uint8Array {
  const text = Buffer.from(why.slice(0, 500));
  const bytes = new Uint8Array(Math.ceil(text.length / 4) * 4 + FAREWELL_REST).fill(0x20);
  bytes.set(text);
  return bytes;
}

/** No control character of a peer's reaches a terminal. */
const textOf = (bytes: Uint8Array): string =>
  new TextDecoder()
    .decode(bytes)
    .replace(/\p{Cc}+/gu, " ")
    .trim();

/** What both sides of a pair have to agree on, each as it is shown to the user. */
export type Words = Readonly<Record<string, string>>;

const WORDS_MAX = 4096;

/** Nothing of the peer's is believed, and no control character of it reaches a terminal. */
function read(frame: Frame, rank: number): Words {
  const strange = new LavaFlowError("CORRUPT_SEGMENT", `rank ${rank} says nothing valid of its grid`);
  if (frame.sizeBytes > WORDS_MAX || frame.buffer) throw strange;
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

function compare(mine: Words, theirs: Words, rank: number): void {
  const different = Object.keys(mine).filter((key) => mine[key] !== theirs[key]);
  if (different.length === 0) return;
  const list = different.map((key) => `its ${key} is ${theirs[key] ?? "not told"}, and ${mine[key]} here`).join("; ");
  throw new LavaFlowError("INVALID_ARGUMENT", `rank ${rank} has another grid: ${list}`, {
    remedy: "Give every rank the same grid, options and owner",
  });
}
