/**
 * How an `open` waits for its peer: asleep, until the kernel tells that something came for it. All that wait in a thread
 * share one descriptor, which Bun's event loop watches; it is there while one of them is.
 */
import { CONSTANTS } from "../../native/layout.ts";
import { native } from "../../native/load.ts";
import { check } from "../../native/status.ts";
import { Watch } from "../../native/watch.ts";
import { readEventFd } from "../wait/event.ts";

/** Null where nobody waits, and where the system offers no such descriptor. */
let shared: ListenerWatch | null = null;

export class ListenerWatch {
  readonly #handle: number;
  /** Who may sleep, by the handle of what they wait at; those who do have what wakes them. */
  readonly #waiting = new Map<number, (() => void) | null>();
  #watch: Watch | null = null;
  #opening = false;
  #closed = false;

  /** The watch of this thread, with one more who waits; null where the system offers none. */
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

  /** Whether it will be notified of all that comes from now on. If not, something is there already, or nothing can tell. */
  covers(rendezvous: number): boolean {
    const shim = native();
    if (check(shim, shim.lf_rendezvous_watch(rendezvous, this.#handle)) === CONSTANTS.LF_EMPTY) return false;
    if (this.#watch === null) void this.#open();
    return this.#watch !== null || this.#opening;
  }

  /** `wake` is called once, when something has come. Returns what takes that back. */
  onEvent(rendezvous: number, wake: () => void): () => void {
    this.#waiting.set(rendezvous, wake);
    return () => {
      if (this.#waiting.has(rendezvous)) this.#waiting.set(rendezvous, null);
    };
  }

  /** The descriptor is none of a socket: the event loop sees once that it is readable, fails to read it and lets it go. */
  async #open(): Promise<void> {
    this.#opening = true;
    try {
      const notified = () => this.#notified();
      const fd = readEventFd((out) => native().lf_watch_bell(this.#handle, out));
      const watch = await Watch.open(fd, { onReadable: notified, onEnd: notified });
      if (this.#closed) watch.close();
      else this.#watch = watch;
    } catch {
      // No descriptor is left: those who wait look for themselves.
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
