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

/** So often it is looked for a peer's death once its bell has ended, though nobody waits for the peer. */
const LAST_LOOKS = 100;

const descriptor = new BigInt64Array(new ArrayBuffer(8));

/** The descriptor that one of the shim's `…_bell` functions gives; -1 where the system has none to watch. */
export function bellDescriptor(copy: (out: BigInt64Array) => number): number {
  return check(native(), copy(descriptor)) === CONSTANTS.LF_EMPTY ? -1 : Number(descriptor[0]);
}

export class Bell {
  #watch: Watch | null = null;
  #timer: ReturnType<typeof setInterval> | null = null;
  #lastLook: ReturnType<typeof setTimeout> | undefined;
  #polls = false;
  #closed = false;
  #listeners = 0;
  readonly #onRing: () => void;

  private constructor(onRing: (ended: boolean) => void) {
    // Where there is no descriptor, nothing else tells of a peer that is gone.
    this.#onRing = () => onRing(this.#polls);
  }

  /**
   * `onRing` runs when it rang, and when the peer is gone: with `ended` true from then on. The descriptor, -1 for none, is
   * closed with the bell.
   */
  static async hang(fd: number, onRing: (ended: boolean) => void): Promise<Bell> {
    const bell = new Bell(onRing);
    if (fd < 0) {
      bell.#polls = true;
      return bell;
    }
    // A dying peer's bell may end a moment before the connection that proves the death: from then on, look for it.
    const onEnd = () => {
      if (bell.#closed) return;
      bell.#polls = true;
      bell.#poll();
      bell.#onRing();
      bell.#lookAgain(LAST_LOOKS);
    };
    bell.#watch = await Watch.open(fd, { onReadable: bell.#onRing, onEnd });
    return bell;
  }

  /** One more waits: that keeps the process alive until it rings. */
  listen(): void {
    if (this.#listeners++ > 0) return;
    this.#watch?.ref();
    this.#poll();
  }

  /** One less waits. An open channel alone does not keep the process alive. */
  rest(): void {
    if (--this.#listeners > 0) return;
    this.#watch?.unref();
    this.#stopPolling();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#lastLook);
    this.#stopPolling();
    this.#watch?.close();
    this.#watch = null;
  }

  #poll(): void {
    if (this.#polls && this.#listeners > 0) this.#timer ??= setInterval(this.#onRing, POLL_MS);
  }

  /** Not for those who wait: work on a GPU may wait for a peer that has died, and goes on once that is seen. */
  #lookAgain(looks: number): void {
    if (looks === 0 || this.#closed) return;
    this.#lastLook = setTimeout(() => {
      this.#onRing();
      this.#lookAgain(looks - 1);
    }, POLL_MS);
    this.#lastLook.unref();
  }

  #stopPolling(): void {
    if (this.#timer) clearInterval(this.#timer);
    this.#timer = null;
  }
}
