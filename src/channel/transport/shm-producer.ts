/** The sending end of a shared-memory channel. */
import { invalidArgument, LavaFlowError } from "../../errors.ts";
import { MemoryBuffer, nativeMemory, onClose } from "../../memory/buffer.ts";
import { CONSTANTS, LOAN, PORT_STATS } from "../../native/layout.ts";
import { native } from "../../native/load.ts";
import { check, lastError } from "../../native/status.ts";
import type { Loan } from "../frame.ts";
import type { Link } from "../link.ts";
import { Regions } from "./regions.ts";
import type { EndStats, ProducerEnd } from "./transport.ts";

const { LF_INLINE_MAX, LF_FULL } = CONSTANTS;

const FREE = 0;
const SMALL = 1;
const BLOCK = 2;

/** A loan and, for small ones, the cell that is written and then copied into the slot by `commit`. */
class ShmLoan implements Loan {
  state = FREE;
  sizeBytes = 0;
  block = 0;
  /** The block's memory (BLOCK only). */
  view: Uint8Array | null = null;
  readonly cell = new Uint8Array(new ArrayBuffer(LF_INLINE_MAX));
  readonly #views: (Uint8Array | undefined)[] = new Array(LF_INLINE_MAX + 1);
  readonly #end: ShmProducer;

  constructor(end: ShmProducer) {
    this.#end = end;
  }

  get bytes(): Uint8Array {
    if (this.state === BLOCK) return this.view as Uint8Array;
    if (this.state === SMALL) {
      return (this.#views[this.sizeBytes] ??= new Uint8Array(this.cell.buffer, 0, this.sizeBytes));
    }
    throw used();
  }

  commit(sizeBytes = this.sizeBytes): void {
    if (this.state === FREE) throw used();
    if (!Number.isInteger(sizeBytes) || sizeBytes < 0 || sizeBytes > this.sizeBytes) {
      throw invalidArgument("sizeBytes", sizeBytes, `a whole number from 0 to the loan's ${this.sizeBytes} bytes`);
    }
    this.#end.commit(this, sizeBytes);
  }

  abort(): void {
    if (this.state === FREE) throw used();
    this.#end.abort(this);
  }
}

function used(): LavaFlowError {
  return new LavaFlowError("CLOSED", "this loan was committed or aborted", { remedy: "Ask for another loan" });
}

const LOANS = 16;

const loanInfo = new Uint8Array(new ArrayBuffer(LOAN.size));
const loanWords = new Uint32Array(loanInfo.buffer);
const loanNumbers = new Float64Array(loanInfo.buffer);
const stats = new Float64Array(new ArrayBuffer(PORT_STATS.size));
const regionId = new Uint32Array(new ArrayBuffer(4));

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
  /** MemoryBuffers that the peer has mapped, and how to stop watching them. */
  readonly #watched = new Map<MemoryBuffer, () => void>();
  #closed = false;

  static open(link: Link, slots: number, fenced: 0 | 1): ShmProducer {
    const shim = native();
    return new ShmProducer(
      check(shim, shim.lf_producer_open(link.handle, slots, fenced), "making the channel's segment"),
    );
  }

  private constructor(handle: number) {
    this.#handle = handle;
    for (let i = 0; i < LOANS; i++) this.#loans.push(new ShmLoan(this));
  }

  trySend(payload: ArrayBufferView | MemoryBuffer): boolean {
    if (payload instanceof Uint8Array) return this.#sendView(payload);
    if (payload instanceof MemoryBuffer) {
      return payload.strategy === "shared" ? this.#sendMemory(payload) : this.#sendView(payload.bytes);
    }
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

  #sendMemory(buffer: MemoryBuffer): boolean {
    if (!this.#watched.has(buffer)) this.#watch(buffer);
    const result = this.#shim.lf_producer_send_memory(this.#handle, nativeMemory(buffer));
    if (result === 1) return true;
    return this.#notSent(result) && this.#sendMemory(buffer);
  }

  /** The peer maps a buffer once; when the buffer goes here, the peer is told. */
  #watch(buffer: MemoryBuffer): void {
    const memory = nativeMemory(buffer);
    const unwatch = onClose(buffer, () => {
      this.#watched.delete(buffer);
      this.#shim.lf_producer_forget_memory(this.#handle, memory);
    });
    this.#watched.set(buffer, unwatch);
  }

  /** Nothing was sent. True when it is worth trying again at once, false when there is no room. */
  #notSent(result: number): boolean {
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
      : this.#shim.lf_producer_commit(this.#handle, loan.block, sizeBytes);
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
    return check(this.#shim, this.#shim.lf_producer_arm(this.#handle, untilReleased ? 1 : 0)) >= 1;
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
    for (const unwatch of this.#watched.values()) unwatch();
    this.#watched.clear();
    for (const loan of this.#loans) loan.state = FREE;
    this.#regions.detachAll();
    this.#shim.lf_producer_close(this.#handle);
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
