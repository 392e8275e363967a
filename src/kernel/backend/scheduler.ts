/** Turns for the kernels of this thread. */
import { Fifo } from "../fifo.ts";

/** What the drains of one round of the event loop may take together. */
const ROUND_MS = 4;
const ROUND_MESSAGES = 1024;

export interface Runnable {
  /** Whether it waits for its turn; the scheduler's. */
  queued: boolean;
  /** Handles one message at most. True when it can go on. */
  step(): boolean;
}

/**
 * Runs kernels in turn, a message each, in a microtask: a reply is there before the event loop goes round. Kernels that keep
 * each other busy, and callers that call as soon as they are answered, would so keep everything else waiting: after some
 * time the next drain has to wait for the event loop.
 */
export class Scheduler {
  drains = 0;
  readonly #ready = new Fifo<Runnable>();
  #scheduled = false;
  #messages = 0;
  #ms = 0;

  wake(kernel: Runnable): void {
    if (kernel.queued) return;
    kernel.queued = true;
    this.#ready.push(kernel);
    if (!this.#scheduled) this.#schedule();
  }

  #schedule(): void {
    this.#scheduled = true;
    if (this.#messages < ROUND_MESSAGES && this.#ms < ROUND_MS) queueMicrotask(this.#drain);
    else setImmediate(this.#nextRound);
  }

  readonly #nextRound = () => {
    this.#messages = this.#ms = 0;
    this.#drain();
  };

  readonly #drain = () => {
    this.drains++;
    const start = performance.now();
    const left = ROUND_MS - this.#ms;
    let ms = 0;
    while (this.#ready.length > 0 && this.#messages < ROUND_MESSAGES && ms < left) {
      const kernel = this.#ready.shift() as Runnable;
      kernel.queued = false;
      this.#messages++;
      // One that has sent to itself is in the queue already.
      if (kernel.step() && !kernel.queued) {
        kernel.queued = true;
        this.#ready.push(kernel);
      }
      ms = performance.now() - start;
    }
    this.#ms += ms;
    this.#scheduled = false;
    if (this.#ready.length > 0) this.#schedule();
  };
}
