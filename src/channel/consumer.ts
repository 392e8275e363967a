/** The receiving end of a channel. */
import { invalidArgument } from "../errors.ts";
import { checkLimits, type Limits, timeoutOf } from "../native/limits.ts";
import { checkNames } from "../native/options.ts";
import { turnDue } from "../native/turn.ts";
import { ChannelEnd, type Opened } from "./channel-end.ts";
import type { Route } from "./connect/route.ts";
import { FrameIterator } from "./frame-iterator.ts";
import type { ConsumerStats } from "./stats.ts";
import type { Rx } from "./transport/rx.ts";
import type { WaitQueue } from "./wait/wait-queue.ts";
import { whyNoFrame } from "./why.ts";
import type { Frame } from "./wire/frame.ts";

/** Microseconds that `recvSync` spins by default: about the time of a sleep and a wake-up. */
const SPIN_US = 50;
const RECV_SYNC = { timeoutMs: true, spinUs: true } as const;

/** The receiving end of a channel. */
export class Consumer implements AsyncIterable<Frame>, AsyncDisposable {
  readonly name: string;
  readonly role = "consumer";
  readonly route: Route;
  readonly #end: ChannelEnd<Rx>;
  readonly #queue: WaitQueue;
  readonly #failed: (error: unknown) => void;
  readonly #receive = () => this.#end.get().tryRecv();
  readonly #arm = () => this.#end.get().arm();
  readonly #why = () => whyNoFrame(this.#end.current);
  /** Of the last `recvSync`. A loop passes the same object, and checking its names takes a third of the time of a receive. */
  #waitOptions: object | undefined = undefined;

  /** @internal */
  constructor(opened: Opened<Rx>) {
    this.name = opened.name;
    this.route = opened.route;
    this.#end = new ChannelEnd(opened);
    this.#queue = opened.queue;
    this.#failed = opened.failed;
  }

  get stats(): ConsumerStats {
    const { frames, bytes, full: _, ...rest } = this.#end.get().stats();
    return { framesReceived: frames, bytesReceived: bytes, ...rest };
  }

  /** The next frame; null while there is none. Throws CHANNEL_CLOSED or PEER_DIED once every committed frame was received. */
  tryRecv(): Frame | null {
    try {
      return (this.#end.current ?? this.#end.get()).tryRecv();
    } catch (error) {
      this.#failed(error);
      throw error;
    }
  }

  /**
   * The next frame. Rejects with TIMEOUT (default 30 000 ms), ABORTED, CLOSED, and once every committed frame was received
   * with CHANNEL_CLOSED or PEER_DIED.
   */
  recv(options?: Limits): Promise<Frame> {
    try {
      const end = this.#end.current ?? this.#end.get();
      if (options !== undefined) checkLimits("recv", options);
      if (options?.signal === undefined && this.#queue.idle && !turnDue()) {
        const frame = end.tryRecv() ?? (this.#queue.pollOnce() ? end.tryRecv() : null);
        if (frame !== null) return frame.received;
      }
      return this.#recvLater(options);
    } catch (error) {
      this.#failed(error);
      return Promise.reject(error);
    }
  }

  #recvLater(options: Limits | undefined): Promise<Frame> {
    return this.#queue.wait(this.#receive, this.#arm, "no frame came", options, this.#why);
  }

  /**
   * Blocks this thread until a frame comes: spins for `spinUs` microseconds (default 50), then sleeps in the kernel. This has
   * the lowest latency. Null after `timeoutMs` (default 30 000).
   */
  recvSync(options?: { timeoutMs?: number; spinUs?: number }): Frame | null {
    const end = this.#end.current ?? this.#end.get();
    if (options !== this.#waitOptions) {
      checkNames("recvSync", options, RECV_SYNC);
      this.#waitOptions = options;
    }
    const { spinUs = SPIN_US } = options ?? {};
    if (!(typeof spinUs === "number" && spinUs >= 0)) {
      throw invalidArgument("spinUs", spinUs, "microseconds from 0 to Infinity");
    }
    const timeoutMs = timeoutOf(options);
    try {
      return end.recvSync(timeoutMs, spinUs);
    } catch (error) {
      this.#failed(error);
      throw error;
    } finally {
      // The blocking receive disarmed the event for which calls in promises wait: they try again and arm it anew.
      if (!this.#queue.idle) this.#queue.wake();
    }
  }

  /**
   * Every frame until either side closes. Throws PEER_DIED after the last frame of a producer that died. A frame that the
   * loop's body did not release is released when the next frame is requested.
   */
  [Symbol.asyncIterator](): AsyncIterator<Frame> {
    return new FrameIterator(this.#queue, this.#receive, this.#arm, () => this.#end.current === null, this.#failed);
  }

  /**
   * The peer gets CHANNEL_CLOSED. Views of frames are detached, and waiting calls reject with CLOSED. Resolves when this
   * side's GPU work on the peer's buffers, and the work that the peer's GPU waits for, has ended (at most 30 s later).
   */
  close(): Promise<void> {
    return this.#end.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
