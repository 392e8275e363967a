/** Returns the pages of large idle blocks to the system. */
import { CONSTANTS } from "../../native/layout.ts";
import { afterTurn, turnDue } from "../../native/turn.ts";

/** Bytes. Smaller blocks never exceed the memory that may stay allocated. */
export const LARGE_BYTES = 2 ** 25;

/** Milliseconds between two calls: the period in which the shim counts a block as idle. */
const POLL_MS = 500;

export class Trim {
  readonly #step: () => number;
  #timer: ReturnType<typeof setInterval> | null = null;

  /** `step` is a function of the shim: 1 if another step may follow at once, LF_EMPTY if one may follow later. */
  constructor(step: () => number) {
    this.#step = step;
  }

  /** A large block is in use: steps run from now on, until none is left. */
  begin(): void {
    if (this.#timer !== null) return;
    this.#timer = setInterval(() => this.#poll(), POLL_MS);
    this.#timer.unref();
  }

  end(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  #poll(): void {
    while (this.#timer !== null) {
      const result = this.#step();
      if (result === CONSTANTS.LF_EMPTY) return;
      if (result !== 1)
        this.end(); // the channel's next call reports the error
      else if (turnDue()) {
        afterTurn(() => this.#poll());
        return;
      }
    }
  }
}
