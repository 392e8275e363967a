/** The sending end of a channel. */
import { MemoryBuffer } from "../memory/buffer.ts";
import { checkUnchanged } from "../memory/bytes.ts";
import { checkLimits, type Limits } from "../native/limits.ts";
import { nextTurn, turnDue } from "../native/turn.ts";
import { ChannelEnd, type Opened } from "./channel-end.ts";
import type { Route } from "./connect/route.ts";
import { checkSize } from "./options.ts";
import type { ProducerStats } from "./stats.ts";
import { lengthOf, type Payload, viewOfPayload } from "./transport/payload.ts";
import type { Tx } from "./transport/tx.ts";
import { FOR_EVER, type WaitQueue } from "./wait/wait-queue.ts";
import { whyNotReleased } from "./why.ts";
import type { Loan } from "./wire/frame.ts";

const DONE = Promise.resolve();

/** The sending end of a channel. */
export class Producer implements AsyncDisposable {
  readonly name: string;
  readonly role = "producer";
  readonly route: Route;
  readonly #end: ChannelEnd<Tx>;
  readonly #queue: WaitQueue;
  readonly #drains: WaitQueue;
  readonly #flights: WaitQueue;
  readonly #failed: (error: unknown) => void;
  readonly #armForCredits = () => this.#end.get().arm("credits");
  readonly #why = () => whyNotReleased(this.#end.current);

  /** @internal */
  constructor(opened: Opened<Tx>) {
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
   * Sends one frame. Resolves when the frame is published: the bytes of a view may then be reused. Until then they must
   * neither change nor be transferred.
   *
   * On one host bytes are copied once into shared memory. A shared MemoryBuffer is passed without a copy, and so is a buffer
   * on the GPU that both sides use; `route` says what happens to other buffers on a GPU. Over MPI a large payload is sent
   * from its own memory.
   *
   * The peer owns a MemoryBuffer that is passed without a copy until it releases the frame. `write`, `fill` and `copyTo` wait
   * for that. Before writing into `bytes`, await `MemoryBuffer.released` or use another buffer (`MemoryAllocator.pool`). The
   * buffer may be closed at any time.
   *
   * INVALID_ARGUMENT for a view whose ArrayBuffer was detached or has become too small. Rejects with TIMEOUT (the queue
   * stayed full for `timeoutMs`, default 30 000), ABORTED, CHANNEL_CLOSED, PEER_DIED, CLOSED. After the frame has its slot,
   * only the peer's death and `close` end the call early.
   */
  send(payload: Payload, options?: Limits): Promise<void> {
    try {
      const end = this.#end.current ?? this.#end.get();
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

  /** Not part of `send`: a function with variables captured by a closure allocates, even on the path without the closure. */
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

  /** Resolves when MPI no longer reads the payload of a started frame. */
  #leaves(end: Tx, ticket: number): Promise<void> {
    const attempt = () => (end.left(ticket) ? true : null);
    return this.#flights.wait(attempt, () => end.arm("left"), "the frame is on its way", FOR_EVER).then(nothing);
  }

  /**
   * False when the queue is full, or calls of `send` wait before this one. Also false while GPU work on the buffer runs, and
   * while a buffer that the peer can't reach is copied: the frame then has the content of the first try.
   * Throws CHANNEL_CLOSED, PEER_DIED, CLOSED.
   */
  trySend(payload: Payload): boolean {
    try {
      const end = this.#end.current ?? this.#end.get();
      return this.#queue.idle && end.trySend(payload);
    } catch (error) {
      this.#failed(error);
      throw error;
    }
  }

  /** Memory to write a frame in place, without a copy. Null when the queue is full. */
  tryLoan(sizeBytes: number): Loan | null {
    const end = this.#end.current ?? this.#end.get();
    checkSize(sizeBytes);
    if (!this.#queue.idle) return null;
    try {
      return end.tryLoan(sizeBytes);
    } catch (error) {
      this.#failed(error);
      throw error;
    }
  }

  /** As `tryLoan`, but waits while the queue is full. Rejects as `send` does. */
  async loan(sizeBytes: number, options?: Limits): Promise<Loan> {
    this.#end.get();
    checkSize(sizeBytes);
    checkLimits("loan", options);
    const attempt = () => this.#end.get().tryLoan(sizeBytes);
    return this.#queue.wait(attempt, this.#armForCredits, "no room for a loan", options, this.#why);
  }

  /** Resolves when the peer has received and released every frame: all sent buffers may be written again. */
  async flush(options?: Limits): Promise<void> {
    checkLimits("flush", options);
    const attempt = () => (this.#end.get().drained() && this.#queue.idle ? true : null);
    // Sends that still wait will add frames.
    const arm = () => this.#end.get().arm("released") && this.#queue.idle;
    await this.#drains.wait(attempt, arm, "not all frames were released", options, this.#why);
  }

  /** @deprecated The name that `flush` had: it goes before the first release. */
  waitSend(options?: Limits): Promise<void> {
    return this.flush(options);
  }

  /**
   * Frames that were sent are still delivered; the peer gets CHANNEL_CLOSED after them. Loans are detached, and waiting calls
   * reject with CLOSED. Resolves when this side's GPU work on the peer's buffers, and the work that the peer's GPU waits for,
   * has ended (at most 30 s later).
   */
  close(): Promise<void> {
    return this.#end.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function nothing(): void {}
