/** What kernels on the CPU need of their runtime. */
import type { HybridLogicalClock } from "../clock.ts";
import type { SendOptions } from "../launch.ts";

export interface Registry {
  readonly clock: HybridLogicalClock;
  nextId(): number;
  /** What a kernel's number stands for. */
  nameOf(number: number): string;
  /** A message of a Worker's handler, for the kernel of that name. Nobody waits to hear what becomes of it. */
  post(source: number, destination: string, payload: Uint8Array, options: Required<SendOptions>): void;
}
