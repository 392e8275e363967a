/** The end of a channel that sends. */
import { MemoryBuffer } from "../memory/buffer.ts";
import { checkUnchanged } from "../memory/bytes.ts";
import { checkLimits, type Limits } from "../native/limits.ts";
import { nextTurn, turnDue } from "../native/turn.ts";
import { ChannelEnd, type Opened } from "./channel-end.ts";
import type { Route } from "./connect/route.ts";
import { checkSize } from "./options.ts";
import type { ProducerStats } from "./stats.ts";
import { lengthOf, type Payload, viewOfPayload } from "./transport/payload.ts";
import type { ProducerEnd } from "./transport/transport.ts";
import { FOR_EVER, type WaitQueue } from "./wait/wait-queue.ts";
import { whyNotReleased } from "./why.ts";
import type { Loan } from "./wire/frame.ts";

const DONE = Promise.resolve();

/** The sending end of a channel. */
export class Producer implements AsyncDisposable {
  readonly name: string;
  readonly role = "producer";
  readonly route: Route;
  readonly #end: ChannelEnd<ProducerEnd>;
  readonly #queue: WaitQueue;
  readonly #drains: WaitQueue;
  readonly #flights: WaitQueue;
  readonly #failed: (error: unknown) => void;
  readonly #armForCredits = () => this.#end.get().arm("credits");
  readonly #why = () => whyNotReleased(this.#end.getOrNull());

  /** @internal */
  constructor(opened: Opened<ProducerEnd>) {
    this.name = opened.name;
    this.route = opened.route;
    this.#end = new ChannelEnd(opened);
    this.#queue = opened.queue;
    this.#drains = opened.drains;
    this.#flights = opened.flights;
    this.#failed = opened.failed;
  }

  get stats(): ProducerStats {
    const { frames, bytes, ...rest } = this.#end.get().stats();
    return { framesSent: frames, bytesSent: bytes, ...rest };
  }

  /**
   * On one host bytes are copied once into shared memory, a shared MemoryBuffer is passed without a copy, and so is one on
   * the GPU that both sides use; `route` says what happens to other buffers on a GPU. Over MPI what is large goes straight
   * from the payload's memory. Resolves when the frame is published: bytes of a view may then be used again. Until then they
   * must neither change nor be transferred. A MemoryBuffer that is passed without a copy is the peer's until it has released
   * the frame: `write`, `fill` and `copyTo` wait for that, and who writes into `bytes` awaits `MemoryBuffer.released`, or
   * takes another buffer meanwhile (`MemoryAllocator.pool`). It may be closed at any time. INVALID_ARGUMENT for a view whose
   * ArrayBuffer was detached, or is too small for it by now. Rejects with TIMEOUT (the queue stayed full for
   * `timeoutMs`, default 30 000), ABORTED, CHANNEL_CLOSED, PEER_DIED, CLOSED. Once it has found room, only the peer's death
   * and the end of the channel end it early.
   */
  send(payload: Payload, options?: Limits): Promise<void> {
    try {
      const end = this.#end.get();
      if (options !== undefined) checkLimits("send", options);
      if (options?.signal === undefined && this.#queue.idle) {
        const ticket = end.start(payload);
        if (ticket !== null) return ticket !== 0 ? this.#leaves(end, ticket) : turnDue() ? nextTurn() : DONE;
      }
      return this.#sendLater(payload, options);
    } catch (error) {
      this.#failed(error);
      return Promise.reject(error);
    }
  }

  /** A function of its own: one whose variables a closure has costs an allocation also where it makes none. */
  #sendLater(payload: Payload, options: Limits | undefined): Promise<void> {
    const view = payload instanceof MemoryBuffer ? null : viewOfPayload(payload);
    const sizeBytes = view ? lengthOf(view, Number.POSITIVE_INFINITY) : 0;
    const attempt = () => {
      const to = this.#end.get();
      if (view) checkUnchanged("payload", view, sizeBytes);
      const ticket = to.start(view ?? payload);
      return ticket === null ? null : ticket === 0 ? DONE : this.#leaves(to, ticket);
    };
    return this.#queue.wait<unknown>(attempt, this.#armForCredits, "no room to send", options, this.#why).then(nothing);
  }

  /** Resolves when the bytes of a started frame have left. */
  #leaves(end: ProducerEnd, ticket: number): Promise<void> {
    const attempt = () => (end.left(ticket) ? true : null);
    return this.#flights.wait(attempt, () => end.arm("left"), "the frame is on its way", FOR_EVER).then(nothing);
  }

  /**
   * False when the queue is full (or frames of `send` are waiting for room). Also false while GPU work on a buffer has to
   * end first, and while one is copied that the peer can't reach: it is then sent as it was at the first try.
   * Throws CHANNEL_CLOSED, PEER_DIED, CLOSED.
   */
  trySend(payload: Payload): boolean {
    try {
      const end = this.#end.get();
      return this.#queue.idle && end.trySend(payload);
    } catch (error) {
      this.#failed(error);
      throw error;
    }
  }

  /** Room to write a frame in place: no copy at all. Null when the queue is full. */
  tryLoan(sizeBytes: number): Loan | null {
    const end = this.#end.get();
    checkSize(sizeBytes);
    if (!this.#queue.idle) return null;
    try {
      return end.tryLoan(sizeBytes);
    } catch (error) {
      this.#failed(error);
      throw error;
    }
  }

  /** The same, when there is room. Rejects as `send` does. */
  async loan(sizeBytes: number, options?: Limits): Promise<Loan> {
    this.#end.get();
    checkSize(sizeBytes);
    checkLimits("loan", options);
    const attempt = () => this.#end.get().tryLoan(sizeBytes);
    return this.#queue.wait(attempt, this.#armForCredits, "no room for a loan", options, this.#why);
  }

  /** Resolves when all that was sent was received and released by the peer: its buffers may be written again. */
  async flush(options?: Limits): Promise<void> {
    checkLimits("flush", options);
    const attempt = () => (this.#end.get().drained() && this.#queue.idle ? true : null);
    // With sends waiting for room, what is released so far is not all.
    const arm = () => this.#end.get().arm("released") && this.#queue.idle;
    await this.#drains.wait(attempt, arm, "not all frames were released", options, this.#why);
  }

  /** @deprecated The name that `flush` had: it goes before the first release. */
  waitSend(options?: Limits): Promise<void> {
    return this.flush(options);
  }

  /**
   * Frames that were sent are still delivered; the peer gets CHANNEL_CLOSED after them. Loans are detached, and waits end
   * with CLOSED. Resolves when GPU work of this side on the peer's buffers, and what the peer's GPU waits for, has ended
   * (at most 30 s later).
   */
  close(): Promise<void> {
    return this.#end.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function nothing(): void {}
