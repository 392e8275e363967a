/** MemoryBuffers that a producer passes without a copy: what the peer has not released of them, and who waits for that. */
import { holdBy, type MemoryBuffer } from "../../memory/buffer.ts";
import type { Holder } from "../../memory/holders.ts";
import type { Limits } from "../../native/limits.ts";
import type { EventFd } from "../wait/event.ts";
import { WaitQueue } from "../wait/wait-queue.ts";

/** A sleeping end looks again after this many milliseconds: as for the wait until everything is released. */
const RECHECK_MS = 20;

/** The shim's side of it. */
export interface ReleaseCalls {
  /** Frames of a buffer that the peer has not released, by the shim's handle of it; 0 once the peer is gone. */
  count(memory: number): number;
  /** Asks for a wake-up when frames are released. Throws when the peer is gone. */
  arm(): void;
}

export class Releases {
  readonly #channel: string;
  readonly #calls: ReleaseCalls;
  readonly #wake: (failure: unknown) => void;
  /** Those that somebody waits for. */
  readonly #waiting = new Set<Passed>();
  #event: EventFd | null = null;
  #openedAt = "";
  #failed: (error: unknown) => void = () => {};

  /** `wake` as for the end. */
  constructor(channel: string, calls: ReleaseCalls, wake: (failure: unknown) => void) {
    this.#channel = channel;
    this.#calls = calls;
    this.#wake = wake;
  }

  /** `openedAt` as for a WaitQueue; `failed` is told what one who waits fails of. */
  attach(event: EventFd, openedAt: string, failed: (error: unknown) => void): void {
    this.#event = event;
    this.#openedAt = openedAt;
    this.#failed = failed;
  }

  /** From now on the buffer knows of this channel. Returns what ends that: then nothing counts as unreleased. */
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
      this.#wake(error); // the peer is gone: nothing counts any more
    }
  }
}

/** One buffer on one channel. */
class Passed implements Holder {
  readonly channel: string;
  readonly #releases: Releases;
  readonly #memory: number;
  /** Of its own: another buffer's frames may be released before. */
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

  /** The buffer or the channel is closed. */
  end(): void {
    this.#ended = true;
    this.wake();
  }
}
