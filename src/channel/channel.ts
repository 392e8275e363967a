/** A channel: one producer, one consumer, frames in order, on the fastest path that the two can prove. */
import { type ErrorCode, invalidArgument, LavaFlowError } from "../errors.ts";
import { ProcessLocation, validateLocation } from "../location.ts";
import { MemoryAllocator } from "../memory/allocator.ts";
import type { MemoryBuffer } from "../memory/buffer.ts";
import type { ChannelProfile } from "../memory/strategy.ts";
import { type Limits, timeoutOf } from "../native/limits.ts";
import { Bell } from "./bell.ts";
import type { Frame, Loan } from "./frame.ts";
import { meet } from "./meet.ts";
import type { Route } from "./route.ts";
import type { ConsumerEnd, ProducerEnd, TransportName } from "./transport/transport.ts";
import { WaitQueue } from "./wait.ts";

export interface ChannelOptions {
  role: "producer" | "consumer";
  /** What matters most; default "cpu-shared". The producer's profile decides how many messages may be under way. */
  profile?: ChannelProfile;
  /** Whose GPUs the channel may use: the one that `location.deviceId` names, else the first. Default: all hardware GPUs. */
  allocator?: MemoryAllocator;
  /** Where this process is; default: what is detected. */
  location?: ProcessLocation;
  /** Whom to expect. Without it the first peer that opens the same name with the other role. */
  peer?: Partial<ProcessLocation>;
  /** How long to wait for the peer, in milliseconds; default 30 000. */
  timeoutMs?: number;
  signal?: AbortSignal;
  /** Pins the transport (tests, measurements); refused with the reason where it can't work. */
  transport?: TransportName;
}

/** The largest frame: what one ArrayBuffer of the engine can show. */
const FRAME_MAX = 2 ** 32;
const SPIN_US = 50;
const DONE = Promise.resolve();
const FOR_EVER: Limits = { timeoutMs: Number.POSITIVE_INFINITY };
const ENDED: IteratorReturnResult<undefined> = { done: true, value: undefined };

const PROFILES: readonly unknown[] = ["high-throughput", "low-latency", "gpu-preferred", "cpu-shared"];
const TRANSPORTS: readonly unknown[] = ["shm", "vulkan", "mpi"];

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
  readonly #leave: () => void;
  readonly #receive = () => this.#consumerEnd().tryRecv();
  readonly #armForFrame = () => this.#consumerEnd().arm();
  readonly #armForRoom = () => this.#producerEnd().arm(false);
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
    const wake = () => {
      queue.wake();
      drains.wake();
    };
    const letGo = () => {
      if (allocator !== options.allocator) allocator.close();
    };
    const { agreement, link, rendezvous } = await meet(party, options, wake).catch((error) => {
      letGo();
      throw error;
    });
    const end = (agreement.producer ?? agreement.consumer) as ProducerEnd | ConsumerEnd;
    let bell: Bell | null = null;
    const leave = () => {
      end.close();
      bell?.close();
      link.close();
      rendezvous.close();
      letGo();
    };
    try {
      bell = await Bell.hang(link, () => {
        end.rang();
        wake();
      });
      queue.attach(bell);
      drains.attach(bell);
    } catch (error) {
      leave();
      throw error;
    }
    return new Channel(name, role, agreement, queue, drains, leave);
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
    queue: WaitQueue,
    drains: WaitQueue,
    leave: () => void,
  ) {
    this.name = name;
    this.role = role;
    this.route = agreement.route;
    this.#producer = agreement.producer;
    this.#consumer = agreement.consumer;
    this.#queue = queue;
    this.#drains = drains;
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
   * Bytes are copied once into shared memory, a shared MemoryBuffer is passed without a copy, and so is one on the GPU
   * that both sides use; `route` says what happens to other buffers on a GPU. Resolves when the frame is
   * on its way; a payload must not change until then. Rejects with TIMEOUT (the queue stayed full for `timeoutMs`,
   * default 30 000), ABORTED, CHANNEL_CLOSED, PEER_DIED, CLOSED.
   */
  send(payload: ArrayBufferView | MemoryBuffer, options?: Limits): Promise<void> {
    try {
      const end = this.#producerEnd();
      if (options !== undefined) timeoutOf(options);
      if (options?.signal === undefined && this.#queue.idle && end.trySend(payload)) return DONE;
      const attempt = () => (this.#producerEnd().trySend(payload) ? true : null);
      return this.#queue.wait(attempt, this.#armForRoom, "no room to send", options).then(nothing);
    } catch (error) {
      return Promise.reject(error);
    }
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
    const arm = () => this.#producerEnd().arm(true) && this.#queue.idle;
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

function checkSize(sizeBytes: number): void {
  if (Number.isInteger(sizeBytes) && sizeBytes >= 0 && sizeBytes <= FRAME_MAX) return;
  throw invalidArgument("sizeBytes", sizeBytes, `a whole number of bytes from 0 to ${FRAME_MAX}`);
}

function checkOptions(name: string, options: ChannelOptions): void {
  if (
    typeof name !== "string" ||
    !name.isWellFormed() ||
    /[/\\\0]/.test(name) ||
    name === "" ||
    Buffer.byteLength(name) > 64
  ) {
    throw invalidArgument("name", name, "1 to 64 bytes of text without slash, backslash or NUL");
  }
  if (typeof options !== "object" || options === null) throw invalidArgument("options", options, "{ role: ... }");
  const { role, profile, transport, allocator, peer } = options;
  if (role !== "producer" && role !== "consumer") throw invalidArgument("role", role, '"producer" or "consumer"');
  if (profile !== undefined && !PROFILES.includes(profile))
    throw invalidArgument("profile", profile, PROFILES.join(", "));
  if (transport !== undefined && !TRANSPORTS.includes(transport)) {
    throw invalidArgument("transport", transport, TRANSPORTS.join(", "));
  }
  if (allocator !== undefined && !(allocator instanceof MemoryAllocator)) {
    throw invalidArgument("allocator", allocator, "a MemoryAllocator");
  }
  timeoutOf(options);
  if (peer !== undefined) checkExpected(peer);
}

/** A field that no location has would never be met: better said now than when the time is up. */
function checkExpected(peer: Partial<ProcessLocation>): void {
  if (typeof peer !== "object" || peer === null || Array.isArray(peer)) {
    throw invalidArgument("peer", peer, "fields of a ProcessLocation");
  }
  const known = validateLocation({ hostname: "", ...peer });
  for (const [field, value] of Object.entries(peer)) {
    if (value !== undefined && !(field in known))
      throw invalidArgument(`peer.${field}`, value, "fields of a ProcessLocation");
  }
}
