/**
 * How a sleeping end is woken: the peer writes a byte to a socket that Bun's event loop watches, next to everything else
 * it watches. So an idle channel costs nothing, needs no thread, and the end of the peer's process is heard as well.
 */
import type { Link } from "./link.ts";

/** Where the system has no descriptor to watch (Windows), waiting ends look for themselves, this often. */
const POLL_MS = 1;

export class Bell {
  #socket: { ref(): void; unref(): void; terminate(): void } | null = null;
  #timer: ReturnType<typeof setInterval> | null = null;
  #polls = false;
  #closed = false;
  #listeners = 0;
  readonly #onRing: () => void;

  private constructor(onRing: () => void) {
    this.#onRing = onRing;
  }

  /** `onRing` runs when the peer rang, or is gone. */
  static async hang(link: Link, onRing: () => void): Promise<Bell> {
    const bell = new Bell(onRing);
    const fd = link.bellDescriptor();
    if (fd < 0) {
      bell.#polls = true;
      return bell;
    }
    const ring = () => {
      if (!bell.#closed) onRing();
    };
    // A dying peer's bell may end a moment before the connection that proves the death: from then on, look for it.
    const fallSilent = () => {
      if (bell.#closed) return;
      bell.#polls = true;
      bell.#poll();
      onRing();
    };
    const options: Bun.FdSocketOptions = {
      fd,
      socket: { data: ring, close: fallSilent, end: fallSilent, error: fallSilent },
    };
    // Bun's types have these options, and no overload that takes them.
    bell.#socket = await Bun.connect(options as unknown as Bun.UnixSocketOptions);
    bell.#socket.unref();
    return bell;
  }

  /** One more waits: that keeps the process alive until it rings. */
  listen(): void {
    if (this.#listeners++ > 0) return;
    this.#socket?.ref();
    this.#poll();
  }

  /** One less waits. An open channel alone does not keep the process alive. */
  rest(): void {
    if (--this.#listeners > 0) return;
    this.#socket?.unref();
    this.#stopPolling();
  }

  close(): void {
    this.#closed = true;
    this.#stopPolling();
    this.#socket?.terminate();
    this.#socket = null;
  }

  #poll(): void {
    if (this.#polls && this.#listeners > 0) this.#timer ??= setInterval(this.#onRing, POLL_MS);
  }

  #stopPolling(): void {
    if (this.#timer) clearInterval(this.#timer);
    this.#timer = null;
  }
}
