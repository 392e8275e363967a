/**
 * The idle strategy of a GPU's queue. The thread first spins, because short work ends before a sleep would begin; then polls
 * once in each turn of the event loop; then parks until the shim notifies its event descriptor.
 */
import { CONSTANTS } from "../native/layout.ts";
import { native } from "../native/load.ts";
import { afterTurn, turnDue } from "../native/turn.ts";
import { Watch } from "../native/watch.ts";

/** Microseconds of spinning: the time from the submission of the shortest work to its visible end. */
const SPIN_US = 20;
/** Milliseconds of polling in each turn. For longer work, the event's own delay of some 100 µs matters little. */
const TURNS_MS = 1;
/** Milliseconds between polls where there is no event. */
const POLL_MS = 1;
/** Milliseconds between polls in spite of the event: bounds how late the queue's own time limit is noticed. */
const RECHECK_MS = 1000;

/** A result of `poll`: no timeline value is awaited, but a later poll has work to do. */
export const SOON = 0;
/** A result of `poll`: there is more to do after the next turn of the event loop. */
export const NOW = -1;

const descriptor = new BigInt64Array(new ArrayBuffer(8));

export class IdleStrategy {
  readonly #shim = native();
  readonly #device: number;
  readonly #poll: (spinUs: number) => number | null;
  #state: "idle" | "polling" | "parked" = "idle";
  #turnsUntil = 0;
  #event: Watch | null = null;
  #opening = false;
  /** The device has no event, or the event has failed. */
  #noEvent = false;
  #timer: ReturnType<typeof setTimeout> | null = null;
  /** The timeline value at which the shim was last asked to notify. */
  #armedAt = 0;
  #closed = false;

  /** `poll` makes progress and returns the timeline value to wait for, SOON, NOW, or null when nothing is awaited. */
  constructor(device: number, poll: (spinUs: number) => number | null) {
    this.#device = device;
    this.#poll = poll;
  }

  /** The caller has something new to wait for. */
  begin(): void {
    const state = this.#state;
    if (this.#closed) return;
    if (state !== "parked") this.#turnsUntil = performance.now() + TURNS_MS;
    if (state === "polling") return;
    this.#state = "polling";
    // The first poll is not at once: the caller may submit more, which should not wait for the end of this. A tick that a
    // microtask asks for runs after all microtasks, so continuations of promises run first too.
    const step = () => this.#step(state === "parked" ? 0 : SPIN_US);
    if (turnDue()) afterTurn(step);
    else queueMicrotask(() => process.nextTick(step));
  }

  close(): void {
    this.#closed = true;
    this.#rest();
    this.#event?.close();
    this.#event = null;
  }

  #step(spinUs: number): void {
    if (this.#closed) return;
    const next = this.#poll(spinUs);
    if (next === null) this.#rest();
    else if (next === NOW || performance.now() < this.#turnsUntil) setImmediate(() => this.#step(0));
    else this.#park(next);
  }

  #park(next: number): void {
    this.#state = "parked";
    if (!this.#event && !this.#noEvent) this.#openEvent();
    if (next === this.#armedAt && this.#timer !== null) return; // still armed: only later work was added
    const canArm = next !== SOON && this.#event !== null && !this.#noEvent;
    const armed = canArm && this.#shim.lf_queue_notify_at(this.#device, next) >= 0;
    if (armed) this.#event?.ref();
    this.#armedAt = armed ? next : SOON;
    this.#setTimer(armed ? RECHECK_MS : POLL_MS);
  }

  #wake(): void {
    if (this.#state !== "parked") return;
    this.#state = "polling";
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
    this.#state = "idle";
    this.#event?.unref();
    this.#clearTimer();
  }

  /** The first park opens the event. Until then the timer polls. */
  async #openEvent(): Promise<void> {
    if (this.#opening) return;
    this.#opening = true;
    const result = this.#shim.lf_queue_event_fd(this.#device, descriptor);
    this.#noEvent = result < 0 || result === CONSTANTS.LF_EMPTY;
    if (this.#noEvent) return;
    const onEnd = () => {
      this.#noEvent = true;
      this.#wake();
    };
    try {
      const onReadable = () => {
        this.#turnsUntil = performance.now() + TURNS_MS; // the next value may follow soon
        this.#wake();
      };
      const watch = await Watch.open(Number(descriptor[0]), { onReadable, onEnd });
      if (this.#closed) watch.close();
      else this.#event = watch;
    } catch {
      this.#noEvent = true; // polling by the timer replaces the event
    }
    this.#wake();
  }
}
