/**
 * The event that wakes a sleeping end. The peer, or the progress thread of the job, writes a byte to a socket that Bun's
 * event loop watches. An idle channel uses no processor time, and on one host no thread.
 */
import { CONSTANTS } from "../../native/layout.ts";
import { native } from "../../native/load.ts";
import { check } from "../../native/status.ts";
import { Watch } from "../../native/watch.ts";

/** Milliseconds between two polls of a waiting end where the system has no descriptor to watch (Windows). */
const POLL_MS = 1;

/**
 * Polls for the peer's exit after its event fd closed, when no call is waiting: 100 ms. The link, whose end proves the
 * exit, closes a moment after the event fd.
 */
const EXIT_POLLS = 100;

const descriptor = new BigInt64Array(new ArrayBuffer(8));

/** The descriptor that `copy`, a function of the shim, writes to its argument; -1 where the system has none to watch. */
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
    // Without a descriptor every poll has to check that the peer lives.
    this.#onEvent = () => onEvent(this.#polling);
  }

  /**
   * `onEvent` runs at each event, with `ended` true once the peer's side of the descriptor is closed. Takes ownership of
   * the descriptor; -1 for none.
   */
  static async open(fd: number, onEvent: (ended: boolean) => void): Promise<EventFd> {
    const event = new EventFd(onEvent);
    if (fd < 0) {
      event.#polling = true;
      return event;
    }
    // A dying peer's event fd may close before the link whose end proves the death: poll for that from now on.
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

  /** Keeps the process alive until the matching `unref`, for one waiting call. */
  ref(): void {
    if (this.#refs++ > 0) return;
    this.#watch?.ref();
    this.#poll();
  }

  /** An open channel alone does not keep the process alive. */
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

  /** Work on a GPU may wait for a peer that died, with no call waiting. The work continues once the exit is seen. */
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
