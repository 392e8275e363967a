/** MemoryBuffers that a producer passes without a copy: the frames that the peer has not released, and the waits for them. */
import { holdBy, type MemoryBuffer } from "../../memory/buffer.ts";
import type { Holder } from "../../memory/holders.ts";
import type { Limits } from "../../native/limits.ts";
import type { EventFd } from "../wait/event.ts";
import { WaitQueue } from "../wait/wait-queue.ts";

/** Milliseconds between two attempts of a waiting call, as for `flush`. */
const RECHECK_MS = 20;

/** Functions of the shim. */
export interface ReleaseCalls {
  /** Frames of a buffer, by its handle, that the peer has not released; 0 once the peer has exited. */
  count(memory: number): number;
  /** Requests one event when frames are released. Throws if the peer has exited. */
  arm(): void;
}

export class Releases {
  readonly #channel: string;
  readonly #calls: ReleaseCalls;
  readonly #wake: (failure: unknown) => void;
  /** The buffers that a call waits for. */
  readonly #waiting = new Set<Passed>();
  #event: EventFd | null = null;
  #openedAt = "";
  #failed: (error: unknown) => void = () => {};

  /** `wake` as for a Transport. */
  constructor(channel: string, calls: ReleaseCalls, wake: (failure: unknown) => void) {
    this.#channel = channel;
    this.#calls = calls;
    this.#wake = wake;
  }

  /** `openedAt` and `failed` as for a WaitQueue. */
  attach(event: EventFd, openedAt: string, failed: (error: unknown) => void): void {
    this.#event = event;
    this.#openedAt = openedAt;
    this.#failed = failed;
  }

  /** Adds a buffer. Returns a function that removes it: then none of its frames counts as unreleased. */
  add(buffer: MemoryBuffer, memory: number): () => void {
    const passed = new Passed(this.#channel, this, memory);
    const unhold = holdBy(buffer, passed);
    return () => {
      unhold();
      passed.end();
    };
  }

  count(memory: number): number {
    return this.#calls.count(memory);
  }

  /** Frames may have been released. */
  wake(): void {
    for (const passed of this.#waiting) passed.wake();
  }

  /** Resolves when `count` of the buffer is 0. */
  async wait(passed: Passed, queue: WaitQueue, limits: Limits): Promise<void> {
    const attempt = () => (passed.unreleased() === 0 ? true : null);
    const arm = () => {
      this.#arm();
      return passed.unreleased() === 0;
    };
    this.#waiting.add(passed);
    try {
      await queue.wait(attempt, arm, "the buffer was not released", limits);
    } finally {
      if (queue.idle) this.#waiting.delete(passed);
    }
  }

  newQueue(): WaitQueue {
    const queue = new WaitQueue(this.#channel, RECHECK_MS, this.#openedAt);
    if (this.#event !== null) queue.attach(this.#event, null, this.#failed);
    return queue;
  }

  #arm(): void {
    try {
      this.#calls.arm();
    } catch (error) {
      this.#wake(error); // the peer has exited: no frame counts as unreleased
    }
  }
}

/** One buffer on one channel. */
class Passed implements Holder {
  readonly channel: string;
  readonly #releases: Releases;
  readonly #memory: number;
  /** A queue for this buffer alone: frames of another buffer may be released before. */
  #queue: WaitQueue | null = null;
  #ended = false;

  constructor(channel: string, releases: Releases, memory: number) {
    this.channel = channel;
    this.#releases = releases;
    this.#memory = memory;
  }

  unreleased(): number {
    return this.#ended ? 0 : this.#releases.count(this.#memory);
  }

  released(limits: Limits): Promise<void> {
    this.#queue ??= this.#releases.newQueue();
    return this.#releases.wait(this, this.#queue, limits);
  }

  wake(): void {
    this.#queue?.wake();
  }

  /** The buffer or the channel was closed. */
  end(): void {
    this.#ended = true;
    this.wake();
  }
}
