/** The reused frames of a consumer: receiving allocates nothing. */
import { LavaFlowError } from "../../errors.ts";
import type { MemoryBuffer } from "../../memory/buffer.ts";
import { type ViewType, viewAs } from "../../memory/bytes.ts";
import { CONSTANTS, FRAME } from "../../native/layout.ts";
import type { Frame, ReusedFrame } from "../wire/frame.ts";
import type { CopyBlock } from "./copy-blocks.ts";

const { LF_INLINE_MAX } = CONSTANTS;

const REACH = (FRAME.reach - FRAME.region) / 4;

export const FREE = 0;
export const INLINE = 1;
export const IN_REGION = 2;
/** Copied to memory of this side's GPU. */
export const COPIED = 3;
/** The copy runs: not received yet. */
export const ARRIVING = 4;

/**
 * Mask of a token. The token of a MemoryBuffer has the highest bit set, and the index of its region below. Tokens are read as
 * signed numbers, which the engine keeps in registers: a MemoryBuffer's is negative, a block's is positive.
 */
export const REGION_INDEX = 0x7fffffff;

/** The end that a frame belongs to. */
export interface FrameOwner {
  bytesOf(frame: CellFrame): Uint8Array<ArrayBuffer>;
  bufferOf(frame: CellFrame): MemoryBuffer | undefined;
  /** `token` is 0 for an inline payload. */
  release(token: number): void;
  recycle(copy: CopyBlock): void;
}

/**
 * One frame and the cell that the shim fills. Small payloads are copied from the ring to the cell, at most two cache lines: a
 * held frame occupies no slot, and the peer can't change its payload.
 */
export class CellFrame implements ReusedFrame {
  state = FREE;
  sizeBytes = 0;
  uses = 0;
  /** The block of the payload (COPIED only). */
  copy: CopyBlock | null = null;
  /** The frame's buffer if it is a part of another, once `buffer` was read. */
  part: MemoryBuffer | null = null;
  readonly cell = new Uint8Array(new ArrayBuffer(FRAME.sizeof));
  /** Region, token, and at REACH the LF_REACH_… value. */
  readonly words = new Int32Array(this.cell.buffer, FRAME.region, (FRAME.sizeof - FRAME.region) / 4);
  /** Offset, length and sequence. */
  readonly numbers = new Float64Array(this.cell.buffer, FRAME.offset, 3);
  /** Views of the cell by length, each made once. */
  readonly #views: (Uint8Array<ArrayBuffer> | undefined)[] = new Array(LF_INLINE_MAX + 1);
  readonly #owner: FrameOwner;
  readonly received: Promise<Frame> = Promise.resolve(this);
  readonly result: IteratorYieldResult<Frame> = Object.freeze({ done: false, value: this });
  readonly next = Promise.resolve(this.result);

  constructor(owner: FrameOwner) {
    this.#owner = owner;
  }

  get region(): number {
    return this.words[0] as number;
  }

  get token(): number {
    return this.words[1] as number;
  }

  /** Offset in bytes of a frame in its region. */
  get offset(): number {
    return this.numbers[0] as number;
  }

  /** LF_REACH_... of a frame in a region. */
  get reach(): number {
    return this.words[REACH] as number;
  }

  get bytes(): Uint8Array<ArrayBuffer> {
    if (this.state === INLINE) {
      return (this.#views[this.sizeBytes] ??= new Uint8Array(this.cell.buffer, 0, this.sizeBytes));
    }
    if (this.state === FREE) throw released();
    return this.#owner.bytesOf(this);
  }

  view<T extends ArrayBufferView>(type: ViewType<T>): T {
    return viewAs(this.bytes, type);
  }

  get sequence(): number {
    return this.numbers[2] as number;
  }

  get buffer(): MemoryBuffer | undefined {
    if (this.state === FREE) throw released();
    return this.state === INLINE ? undefined : this.#owner.bufferOf(this);
  }

  release(): void {
    const { state } = this;
    if (state === FREE) throw released();
    this.state = FREE;
    if (this.part !== null) this.#closePart();
    if (state === COPIED) this.#recycle();
    else this.#owner.release(state === INLINE ? 0 : (this.words[1] as number));
  }

  #closePart(): void {
    const part = this.part as MemoryBuffer;
    this.part = null;
    part.close();
  }

  #recycle(): void {
    const copy = this.copy as CopyBlock;
    this.copy = null;
    this.#owner.recycle(copy);
  }

  [Symbol.dispose](): void {
    if (this.state !== FREE) this.release();
  }
}

function released(): LavaFlowError {
  return new LavaFlowError("CLOSED", "this frame was released", {
    remedy: "Copy what is needed later before release()",
  });
}
