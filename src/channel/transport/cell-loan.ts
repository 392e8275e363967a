/** Loans as the producer keeps them: used again and again, so that lending makes no garbage. */
import { invalidArgument, LavaFlowError } from "../../errors.ts";
import { type ViewType, viewAs } from "../../memory/bytes.ts";
import { CONSTANTS } from "../../native/layout.ts";
import type { Loan } from "../wire/frame.ts";

const { LF_INLINE_MAX } = CONSTANTS;

export const FREE = 0;
/** In the loan's own cell. */
export const SMALL = 1;
export const BLOCK = 2;

/** What a loan needs of the end that it came out of. */
interface LoanOwner {
  commit(loan: CellLoan, sizeBytes: number): void;
  abort(loan: CellLoan): void;
}

/** A loan and, for small ones, the cell that is written and then copied into the slot by `commit`. */
export class CellLoan implements Loan {
  state = FREE;
  sizeBytes = 0;
  block = 0;
  /** The block's memory (BLOCK only). */
  memory: Uint8Array<ArrayBuffer> | null = null;
  readonly cell = new Uint8Array(new ArrayBuffer(LF_INLINE_MAX));
  readonly #views: (Uint8Array<ArrayBuffer> | undefined)[] = new Array(LF_INLINE_MAX + 1);
  readonly #end: LoanOwner;

  constructor(end: LoanOwner) {
    this.#end = end;
  }

  get bytes(): Uint8Array<ArrayBuffer> {
    if (this.state === BLOCK) return this.memory as Uint8Array<ArrayBuffer>;
    if (this.state === SMALL) {
      return (this.#views[this.sizeBytes] ??= new Uint8Array(this.cell.buffer, 0, this.sizeBytes));
    }
    throw used();
  }

  view<T extends ArrayBufferView>(type: ViewType<T>): T {
    return viewAs(this.bytes, type);
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
