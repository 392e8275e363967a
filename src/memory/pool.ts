/** BufferPool: buffers of one size for a sender that must not write what its receivers still read. */
import { invalidArgument, LavaFlowError, putFirst } from "../errors.ts";
import { aborted, checkLimits, type Limits, TIMER_MAX_MS } from "../native/limits.ts";
import { describeHeld, isClosed, type MemoryBuffer, nativeMemory, unreleased } from "./buffer.ts";

/** What only this file can give the constructor. */
const ALLOCATOR = Symbol();

let make: (buffers: MemoryBuffer[]) => BufferPool;

interface Taker {
  resolve(buffer: MemoryBuffer): void;
  reject(error: unknown): void;
}

/**
 * Buffers of one size. A buffer is the taker's from `take` until `put`. In between it may be sent any number of times,
 * over any channels. After `put` it is handed out again once no peer has a frame of it that it has not released; `put` so
 * comes after the last `send` has resolved. The buffers belong to the pool: closing one takes it out of the pool.
 */
export class BufferPool implements Disposable {
  static {
    make = (buffers) => new BufferPool(buffers, ALLOCATOR);
  }

  readonly sizeBytes: number;
  /** Buffers that were put back, in that order. */
  readonly #resting: MemoryBuffer[];
  readonly #taken = new Set<MemoryBuffer>();
  readonly #takers: Taker[] = [];
  /** Ends the waits for the release of resting buffers; null while nobody waits for one. */
  #watching: AbortController | null = null;
  readonly #watched = new Set<MemoryBuffer>();
  #closed = false;

  /** Pools come from `MemoryAllocator.pool`, not from `new`: it throws INVALID_ARGUMENT. */
  private constructor(buffers: MemoryBuffer[], from: unknown) {
    if (from !== ALLOCATOR) {
      throw new LavaFlowError("INVALID_ARGUMENT", "a BufferPool can't be made with new", {
        remedy: "Use MemoryAllocator.pool",
      });
    }
    this.#resting = buffers;
    this.sizeBytes = (buffers[0] as MemoryBuffer).sizeBytes;
  }

  /** Buffers in all, those that are taken included. */
  get count(): number {
    return this.#resting.length + this.#taken.size;
  }

  /** A free buffer; null where there is none, or where callers of `take` wait for one. CLOSED. */
  tryTake(): MemoryBuffer | null {
    this.#checkOpen();
    return this.#takers.length > 0 ? null : this.#free();
  }

  /** A free buffer, in the order of the calls. TIMEOUT (default 30 000 ms), ABORTED, CLOSED. */
  async take(limits?: Limits): Promise<MemoryBuffer> {
    const timeoutMs = checkLimits("take", limits);
    const signal = limits?.signal;
    const what = `no buffer of ${this.sizeBytes} bytes was free`;
    if (signal?.aborted) throw aborted(what, signal);
    const buffer = this.tryTake();
    if (buffer !== null) return buffer;
    const { promise, resolve, reject } = Promise.withResolvers<MemoryBuffer>();
    const call = new Error();
    const taker: Taker = {
      resolve,
      reject(error) {
        putFirst(error, call);
        reject(error);
      },
    };
    this.#takers.push(taker);
    const end = (error: unknown) => {
      const place = this.#takers.indexOf(taker);
      if (place < 0) return;
      this.#takers.splice(place, 1);
      taker.reject(error);
      this.#serve();
    };
    const timer =
      timeoutMs < TIMER_MAX_MS ? setTimeout(() => end(this.#timedOut(what, timeoutMs)), timeoutMs) : undefined;
    const onAbort = () => end(aborted(what, signal as AbortSignal));
    signal?.addEventListener("abort", onAbort, { once: true });
    this.#serve();
    return promise.finally(() => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
    });
  }

  /**
   * The taker is done with a buffer, sent or not: it is free once its frames are released. INVALID_ARGUMENT for one that
   * is not taken; CLOSED.
   */
  put(buffer: MemoryBuffer): void {
    this.#checkOpen();
    if (!this.#taken.delete(buffer)) throw invalidArgument("buffer", buffer, "one that is taken from this pool");
    if (!isClosed(buffer)) this.#resting.push(buffer);
    this.#serve();
    nativeMemory(buffer); // CLOSED where it is: it is out of the pool
  }

  /** Idempotent. Closes the buffers, those that are taken too; who waits for one gets CLOSED. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#watching?.abort();
    for (const taker of this.#takers.splice(0)) taker.reject(this.#closedError());
    for (const buffer of [...this.#resting, ...this.#taken]) buffer.close();
    this.#resting.length = 0;
    this.#taken.clear();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #free(): MemoryBuffer | null {
    for (let i = 0; i < this.#resting.length; ) {
      const buffer = this.#resting[i] as MemoryBuffer;
      if (!unreleased(buffer)) {
        this.#resting.splice(i, 1);
        if (isClosed(buffer)) continue;
        this.#taken.add(buffer);
        return buffer;
      }
      i++;
    }
    if (this.count > 0) return null;
    throw new LavaFlowError("CLOSED", `every buffer of this pool of buffers of ${this.sizeBytes} bytes is closed`, {
      remedy: "Make another one, and keep its allocator open",
    });
  }

  /** Gives those who wait what is free, and has the rest of the buffers watched for as long as anybody waits. */
  #serve(): void {
    try {
      while (this.#takers.length > 0) {
        const buffer = this.#free();
        if (buffer === null) {
          this.#watch();
          return;
        }
        (this.#takers.shift() as Taker).resolve(buffer);
      }
    } catch (error) {
      for (const taker of this.#takers.splice(0)) taker.reject(error);
    }
    this.#watching?.abort();
    this.#watching = null;
    this.#watched.clear();
  }

  #watch(): void {
    const watching = (this.#watching ??= new AbortController());
    for (const buffer of this.#resting) {
      if (this.#watched.has(buffer)) continue;
      this.#watched.add(buffer);
      const end = () => {
        if (this.#watching !== watching) return;
        this.#watched.delete(buffer);
        this.#serve();
      };
      // What a channel fails of is for its users; the buffer is free then.
      buffer.released({ timeoutMs: Number.POSITIVE_INFINITY, signal: watching.signal }).then(end, end);
    }
  }

  #timedOut(what: string, timeoutMs: number): LavaFlowError {
    const why = [`${this.#taken.size} of ${this.count} are taken`, ...this.#resting.map(describeHeld)].join("; ");
    return new LavaFlowError("TIMEOUT", `${what} within ${timeoutMs} ms: ${why}`, {
      remedy: "Put each buffer back after its last send, and release the frames where they were received",
    });
  }

  #checkOpen(): void {
    if (this.#closed) throw this.#closedError();
  }

  #closedError(): LavaFlowError {
    return new LavaFlowError("CLOSED", `this pool of buffers of ${this.sizeBytes} bytes is closed`, {
      remedy: "Make another one",
    });
  }
}

/** A pool of buffers of one size, at least one. */
export function poolOf(buffers: MemoryBuffer[]): BufferPool {
  return make(buffers);
}
