/** A channel: one producer, one consumer, frames in order, on the fastest path that the two can prove. */
import { type ErrorCode, invalidArgument, LavaFlowError } from "../errors.ts";
import { ProcessLocation } from "../location.ts";
import { MemoryAllocator } from "../memory/allocator.ts";
import type { MemoryBuffer } from "../memory/buffer.ts";
import { type Limits, timeoutOf } from "../native/limits.ts";
import { Bell } from "./bell.ts";
import type { Frame, Loan } from "./frame.ts";
import { meet } from "./meet.ts";
import { type ChannelOptions, checkOptions, checkSize } from "./options.ts";
import type { Route } from "./route.ts";
import type { ConsumerEnd, ProducerEnd } from "./transport/transport.ts";
import { WaitQueue } from "./wait.ts";

const SPIN_US = 50;
const DONE = Promise.resolve();
const FOR_EVER: Limits = { timeoutMs: Number.POSITIVE_INFINITY };
const ENDED: IteratorReturnResult<undefined> = { done: true, value: undefined };

export class Channel implements AsyncDisposable, AsyncIterable<Frame> {
  readonly name: string;
  readonly role: "producer" | "consumer";
  readonly route: Route;
  /** Null in the other role, and once the channel is closed. */
  #producer: ProducerEnd | null;
  #consumer: ConsumerEnd | null;
  /** Those who wait for room, or for a frame: each gets its turn after those before it. */
  readonly #queue: WaitQueue;
  /** Those who wait for everything to be released: they hold nobody up. */
  readonly #drains: WaitQueue;
  /** Those whose payload is on its way out of its own memory. */
  readonly #flights: WaitQueue;
  readonly #leave: () => void;
  readonly #receive = () => this.#consumerEnd().tryRecv();
  readonly #armForFrame = () => this.#consumerEnd().arm();
  readonly #armForRoom = () => this.#producerEnd().arm("room");
  #closed = false;
  #closing: Promise<void> | null = null;

  /**
   * Meets the peer under a name; both sides learn the other's location and agree on the fastest path.
   *
   * A name has 1 to 64 bytes of UTF-8 and no slash, backslash or NUL. Rejects with INVALID_ARGUMENT, NAME_IN_USE (a
   * living process has this role), PERMISSION_DENIED (the runtime directory, or a peer of another user),
   * WIRE_VERSION_MISMATCH, NO_ROUTE (with every reason), TIMEOUT or ABORTED.
   */
  static async open(name: string, options: ChannelOptions): Promise<Channel> {
    checkOptions(name, options);
    const { role, profile = "cpu-shared", location = ProcessLocation.detect(), peer, transport } = options;
    const allocator = options.allocator ?? new MemoryAllocator();
    const party = { name, role, location, profile, allocator, pin: transport, expected: peer };
    // A producer looks again now and then: room in the link itself has no bell.
    const queue = new WaitQueue(name, role === "producer" ? 20 : 0);
    const drains = new WaitQueue(name, 20);
    const flights = new WaitQueue(name, 0);
    const wake = () => {
      flights.wake();
      queue.wake();
      drains.wake();
    };
    const letGo = () => {
      if (allocator !== options.allocator) allocator.close();
    };
    const {
      agreement,
      link,
      leave: leaveName,
    } = await meet(party, options, wake).catch((error) => {
      letGo();
      throw error;
    });
    const end = (agreement.producer ?? agreement.consumer) as ProducerEnd | ConsumerEnd;
    let bell: Bell | null = null;
    const leave = () => {
      end.close();
      bell?.close();
      link.close();
      leaveName();
      letGo();
    };
    try {
      bell = await Bell.hang(end.bellDescriptor(), () => {
        end.rang();
        wake();
      });
      for (const those of [queue, drains, flights]) those.attach(bell);
    } catch (error) {
      leave();
      throw error;
    }
    return new Channel(name, role, agreement, { queue, drains, flights }, leave);
  }

  /** The same with everything explicit. */
  static create(
    allocator: MemoryAllocator,
    mine: ProcessLocation,
    peer: ProcessLocation,
    options: ChannelOptions & { name: string },
  ): Promise<Channel> {
    return Channel.open(options?.name, { ...options, allocator, location: mine, peer });
  }

  private constructor(
    name: string,
    role: "producer" | "consumer",
    agreement: { route: Route; producer: ProducerEnd | null; consumer: ConsumerEnd | null },
    waiting: { queue: WaitQueue; drains: WaitQueue; flights: WaitQueue },
    leave: () => void,
  ) {
    this.name = name;
    this.role = role;
    this.route = agreement.route;
    this.#producer = agreement.producer;
    this.#consumer = agreement.consumer;
    this.#queue = waiting.queue;
    this.#drains = waiting.drains;
    this.#flights = waiting.flights;
    this.#leave = leave;
  }

  /** `queued`: for a producer sent and not yet released, for a consumer committed and not yet received. */
  get stats() {
    const end = this.#producer ?? this.#consumer;
    if (!end) throw this.#closedError();
    const { frames, bytes, full, queued, importsCached } = end.stats();
    return this.#producer
      ? { framesSent: frames, framesReceived: 0, bytesSent: bytes, bytesReceived: 0, full, queued, importsCached }
      : { framesSent: 0, framesReceived: frames, bytesSent: 0, bytesReceived: bytes, full, queued, importsCached };
  }

  // ───────────── producer ─────────────

  /**
   * On one host bytes are copied once into shared memory, a shared MemoryBuffer is passed without a copy, and so is one on
   * the GPU that both sides use; `route` says what happens to other buffers on a GPU. Over MPI what is large goes straight
   * from the payload's memory. Resolves when the frame is on its way and the payload may be used again: until then it must
   * neither change nor be transferred (a MemoryBuffer may be closed). Rejects with TIMEOUT (the queue stayed full for
   * `timeoutMs`, default 30 000), ABORTED, CHANNEL_CLOSED, PEER_DIED, CLOSED. Once it has found room, only the peer's death
   * and the end of the channel end it early.
   */
  send(payload: ArrayBufferView | MemoryBuffer, options?: Limits): Promise<void> {
    try {
      const end = this.#producerEnd();
      if (options !== undefined) timeoutOf(options);
      if (options?.signal === undefined && this.#queue.idle) {
        const ticket = end.start(payload);
        if (ticket !== null) return ticket === 0 ? DONE : this.#leaves(end, ticket);
      }
      const attempt = () => {
        const to = this.#producerEnd();
        const ticket = to.start(payload);
        return ticket === null ? null : ticket === 0 ? DONE : this.#leaves(to, ticket);
      };
      return this.#queue.wait<unknown>(attempt, this.#armForRoom, "no room to send", options).then(nothing);
    } catch (error) {
      return Promise.reject(error);
    }
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
  trySend(payload: ArrayBufferView | MemoryBuffer): boolean {
    const end = this.#producerEnd();
    return this.#queue.idle && end.trySend(payload);
  }

  /** Room to write a frame in place: no copy at all. Null when the queue is full. */
  tryLoan(sizeBytes: number): Loan | null {
    const end = this.#producerEnd();
    checkSize(sizeBytes);
    return this.#queue.idle ? end.tryLoan(sizeBytes) : null;
  }

  async loan(sizeBytes: number, options?: Limits): Promise<Loan> {
    this.#producerEnd();
    checkSize(sizeBytes);
    return this.#queue.wait(
      () => this.#producerEnd().tryLoan(sizeBytes),
      this.#armForRoom,
      "no room for a loan",
      options,
    );
  }

  /** Resolves when all that was sent has been taken and released by the peer: its buffers may be written again. */
  async waitSend(options?: { timeoutMs?: number }): Promise<void> {
    const attempt = () => (this.#producerEnd().drained() && this.#queue.idle ? true : null);
    // With sends waiting for room, what is released so far is not all.
    const arm = () => this.#producerEnd().arm("released") && this.#queue.idle;
    await this.#drains.wait(attempt, arm, "not all frames were released", options);
  }

  // ───────────── consumer ─────────────

  /** Null when there is nothing. Throws CHANNEL_CLOSED or PEER_DIED once everything committed was received. */
  tryRecv(): Frame | null {
    return this.#consumerEnd().tryRecv();
  }

  /** The next frame. Rejects with TIMEOUT (default 30 000 ms), ABORTED, CHANNEL_CLOSED or PEER_DIED (drained), CLOSED. */
  recv(options?: Limits): Promise<Frame> {
    try {
      const end = this.#consumerEnd();
      if (options !== undefined) timeoutOf(options);
      if (options?.signal === undefined && this.#queue.idle) {
        const frame = end.tryRecv();
        if (frame) return Promise.resolve(frame);
      }
      return this.#queue.wait(this.#receive, this.#armForFrame, "no frame came", options);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Blocks this thread, spinning up to `spinUs` microseconds (default 50) before it sleeps in the kernel: the lowest
   * latency there is. Null when `timeoutMs` (default 30 000) passed.
   */
  recvSync(options?: { timeoutMs?: number; spinUs?: number }): Frame | null {
    const end = this.#consumerEnd();
    if (options === undefined) return end.recvSync(30_000, SPIN_US);
    const { spinUs = SPIN_US } = options;
    if (!(typeof spinUs === "number" && spinUs >= 0)) {
      throw invalidArgument("spinUs", spinUs, "microseconds from 0 to Infinity");
    }
    return end.recvSync(timeoutOf(options), spinUs);
  }

  /**
   * Every frame until either side closes; throws PEER_DIED after the last one of a producer that died. A frame that the
   * loop's body has not released is released when the next one is asked for.
   */
  [Symbol.asyncIterator](): AsyncIterator<Frame> {
    let held: Frame | null = null;
    let sequence = -1;
    const letGo = () => {
      // A frame that was released comes round again as another message: that one is not ours.
      // (One whose bytes were transferred away has lost its number too, and does not come round.)
      const ours = held?.sequence === sequence || held?.sequence === undefined;
      if (held && ours && !this.#closed) held[Symbol.dispose]();
      held = null;
    };
    const attempt = (): IteratorResult<Frame> | null => {
      try {
        const frame = this.#receive();
        if (frame === null) return null;
        held = frame;
        sequence = frame.sequence;
        return { done: false, value: frame };
      } catch (error) {
        if (isCode(error, "CHANNEL_CLOSED") || (this.#closed && isCode(error, "CLOSED"))) return ENDED;
        throw error;
      }
    };
    return {
      next: () => {
        try {
          letGo();
          const result = this.#queue.idle ? attempt() : null;
          if (result !== null) return Promise.resolve(result);
          return this.#queue.wait(attempt, this.#armForFrame, "no frame came", FOR_EVER);
        } catch (error) {
          return Promise.reject(error);
        }
      },
      return: () => {
        letGo();
        return Promise.resolve(ENDED);
      },
    };
  }

  // ───────────── the end ─────────────

  /**
   * Frames that were sent are still delivered. Views of frames and loans are detached; waits end with CLOSED. Resolves
   * when GPU work of this side on the peer's buffers, and what the peer's GPU waits for, has ended (at most 30 s later).
   */
  close(): Promise<void> {
    this.#closed = true;
    return (this.#closing ??= this.#close());
  }

  async #close(): Promise<void> {
    const end = this.#producer ?? this.#consumer;
    this.#producer = this.#consumer = null;
    // Every attempt now finds the channel closed.
    this.#queue.wake();
    this.#drains.wake();
    const settled = end?.settled();
    if (settled) await settled;
    this.#leave();
    this.#flights.wake();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #producerEnd(): ProducerEnd {
    if (this.#producer !== null) return this.#producer;
    throw this.#closed ? this.#closedError() : this.#wrongRole("sends");
  }

  #consumerEnd(): ConsumerEnd {
    if (this.#consumer !== null) return this.#consumer;
    throw this.#closed ? this.#closedError() : this.#wrongRole("receives");
  }

  #closedError(): LavaFlowError {
    return new LavaFlowError("CLOSED", `channel "${this.name}" was closed here`, { remedy: "Open it again" });
  }

  #wrongRole(verb: string): LavaFlowError {
    const other = this.role === "producer" ? "consumer" : "producer";
    return new LavaFlowError(
      "INVALID_ARGUMENT",
      `"${this.name}" was opened as ${this.role}, and only a ${other} ${verb}`,
      {
        remedy: "Open a second channel for the other direction",
      },
    );
  }
}

function nothing(): void {}

function isCode(error: unknown, code: ErrorCode): boolean {
  return error instanceof LavaFlowError && error.code === code;
}
