/** The calls of a runtime that wait for an answer, by correlation id. Any kernel may answer a call. */
import { LavaFlowError } from "../../errors.ts";
import type { Struct } from "../struct/struct.ts";
import { OWN_CORRELATIONS } from "./compose.ts";
import type { Envelope } from "./envelope.ts";

/** A call of this program (waiter.ts), or one of another runtime (answers.ts). */
export interface Caller {
  /** Messages that carry the call and were not handled yet. */
  open: number;
  /** The kernel that was called. The call fails when that kernel ends. */
  owner: object | null;
  /** The struct of its replies. */
  struct: Struct | null;
  got(reply: Envelope): void;
  failed(error: LavaFlowError): void;
}

export class Calls {
  readonly #callers = new Map<number, Caller>();
  #next = OWN_CORRELATIONS;
  /** Correlation ids of calls whose count of open messages has reached 0. `#end` checks the counts again. */
  #ending: number[] = [];

  next(): number {
    return this.#next++;
  }

  set(correlationId: number, caller: Caller): void {
    this.#callers.set(correlationId, caller);
  }

  get(correlationId: number): Caller | undefined {
    return this.#callers.get(correlationId);
  }

  has(correlationId: number): boolean {
    return this.#callers.has(correlationId);
  }

  delete(correlationId: number): void {
    this.#callers.delete(correlationId);
  }

  /** The calls to a kernel. */
  of(owner: object): Caller[] {
    return [...this.#callers.values()].filter((each) => each.owner === owner);
  }

  /** A kernel has sent a message that carries the call on. */
  passedOn(correlationId: number): void {
    const caller = correlationId === 0 ? undefined : this.#callers.get(correlationId);
    if (caller) caller.open++;
  }

  /** A message was handled without a reply, or did not arrive; `sent` others carry the call on. */
  unanswered(correlationId: number, sent = 0): void {
    const caller = correlationId === 0 ? undefined : this.#callers.get(correlationId);
    if (!caller) return;
    caller.open += sent - 1;
    // The kernels of one submission report in any order: the sender of a message may report after its receiver.
    if (caller.open <= 0 && this.#ending.push(correlationId) === 1) queueMicrotask(this.#end);
  }

  readonly #end = (): void => {
    for (const correlationId of this.#ending.splice(0)) {
      const caller = this.#callers.get(correlationId);
      if (!caller || caller.open > 0) continue;
      caller.failed(
        new LavaFlowError("NO_REPLY", "the call was handled, and no kernel replied", {
          remedy: "Reply to it, or use send for messages that need no reply",
        }),
      );
    }
  };
}
