/** A promise that somebody else settles, or the time. */
import { type Call, callHere, type LavaFlowError, namesUser, putFirst, sourceLineOf } from "../../errors.ts";
import { aborted, type Limits, TIMER_MAX_MS, timedOut } from "../../native/limits.ts";
import { afterTurn } from "../../native/turn.ts";
import type { Struct } from "../struct/struct.ts";

/** callHere, the waiter's constructor, two of the kernel, and what the user calls it by. */
const FRAMES = 6;

/** How long a caller waits: `signal` was not aborted when the wait began. */
export type Limit = Required<Pick<Limits, "timeoutMs">> & Pick<Limits, "signal">;

/** The line of the user's program that an error of a kernel shows, where it has none of its own. */
export class Origin {
  readonly launch: Call;
  /** The last one that waited did so over a turn of the event loop. Capturing a call would double the time of those that don't. */
  sleeps = true;

  constructor(launch: Call) {
    this.launch = launch;
  }
}

/** Those who began to wait since the event loop turned: most have what they wait for before it does again, and need no timer. */
let fresh: Waiter<never>[] = [];

function arm(): void {
  const all = fresh;
  fresh = [];
  for (const waiter of all) waiter.arm();
}

export class Waiter<T> {
  readonly promise: Promise<T>;
  // Of a call (calls.ts):
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
   * Rejects with TIMEOUT after `timeoutMs`, and with ABORTED by the signal: `what()` has not happened then. `over` is called
   * once, before it settles. An error without a line of the user's program shows the line of the call, where the waiter
   * before it slept, and else the line of the launch.
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

  /** A turn of the event loop did not bring what it waits for. */
  arm(): void {
    if (this.#settled) return;
    this.#slept = this.#origin.sleeps = true;
    if (this.#limitMs >= TIMER_MAX_MS) return;
    // The thread may have been busy while what it waits for came: whoever brings that has one more turn of the event loop.
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

/** Resolves when `promise` has, and after `ms` at the latest. */
export async function within(ms: number, promise: Promise<void>): Promise<void> {
  if (!(ms > 0)) return;
  const { promise: over, resolve } = Promise.withResolvers<void>();
  const timer = ms < TIMER_MAX_MS ? setTimeout(resolve, ms) : undefined;
  await Promise.race([promise, over]);
  clearTimeout(timer);
}
