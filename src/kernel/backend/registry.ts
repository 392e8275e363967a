/** The interface of kernels on the CPU to their runtime. */
import type { Calls } from "../base/calls.ts";
import type { HybridLogicalClock } from "../base/clock.ts";
import type { SendOptions } from "../base/launch.ts";
import type { BodyContext } from "./backend.ts";

export interface Registry {
  readonly clock: HybridLogicalClock;
  readonly calls: Calls;
  nextId(): number;
  /** The name of a kernel, by its number. */
  nameOf(number: number): string;
  /**
   * Sends a message of a Worker's handler to the kernel `destination`. The outcome is only counted. `inner` reaches the
   * backend's own kernels.
   */
  post(
    source: number,
    destination: string,
    payload: Uint8Array,
    options: SendOptions,
    inner: Pick<BodyContext, "sendTo">,
    correlationId: number,
  ): void;
}
