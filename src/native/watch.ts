/** A descriptor that Bun's event loop watches next to all else: whoever sleeps on it needs no thread and no timer. */

export interface WatchEvents {
  /** Something was there to read. It has been read, and is gone. */
  onReadable(): void;
  /** Nothing will come any more: the other end is closed. */
  onEnd(): void;
}

export class Watch {
  #socket: { ref(): void; unref(): void; terminate(): void } | null = null;

  private constructor() {}

  /**
   * Watches one end of a socket pair, which it closes with itself. It does not keep the process alive until `ref`. Another
   * kind of descriptor is good for one event, as nothing can be received from it: `onEnd`, when it becomes readable.
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
    // Bun's types have these options, and no overload that takes them.
    watch.#socket = await Bun.connect(options as unknown as Bun.UnixSocketOptions);
    watch.#socket.unref();
    if (early) queueMicrotask(end);
    return watch;
  }

  /** From now on the process stays alive for it. */
  ref(): void {
    this.#socket?.ref();
  }

  unref(): void {
    this.#socket?.unref();
  }

  /** Idempotent. Nothing is called any more. */
  close(): void {
    const socket = this.#socket;
    this.#socket = null;
    socket?.terminate();
  }
}
