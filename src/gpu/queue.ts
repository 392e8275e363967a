/** The queue of one GPU: its work in one order, and the promises that wait for it. */
import { LavaFlowError } from "../errors.ts";
import { DEFAULT_TIMEOUT_MS, type Limits, timedOut, timeoutOf } from "../native/limits.ts";
import { native } from "../native/load.ts";
import { check, lastError } from "../native/status.ts";
import { IdleStrategy, NOW, SOON } from "./idle-strategy.ts";
import { Stop } from "./stop.ts";
import {
  type DeviceQueue,
  type Entry,
  QueueLock,
  Read,
  type StagedRange,
  Submission,
  Work,
  WorkQueue,
  Write,
} from "./work.ts";

/** A timeline value that the queue waits for. */
interface Awaited {
  value: number;
  /** The work that ends there; null where only the staging ring gets space. */
  work: Work | null;
  range?: StagedRange;
}

const PLAIN: Entry = {};
const STUCK =
  "Find what blocks the GPU: another program, or a semaphore that is never signalled; timeoutMs makes a call wait longer";
const number = new Float64Array(new ArrayBuffer(8));

/**
 * Copies and fills memory, which it knows by the shim's handles. Work starts in the order of the calls. Each promise
 * resolves when the GPU has done its work. It rejects with TIMEOUT when the GPU ends no work for 30 s, with GPU_DEVICE_LOST,
 * with CLOSED when the memory closes first, and with the error of its `Stop`.
 *
 * After a rejection the views of the call are neither read nor written. Submitted work runs on; the shim keeps its memory
 * until the work has ended.
 */
export class GpuQueue {
  readonly #shim = native();
  readonly #device: number;
  readonly #name: string;
  readonly #works = new WorkQueue();
  readonly #port: DeviceQueue;
  readonly #idleStrategy: IdleStrategy;
  readonly #onLost: () => void;
  /** By value, the smallest first. */
  readonly #awaited: Awaited[] = [];
  /** The work of the last submission. */
  #last: Work | null = null;
  /** When the timeline last moved, or the first work came after a rest; milliseconds. */
  #movedAt = 0;
  /** The timeline has not moved for DEFAULT_TIMEOUT_MS. Work whose call has ended is not awaited until it moves. */
  #stuck = false;
  #idle: PromiseWithResolvers<void> | null = null;

  /** `onLost` runs once, when the GPU is found to be lost. */
  constructor(device: number, name: string, onLost: () => void) {
    this.#device = device;
    this.#name = name;
    this.#onLost = onLost;
    this.#idleStrategy = new IdleStrategy(device, (spinUs) => this.#progress(spinUs));
    this.#port = {
      shim: this.#shim,
      device,
      isLast: (work) => this.#last === work,
      submitted: (work, value, range) => {
        this.#last = work;
        this.#awaitValue({ value, work, range });
      },
      awaitSpace: (value) => {
        if (this.#awaited.length === 0 && value > 0) this.#awaitValue({ value, work: null });
      },
    };
  }

  /** Ranges of one memory must not overlap. */
  copy(
    source: number,
    sourceOffset: number,
    target: number,
    targetOffset: number,
    size: number,
    entry = PLAIN,
  ): Promise<void> {
    return this.submit(
      [source, target],
      "copy",
      (value) => this.#shim.lf_queue_copy(this.#device, source, sourceOffset, target, targetOffset, size, value),
      entry,
    );
  }

  /** `offset` and `size` are multiples of 4. */
  fill(memory: number, offset: number, size: number, value32: number, entry = PLAIN): Promise<void> {
    return this.submit(
      [memory],
      "fill",
      (value) => this.#shim.lf_queue_fill(this.#device, memory, offset, size, value32 >>> 0, value),
      entry,
    );
  }

  /** Copies all of `source`, which must not change until the promise settles. */
  write(memory: number, offset: number, source: Uint8Array, entry = PLAIN): Promise<void> {
    return this.#enter(new Write(this.#port, memory, offset, source), entry);
  }

  /** Fills all of `target`. */
  read(memory: number, offset: number, target: Uint8Array, entry = PLAIN): Promise<void> {
    return this.#enter(new Read(this.#port, memory, offset, target), entry);
  }

  /**
   * Any other work of one submission. `call` returns the shim's status, and writes the timeline value of the submission into
   * its argument. `memories` are the handles of the memory that the work uses.
   */
  submit(
    memories: readonly number[],
    what: string,
    call: (value: Float64Array) => number,
    entry = PLAIN,
  ): Promise<void> {
    return this.#enter(new Submission(this.#port, memories, `${what} on ${this.#name}`, call), entry);
  }

  /**
   * Locks the queue: later work waits until `release`. The owner awaits `done`, then passes the lock's `work` as `within` to
   * its own calls.
   */
  lock(stop?: Stop | null): QueueLock {
    const lock = new QueueLock(() => this.#idleStrategy.begin());
    this.#enter(lock, { stop });
    return lock;
  }

  /** Whether all work was submitted: a new call is submitted at once. */
  get submitted(): boolean {
    return this.#works.empty;
  }

  /** Whether the timeline has reached the value. GPU_DEVICE_LOST. */
  reached(value: number): boolean {
    return check(this.#shim, this.#shim.lf_queue_reached(this.#device, value, 0), this.#name) === 1;
  }

  /** The timeline value of the last submitted work that uses the memory; 0 when all of it has ended. */
  pending(memory: number): number {
    check(this.#shim, this.#shim.lf_queue_pending(this.#device, memory, number), this.#name);
    return number[0] as number;
  }

  /** Resolves when the timeline has reached `value`. TIMEOUT (default limit: 30 s), ABORTED, GPU_DEVICE_LOST, CLOSED. */
  async wait(value: number, limits?: Limits, what = "work did not end"): Promise<void> {
    const timeoutMs = timeoutOf(limits);
    const signal = limits?.signal;
    if (!signal?.aborted && this.reached(value)) return;
    const stop = new Stop(`${what} on ${this.#name}`, { timeoutMs, signal });
    try {
      await this.until(value, stop);
    } finally {
      stop.close();
    }
  }

  /** As `wait`, with the limits of `stop`. */
  async until(value: number, stop: Stop): Promise<void> {
    if (this.reached(value)) return;
    const work = new Work([]);
    const awaited = { value, work };
    this.#startClock();
    this.#awaitValue(awaited);
    this.#endBy(stop, work);
    this.#idleStrategy.begin();
    try {
      await work.done;
    } finally {
      const at = this.#awaited.indexOf(awaited);
      if (at >= 0) this.#awaited.splice(at, 1);
    }
  }

  /** Whether all work has ended. */
  get atRest(): boolean {
    return this.#awaited.length === 0 && this.#works.empty;
  }

  /** Resolves when all work has ended, or when the GPU ends none any more. */
  get idle(): Promise<void> {
    if (this.atRest) return Promise.resolve();
    this.#idle ??= Promise.withResolvers<void>();
    this.#idleStrategy.begin();
    return this.#idle.promise;
  }

  /** The memory is about to close: work that uses it fails with CLOSED. Submitted work runs on without harm. */
  abandon(memory: number): void {
    if (this.atRest) return;
    const uses = (work: Work) => work.memories.includes(memory);
    this.#fail(uses, closed("the memory was closed while work on it was under way"));
    this.#idleStrategy.begin(); // later work may be submitted now
  }

  /** To be called before the device is closed. */
  close(): void {
    this.#fail(() => true, closed(`${this.#name} was closed while work was under way`));
    this.#awaited.length = 0;
    this.#idleStrategy.close();
  }

  #enter(work: Work, { within = this.#works, stop = null }: Entry): Promise<void> {
    this.#startClock();
    if (stop) this.#endBy(stop, work);
    const free = within.empty;
    within.add(work);
    if (free) within.advance();
    this.#idleStrategy.begin();
    return work.done;
  }

  #endBy(stop: Stop, work: Work): void {
    work.timed = stop.timed;
    stop.add((error) => {
      this.#progress(0); // the work may have ended while the thread was busy
      if (!work.over) work.fail(error);
      this.#idleStrategy.begin(); // later work may be submitted now
    });
  }

  /** Work is added: after a rest, the time without progress counts from now on. */
  #startClock(): void {
    if (this.#awaited.length > 0 && !this.#stuck) return;
    this.#movedAt = performance.now();
    this.#stuck = false;
  }

  #awaitValue(entry: Awaited): void {
    const awaited = this.#awaited;
    let at = awaited.length;
    while (at > 0 && (awaited[at - 1] as Awaited).value > entry.value) at--;
    awaited.splice(at, 0, entry);
  }

  /** Ends the works whose value was reached, and submits more. Returns what the idle strategy waits for next. */
  #progress(spinUs: number): number | null {
    let spin = spinUs;
    let moved = false;
    for (let first = this.#awaited[0]; first !== undefined; first = this.#awaited[0]) {
      const result = this.#shim.lf_queue_reached(this.#device, first.value, spin);
      if (result < 0) return this.#end(lastError(this.#shim, this.#name));
      if (result === 0) break;
      spin = 0;
      moved = true;
      this.#awaited.shift();
      first.work?.reached(first.range);
    }
    let advance = this.#works.advance();
    const now = performance.now();
    if (moved) {
      this.#movedAt = now;
      this.#stuck = false;
    } else if (!this.#stuck && now - this.#movedAt >= DEFAULT_TIMEOUT_MS) {
      this.#stuck = true;
      this.#fail(({ timed }) => !timed, timedOut(`${this.#name} ended no work`, DEFAULT_TIMEOUT_MS, "", STUCK));
      advance = this.#works.advance();
    }
    if (this.#stuck) this.#rest();
    const onlyLive = this.#stuck && this.#works.empty;
    const next = onlyLive ? this.#awaited.find(({ work }) => work !== null && !work.over) : this.#awaited[0];
    if (advance === "more") return NOW;
    if (next) return next.value;
    if (advance === "full") return SOON;
    if (this.#works.empty) this.#rest();
    return null;
  }

  #end(error: LavaFlowError): null {
    this.#fail(() => true, error);
    this.#works.advance();
    this.#awaited.length = 0;
    this.#rest();
    if (error.code === "GPU_DEVICE_LOST") this.#onLost();
    return null;
  }

  #rest(): void {
    this.#idle?.resolve();
    this.#idle = null;
  }

  #fail(which: (work: Work) => boolean, error: LavaFlowError): void {
    for (const { work } of this.#awaited) if (work && which(work)) work.fail(error);
    for (const work of this.#works.waiting()) if (which(work)) work.fail(error);
  }
}

function closed(text: string): LavaFlowError {
  return new LavaFlowError("CLOSED", text, { remedy: "Await what uses memory before closing it" });
}
