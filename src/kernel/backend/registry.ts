/** What kernels on the CPU need of their runtime. */
import type { Calls } from "../base/calls.ts";
import type { HybridLogicalClock } from "../base/clock.ts";
import type { SendOptions } from "../base/launch.ts";
import type { BodyContext } from "./backend.ts";

export interface Registry {
  readonly clock: HybridLogicalClock;
  readonly calls: Calls;
  nextId(): number;
  /** What a kernel's number stands for. */
  nameOf(number: number): string;
  /**
   * A message of a Worker's handler, for the kernel of that name. Nobody waits to hear what becomes of it. `inner` reaches the
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
