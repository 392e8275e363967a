/** Counts of a kernel's messages by outcome, and the last error. */
import { LavaFlowError } from "../errors.ts";
import { corrupt } from "./base/envelope.ts";

export class Counts {
  /** Messages from which the body has returned. */
  handled = 0;
  expired = 0;
  corrupt = 0;
  errors = 0;
  lastError: LavaFlowError | null = null;
  readonly #id: string;

  constructor(id: string) {
    this.#id = id;
  }

  /** Counts a message that the body was not given. Returns the error for its call. */
  dropped(message: number, reason: "deadline" | "checksum"): LavaFlowError {
    const what = `message ${message} to kernel "${this.#id}"`;
    if (reason === "checksum") {
      this.corrupt++;
      return corrupt(`${what} had another checksum when it arrived`);
    }
    this.expired++;
    return new LavaFlowError("TIMEOUT", `${what} was not handled by its deadline`);
  }

  /** Counts a message for which the handler threw. Returns the error for its call. */
  threw(message: number, cause: unknown): LavaFlowError {
    this.errors++;
    const reason = cause instanceof Error ? cause.message : String(cause);
    const what = `kernel "${this.#id}" at message ${message}: ${reason}`;
    this.lastError = new LavaFlowError("HANDLER_FAILED", what, {
      remedy: "See its cause, the error of the handler",
      cause,
    });
    return this.lastError;
  }
}
