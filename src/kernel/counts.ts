/** What became of a kernel's messages. */
import { LavaFlowError } from "../errors.ts";
import { corrupt } from "./base/envelope.ts";

export class Counts {
  /** Messages that the body was given and has come back from. */
  handled = 0;
  expired = 0;
  corrupt = 0;
  errors = 0;
  lastError: LavaFlowError | null = null;
  readonly #id: string;

  constructor(id: string) {
    this.#id = id;
  }

  /** A message that the body was not given. Returns what its caller is told. */
  dropped(message: number, reason: "deadline" | "checksum"): LavaFlowError {
    const what = `message ${message} to kernel "${this.#id}"`;
    if (reason === "checksum") {
      this.corrupt++;
      return corrupt(`${what} had another checksum when it arrived`);
    }
    this.expired++;
    return new LavaFlowError("TIMEOUT", `${what} was not handled by its deadline`);
  }

  /** A message that the handler threw at. Returns what its caller is told. */
  threw(message: number, cause: unknown): LavaFlowError {
    this.errors++;
    const reason = cause instanceof Error ? cause.message : String(cause);
    const what = `kernel "${this.#id}" at message ${message}: ${reason}`;
    this.lastError = new LavaFlowError("HANDLER_FAILED", what, {
      remedy: "Its cause is what the handler threw",
      cause,
    });
    return this.lastError;
  }
}
