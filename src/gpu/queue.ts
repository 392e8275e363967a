/** The work of one GPU, in one order, and who waits for it. */
import { LavaFlowError } from "../errors.ts";
import { DEFAULT_TIMEOUT_MS, type Limits, timedOut, timeoutOf } from "../native/limits.ts";
import { native } from "../native/load.ts";
import { check, lastError } from "../native/status.ts";
import { Stop } from "./stop.ts";
import { NOW, SOON, Vigil } from "./idle-strategy.ts";
import { type Desk, type Entry, Hold, Lane, type Piece, Read, Submission, Work, Write } from "./work.ts";

/** Somebody who is told when the timeline reaches a value. */
interface Mark {
  value: number;
  /** Null: nobody; there is room for more then. */
  work: Work | null;
  piece?: Piece;
}

const PLAIN: Entry = {};
const STUCK =
  "See what keeps the GPU: other programs, or a semaphore that nobody signals; with timeoutMs a call waits for longer";
const number = new Float64Array(new ArrayBuffer(8));

/**
 * Copies and fills by the shim's handles of memory. Work starts in the order of the calls; each promise resolves when
 * the GPU has done it. Rejects with TIMEOUT when the GPU gets nothing done for 30 s, with GPU_DEVICE_LOST, with CLOSED when
 * memory is closed meanwhile, and with what a `Stop` ends it with. What the GPU has of it by then goes on without harm:
 * nothing is written to a view after that, and the shim keeps memory until the work on it has ended.
 */
export class GpuQueue {
  readonly #shim = native();
  readonly #device: number;
  readonly #name: string;
  readonly #lane = new Lane();
  readonly #desk: Desk;
  readonly #vigil: Vigil;
  readonly #onLost: () => void;
  /** By value, the smallest first. */
  readonly #marks: Mark[] = [];
  /** Of what the last submission was. */
  #last: Work | null = null;
  /** When the timeline moved, or something new was to be waited for after a rest; milliseconds. */
  #movedAt = 0;
  /** It has not moved for too long: what nobody waits for any more is left alone until it does. */
  #stuck = false;
  #idle: PromiseWithResolvers<void> | null = null;

  /** `onLost` runs once, when the GPU turns out to be lost. */
  constructor(device: number, name: string, onLost: () => void) {
    this.#device = device;
    this.#name = name;
    this.#onLost = onLost;
    this.#vigil = new Vigil(device, (spinUs) => this.#look(spinUs));
    this.#desk = {
      shim: this.#shim,
      device,
      goesOn: (work) => this.#last === work,
      mark: (work, value, piece) => {
        this.#last = work;
        this.#mark({ value, work, piece });
      },
      wantRoom: (value) => {
        if (this.#marks.length === 0 && value > 0) this.#mark({ value, work: null });
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

  /** Copies from `source`, which must not change until this resolves. */
  write(memory: number, offset: number, source: Uint8Array, entry = PLAIN): Promise<void> {
    return this.#enter(new Write(this.#desk, memory, offset, source), entry);
  }

  /** Copies to `target`. */
  read(memory: number, offset: number, target: Uint8Array, entry = PLAIN): Promise<void> {
    return this.#enter(new Read(this.#desk, memory, offset, target), entry);
  }

  /**
   * Anything else that one call to the shim submits: `call` returns its status and puts the value that it will reach
   * into its argument. `memories` are the handles of the memory that it uses.
   */
  submit(
    memories: readonly number[],
    what: string,
    call: (value: Float64Array) => number,
    entry = PLAIN,
  ): Promise<void> {
    return this.#enter(new Submission(this.#desk, memories, `${what} on ${this.#name}`, call), entry);
  }

  /**
   * A turn of one's own in the order: work that is entered later waits until `release`. Its owner waits for `done`, and
   * gives `lane` to the calls that are a part of it.
   */
  hold(stop?: Stop | null): Hold {
    const hold = new Hold(() => this.#vigil.begin());
    this.#enter(hold, { stop });
    return hold;
  }

  /** Whether all work has been handed to the GPU: what is called now does not wait for room. */
  get submitted(): boolean {
    return this.#lane.empty;
  }

  /** Whether the timeline is there. GPU_DEVICE_LOST. */
  reached(value: number): boolean {
    return check(this.#shim, this.#shim.lf_queue_reached(this.#device, value, 0), this.#name) === 1;
  }

  /** The value of the last submitted work that uses the memory; 0 when all has ended. */
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

  /** The same, for as long as `stop` lets it. */
  async until(value: number, stop: Stop): Promise<void> {
    if (this.reached(value)) return;
    const work = new Work([]);
    const mark = { value, work };
    this.#expect();
    this.#mark(mark);
    this.#endBy(stop, work);
    this.#vigil.begin();
    try {
      await work.done;
    } finally {
      const at = this.#marks.indexOf(mark);
      if (at >= 0) this.#marks.splice(at, 1);
    }
  }

  /** Whether nothing is under way. */
  get atRest(): boolean {
    return this.#marks.length === 0 && this.#lane.empty;
  }

  /** Resolves when nothing is under way any more, or nothing gets done any more. */
  get idle(): Promise<void> {
    if (this.atRest) return Promise.resolve();
    this.#idle ??= Promise.withResolvers<void>();
    this.#vigil.begin();
    return this.#idle.promise;
  }

  /** The memory is about to close: work that uses it fails with CLOSED. What the GPU has of it goes on without harm. */
  abandon(memory: number): void {
    if (this.atRest) return;
    const uses = (work: Work) => work.memories.includes(memory);
    this.#fail(uses, closed("the memory was closed while work on it was under way"));
    this.#vigil.begin(); // what stood behind it may have room now
  }

  /** Before the device is closed. */
  close(): void {
    this.#fail(() => true, closed(`${this.#name} was closed while work was under way`));
    this.#marks.length = 0;
    this.#vigil.close();
  }

  #enter(work: Work, { lane = this.#lane, stop = null }: Entry): Promise<void> {
    this.#expect();
    if (stop) this.#endBy(stop, work);
    const free = lane.empty;
    lane.add(work);
    if (free) lane.advance();
    this.#vigil.begin();
    return work.done;
  }

  #endBy(stop: Stop, work: Work): void {
    work.timed = stop.timed;
    stop.add((error) => {
      this.#look(0); // the thread may have been busy while it was done
      if (!work.over) work.fail(error);
      this.#vigil.begin(); // what stood behind it may have room now
    });
  }

  /** Something is to come: from now on counts how long it takes. */
  #expect(): void {
    if (this.#marks.length > 0 && !this.#stuck) return;
    this.#movedAt = performance.now();
    this.#stuck = false;
  }

  #mark(mark: Mark): void {
    const marks = this.#marks;
    let at = marks.length;
    while (at > 0 && (marks[at - 1] as Mark).value > mark.value) at--;
    marks.splice(at, 0, mark);
  }

  /** Tells those whose value was reached, and hands over what there is room for. Returns what to wait for next. */
  #look(spinUs: number): number | null {
    let spin = spinUs;
    let moved = false;
    for (let mark = this.#marks[0]; mark !== undefined; mark = this.#marks[0]) {
      const result = this.#shim.lf_queue_reached(this.#device, mark.value, spin);
      if (result < 0) return this.#end(lastError(this.#shim, this.#name));
      if (result === 0) break;
      spin = 0;
      moved = true;
      this.#marks.shift();
      mark.work?.reached(mark.piece);
    }
    let advance = this.#lane.advance();
    const now = performance.now();
    if (moved) {
      this.#movedAt = now;
      this.#stuck = false;
    } else if (!this.#stuck && now - this.#movedAt >= DEFAULT_TIMEOUT_MS) {
      this.#stuck = true;
      this.#fail(({ timed }) => !timed, timedOut(`${this.#name} got nothing done`, DEFAULT_TIMEOUT_MS, "", STUCK));
      advance = this.#lane.advance();
    }
    if (this.#stuck) this.#rest();
    const awaited = this.#stuck && this.#lane.empty;
    const first = awaited ? this.#marks.find(({ work }) => work !== null && !work.over) : this.#marks[0];
    if (advance === "more") return NOW;
    if (first) return first.value;
    if (advance === "full") return SOON;
    if (this.#lane.empty) this.#rest();
    return null;
  }

  #end(error: LavaFlowError): null {
    this.#fail(() => true, error);
    this.#lane.advance();
    this.#marks.length = 0;
    this.#rest();
    if (error.code === "GPU_DEVICE_LOST") this.#onLost();
    return null;
  }

  #rest(): void {
    this.#idle?.resolve();
    this.#idle = null;
  }

  #fail(which: (work: Work) => boolean, error: LavaFlowError): void {
    for (const { work } of this.#marks) if (work && which(work)) work.fail(error);
    for (const work of this.#lane.waiting()) if (which(work)) work.fail(error);
  }
}

function closed(text: string): LavaFlowError {
  return new LavaFlowError("CLOSED", text, { remedy: "Await what uses memory before closing it" });
}
