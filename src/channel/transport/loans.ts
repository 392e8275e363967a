/** The blocks and loans of a sending end, which are reused. */
import { LavaFlowError } from "../../errors.ts";
import { CONSTANTS, LOAN } from "../../native/layout.ts";
import { native } from "../../native/load.ts";
import { check, lastError } from "../../native/status.ts";
import type { Loan } from "../wire/frame.ts";
import { BLOCK, CellLoan, FREE, SMALL } from "./cell-loan.ts";
import { Regions } from "./regions.ts";

const { LF_INLINE_MAX, LF_FULL } = CONSTANTS;

/** Bytes of the largest block: one ArrayBuffer. */
export const BLOCK_MAX = 2 ** 32;

const LOANS = 16;

const info = new Uint8Array(new ArrayBuffer(LOAN.sizeof));
const words = new Uint32Array(info.buffer);
const numbers = new Float64Array(info.buffer);
const regionId = new Uint32Array(new ArrayBuffer(4));

export class Loans {
  /** How often the queue was full. */
  full = 0;
  /** The number of the block that `tryBlock` returned last. */
  lastBlock = 0;
  readonly #handle: number;
  readonly #shim = native();
  readonly #failed: (error: unknown) => void;
  readonly #regions: Regions;
  readonly #loans: CellLoan[] = [];
  #next = 0;
  #loaned = 0;

  /** `failed` is also called with the error that `commit` throws. */
  constructor(handle: number, failed: (error: unknown) => void) {
    this.#handle = handle;
    this.#failed = failed;
    this.#regions = new Regions((id, out) => this.#shim.lf_tx_region(handle, id, out));
    for (let i = 0; i < LOANS; i++) this.#loans.push(new CellLoan(this));
  }

  /** Nothing was sent. True: retry at once. False: the queue is full. */
  retry(result: number): boolean {
    if (result === LF_FULL) {
      this.full++;
      return false;
    }
    if (result < 0) throw lastError(this.#shim);
    // LF_RETIRE: an idle region of other sizes has to be freed first.
    if (this.#shim.lf_tx_retirable(this.#handle, regionId) !== 1) return false;
    const id = regionId[0] as number;
    this.#regions.detach(id);
    check(this.#shim, this.#shim.lf_tx_retire(this.#handle, id));
    return true;
  }

  tryLoan(sizeBytes: number): Loan | null {
    const loan = this.#freeLoan();
    if (sizeBytes > LF_INLINE_MAX) {
      const memory = this.tryBlock(sizeBytes);
      if (memory === null) return null;
      loan.block = this.lastBlock;
      loan.memory = memory;
      return this.#lend(loan, BLOCK, sizeBytes);
    }
    const result = this.#shim.lf_tx_reserve(this.#handle);
    if (result === 1) return this.#lend(loan, SMALL, sizeBytes);
    this.retry(result);
    return null;
  }

  /** The memory of a block, whose number is then in `lastBlock`; null if the queue is full. */
  tryBlock(sizeBytes: number): Uint8Array<ArrayBuffer> | null {
    const result = this.#shim.lf_tx_loan(this.#handle, sizeBytes, info);
    if (result !== 1) return this.retry(result) ? this.tryBlock(sizeBytes) : null;
    const block = words[LOAN.block / 4] as number;
    const id = words[LOAN.region / 4] as number;
    this.lastBlock = block;
    return this.#regions.view(id, block, numbers[LOAN.offset / 8] as number, sizeBytes);
  }

  /** Releases a block without sending it. */
  abortBlock(block: number): number {
    return this.#shim.lf_tx_abort(this.#handle, block);
  }

  #lend(loan: CellLoan, state: number, sizeBytes: number): CellLoan {
    this.#next++;
    this.#loaned++;
    loan.state = state;
    loan.sizeBytes = sizeBytes;
    return loan;
  }

  #freeLoan(): CellLoan {
    if (this.#loaned * 2 > this.#loans.length) {
      const more = this.#loans.length;
      for (let i = 0; i < more; i++) this.#loans.push(new CellLoan(this));
    }
    for (;;) {
      const loan = this.#loans[this.#next & (this.#loans.length - 1)] as CellLoan;
      if (loan.state === FREE) return loan.cell.length > 0 ? loan : this.#renew(loan);
      this.#next++;
    }
  }

  /** The user transferred the cell's ArrayBuffer: replaces the loan. */
  #renew(loan: CellLoan): CellLoan {
    return (this.#loans[this.#loans.indexOf(loan)] = new CellLoan(this));
  }

  commit(loan: CellLoan, sizeBytes: number): void {
    const small = loan.state === SMALL;
    if (small && loan.cell.length === 0) {
      this.abort(loan);
      throw new LavaFlowError("CLOSED", "this loan's memory was transferred", { remedy: "Copy from it instead" });
    }
    const result = small
      ? this.#shim.lf_tx_commit_inline(this.#handle, loan.cell, sizeBytes)
      : this.#shim.lf_tx_commit(this.#handle, loan.block, sizeBytes);
    this.#end(loan, result);
  }

  abort(loan: CellLoan): void {
    const small = loan.state === SMALL;
    this.#end(loan, small ? this.#shim.lf_tx_abort_inline(this.#handle) : this.abortBlock(loan.block));
  }

  #end(loan: CellLoan, result: number): void {
    loan.state = FREE;
    this.#loaned--;
    if (result >= 0) return;
    const error = lastError(this.#shim);
    this.#failed(error);
    throw error;
  }

  /** Invalidates every loan, and detaches every view. */
  close(): void {
    for (const loan of this.#loans) loan.state = FREE;
    this.#regions.detachAll();
  }
}
