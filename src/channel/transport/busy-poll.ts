/** Looks again at every turn of the event loop, as long as there is something to see: being woken takes longer. */

/** So long nothing may have moved, milliseconds. Whoever waits for longer is woken. */
const BUSY_MS = 2;

export class BusyPoll {
  readonly #poll: () => void;
  #moved = 0;
  #coming = false;

  constructor(poll: () => void) {
    this.#poll = poll;
  }

  moved(): void {
    this.#moved = performance.now();
  }

  /** Looks again at the next turn; false when nothing has moved for too long. */
  again(): boolean {
    if (performance.now() - this.#moved > BUSY_MS) return false;
    if (!this.#coming) {
      this.#coming = true;
      setImmediate(() => {
        this.#coming = false;
        this.#poll();
      });
    }
    return true;
  }
}
