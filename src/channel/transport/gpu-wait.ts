/** Waits of a channel's ends for a GPU. */
import type { GpuDevice } from "../../gpu/device.ts";

/** Calls `wake` after a GPU wait. One wait at a time is enough: after `wake` the caller polls, and waits again if needed. */
export class GpuWait {
  readonly #device: GpuDevice;
  readonly #wake: () => void;
  #waiting = false;

  constructor(device: GpuDevice, wake: () => void) {
    this.#device = device;
    this.#wake = wake;
  }

  /** Until the timeline has reached `value`. */
  reach(value: number): void {
    this.#begin(() => this.#device.queue.wait(value));
  }

  /** Until all work called so far was submitted. */
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
    // The poll after `wake` finds a timeout or a lost device.
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
