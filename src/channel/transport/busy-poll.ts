/** Polls at every turn of the event loop while there is progress: a wake-up by an event takes longer. */

/** Milliseconds without progress after which busy-polling stops. Then the caller waits for the event. */
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

  /** Polls at the next turn; false after BUSY_MS without progress. */
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
