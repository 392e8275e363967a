/**
 * How a thread waits for its GPU: it spins for a moment, as short work ends before sleep would begin; then looks once in
 * each turn of the event loop; then sleeps until the shim's bell rings. Nothing runs while nothing is near its end.
 */
import { CONSTANTS } from "../native/layout.ts";
import { native } from "../native/load.ts";
import { afterTurn, turnDue } from "../native/turn.ts";
import { Watch } from "../native/watch.ts";

/** About what the shortest work takes, from being submitted to being seen. */
const SPIN_US = 20;
/** Work that takes longer than this is not made much slower by the bell's own way, some hundred microseconds. */
const TURNS_MS = 1;
/** How often to look where there is no bell. */
const POLL_MS = 1;
/** How often to look in spite of the bell, for time limits. */
const RECHECK_MS = 1000;

/** What `look` gives when it knows of no value to wait for, but there is something to be done soon. */
export const SOON = 0;
/** What `look` gives when it has more to do as soon as the event loop had its turn. */
export const NOW = -1;

const bell = new BigInt64Array(new ArrayBuffer(8));

export class Vigil {
  readonly #shim = native();
  readonly #device: number;
  readonly #look: (spinUs: number) => number | null;
  #state: "resting" | "awake" | "asleep" = "resting";
  #turnsUntil = 0;
  #watch: Watch | null = null;
  #opening = false;
  /** There is no bell, or none any more. */
  #polls = false;
  #timer: ReturnType<typeof setTimeout> | null = null;
  /** What the bell was last asked to ring at. */
  #asked = 0;
  #closed = false;

  /** `look` does what can be done, and returns the value to wait for, SOON, NOW, or null when nothing is waited for. */
  constructor(device: number, look: (spinUs: number) => number | null) {
    this.#device = device;
    this.#look = look;
  }

  /** There is something new to wait for. */
  begin(): void {
    const state = this.#state;
    if (this.#closed) return;
    if (state !== "asleep") this.#turnsUntil = performance.now() + TURNS_MS;
    if (state === "awake") return;
    this.#state = "awake";
    // Not at once: the caller may have more to submit, and that should not wait until this one has ended. What is promises
    // away goes first too: a tick that a microtask asks for comes after all microtasks, one asked for here before them.
    const step = () => this.#step(state === "asleep" ? 0 : SPIN_US);
    if (turnDue()) afterTurn(step);
    else queueMicrotask(() => process.nextTick(step));
  }

  close(): void {
    this.#closed = true;
    this.#rest();
    this.#watch?.close();
    this.#watch = null;
  }

  #step(spinUs: number): void {
    if (this.#closed) return;
    const next = this.#look(spinUs);
    if (next === null) this.#rest();
    else if (next === NOW || performance.now() < this.#turnsUntil) setImmediate(() => this.#step(0));
    else this.#sleep(next);
  }

  #sleep(next: number): void {
    this.#state = "asleep";
    if (!this.#watch && !this.#polls) this.#open();
    if (next === this.#asked && this.#timer !== null) return; // newer work, behind what is waited for
    const canRing = next !== SOON && this.#watch !== null && !this.#polls;
    const rings = canRing && this.#shim.lf_queue_ring_at(this.#device, next) >= 0;
    if (rings) this.#watch?.ref();
    this.#asked = rings ? next : SOON;
    this.#setTimer(rings ? RECHECK_MS : POLL_MS);
  }

  #wake(): void {
    if (this.#state !== "asleep") return;
    this.#state = "awake";
    this.#clearTimer();
    this.#step(0);
  }

  #setTimer(ms: number): void {
    this.#clearTimer();
    this.#timer = setTimeout(() => this.#wake(), ms);
  }

  #clearTimer(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  #rest(): void {
    this.#state = "resting";
    this.#watch?.unref();
    this.#clearTimer();
  }

  /** The bell is hung when somebody sleeps for the first time; until it hangs, the timer looks. */
  async #open(): Promise<void> {
    if (this.#opening) return;
    this.#opening = true;
    const result = this.#shim.lf_queue_bell(this.#device, bell);
    this.#polls = result < 0 || result === CONSTANTS.LF_EMPTY;
    if (this.#polls) return;
    const onEnd = () => {
      this.#polls = true;
      this.#wake();
    };
    try {
      const onReadable = () => {
        this.#turnsUntil = performance.now() + TURNS_MS; // what comes next may be near
        this.#wake();
      };
      const watch = await Watch.open(Number(bell[0]), { onReadable, onEnd });
      if (this.#closed) watch.close();
      else this.#watch = watch;
    } catch {
      this.#polls = true; // it can do without
    }
    this.#wake();
  }
}
