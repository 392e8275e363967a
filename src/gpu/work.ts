/** Work for a GPU's queue, and the work queue that hands it to the driver in order. */
import { LavaFlowError } from "../errors.ts";
import { CONSTANTS, STAGED_READ } from "../native/layout.ts";
import { lastError } from "../native/status.ts";
import type { Shim } from "../native/symbols.ts";
import type { Stop } from "./stop.ts";

const { LF_FULL } = CONSTANTS;

/** The shim writes the timeline value of a submission here. Each call reads it at once, so a thread needs only one. */
const value = new Float64Array(new ArrayBuffer(8));
const staged = new Float64Array(new ArrayBuffer(STAGED_READ.sizeof));
const stagedWords = new Uint32Array(staged.buffer);

/** How work enters a queue. */
export interface Entry {
  /** The work queue of the `QueueLock` that the work belongs to. */
  readonly within?: WorkQueue;
  /** Ends the work early. */
  readonly stop?: Stop | null;
}

/** The device's queue, as work uses it. */
export interface DeviceQueue {
  readonly shim: Shim;
  /** The shim's handle of the device. */
  readonly device: number;
  /** Whether the last submission was of this work. */
  isLast(work: Work): boolean;
  /** A part of `work` was submitted: `work.reached` is called when the timeline reaches `value`. */
  submitted(work: Work, value: number, range?: StagedRange): void;
  /** The staging ring is full until the timeline reaches `value` (0: not known). */
  awaitSpace(value: number): void;
}

/** Bytes in a slot of the staging ring, on their way to the host. */
export interface StagedRange {
  slot: number;
  /** Where they belong in the target of the read, bytes. */
  offset: number;
  size: number;
}

/**
 * "submitted": all of the work is. "full": the rest follows when the staging ring has space. "more": the rest follows after
 * a turn of the event loop. "locked": later work follows when the lock is released.
 */
export type Advance = "submitted" | "full" | "more" | "locked";

/** Bytes that the thread copies into the staging ring between two turns of the event loop: about 1 ms of copying. */
const COPY_MAX_BYTES = 2 ** 23;

export class Work {
  /** Resolves when the GPU has done the work. */
  readonly done: Promise<void>;
  /** The shim's handles of the memory that the work uses. */
  readonly memories: readonly number[];
  readonly #resolve: () => void;
  readonly #reject: (error: unknown) => void;
  #over = false;
  /** The call has a time limit of its own, so the queue's limit does not end the work. */
  timed = false;

  constructor(memories: readonly number[]) {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.done = promise;
    this.memories = memories;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  /** Done or failed: no more of the work is submitted. */
  get over(): boolean {
    return this.#over;
  }

  /** Submits as much as the staging ring has space for. */
  advance(): Advance {
    return "submitted";
  }

  /** The timeline has reached the end of the work, or of the part with this range. */
  reached(_range: StagedRange | undefined): void {
    this.finish();
  }

  finish(): void {
    this.#over = true;
    this.#resolve();
  }

  fail(error: unknown): void {
    this.#over = true;
    this.#reject(error);
  }
}

/** Work that one call to the shim submits. */
export class Submission extends Work {
  readonly #device: DeviceQueue;
  readonly #call: (value: Float64Array) => number;
  readonly #what: string;

  /** `call` returns a status of the shim, and writes the timeline value into its argument. */
  constructor(device: DeviceQueue, memories: readonly number[], what: string, call: (value: Float64Array) => number) {
    super(memories);
    this.#device = device;
    this.#call = call;
    this.#what = what;
  }

  override advance(): Advance {
    const result = this.#call(value);
    if (result === LF_FULL) {
      this.#device.awaitSpace(value[0] as number);
      return "full";
    }
    if (result < 0) this.fail(lastError(this.#device.shim, this.#what));
    else this.#device.submitted(this, value[0] as number);
    return "submitted";
  }
}

/** Copies bytes of the host to the GPU, through the staging ring. */
export class Write extends Work {
  readonly #device: DeviceQueue;
  readonly #offset: number;
  readonly #source: Uint8Array;
  readonly #size: number;
  #sent = 0;
  /** Submissions that the timeline has not reached. */
  #pending = 0;

  constructor(device: DeviceQueue, memory: number, offset: number, source: Uint8Array) {
    super([memory]);
    this.#device = device;
    this.#offset = offset;
    this.#source = source;
    this.#size = source.length;
  }

  override advance(): Advance {
    const { shim, device } = this.#device;
    const memory = this.memories[0] as number;
    const pause = this.#sent + COPY_MAX_BYTES;
    while (this.#sent < this.#size) {
      if (this.#sent >= pause) return "more";
      if (this.#source.length !== this.#size) {
        this.fail(gone("the source of a write"));
        return "submitted";
      }
      const rest = this.#source.subarray(this.#sent);
      const first = this.#device.isLast(this) ? 0 : 1;
      const result = shim.lf_queue_write(device, memory, this.#offset + this.#sent, rest, rest.length, first, value);
      if (result === LF_FULL) {
        this.#device.awaitSpace(value[0] as number);
        return "full";
      }
      if (result < 0) {
        this.fail(lastError(shim, "write"));
        return "submitted";
      }
      this.#sent += result;
      this.#pending++;
      this.#device.submitted(this, value[0] as number);
    }
    return "submitted";
  }

  override reached(): void {
    if (--this.#pending === 0 && this.#sent === this.#size) this.finish();
  }
}

/** Copies bytes of the GPU to the host, through the staging ring. */
export class Read extends Work {
  readonly #device: DeviceQueue;
  readonly #offset: number;
  readonly #target: Uint8Array;
  readonly #size: number;
  #asked = 0;
  #got = 0;

  constructor(device: DeviceQueue, memory: number, offset: number, target: Uint8Array) {
    super([memory]);
    this.#device = device;
    this.#offset = offset;
    this.#target = target;
    this.#size = target.length;
  }

  override advance(): Advance {
    const { shim, device } = this.#device;
    const memory = this.memories[0] as number;
    while (this.#asked < this.#size) {
      const offset = this.#asked;
      const first = this.#device.isLast(this) ? 0 : 1;
      const result = shim.lf_queue_read(device, memory, this.#offset + offset, this.#size - offset, first, staged);
      if (result === LF_FULL) {
        this.#device.awaitSpace(staged[STAGED_READ.value / 8] as number);
        return "full";
      }
      if (result < 0) {
        this.fail(lastError(shim, "read"));
        return "submitted";
      }
      this.#asked += result;
      const slot = stagedWords[STAGED_READ.token / 4] as number;
      this.#device.submitted(this, staged[STAGED_READ.value / 8] as number, { slot, offset, size: result });
    }
    return "submitted";
  }

  /** Work that is over still releases its slots. */
  override reached({ slot, offset, size }: StagedRange): void {
    const { shim, device } = this.#device;
    if (!this.over && this.#target.length !== this.#size) this.fail(gone("the target of a read"));
    const target = this.over ? null : this.#target.subarray(offset, offset + size);
    const result = shim.lf_queue_read_end(device, slot, target, size);
    if (this.over) return;
    this.#got += size;
    if (result < 0) this.fail(lastError(shim, "read"));
    else if (this.#got === this.#size) this.finish();
  }
}

/**
 * Exclusive access to the queue for several works. `done` resolves when all work before the lock was submitted. Work behind
 * the lock waits until `release`.
 */
export class QueueLock extends Work {
  /** The owner's own work while the queue is locked. */
  readonly work = new WorkQueue();
  readonly #onRelease: () => void;
  #released = false;

  constructor(onRelease: () => void) {
    super([]);
    this.#onRelease = onRelease;
  }

  override get over(): boolean {
    return this.#released;
  }

  override advance(): Advance {
    this.finish();
    const inner = this.work.advance();
    return inner === "submitted" ? "locked" : inner;
  }

  release(): void {
    this.#released = true;
    this.#onRelease();
  }
}

/** Works in their order: each is submitted when all of the previous one was. */
export class WorkQueue {
  readonly #works: Work[] = [];

  get empty(): boolean {
    return this.#works.length === 0;
  }

  add(work: Work): void {
    this.#works.push(work);
  }

  /** Submits what the staging ring has space for. Returns why the rest waits. */
  advance(): Advance {
    for (let work = this.#works[0]; work !== undefined; work = this.#works[0]) {
      const result = work.over ? "submitted" : work.advance();
      if (result !== "submitted") return result;
      this.#works.shift();
    }
    return "submitted";
  }

  /** All work that was not submitted, that of a lock's owner included. */
  *waiting(): Generator<Work> {
    for (const work of this.#works) {
      yield work;
      if (work instanceof QueueLock) yield* work.work.waiting();
    }
  }
}

function gone(what: string): LavaFlowError {
  return new LavaFlowError("CLOSED", `${what} was closed, transferred or shrunk before the end`, {
    remedy: "Keep it until the promise settles",
  });
}
