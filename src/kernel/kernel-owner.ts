/** What a kernel needs of its runtime. */

import type { Calls } from "./base/calls.ts";
import type { HybridLogicalClock } from "./base/clock.ts";
import type { Message } from "./base/message.ts";

export interface KernelOwner {
  readonly clock: HybridLogicalClock;
  nextId(): number;
  readonly calls: Calls;
  /** A message from the body of a kernel to one that its backend does not have. */
  carry(message: Message, from: string): void;
  /** The body of a kernel has come back from so many messages. */
  handled(count: number): void;
  /** Messages between kernels that did not pass by the host: so many were delivered, and so many were not. */
  counted(delivered: number, rejected: number): void;
  /** It can be sent messages now. */
  activated(): void;
  /** It has ended: its id is free. */
  ended(number: number): void;
}
