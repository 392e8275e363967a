/** What the ends of a channel wait for at a GPU, beside what the peer does. */
import type { GpuDevice } from "../../gpu/device.ts";

/** Calls `wake` when something at the GPU has come: one such wait at a time is enough, as whoever wakes looks anew. */
export class GpuWait {
  readonly #device: GpuDevice;
  readonly #wake: () => void;
  #waiting = false;

  constructor(device: GpuDevice, wake: () => void) {
    this.#device = device;
    this.#wake = wake;
  }

  /** When its timeline has reached `value`. */
  reach(value: number): void {
    this.#begin(() => this.#device.queue.wait(value));
  }

  /** When all that was called so far has been handed to the GPU. */
  submitted(): void {
    this.#begin(() => submitted(this.#device));
  }

  #begin(wait: () => Promise<void>): void {
    if (this.#waiting) return;
    this.#waiting = true;
    const end = () => {
      this.#waiting = false;
      this.#wake();
    };
    // A time-out or a lost device is for whoever wakes to find.
    wait().then(end, end);
  }
}

/** Resolves when all work called so far was submitted. Rejects as the queue does. */
export async function submitted({ queue }: GpuDevice): Promise<void> {
  if (queue.submitted) return;
  const lock = queue.lock();
  try {
    await lock.done;
  } finally {
    lock.release();
  }
}
