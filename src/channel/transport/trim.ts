/** Gives the pages of large blocks back that nobody has used for a while. */
import { CONSTANTS } from "../../native/layout.ts";
import { afterTurn, turnDue } from "../../native/turn.ts";

/** Smaller blocks never take more than what may be kept. */
export const LARGE_BYTES = 2 ** 25;

/** As often as the shim looks what is idle. */
const POLL_MS = 500;

export class Trim {
  readonly #step: () => number;
  #timer: ReturnType<typeof setInterval> | null = null;

  /** `step` is a call of the shim: 1 while there may be more to do, LF_EMPTY where there may be later. */
  constructor(step: () => number) {
    this.#step = step;
  }

  /** A large block is used: from now on it is looked after, until there is none. */
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
        this.end(); // what failed, the channel's next call says
      else if (turnDue()) {
        afterTurn(() => this.#poll());
        return;
      }
    }
  }
}
