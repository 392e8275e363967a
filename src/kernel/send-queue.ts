/** Messages that wait because the input of a kernel is full, in the order of their sends. */
import type { LavaFlowError } from "../errors.ts";
import type { Message } from "./base/message.ts";
import { changeOf } from "./base/payload.ts";
import { type Limit, type Origin, Waiter } from "./base/waiter.ts";

interface Waiting {
  readonly message: Message;
  /** Bytes of the payload at the time of the send. */
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

  /** Puts the message into the input; false where that is full, or other messages wait, which no message overtakes. */
  offer(message: Message): boolean {
    return this.#waiting.size === 0 && this.#trySend(message);
  }

  /** Resolves when the message is in the input. After TIMEOUT and ABORTED the message is not sent. */
  wait(message: Message, limit: Limit): Promise<void> {
    const what = () => `the input of "${this.#id}" had no free slot`;
    const waiter = new Waiter<void>(limit, what, () => withdraw(), this.#origin);
    const withdraw = this.add(
      message,
      () => waiter.got(),
      (error) => waiter.failed(error),
    );
    return waiter.promise;
  }

  /** Adds a waiting message. Returns a function that withdraws it, if it was not sent yet. */
  add(message: Message, sent: () => void, failed: (error: LavaFlowError) => void): () => void {
    const waiting: Waiting = { message, sizeBytes: message.payload.byteLength, sent, failed };
    this.#waiting.add(waiting);
    return () => this.#waiting.delete(waiting);
  }

  /** Sends waiting messages until the input is full. */
  progress(): void {
    for (const waiting of this.#waiting) {
      const error = changeOf(waiting.message.payload, waiting.sizeBytes);
      if (!error && !this.#trySend(waiting.message)) return;
      this.#waiting.delete(waiting);
      if (error) waiting.failed(error);
      else waiting.sent();
    }
  }

  /** Rejects all waiting sends: the input takes no more messages. */
  fail(error: LavaFlowError): void {
    for (const waiting of [...this.#waiting]) waiting.failed(error);
  }
}
