/** Turns for the kernels of this thread. */
import { Fifo } from "../../native/fifo.ts";
import { afterTurn, turnDue } from "../../native/turn.ts";

export interface Runnable {
  /** Whether it waits for its turn; the scheduler's. */
  queued: boolean;
  /** Handles one message at most. True when it can go on. */
  step(): boolean;
}

/**
 * Runs kernels in turn, a message each, in a microtask: a reply is there before the event loop goes round. Kernels that keep
 * each other busy, and callers that call as soon as they are answered, would so keep everything else waiting: where a turn
 * of the event loop is due, the next drain comes after it.
 */
export class Scheduler {
  drains = 0;
  readonly #ready = new Fifo<Runnable>();
  #scheduled = false;

  wake(kernel: Runnable): void {
    if (kernel.queued) return;
    kernel.queued = true;
    this.#ready.push(kernel);
    if (!this.#scheduled) this.#schedule();
  }

  #schedule(): void {
    this.#scheduled = true;
    if (turnDue()) afterTurn(this.#drain);
    else queueMicrotask(this.#drain);
  }

  readonly #drain = () => {
    this.drains++;
    do {
      const kernel = this.#ready.shift();
      if (kernel === undefined) break;
      kernel.queued = false;
      // One that has sent to itself is in the queue already.
      if (kernel.step() && !kernel.queued) {
        kernel.queued = true;
        this.#ready.push(kernel);
      }
    } while (!turnDue());
    this.#scheduled = false;
    if (this.#ready.length > 0) this.#schedule();
  };
}
