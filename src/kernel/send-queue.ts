/** Messages that wait for room in the input of a kernel, in the order of their sends. */
import type { LavaFlowError } from "../errors.ts";
import type { Message } from "./base/message.ts";
import { changeOf } from "./base/payload.ts";
import { type Limit, type Origin, Waiter } from "./base/waiter.ts";

interface Waiting {
  readonly message: Message;
  /** Of the payload, when it was sent. */
  readonly sizeBytes: number;
  sent(): void;
  failed(error: LavaFlowError): void;
}

export class SendQueue {
  readonly #id: string;
  readonly #origin: Origin;
  readonly #trySend: (message: Message) => boolean;
  readonly #waiting = new Set<Waiting>();

  /** `trySend` puts a message into the input of the kernel `id`; false where the input is full. */
  constructor(id: string, origin: Origin, trySend: (message: Message) => boolean) {
    this.#id = id;
    this.#origin = origin;
    this.#trySend = trySend;
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** False where the input is full, or others wait for room there: no message overtakes them. */
  offer(message: Message): boolean {
    return this.#waiting.size === 0 && this.#trySend(message);
  }

  /** Resolves when the message is in the input. After TIMEOUT and ABORTED it is not sent. */
  wait(message: Message, limit: Limit): Promise<void> {
    const what = () => `no room in the input of "${this.#id}"`;
    const waiter = new Waiter<void>(limit, what, () => withdraw(), this.#origin);
    const withdraw = this.add(
      message,
      () => waiter.got(),
      (error) => waiter.failed(error),
    );
    return waiter.promise;
  }

  /** Returns what takes the message back: it is never sent then, unless it has been. */
  add(message: Message, sent: () => void, failed: (error: LavaFlowError) => void): () => void {
    const waiting: Waiting = { message, sizeBytes: message.payload.byteLength, sent, failed };
    this.#waiting.add(waiting);
    return () => this.#waiting.delete(waiting);
  }

  /** Sends those that there is room for now. */
  progress(): void {
    for (const waiting of this.#waiting) {
      const error = changeOf(waiting.message.payload, waiting.sizeBytes);
      if (!error && !this.#trySend(waiting.message)) return;
      this.#waiting.delete(waiting);
      if (error) waiting.failed(error);
      else waiting.sent();
    }
  }

  /** The input takes nothing more. */
  fail(error: LavaFlowError): void {
    for (const waiting of [...this.#waiting]) waiting.failed(error);
  }
}
