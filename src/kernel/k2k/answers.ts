/** Calls that came from another runtime, and answers that go back to it. */
import { LavaFlowError } from "../../errors.ts";
import type { Calls } from "../base/calls.ts";
import { type Envelope, toEnvelope } from "../base/envelope.ts";
import { give } from "../base/values.ts";
import type { Answer } from "./peer.ts";

/** What becomes of a call elsewhere, in the order of its numbers on the wire; 0 is a reply. */
export const ANSWERS = ["NO_REPLY", "HANDLER_FAILED", "TIMEOUT", "KERNEL_NOT_ACTIVE", "CORRUPT_SEGMENT"] as const;
/** So many calls of other runtimes are remembered; of more, the oldest gets no answer. */
const REMEMBERED = 4096;

export class Answers {
  readonly #calls: Calls;
  /** The oldest first. */
  readonly #asked = new Set<number>();

  constructor(calls: Calls) {
    this.#calls = calls;
  }

  /** The correlation by which the message is known here: what answers it goes back by `reply`. */
  expect(reply: (envelope: Envelope | null, code: number) => void): number {
    const correlationId = this.#calls.next();
    const over = () => this.forget(correlationId);
    this.#calls.set(correlationId, {
      open: 1,
      owner: null,
      struct: null,
      got(envelope) {
        over();
        reply(envelope, 0);
      },
      failed({ code }) {
        over();
        reply(null, 1 + Math.max(0, ANSWERS.indexOf(code as (typeof ANSWERS)[number])));
      },
    });
    this.#asked.add(correlationId);
    if (this.#asked.size > REMEMBERED) this.forget(this.#asked.values().next().value as number);
    return correlationId;
  }

  forget(correlationId: number): void {
    this.#asked.delete(correlationId);
    this.#calls.delete(correlationId);
  }

  /** From another runtime, to a call that was passed on to it. */
  came(correlationId: number, { message, from }: Answer, code: number): void {
    const caller = this.#calls.get(correlationId);
    if (!caller) return; // it has given up
    if (code === 0) {
      message.correlationId = correlationId;
      give(caller, toEnvelope(message, from, "host"), caller.struct);
      return;
    }
    const answer = ANSWERS[code - 1] ?? "NO_REPLY";
    if (answer === "NO_REPLY") {
      this.#calls.unanswered(correlationId); // others may carry it too
      return;
    }
    caller.failed(new LavaFlowError(answer, `the call was passed on to ${from}, which says ${answer}`));
  }
}
