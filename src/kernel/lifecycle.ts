/** The states of a kernel. A change is checked when it is requested; changes are carried out in order. */
import { LavaFlowError } from "../errors.ts";
import type { KernelState } from "./kernel.ts";

export class Lifecycle {
  state: KernelState = "created";
  /** The error of a failed kernel; null for others. */
  failure: LavaFlowError | null = null;
  readonly #id: string;
  #last: Promise<unknown> = Promise.resolve();

  constructor(id: string) {
    this.#id = id;
  }

  /** Resolves when all requested changes are carried out. */
  get settled(): Promise<unknown> {
    return this.#last;
  }

  /** Rejects with INVALID_TRANSITION unless the kernel is in one of the states `from`, and as `act` does. */
  change<T>(to: KernelState, from: KernelState[], act: () => T | Promise<T>): Promise<T> {
    if (!from.includes(this.state)) return Promise.reject(this.#illegal(to));
    this.state = to;
    const done = this.#last.then(() => {
      if (this.failure) throw this.notActive("has ended");
      return act();
    });
    this.#last = done.catch(() => {});
    return done;
  }

  /** The error KERNEL_NOT_ACTIVE, with the failure as its cause. */
  notActive(what = `is ${this.state}`): LavaFlowError {
    const cause = this.failure ?? undefined;
    const reason = cause ? `: ${cause.reason}` : "";
    return new LavaFlowError("KERNEL_NOT_ACTIVE", `kernel "${this.#id}" ${what}${reason}`, {
      remedy: this.state === "terminated" ? "Launch it again" : "Activate it first",
      cause,
    });
  }

  #illegal(to: KernelState): LavaFlowError {
    return new LavaFlowError("INVALID_TRANSITION", `kernel "${this.#id}" is ${this.state} and can't become ${to}`, {
      remedy: "A kernel goes created, launched, active, then deactivated and active at will, terminating, terminated",
      cause: this.failure ?? undefined,
    });
  }
}
