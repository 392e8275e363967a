/** `for await` over a channel. */
import { type Call, isCode, putFirst } from "../errors.ts";
import { turnDue } from "../native/turn.ts";
import { FOR_EVER, nothing, type WaitQueue } from "./wait/wait-queue.ts";
import type { Frame, ReusedFrame } from "./wire/frame.ts";

const ENDED: IteratorReturnResult<undefined> = { done: true, value: undefined };

export class FrameIterator implements AsyncIterator<Frame> {
  readonly #queue: WaitQueue;
  readonly #receive: () => ReusedFrame | null;
  readonly #arm: () => boolean;
  readonly #isClosed: () => boolean;
  readonly #failed: (error: unknown) => void;
  /** The line of the loop, captured once: a loop may wait for each frame. */
  readonly #call: Call = new Error();
  readonly #attempts = () => this.#attempt();
  #held: ReusedFrame | null = null;
  #uses = 0;

  /** `isClosed`: this side has closed the channel. `failed` is called with each error of receiving. */
  constructor(
    queue: WaitQueue,
    receive: () => ReusedFrame | null,
    arm: () => boolean,
    isClosed: () => boolean,
    failed: (error: unknown) => void,
  ) {
    this.#queue = queue;
    this.#receive = receive;
    this.#arm = arm;
    this.#isClosed = isClosed;
    this.#failed = failed;
  }

  next(): Promise<IteratorResult<Frame>> {
    try {
      this.#release();
      if (this.#queue.idle && !turnDue()) {
        const frame = this.#receive() ?? (this.#queue.pollOnce() ? this.#receive() : null);
        if (frame !== null) return this.#hold(frame).next;
      }
      return this.#queue.wait(this.#attempts, this.#arm, "no frame came", FOR_EVER, nothing, this.#call);
    } catch (error) {
      if (this.#isEnd(error)) return Promise.resolve(ENDED);
      putFirst(error, this.#call);
      return Promise.reject(error);
    }
  }

  return(): Promise<IteratorResult<Frame>> {
    this.#release();
    return Promise.resolve(ENDED);
  }

  #attempt(): IteratorResult<Frame> | null {
    try {
      const frame = this.#receive();
      return frame && this.#hold(frame).result;
    } catch (error) {
      if (this.#isEnd(error)) return ENDED;
      throw error;
    }
  }

  #isEnd(error: unknown): boolean {
    this.#failed(error);
    return isCode(error, "CHANNEL_CLOSED") || (this.#isClosed() && isCode(error, "CLOSED"));
  }

  #hold(frame: ReusedFrame): ReusedFrame {
    this.#held = frame;
    this.#uses = frame.uses;
    return frame;
  }

  #release(): void {
    const held = this.#held;
    if (held === null) return;
    this.#held = null;
    // A frame that the loop's body released may carry another message by now, which the loop must not release.
    if (held.uses === this.#uses) held[Symbol.dispose]();
  }
}
