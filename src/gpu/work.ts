/** Pieces of work for a GPU's queue, and the order in which they are handed to it. */
import { LavaFlowError } from "../errors.ts";
import { CONSTANTS, STAGED_READ } from "../native/layout.ts";
import { lastError } from "../native/status.ts";
import type { Shim } from "../native/symbols.ts";
import type { Stop } from "./stop.ts";

const { LF_FULL } = CONSTANTS;

/** Where the shim puts the value that work reaches; one a thread is enough, as it is read at once. */
const value = new Float64Array(new ArrayBuffer(8));
const staged = new Float64Array(new ArrayBuffer(STAGED_READ.sizeof));
const stagedWords = new Uint32Array(staged.buffer);

/** How work enters a queue. */
export interface Entry {
  /** The lane of a `Hold` that it is a part of. */
  readonly lane?: Lane;
  /** Ends it early. */
  readonly stop?: Stop | null;
}

/** What work needs of the queue that it is for. */
export interface Desk {
  readonly shim: Shim;
  /** The shim's handle of the device. */
  readonly device: number;
  /** Whether what was submitted last is of this work too. */
  goesOn(work: Work): boolean;
  /** Something of `work` was submitted: tells `work.reached` when the timeline gets there. */
  mark(work: Work, at: number, piece?: Piece): void;
  /** There is no room before the timeline gets to `at` (0: nobody knows when). */
  wantRoom(at: number): void;
}

/** Bytes that lie in a place of the staging ring, on their way to the host. */
export interface Piece {
  place: number;
  offset: number;
  size: number;
}

/**
 * SUBMITTED: all of it. FULL: it goes on when there is room. MORE: there is room, but the event loop has its turn first.
 * HELD: it goes on when whoever holds the queue says so.
 */
export type Advance = "submitted" | "full" | "more" | "held";

/** What this thread copies at a stretch, bytes: about a millisecond's worth. The GPU takes longer for nothing of it. */
const STRETCH = 2 ** 23;

export class Work {
  /** Resolves when the GPU has done it. */
  readonly done: Promise<void>;
  /** The shim's handles of the memory that it uses. */
  readonly memories: readonly number[];
  readonly #resolve: () => void;
  readonly #reject: (error: unknown) => void;
  #over = false;
  /** Its call has a time of its own: that the GPU gets nothing done does not end it. */
  timed = false;

  constructor(memories: readonly number[]) {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.done = promise;
    this.memories = memories;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  /** Done or failed: nothing more is submitted of it. */
  get over(): boolean {
    return this.#over;
  }

  /** Hands over what there is room for. */
  advance(): Advance {
    return "submitted";
  }

  /** The timeline has reached the end of it, or of a piece of it. */
  reached(_piece: Piece | undefined): void {
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

/** What one call to the shim submits. */
export class Submission extends Work {
  readonly #desk: Desk;
  readonly #call: (value: Float64Array) => number;
  readonly #what: string;

  /** `call` returns a status of the shim, and puts the value into its argument. */
  constructor(desk: Desk, memories: readonly number[], what: string, call: (value: Float64Array) => number) {
    super(memories);
    this.#desk = desk;
    this.#call = call;
    this.#what = what;
  }

  override advance(): Advance {
    const result = this.#call(value);
    if (result === LF_FULL) {
      this.#desk.wantRoom(value[0] as number);
      return "full";
    }
    if (result < 0) this.fail(lastError(this.#desk.shim, this.#what));
    else this.#desk.mark(this, value[0] as number);
    return "submitted";
  }
}

/** Bytes on their way to the GPU, piece by piece through the staging ring. */
export class Write extends Work {
  readonly #desk: Desk;
  readonly #offset: number;
  readonly #source: Uint8Array;
  readonly #size: number;
  #sent = 0;
  #pieces = 0;

  constructor(desk: Desk, memory: number, offset: number, source: Uint8Array) {
    super([memory]);
    this.#desk = desk;
    this.#offset = offset;
    this.#source = source;
    this.#size = source.length;
  }

  override advance(): Advance {
    const { shim, device } = this.#desk;
    const memory = this.memories[0] as number;
    const pause = this.#sent + STRETCH;
    while (this.#sent < this.#size) {
      if (this.#sent >= pause) return "more";
      if (this.#source.length !== this.#size) {
        this.fail(gone("the source of a write"));
        return "submitted";
      }
      const rest = this.#source.subarray(this.#sent);
      const first = this.#desk.goesOn(this) ? 0 : 1;
      const result = shim.lf_queue_write(device, memory, this.#offset + this.#sent, rest, rest.length, first, value);
      if (result === LF_FULL) {
        this.#desk.wantRoom(value[0] as number);
        return "full";
      }
      if (result < 0) {
        this.fail(lastError(shim, "write"));
        return "submitted";
      }
      this.#sent += result;
      this.#pieces++;
      this.#desk.mark(this, value[0] as number);
    }
    return "submitted";
  }

  override reached(): void {
    if (--this.#pieces === 0 && this.#sent === this.#size) this.finish();
  }
}

/** Bytes on their way from the GPU. */
export class Read extends Work {
  readonly #desk: Desk;
  readonly #offset: number;
  readonly #target: Uint8Array;
  readonly #size: number;
  #asked = 0;
  #got = 0;

  constructor(desk: Desk, memory: number, offset: number, target: Uint8Array) {
    super([memory]);
    this.#desk = desk;
    this.#offset = offset;
    this.#target = target;
    this.#size = target.length;
  }

  override advance(): Advance {
    const { shim, device } = this.#desk;
    const memory = this.memories[0] as number;
    while (this.#asked < this.#size) {
      const offset = this.#asked;
      const first = this.#desk.goesOn(this) ? 0 : 1;
      const result = shim.lf_queue_read(device, memory, this.#offset + offset, this.#size - offset, first, staged);
      if (result === LF_FULL) {
        this.#desk.wantRoom(staged[STAGED_READ.value / 8] as number);
        return "full";
      }
      if (result < 0) {
        this.fail(lastError(shim, "read"));
        return "submitted";
      }
      this.#asked += result;
      const place = stagedWords[STAGED_READ.place / 4] as number;
      this.#desk.mark(this, staged[STAGED_READ.value / 8] as number, { place, offset, size: result });
    }
    return "submitted";
  }

  /** Also work that is over gives its places back. */
  override reached({ place, offset, size }: Piece): void {
    const { shim, device } = this.#desk;
    if (!this.over && this.#target.length !== this.#size) this.fail(gone("the target of a read"));
    const target = this.over ? null : this.#target.subarray(offset, offset + size);
    const result = shim.lf_queue_read_end(device, place, target, size);
    if (this.over) return;
    this.#got += size;
    if (result < 0) this.fail(lastError(shim, "read"));
    else if (this.#got === this.#size) this.finish();
  }
}

/** A turn that somebody has for several things in a row: `done` resolves when it begins, and it lasts until `release`. */
export class Hold extends Work {
  /** What its owner does with the queue meanwhile. */
  readonly lane = new Lane();
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
    const inner = this.lane.advance();
    return inner === "submitted" ? "held" : inner;
  }

  release(): void {
    this.#released = true;
    this.#onRelease();
  }
}

/** Works in their order: each is handed over when all of the one before it has been. */
export class Lane {
  readonly #works: Work[] = [];

  get empty(): boolean {
    return this.#works.length === 0;
  }

  add(work: Work): void {
    this.#works.push(work);
  }

  /** Hands over what there is room for; says what keeps the rest. */
  advance(): Advance {
    for (let work = this.#works[0]; work !== undefined; work = this.#works[0]) {
      const result = work.over ? "submitted" : work.advance();
      if (result !== "submitted") return result;
      this.#works.shift();
    }
    return "submitted";
  }

  /** All that is not handed over yet, also of those who hold the queue. */
  *waiting(): Generator<Work> {
    for (const work of this.#works) {
      yield work;
      if (work instanceof Hold) yield* work.lane.waiting();
    }
  }
}

function gone(what: string): LavaFlowError {
  return new LavaFlowError("CLOSED", `${what} was closed, transferred or shrunk before the end`, {
    remedy: "Keep it until the promise settles",
  });
}
