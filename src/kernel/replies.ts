/** Replies of a kernel that belong to no call: those that wait for `receive`, and the receivers that wait for one. */
import type { LavaFlowError } from "../errors.ts";
import { Fifo } from "../native/fifo.ts";
import type { Envelope } from "./base/envelope.ts";
import { give } from "./base/values.ts";
import { type Limit, type Origin, Waiter } from "./base/waiter.ts";
import type { Struct } from "./struct/struct.ts";

export class Replies {
  readonly capacity: number;
  readonly #id: string;
  readonly #struct: Struct | null;
  readonly #origin: Origin;
  readonly #waiting = new Fifo<Envelope>();
  readonly #receivers = new Set<Waiter<Envelope>>();

  /** `struct`: of the replies of the kernel `id`; null for bytes. */
  constructor(id: string, capacity: number, struct: Struct | null, origin: Origin) {
    this.#id = id;
    this.capacity = capacity;
    this.#struct = struct;
    this.#origin = origin;
  }

  get length(): number {
    return this.#waiting.length;
  }

  /** Further replies that may wait. */
  get free(): number {
    return this.capacity - this.#waiting.length;
  }

  /** Gives the reply to the receiver that has waited longest, or puts it into the queue. */
  add(reply: Envelope): void {
    const receiver = this.#receivers.values().next().value;
    if (receiver) give(receiver, reply, this.#struct);
    else this.#waiting.push(reply);
  }

  /** The oldest reply, with its payload in bytes. */
  take(): Envelope | undefined {
    return this.#waiting.shift();
  }

  /**
   * Resolves with the next reply that is added. Rejects with TIMEOUT, ABORTED; a later reply goes to the next receiver.
   */
  next(limit: Limit): Promise<Envelope> {
    const what = () => `no reply from kernel "${this.#id}"`;
    const waiter = new Waiter<Envelope>(limit, what, () => this.#receivers.delete(waiter), this.#origin);
    this.#receivers.add(waiter);
    return waiter.promise;
  }

  /** Rejects all receivers: no more replies come. */
  fail(error: LavaFlowError): void {
    for (const receiver of [...this.#receivers]) receiver.failed(error);
  }
}
