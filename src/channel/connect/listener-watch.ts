/**
 * The event for which a host's listeners sleep. All listeners of a thread share one descriptor, which Bun's event loop
 * watches. The descriptor exists while the thread has a listener.
 */
import { CONSTANTS } from "../../native/layout.ts";
import { native } from "../../native/load.ts";
import { check } from "../../native/status.ts";
import { Watch } from "../../native/watch.ts";
import { readEventFd } from "../wait/event.ts";

/** Null while the thread has no listener, and where the system has no such descriptor. */
let shared: ListenerWatch | null = null;

export class ListenerWatch {
  readonly #handle: number;
  /** The listeners by handle, with the `wake` of those that sleep. */
  readonly #waiting = new Map<number, (() => void) | null>();
  #watch: Watch | null = null;
  #opening = false;
  #closed = false;

  /** The watch of this thread, with `rendezvous` added; null where the system has none. */
  static join(rendezvous: number): ListenerWatch | null {
    if (shared === null) {
      const shim = native();
      const handle = check(shim, shim.lf_watch_open());
      if (handle === CONSTANTS.LF_EMPTY) return null;
      shared = new ListenerWatch(handle);
    }
    shared.#waiting.set(rendezvous, null);
    return shared;
  }

  private constructor(handle: number) {
    this.#handle = handle;
  }

  leave(rendezvous: number): void {
    this.#waiting.delete(rendezvous);
    if (this.#waiting.size > 0) return;
    this.#closed = true;
    shared = null;
    this.#watch?.close();
    native().lf_watch_close(this.#handle);
  }

  /** Whether each later connection causes an event. If not, a peer may have connected already, or no event is available. */
  covers(rendezvous: number): boolean {
    const shim = native();
    if (check(shim, shim.lf_rendezvous_watch(rendezvous, this.#handle)) === CONSTANTS.LF_EMPTY) return false;
    if (this.#watch === null) void this.#open();
    return this.#watch !== null || this.#opening;
  }

  /** `wake` is called once, at the next event. Returns a function that unsubscribes `wake`. */
  onEvent(rendezvous: number, wake: () => void): () => void {
    this.#waiting.set(rendezvous, wake);
    return () => {
      if (this.#waiting.has(rendezvous)) this.#waiting.set(rendezvous, null);
    };
  }

  /** The descriptor is no socket: the event loop reports it readable once, fails to read it and closes it. */
  async #open(): Promise<void> {
    this.#opening = true;
    try {
      const notified = () => this.#notified();
      const fd = readEventFd((out) => native().lf_watch_event_fd(this.#handle, out));
      const watch = await Watch.open(fd, { onReadable: notified, onEnd: notified });
      if (this.#closed) watch.close();
      else this.#watch = watch;
    } catch {
      // The process has no descriptor left: the listeners poll.
      this.#wakeAll();
    } finally {
      this.#opening = false;
    }
  }

  #notified(): void {
    if (this.#closed) return;
    this.#watch?.close();
    this.#watch = null;
    const shim = native();
    for (;;) {
      const rendezvous = check(shim, shim.lf_watch_next(this.#handle));
      if (rendezvous === 0) break;
      this.#wake(rendezvous);
    }
    if ([...this.#waiting.values()].some((wake) => wake !== null)) void this.#open();
  }

  #wake(rendezvous: number): void {
    const wake = this.#waiting.get(rendezvous);
    if (!wake) return;
    this.#waiting.set(rendezvous, null);
    wake();
  }

  #wakeAll(): void {
    for (const rendezvous of [...this.#waiting.keys()]) this.#wake(rendezvous);
  }
}
