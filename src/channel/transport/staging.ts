/** A MemoryBuffer on a GPU that the peer can't reach, on its way into a block that it can. */
import type { MemoryBuffer } from "../../memory/buffer.ts";

export class Staging {
  readonly buffer: MemoryBuffer;
  readonly block: number;
  /** "copying", then one of the others. */
  state: "copying" | "ready" | "failed" = "copying";
  error: unknown = null;

  /** `view` is the block; `wake` is called when the copy has ended, well or not. */
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
