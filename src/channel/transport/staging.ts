/** Copies MemoryBuffers on a GPU that the peer can't reach into blocks that it can reach. */
import { invalidArgument } from "../../errors.ts";
import { checkOpen, type MemoryBuffer } from "../../memory/buffer.ts";
import { BLOCK_MAX, type Loans } from "./loans.ts";

/** One running copy. */
class Copy {
  readonly buffer: MemoryBuffer;
  readonly block: number;
  /** "copying" at first. */
  state: "copying" | "ready" | "failed" = "copying";
  error: unknown = null;

  /** `view` is the memory of `block`. `wake` is called when the copy has ended or failed. */
  constructor(buffer: MemoryBuffer, block: number, view: Uint8Array, wake: () => void) {
    this.buffer = buffer;
    this.block = block;
    buffer.read(view).then(
      () => {
        this.state = "ready";
        wake();
      },
      (error) => {
        this.state = "failed";
        this.error = error;
        wake();
      },
    );
  }
}

export class Staging {
  readonly #loans: Loans;
  readonly #commit: (block: number, sizeBytes: number) => void;
  readonly #wake: () => void;
  #copy: Copy | null = null;

  /** `commit` sends a block. `wake` is called when a buffer that was not ready may be ready. */
  constructor(loans: Loans, commit: (block: number, sizeBytes: number) => void, wake: () => void) {
    this.#loans = loans;
    this.#commit = commit;
    this.#wake = wake;
  }

  /** The first call begins the copy. A call after its end sends the block and returns true. */
  trySend(buffer: MemoryBuffer): boolean {
    checkOpen(buffer);
    const copy = this.#copy;
    if (copy === null || (copy.buffer !== buffer && copy.state !== "copying")) return this.#begin(buffer);
    if (copy.state === "copying") return false;
    this.#copy = null;
    if (copy.state === "failed") {
      this.#loans.abortBlock(copy.block);
      throw copy.error;
    }
    this.#commit(copy.block, buffer.sizeBytes);
    return true;
  }

  #begin(buffer: MemoryBuffer): boolean {
    // The last buffer was copied, and `trySend` was not called for it again.
    if (this.#copy) this.#loans.abortBlock(this.#copy.block);
    this.#copy = null;
    const { sizeBytes } = buffer;
    if (sizeBytes > BLOCK_MAX) {
      throw invalidArgument("payload", `a buffer of ${sizeBytes} bytes that has to be staged`, `at most ${BLOCK_MAX}`);
    }
    const view = this.#loans.tryBlock(sizeBytes);
    if (view !== null) this.#copy = new Copy(buffer, this.#loans.lastBlock, view, this.#wake);
    return false;
  }
}
