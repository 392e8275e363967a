/** Calls that wait for an answer, all of a runtime: whichever kernel answers finds the caller here, by the correlation. */
import { LavaFlowError } from "../../errors.ts";
import type { Struct } from "../struct/struct.ts";
import { OWN_CORRELATIONS } from "./compose.ts";
import type { Envelope } from "./envelope.ts";

/** Who waits: a call of this program (waiter.ts), or one of another runtime (answers.ts). */
export interface Caller {
  /** Messages that carry the call and were not handled yet. */
  open: number;
  /** The kernel that was called, whose end is that of the call; and the struct of its replies. */
  owner: object | null;
  struct: Struct | null;
  got(reply: Envelope): void;
  failed(error: LavaFlowError): void;
}

export class Calls {
  readonly #callers = new Map<number, Caller>();
  #next = OWN_CORRELATIONS;
  /** Of calls that nothing carries any more, as far as is known. */
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

  /** Those of a kernel. */
  of(owner: object): Caller[] {
    return [...this.#callers.values()].filter((each) => each.owner === owner);
  }

  /** A kernel passes the call on. */
  passedOn(correlationId: number): void {
    const caller = correlationId === 0 ? undefined : this.#callers.get(correlationId);
    if (caller) caller.open++;
  }

  /** A message was handled without a reply, or did not arrive; `sent` others carry the call on. */
  unanswered(correlationId: number, sent = 0): void {
    const caller = correlationId === 0 ? undefined : this.#callers.get(correlationId);
    if (!caller) return;
    caller.open += sent - 1;
    // Kernels of one submission are heard of in any order: the one that passed it on may come after the one that got it.
    if (caller.open <= 0 && this.#ending.push(correlationId) === 1) queueMicrotask(this.#end);
  }

  readonly #end = (): void => {
    for (const correlationId of this.#ending.splice(0)) {
      const caller = this.#callers.get(correlationId);
      if (!caller || caller.open > 0) continue;
      caller.failed(
        new LavaFlowError("NO_REPLY", "the call was handled, and no kernel replied", {
          remedy: "Reply to it, or send what needs no reply with send",
        }),
      );
    }
  };
}
