/** A promise that its owner resolves or rejects, and that a timeout or a signal rejects. */
import { type Call, callHere, type LavaFlowError, namesUser, putFirst, sourceLineOf } from "../../errors.ts";
import { aborted, type Limits, TIMER_MAX_MS, timedOut } from "../../native/limits.ts";
import { afterTurn } from "../../native/turn.ts";
import type { Struct } from "../struct/struct.ts";

/** Stack frames to capture: callHere, the waiter's constructor, two of the kernel, and the user's. */
const FRAMES = 6;

/** The limits of a wait: `signal` was not aborted when the wait began. */
export type Limit = Required<Pick<Limits, "timeoutMs">> & Pick<Limits, "signal">;

/** The line of the user's program that an error of a kernel shows, where the error has no line of its own. */
export class Origin {
  readonly launch: Call;
  /**
   * Whether the last waiter waited longer than one turn of the event loop. Only then does the next one capture its
   * call: a capture doubles the time of a wait that ends at once.
   */
  sleeps = true;

  constructor(launch: Call) {
    this.launch = launch;
  }
}

/** Waiters that began in this turn of the event loop. Most end within the turn and never need a timer. */
let fresh: Waiter<never>[] = [];

function arm(): void {
  const all = fresh;
  fresh = [];
  for (const waiter of all) waiter.arm();
}

export class Waiter<T> {
  readonly promise: Promise<T>;
  // `Caller` of calls.ts:
  open = 1;
  owner: object | null = null;
  struct: Struct | null = null;
  readonly #limitMs: number;
  readonly #what: () => string;
  readonly #over: () => void;
  readonly #origin: Origin;
  readonly #call: Call | null;
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort: (() => void) | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #slept = false;
  #settled = false;
  #resolve!: (value: T) => void;
  #reject!: (error: LavaFlowError) => void;

  /**
   * The promise rejects with TIMEOUT after `timeoutMs`, and with ABORTED by the signal; `what()` is the error's text.
   * `over` is called once, before the promise settles. An error without a line of the user's program gets the line of
   * the call where `origin.sleeps` was true, and otherwise the line of the launch.
   */
  constructor({ timeoutMs: limitMs, signal }: Limit, what: () => string, over: () => void, origin: Origin) {
    this.#limitMs = limitMs;
    this.#what = what;
    this.#over = over;
    this.#origin = origin;
    this.#call = origin.sleeps ? callHere(FRAMES) : null;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#signal = signal;
    if (signal !== undefined) {
      this.#onAbort = () => this.failed(aborted(what(), signal));
      signal.addEventListener("abort", this.#onAbort);
    }
    if (fresh.length === 0) setImmediate(arm);
    fresh.push(this as unknown as Waiter<never>);
  }

  /** Sets the timer: the wait outlasts the turn of the event loop in which it began. */
  arm(): void {
    if (this.#settled) return;
    this.#slept = this.#origin.sleeps = true;
    if (this.#limitMs >= TIMER_MAX_MS) return;
    // A busy thread may run the timer first although the result has arrived: the result gets one more turn of the loop.
    const timeIsUp = () => afterTurn(() => this.#settled || this.failed(timedOut(this.#what(), this.#limitMs)));
    this.#timer = setTimeout(timeIsUp, this.#limitMs);
  }

  got(value: T): void {
    this.#end();
    this.#resolve(value);
  }

  failed(error: LavaFlowError): void {
    this.#end();
    if (!namesUser(error)) {
      const call = this.#call;
      putFirst(error, call === null || sourceLineOf(call) === "" ? this.#origin.launch : call);
    }
    this.#reject(error);
  }

  #end(): void {
    this.#settled = true;
    if (this.#slept) clearTimeout(this.#timer);
    else this.#origin.sleeps = false;
    if (this.#onAbort) this.#signal?.removeEventListener("abort", this.#onAbort);
    this.#over();
  }
}

/** Resolves when `promise` has resolved, and after `ms` milliseconds at the latest. */
export async function within(ms: number, promise: Promise<void>): Promise<void> {
  if (!(ms > 0)) return;
  const { promise: over, resolve } = Promise.withResolvers<void>();
  const timer = ms < TIMER_MAX_MS ? setTimeout(resolve, ms) : undefined;
  await Promise.race([promise, over]);
  clearTimeout(timer);
}
