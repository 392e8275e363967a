/**
 * A submission that takes too long. It can't be taken back, and everything else waits behind it: who closes or stops a kernel
 * meanwhile is not to wait with it. Where it is not known which kernel it was, kernels run one by one for a while, so that it
 * is known the next time.
 */

import { LavaFlowError } from "../../errors.ts";
import { HANG_MS } from "./arena.ts";
import type { ComputeDevice } from "./compute.ts";
import type { GpuKernel } from "./gpu-kernel.ts";

/** What a device may take to come back from a kernel that was ended. */
const BACK_MS = 300_000;
const ONE_BY_ONE_MS = 60_000;

export class Lateness {
  #isLate = false;
  #until = 0;
  readonly #waiting = new Set<() => void>();

  get isLate(): boolean {
    return this.#isLate;
  }

  /** Kernels are to run one by one. */
  get isCareful(): boolean {
    return this.#until !== 0 && performance.now() < this.#until;
  }

  /** BACKEND_UNAVAILABLE while the device is late: nothing new is begun then. */
  check(device: string): void {
    if (!this.#isLate) return;
    const what = `${device} is still busy with a kernel that did not come to an end within ${HANG_MS} ms`;
    throw new LavaFlowError("BACKEND_UNAVAILABLE", what, { remedy: "Try it again later, or use another device" });
  }

  /** `isKnown`: it is known whose fault it is. */
  begin(isKnown: boolean): void {
    this.#isLate = true;
    if (!isKnown) this.#until = performance.now() + ONE_BY_ONE_MS;
    for (const go of this.#waiting) go();
    this.#waiting.clear();
  }

  /** The device has come back. */
  end(): void {
    this.#isLate = false;
  }

  /** Resolves when `work` has settled, or at once when the device is late. */
  or(work: Promise<unknown>): Promise<void> {
    const settled = work.then(
      () => {},
      () => {}, // the device is no more, and its kernels were told
    );
    if (this.#isLate) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.add(resolve);
    void settled.then(() => {
      this.#waiting.delete(resolve);
      resolve();
    });
    return promise;
  }
}

/**
 * The kernels that keep the submission `serial` from its end; null where that is not known. Of several that were submitted
 * together, those that have not reported may not have begun; some devices show no reports before the end. What the peers
 * do comes after what those do that the host woke, and ends together.
 */
export function openOf(
  flight: readonly GpuKernel[],
  peers: readonly GpuKernel[],
  serial: number,
): readonly GpuKernel[] | null {
  const open = flight.filter((kernel) => !kernel.reported(serial));
  if (open.length > 1) return null;
  return open.length === 1 ? open : peers.filter((kernel) => !kernel.reported(serial));
}

/** Resolves when the device has come to `value` after all, or nobody waits for it any more. TIMEOUT, GPU_DEVICE_LOST. */
export async function comeBack(device: ComputeDevice, value: number, isOver: () => boolean): Promise<void> {
  for (let waited = HANG_MS; !isOver(); waited += HANG_MS) {
    try {
      await device.wait(value, HANG_MS);
      return;
    } catch (error) {
      const isTimeout = error instanceof LavaFlowError && error.code === "TIMEOUT";
      if (!isTimeout || waited >= BACK_MS) throw error;
    }
  }
}
