/** The reused loans of a producer: lending allocates nothing. */
import { invalidArgument, LavaFlowError } from "../../errors.ts";
import { type ViewType, viewAs } from "../../memory/bytes.ts";
import { CONSTANTS } from "../../native/layout.ts";
import type { Loan } from "../wire/frame.ts";

const { LF_INLINE_MAX } = CONSTANTS;

export const FREE = 0;
/** The payload is in the loan's cell. */
export const SMALL = 1;
export const BLOCK = 2;

/** The Loans that a loan belongs to. */
interface LoanOwner {
  commit(loan: CellLoan, sizeBytes: number): void;
  abort(loan: CellLoan): void;
}

/** A loan, with the cell of a small payload, which `commit` copies to the slot. */
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
