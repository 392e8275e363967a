/** BufferPool: buffers of one size, for a sender that must not write buffers which its receivers still read. */
import { invalidArgument, LavaFlowError, putFirst } from "../errors.ts";
import { aborted, checkLimits, type Limits, TIMER_MAX_MS } from "../native/limits.ts";
import { describeHeld, isClosed, type MemoryBuffer, nativeMemory, unreleased } from "./buffer.ts";

/** Proves to the constructor that this file calls it. */
const ALLOCATOR = Symbol();

let make: (buffers: MemoryBuffer[]) => BufferPool;

interface Taker {
  resolve(buffer: MemoryBuffer): void;
  reject(error: unknown): void;
}

/**
 * Buffers of one size. The caller of `take` owns a buffer until `put`, and may send it any number of times over any
 * channels. Call `put` after the last `send` has resolved: the pool gives the buffer out again when the peers have released
 * every frame of it. The pool owns its buffers: closing a buffer removes it from the pool.
 */
export class BufferPool implements Disposable {
  static {
    make = (buffers) => new BufferPool(buffers, ALLOCATOR);
  }

  readonly sizeBytes: number;
  /** Buffers in the pool, in the order of `put`. */
  readonly #resting: MemoryBuffer[];
  readonly #taken = new Set<MemoryBuffer>();
  readonly #takers: Taker[] = [];
  /** Ends the waits for releases; null while no call of `take` waits. */
  #watching: AbortController | null = null;
  readonly #watched = new Set<MemoryBuffer>();
  #closed = false;

  /** `new` throws INVALID_ARGUMENT: MemoryAllocator.pool makes pools. */
  private constructor(buffers: MemoryBuffer[], from: unknown) {
    if (from !== ALLOCATOR) {
      throw new LavaFlowError("INVALID_ARGUMENT", "a BufferPool can't be made with new", {
        remedy: "Use MemoryAllocator.pool",
      });
    }
    this.#resting = buffers;
    this.sizeBytes = (buffers[0] as MemoryBuffer).sizeBytes;
  }

  /** All buffers, taken ones included. */
  get count(): number {
    return this.#resting.length + this.#taken.size;
  }

  /** A free buffer; null where there is none, or where calls of `take` wait. CLOSED. */
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
      const index = this.#takers.indexOf(taker);
      if (index < 0) return;
      this.#takers.splice(index, 1);
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
   * Returns a buffer to the pool, sent or not. The buffer is free when its frames are released. INVALID_ARGUMENT for a buffer
   * that is not taken from this pool; CLOSED.
   */
  put(buffer: MemoryBuffer): void {
    this.#checkOpen();
    if (!this.#taken.delete(buffer)) throw invalidArgument("buffer", buffer, "one that is taken from this pool");
    if (!isClosed(buffer)) this.#resting.push(buffer);
    this.#serve();
    nativeMemory(buffer); // throws CLOSED: a closed buffer has left the pool
  }

  /** Idempotent. Closes all buffers, taken ones included; waiting calls of `take` reject with CLOSED. */
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

  /** Gives free buffers to waiting calls. While calls still wait, watches the other buffers for their release. */
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
      // The users of a channel get its failure. Here a failed channel only means that the buffer is free.
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

/** `buffers` are of one size, and at least one. */
export function poolOf(buffers: MemoryBuffer[]): BufferPool {
  return make(buffers);
}
