/** The interface of a kernel to its runtime. */

import type { Calls } from "./base/calls.ts";
import type { HybridLogicalClock } from "./base/clock.ts";
import type { Message } from "./base/message.ts";

export interface KernelOwner {
  readonly clock: HybridLogicalClock;
  nextId(): number;
  readonly calls: Calls;
  /** A message from the body of a kernel to one that its backend does not have. */
  carry(message: Message, from: string): void;
  /** The body of a kernel has returned from `count` messages. */
  handled(count: number): void;
  /** Counts messages between kernels that did not pass through the host. */
  counted(delivered: number, rejected: number): void;
  /** The kernel can be sent messages now. */
  activated(): void;
  /** The kernel has ended: its id is free. */
  ended(number: number): void;
}
