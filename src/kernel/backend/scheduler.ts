/** Runs the kernels of this thread, one message at a time. */
import { Fifo } from "../../native/fifo.ts";
import { afterTurn, turnDue } from "../../native/turn.ts";

export interface Runnable {
  /** Whether the scheduler's queue has it. Only the scheduler writes it. */
  queued: boolean;
  /** Handles one message at most. Returns whether it can handle another one. */
  step(): boolean;
}

/**
 * Runs ready kernels round robin, one message each, in a microtask: a reply is there within the turn of the event loop.
 * Kernels that message each other without end, and callers that call again at once, would block the event loop: where a
 * turn of the event loop is due, the next drain comes after it.
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
      // A kernel that has sent to itself is in the queue already.
      if (kernel.step() && !kernel.queued) {
        kernel.queued = true;
        this.#ready.push(kernel);
      }
    } while (!turnDue());
    this.#scheduled = false;
    if (this.#ready.length > 0) this.#schedule();
  };
}
