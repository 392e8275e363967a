/** The sending end of a shared-memory channel. */
import { invalidArgument, LavaFlowError } from "../../errors.ts";
import type { GpuDevice } from "../../gpu/device.ts";
import type { GpuQueue } from "../../gpu/queue.ts";
import { deviceOf, MemoryBuffer, nativeMemory, onClose } from "../../memory/buffer.ts";
import { CONSTANTS, LOAN, PORT_STATS } from "../../native/layout.ts";
import { native } from "../../native/load.ts";
import { check, lastError } from "../../native/status.ts";
import type { Loan } from "../frame.ts";
import type { Link } from "../link.ts";
import { GpuWait } from "./gpu-wait.ts";
import { Regions } from "./regions.ts";
import { BLOCK, FREE, ShmLoan, SMALL } from "./shm-loan.ts";
import { Staging } from "./staging.ts";
import type { EndStats, ProducerEnd } from "./transport.ts";

const { LF_INLINE_MAX, LF_FULL, LF_PENDING } = CONSTANTS;

/** The largest block. */
const BLOCK_MAX = 2 ** 32;

const LOANS = 16;

/** What nobody can send. */
const NONE = Symbol();

const loanInfo = new Uint8Array(new ArrayBuffer(LOAN.size));
const loanWords = new Uint32Array(loanInfo.buffer);
const loanNumbers = new Float64Array(loanInfo.buffer);
const stats = new Float64Array(new ArrayBuffer(PORT_STATS.size));
const regionId = new Uint32Array(new ArrayBuffer(4));
const awaited = new Float64Array(new ArrayBuffer(8));

export class ShmProducer implements ProducerEnd {
  readonly #shim = native();
  readonly #handle: number;
  readonly #loans: ShmLoan[] = [];
  #nextLoan = 0;
  #loaned = 0;
  #full = 0;
  readonly #regions = new Regions(
    (id, out) => this.#shim.lf_producer_region(this.#handle, id, out),
    (id) => this.#shim.lf_producer_keep(this.#handle, id),
  );
  /** MemoryBuffers that the peer knows, with their handles. */
  readonly #known = new Map<MemoryBuffer, number>();
  /** The one of them that was sent last: most senders send the same again, and a look into the map costs as much as the
   * rest of it. */
  #last: MemoryBuffer | typeof NONE = NONE;
  #lastMemory = 0;
  /** Buffers on the GPU that its driver does not share on: they came from another process. */
  readonly #unshareable = new WeakSet<MemoryBuffer>();
  /** How to stop watching those that are known. */
  readonly #unwatch = new Map<MemoryBuffer, () => void>();
  readonly #wake: () => void;
  /** The GPU whose buffers are passed as they are; null: none. */
  #device: GpuDevice | null = null;
  #queue: GpuQueue | null = null;
  #gpuWait: GpuWait | null = null;
  /** The last buffer that was not sent because of GPU work on it. */
  #pending: MemoryBuffer | null = null;
  #staging: Staging | null = null;
  #closed = false;

  /** `wake` is called when a payload that was not ready may be. */
  static open(link: Link, slots: number, fenced: 0 | 1, wake: () => void): ShmProducer {
    const shim = native();
    const handle = check(shim, shim.lf_producer_open(link.handle, slots, fenced), "making the channel's segment");
    return new ShmProducer(handle, wake);
  }

  private constructor(handle: number, wake: () => void) {
    this.#handle = handle;
    this.#wake = wake;
    for (let i = 0; i < LOANS; i++) this.#loans.push(new ShmLoan(this));
  }

  /**
   * From now on buffers on this GPU are passed as they are. `shareTimeline`: the peer's queue waits for work on them;
   * else sending does.
   */
  useDevice(device: GpuDevice, shareTimeline: boolean): void {
    check(this.#shim, this.#shim.lf_producer_use_device(this.#handle, device.handle, shareTimeline ? 1 : 0));
    this.#device = device.retain();
    this.#queue = device.queue;
    this.#gpuWait = new GpuWait(device, this.#wake);
  }

  trySend(payload: ArrayBufferView | MemoryBuffer): boolean {
    if (payload instanceof Uint8Array) return this.#sendView(payload);
    if (payload === this.#last) return this.#sendMemory(this.#last as MemoryBuffer, this.#lastMemory);
    if (payload instanceof MemoryBuffer) return this.#sendBuffer(payload);
    if (ArrayBuffer.isView(payload)) return this.#sendView(payload);
    throw invalidArgument("payload", payload, "a typed array, a DataView or a MemoryBuffer");
  }

  #sendView(view: ArrayBufferView): boolean {
    const length = view.byteLength;
    if (length === 0 || length > 0xffffffff) checkLength(view);
    const result = this.#shim.lf_producer_send(this.#handle, view as Uint8Array, length);
    if (result === 1) return true;
    return this.#notSent(result) && this.#sendView(view);
  }

  #sendBuffer(buffer: MemoryBuffer): boolean {
    const known = this.#known.get(buffer);
    if (known !== undefined) {
      this.#last = buffer;
      this.#lastMemory = known;
      return this.#sendMemory(buffer, known);
    }
    const direct = buffer.isGpu
      ? deviceOf(buffer) === this.#device && !this.#unshareable.has(buffer)
      : buffer.strategy === "shared";
    if (!direct) return buffer.isGpu ? this.#sendStaged(buffer) : this.#sendView(buffer.bytes);
    const memory = nativeMemory(buffer);
    this.#watch(buffer, memory);
    return this.#sendMemory(buffer, memory);
  }

  #sendMemory(buffer: MemoryBuffer, memory: number): boolean {
    // What has not been handed to the GPU yet, the shim does not know of.
    if (this.#queue !== null && !this.#queue.submitted && buffer.isGpu) return this.#wait(buffer);
    const result = this.#shim.lf_producer_send_memory(this.#handle, memory);
    if (result === 1) return true;
    if (result === LF_PENDING) return this.#wait(buffer);
    if (result < 0) return this.#sendUnshareable(buffer);
    return this.#notSent(result) && this.#sendMemory(buffer, memory);
  }

  /** A driver need not share on what came from another process. */
  #sendUnshareable(buffer: MemoryBuffer): boolean {
    const error = lastError(this.#shim);
    if (!buffer.isGpu || error.code !== "EXTERNAL_MEMORY_UNSUPPORTED") throw error;
    this.#unwatch.get(buffer)?.();
    this.#forget(buffer);
    this.#unshareable.add(buffer);
    return this.#sendStaged(buffer);
  }

  /** Not now: GPU work on the buffer has to end first. */
  #wait(buffer: MemoryBuffer): false {
    this.#pending = buffer;
    return false;
  }

  /** The peer maps a buffer once; when the buffer goes here, the peer is told. */
  #watch(buffer: MemoryBuffer, memory: number): void {
    const unwatch = onClose(buffer, () => {
      this.#forget(buffer);
      this.#shim.lf_producer_forget_memory(this.#handle, memory);
    });
    this.#known.set(buffer, memory);
    this.#unwatch.set(buffer, unwatch);
  }

  #forget(buffer: MemoryBuffer): void {
    this.#known.delete(buffer);
    this.#unwatch.delete(buffer);
    if (this.#last === buffer) this.#last = NONE;
  }

  /** Copies the buffer into a block, by and by; sends that when it is called again afterwards. */
  #sendStaged(buffer: MemoryBuffer): boolean {
    nativeMemory(buffer); // CLOSED where it is
    const staging = this.#staging;
    if (staging === null || (staging.buffer !== buffer && staging.state !== "copying")) return this.#stage(buffer);
    if (staging.state === "copying") {
      this.#pending = null;
      return false;
    }
    this.#staging = null;
    if (staging.state === "failed") {
      this.#shim.lf_producer_abort(this.#handle, staging.block);
      throw staging.error;
    }
    check(this.#shim, this.#shim.lf_producer_commit(this.#handle, staging.block, buffer.sizeBytes, 1));
    return true;
  }

  #stage(buffer: MemoryBuffer): boolean {
    this.#dropStaging();
    const { sizeBytes } = buffer;
    if (sizeBytes > BLOCK_MAX) {
      throw invalidArgument("payload", `a buffer of ${sizeBytes} bytes that has to be staged`, `at most ${BLOCK_MAX}`);
    }
    const result = this.#shim.lf_producer_loan(this.#handle, sizeBytes, loanInfo);
    if (result !== 1) return this.#notSent(result) && this.#stage(buffer);
    const block = loanWords[LOAN.block / 4] as number;
    const id = loanWords[LOAN.region / 4] as number;
    const view = this.#regions.view(id, block, loanNumbers[LOAN.offset / 8] as number, sizeBytes);
    this.#staging = new Staging(buffer, block, view, this.#wake);
    return false;
  }

  /** One that nobody asked for again. */
  #dropStaging(): void {
    if (this.#staging) this.#shim.lf_producer_abort(this.#handle, this.#staging.block);
    this.#staging = null;
  }

  /** Nothing was sent. True when it is worth trying again at once, false when there is no room. */
  #notSent(result: number): boolean {
    this.#pending = null;
    if (result === LF_FULL) {
      this.#full++;
      return false;
    }
    if (result < 0) throw lastError(this.#shim);
    // LF_RETIRE: an idle region of other sizes has to make place.
    if (this.#shim.lf_producer_retirable(this.#handle, regionId) !== 1) return false;
    const id = regionId[0] as number;
    this.#regions.detach(id);
    check(this.#shim, this.#shim.lf_producer_retire(this.#handle, id));
    return true;
  }

  tryLoan(sizeBytes: number): Loan | null {
    const loan = this.#freeLoan();
    if (sizeBytes <= LF_INLINE_MAX) {
      const result = this.#shim.lf_producer_reserve(this.#handle);
      if (result !== 1) {
        this.#notSent(result);
        return null;
      }
      return this.#lend(loan, SMALL, sizeBytes);
    }
    const result = this.#shim.lf_producer_loan(this.#handle, sizeBytes, loanInfo);
    if (result !== 1) return this.#notSent(result) ? this.tryLoan(sizeBytes) : null;
    const block = loanWords[LOAN.block / 4] as number;
    const id = loanWords[LOAN.region / 4] as number;
    loan.block = block;
    loan.view = this.#regions.view(id, block, loanNumbers[LOAN.offset / 8] as number, sizeBytes);
    return this.#lend(loan, BLOCK, sizeBytes);
  }

  #lend(loan: ShmLoan, state: number, sizeBytes: number): ShmLoan {
    this.#nextLoan++;
    this.#loaned++;
    loan.state = state;
    loan.sizeBytes = sizeBytes;
    return loan;
  }

  #freeLoan(): ShmLoan {
    if (this.#loaned * 2 > this.#loans.length) {
      const more = this.#loans.length;
      for (let i = 0; i < more; i++) this.#loans.push(new ShmLoan(this));
    }
    for (;;) {
      const loan = this.#loans[this.#nextLoan & (this.#loans.length - 1)] as ShmLoan;
      if (loan.state === FREE) return loan.cell.length > 0 ? loan : this.#renew(loan);
      this.#nextLoan++;
    }
  }

  /** Its user transferred the cell's ArrayBuffer: the next loan gets another one. */
  #renew(loan: ShmLoan): ShmLoan {
    return (this.#loans[this.#loans.indexOf(loan)] = new ShmLoan(this));
  }

  commit(loan: ShmLoan, sizeBytes: number): void {
    const small = loan.state === SMALL;
    if (small && loan.cell.length === 0) {
      this.abort(loan);
      throw new LavaFlowError("CLOSED", "this loan's memory was transferred", { remedy: "Copy from it instead" });
    }
    const result = small
      ? this.#shim.lf_producer_commit_inline(this.#handle, loan.cell, sizeBytes)
      : this.#shim.lf_producer_commit(this.#handle, loan.block, sizeBytes, 0);
    loan.state = FREE;
    this.#loaned--;
    if (result < 0) throw lastError(this.#shim);
  }

  abort(loan: ShmLoan): void {
    const small = loan.state === SMALL;
    loan.state = FREE;
    this.#loaned--;
    const result = small
      ? this.#shim.lf_producer_abort_inline(this.#handle)
      : this.#shim.lf_producer_abort(this.#handle, loan.block);
    if (result < 0) throw lastError(this.#shim);
  }

  #read(): Float64Array {
    check(this.#shim, this.#shim.lf_producer_stats(this.#handle, stats));
    return stats;
  }

  drained(): boolean {
    return this.#read()[PORT_STATS.queued / 8] === 0;
  }

  arm(untilReleased: boolean): boolean {
    const moved = check(this.#shim, this.#shim.lf_producer_arm(this.#handle, untilReleased ? 1 : 0)) >= 1;
    return untilReleased || this.#pending === null ? moved : this.#armForWork(this.#pending);
  }

  /** For the end of the GPU work that the last payload waits for. */
  #armForWork(buffer: MemoryBuffer): boolean {
    this.#pending = null;
    const { queue } = this.#device as GpuDevice;
    if (!queue.submitted) {
      this.#gpuWait?.submitted();
      return false;
    }
    const value = this.#known.has(buffer) ? queue.pending(nativeMemory(buffer)) : 0;
    if (value === 0) return true;
    this.#gpuWait?.reach(value);
    return false;
  }

  rang(): void {}

  /** The peer's queue may wait for work here: were this end gone before, it would go on without. */
  settled(): Promise<void> | null {
    const device = this.#device;
    if (device === null || this.#awaited() === 0) return null;
    const settle = async () => {
      for (let value = this.#awaited(); value > 0; value = this.#awaited()) await device.queue.wait(value);
    };
    // Out of time, or out of a device: then it has to do without.
    return settle().catch(() => {});
  }

  /** The value that the peer may wait for, 0 where there is none. */
  #awaited(): number {
    check(this.#shim, this.#shim.lf_producer_pending(this.#handle, awaited));
    return awaited[0] as number;
  }

  stats(): EndStats {
    const now = this.#read();
    return {
      frames: now[PORT_STATS.frames / 8] as number,
      bytes: now[PORT_STATS.bytes / 8] as number,
      full: this.#full,
      queued: now[PORT_STATS.queued / 8] as number,
      importsCached: now[PORT_STATS.imports / 8] as number,
    };
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const unwatch of this.#unwatch.values()) unwatch();
    this.#unwatch.clear();
    this.#known.clear();
    for (const loan of this.#loans) loan.state = FREE;
    this.#regions.detachAll();
    this.#shim.lf_producer_close(this.#handle);
    this.#device?.release();
  }
}

function checkLength(view: ArrayBufferView): void {
  if (view.byteLength > 0xffffffff) {
    throw invalidArgument(
      "payload",
      `a view of ${view.byteLength} bytes`,
      "at most 4294967295 bytes, or a shared MemoryBuffer",
    );
  }
  if (view.buffer instanceof ArrayBuffer && view.buffer.detached) {
    throw new LavaFlowError("CLOSED", "the payload's memory was closed", { remedy: "Send before closing its buffer" });
  }
}
