/**
 * Late submissions. A submission can't be cancelled, and all later work waits for it: closing or deactivating a kernel
 * does not wait then. Where the kernel that causes the delay is not known, kernels run one by one for a while, so that
 * the next late submission identifies it.
 */

import { LavaFlowError } from "../../errors.ts";
import { HANG_MS } from "./arena.ts";
import type { ComputeDevice } from "./compute.ts";
import type { GpuKernel } from "./gpu-kernel.ts";

/** Milliseconds that a late submission may take before the device counts as lost. */
const BACK_MS = 300_000;
/** Milliseconds for which kernels run one by one. */
const ONE_BY_ONE_MS = 60_000;

export class Lateness {
  #isLate = false;
  #until = 0;
  readonly #waiting = new Set<() => void>();

  get isLate(): boolean {
    return this.#isLate;
  }

  /** Whether each submission has one kernel only. */
  get runsOneByOne(): boolean {
    return this.#until !== 0 && performance.now() < this.#until;
  }

  /** Throws BACKEND_UNAVAILABLE while a submission is late: no kernel is launched then. */
  check(device: string): void {
    if (!this.#isLate) return;
    const what = `${device} is still busy with a kernel that did not end within ${HANG_MS} ms`;
    throw new LavaFlowError("BACKEND_UNAVAILABLE", what, { remedy: "Try it again later, or use another device" });
  }

  /** `isKnown`: whether the kernel is known that causes the delay. */
  begin(isKnown: boolean): void {
    this.#isLate = true;
    if (!isKnown) this.#until = performance.now() + ONE_BY_ONE_MS;
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }

  /** The submission has ended. */
  end(): void {
    this.#isLate = false;
  }

  /** Resolves when `work` has settled, or at once while a submission is late. */
  or(work: Promise<unknown>): Promise<void> {
    const settled = work.then(
      () => {},
      () => {}, // the device is lost, and its kernels have failed
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
 * The kernels that the submission `serial` waits for; null where they are not known. Of several kernels that have not
 * reported, some may not have begun, and some devices show no report before the end of the submission. The rounds of
 * peers run after the dispatches of the host's messages, and their reports become visible together.
 */
export function openOf(
  submitted: readonly GpuKernel[],
  peers: readonly GpuKernel[],
  serial: number,
): readonly GpuKernel[] | null {
  const open = submitted.filter((kernel) => !kernel.reported(serial));
  if (open.length > 1) return null;
  return open.length === 1 ? open : peers.filter((kernel) => !kernel.reported(serial));
}

/**
 * Resolves when `value` is reached after all, or `isOver` is true. Rejects with TIMEOUT after BACK_MS, GPU_DEVICE_LOST.
 */
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
