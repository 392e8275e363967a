/** A promise that somebody else settles, or the time. */
import { type Call, callHere, type LavaFlowError, namesUser, putFirst, sourceLineOf } from "../errors.ts";
import { TIMER_MAX_MS } from "../native/limits.ts";
import { afterTurn } from "../native/turn.ts";
import type { Struct } from "./struct.ts";

/** callHere, the waiter's constructor, two of the kernel, and what the user calls it by. */
const FRAMES = 6;

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
  readonly #late: () => LavaFlowError;
  readonly #over: () => void;
  readonly #origin: Origin;
  readonly #call: Call | null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #slept = false;
  #settled = false;
  #resolve!: (value: T) => void;
  #reject!: (error: LavaFlowError) => void;

  /**
   * Rejects with `late()` after `limitMs`. `over` is called once, before it settles: nobody looks for it any more. An error
   * of no line of the user's shows that of the call, where the one before it slept, and else that of the launch.
   */
  constructor(limitMs: number, late: () => LavaFlowError, over: () => void, origin: Origin) {
    this.#limitMs = limitMs;
    this.#late = late;
    this.#over = over;
    this.#origin = origin;
    this.#call = origin.sleeps ? callHere(FRAMES) : null;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    if (fresh.length === 0) setImmediate(arm);
    fresh.push(this as unknown as Waiter<never>);
  }

  /** A turn of the event loop did not bring what it waits for. */
  arm(): void {
    if (this.#settled) return;
    this.#slept = this.#origin.sleeps = true;
    if (this.#limitMs >= TIMER_MAX_MS) return;
    // The thread may have been busy while what it waits for came: whoever brings that has one more turn of the event loop.
    const timeIsUp = () => afterTurn(() => this.#settled || this.failed(this.#late()));
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
