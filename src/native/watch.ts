/** A descriptor that Bun's event loop watches: a parked waiter needs no thread and no timer. */

export interface WatchEvents {
  /** Bytes have arrived. They have been read and dropped. */
  onReadable(): void;
  /** The other end is closed: no more bytes arrive. */
  onEnd(): void;
}

export class Watch {
  #socket: { ref(): void; unref(): void; terminate(): void } | null = null;

  private constructor() {}

  /**
   * Watches one end of a socket pair, and owns it. The watch does not keep the process alive until `ref`. A descriptor of
   * another kind can't be received from, so it gives one event only: `onEnd`, when it becomes readable.
   */
  static async open(fd: number, { onReadable, onEnd }: WatchEvents): Promise<Watch> {
    const watch = new Watch();
    let open = true;
    const readable = () => {
      if (open && watch.#socket) onReadable();
    };
    let early = false;
    const end = () => {
      if (!watch.#socket) early = true;
      if (!open || !watch.#socket) return;
      open = false;
      onEnd();
    };
    const options: Bun.FdSocketOptions = { fd, socket: { data: readable, close: end, end, error: end } };
    // Bun's types have these options, but no overload that takes them.
    watch.#socket = await Bun.connect(options as unknown as Bun.UnixSocketOptions);
    watch.#socket.unref();
    if (early) queueMicrotask(end);
    return watch;
  }

  /** Keeps the process alive until `unref`. */
  ref(): void {
    this.#socket?.ref();
  }

  unref(): void {
    this.#socket?.unref();
  }

  /** Idempotent. No event follows. */
  close(): void {
    const socket = this.#socket;
    this.#socket = null;
    socket?.terminate();
  }
}
