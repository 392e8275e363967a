/**
 * How a sleeping end is woken: the peer, or a thread here that listens to it, writes a byte to a socket that Bun's event
 * loop watches, next to everything else it watches. So an idle channel costs nothing, and on one host needs no thread.
 */
import { CONSTANTS } from "../../native/layout.ts";
import { native } from "../../native/load.ts";
import { check } from "../../native/status.ts";
import { Watch } from "../../native/watch.ts";

/** Where the system has no descriptor to watch (Windows), waiting ends look for themselves, this often. */
const POLL_MS = 1;

/** So often it is looked for a peer's death once its event has ended, though nobody waits for the peer. */
const EXIT_POLLS = 100;

const descriptor = new BigInt64Array(new ArrayBuffer(8));

/** The descriptor that one of the shim's `…_bell` functions gives; -1 where the system has none to watch. */
export function readEventFd(copy: (out: BigInt64Array) => number): number {
  return check(native(), copy(descriptor)) === CONSTANTS.LF_EMPTY ? -1 : Number(descriptor[0]);
}

export class EventFd {
  #watch: Watch | null = null;
  #timer: ReturnType<typeof setInterval> | null = null;
  #exitPoll: ReturnType<typeof setTimeout> | undefined;
  #polling = false;
  #closed = false;
  #refs = 0;
  readonly #onEvent: () => void;

  private constructor(onEvent: (ended: boolean) => void) {
    // Where there is no descriptor, nothing else tells of a peer that is gone.
    this.#onEvent = () => onEvent(this.#polling);
  }

  /**
   * `onEvent` runs when it rang, and when the peer is gone: with `ended` true from then on. The descriptor, -1 for none, is
   * closed with the event.
   */
  static async open(fd: number, onEvent: (ended: boolean) => void): Promise<EventFd> {
    const event = new EventFd(onEvent);
    if (fd < 0) {
      event.#polling = true;
      return event;
    }
    // A dying peer's event may end a moment before the connection that proves the death: from then on, look for it.
    const onEnd = () => {
      if (event.#closed) return;
      event.#polling = true;
      event.#poll();
      event.#onEvent();
      event.#pollForExit(EXIT_POLLS);
    };
    event.#watch = await Watch.open(fd, { onReadable: event.#onEvent, onEnd });
    return event;
  }

  /** One more waits: that keeps the process alive until it rings. */
  ref(): void {
    if (this.#refs++ > 0) return;
    this.#watch?.ref();
    this.#poll();
  }

  /** One less waits. An open channel alone does not keep the process alive. */
  unref(): void {
    if (--this.#refs > 0) return;
    this.#watch?.unref();
    this.#stopPolling();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#exitPoll);
    this.#stopPolling();
    this.#watch?.close();
    this.#watch = null;
  }

  #poll(): void {
    if (this.#polling && this.#refs > 0) this.#timer ??= setInterval(this.#onEvent, POLL_MS);
  }

  /** Not for those who wait: work on a GPU may wait for a peer that has died, and goes on once that is seen. */
  #pollForExit(left: number): void {
    if (left === 0 || this.#closed) return;
    this.#exitPoll = setTimeout(() => {
      this.#onEvent();
      this.#pollForExit(left - 1);
    }, POLL_MS);
    this.#exitPoll.unref();
  }

  #stopPolling(): void {
    if (this.#timer) clearInterval(this.#timer);
    this.#timer = null;
  }
}
