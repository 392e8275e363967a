/** The broker's interface to its runtime. */

import type { Addresses } from "../base/addresses.ts";
import type { Calls } from "../base/calls.ts";
import type { HybridLogicalClock } from "../base/clock.ts";
import type { Message } from "../base/message.ts";

/** A kernel that messages are delivered to. */
export interface LocalKernel {
  readonly number: number;
  /** False where its input is full, null where the kernel is not active. Throws INVALID_ARGUMENT. */
  accept(message: Message): boolean | null;
}

export interface LocalRuntime {
  readonly name: string;
  readonly clock: HybridLogicalClock;
  readonly addresses: Addresses;
  readonly calls: Calls;
  kernel(id: string): LocalKernel | null;
}
