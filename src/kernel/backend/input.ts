/** The input of a kernel on the CPU: messages by priority, then by age. */

import { Fifo } from "../../native/fifo.ts";
import type { HybridLogicalClock } from "../base/clock.ts";
import type { Message } from "../base/message.ts";
import type { KernelPort } from "./backend.ts";

export class Input {
  /** By priority. */
  readonly #subqueues = [new Fifo<Message>(), new Fifo<Message>(), new Fifo<Message>(), new Fifo<Message>()] as const;
  readonly #capacity: number;
  readonly #port: KernelPort;
  readonly #clock: HybridLogicalClock;
  #pending = 0;
  /** Messages that were taken since the last `reportTaken`. */
  #taken = 0;

  constructor(capacity: number, port: KernelPort, clock: HybridLogicalClock) {
    this.#capacity = capacity;
    this.#port = port;
    this.#clock = clock;
  }

  get pending(): number {
    return this.#pending;
  }

  /** Takes a copy; false where it is full. */
  push(message: Message): boolean {
    if (this.#pending >= this.#capacity) return false;
    this.#subqueues[message.priority].push({ ...message, payload: message.payload.slice() });
    this.#pending++;
    return true;
  }

  /**
   * Takes the next message whose deadline has not passed; null where there is none. The kernel calls `reportTaken` when
   * its state allows new messages: waiting sends are retried within that call.
   */
  take(): Message | null {
    while (this.#pending > 0) {
      const [lowest, low, high, highest] = this.#subqueues;
      const message = (highest.shift() ?? high.shift() ?? low.shift() ?? lowest.shift()) as Message;
      this.#pending--;
      this.#taken++;
      const { deadlineMicros } = message;
      if (deadlineMicros === 0 || this.#clock.tick().physicalMicros < deadlineMicros) return message;
      this.#port.dropped(message, "deadline");
    }
    return null;
  }

  reportTaken(): void {
    const taken = this.#taken;
    this.#taken = 0;
    if (taken > 0) this.#port.taken(taken);
  }
}
