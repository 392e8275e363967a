/** Calls from other runtimes, and the answers to them. */
import { LavaFlowError } from "../../errors.ts";
import type { Calls } from "../base/calls.ts";
import { type Envelope, toEnvelope } from "../base/envelope.ts";
import { give } from "../base/values.ts";
import type { Answer } from "./peer.ts";

/** Failures of a call in another runtime, by their codes on the wire, from 1; the code 0 is a reply. */
export const ANSWERS = ["NO_REPLY", "HANDLER_FAILED", "TIMEOUT", "KERNEL_NOT_ACTIVE", "CORRUPT_SEGMENT"] as const;
/** Calls of other runtimes that wait for an answer, at most. Beyond that, the oldest call gets no answer. */
const CALLS_MAX = 4096;

export class Answers {
  readonly #calls: Calls;
  /** Correlation ids of calls from other runtimes, the oldest first. */
  readonly #remote = new Set<number>();

  constructor(calls: Calls) {
    this.#calls = calls;
  }

  /** Registers a call from another runtime and returns its correlation id here. `reply` sends the answer back, once. */
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
    this.#remote.add(correlationId);
    if (this.#remote.size > CALLS_MAX) this.forget(this.#remote.values().next().value as number);
    return correlationId;
  }

  forget(correlationId: number): void {
    this.#remote.delete(correlationId);
    this.#calls.delete(correlationId);
  }

  /** An answer of another runtime to a call that was passed on to it. */
  arrived(correlationId: number, { message, from }: Answer, code: number): void {
    const caller = this.#calls.get(correlationId);
    if (!caller) return; // the call is over
    if (code === 0) {
      message.correlationId = correlationId;
      give(caller, toEnvelope(message, from, "host"), caller.struct);
      return;
    }
    const answer = ANSWERS[code - 1] ?? "NO_REPLY";
    if (answer === "NO_REPLY") {
      this.#calls.unanswered(correlationId); // other messages may carry the call too
      return;
    }
    caller.failed(new LavaFlowError(answer, `the call was passed on to ${from}, which says ${answer}`));
  }
}
