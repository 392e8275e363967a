/** Frames as the consumer keeps them: used again and again, so that receiving makes no garbage. */
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
/** In memory of this side's own GPU. */
export const COPIED = 3;
/** On its way there: not its user's yet. */
export const ARRIVING = 4;

/**
 * The shim's tokens of frames that are MemoryBuffers have the highest bit; the rest is the place of their region. Read as
 * signed numbers, which the engine keeps in registers, they are below 0, and blocks above it.
 */
export const REGION_INDEX = 0x7fffffff;

/** What a frame needs of the end that it came out of. */
export interface FrameOwner {
  bytesOf(frame: CellFrame): Uint8Array<ArrayBuffer>;
  bufferOf(frame: CellFrame): MemoryBuffer | undefined;
  /** `token` 0 for an inline payload. */
  release(token: number): void;
  recycle(copy: CopyBlock): void;
}

/**
 * One frame and the cell that the shim fills: small payloads are copied out of the ring into it (a move of at most two
 * cache lines), so that a held frame does not hold up the ring and the peer can't change what was received.
 */
export class CellFrame implements ReusedFrame {
  state = FREE;
  sizeBytes = 0;
  uses = 0;
  /** Where the payload is (COPIED only). */
  copy: CopyBlock | null = null;
  /** The frame's buffer where that is a part of another, once it was asked for. */
  part: MemoryBuffer | null = null;
  readonly cell = new Uint8Array(new ArrayBuffer(FRAME.sizeof));
  /** Region and token, and where REACH says. */
  readonly words = new Int32Array(this.cell.buffer, FRAME.region, (FRAME.sizeof - FRAME.region) / 4);
  /** Offset, length and sequence. */
  readonly numbers = new Float64Array(this.cell.buffer, FRAME.offset, 3);
  /** Views of the cell by length, made once each. */
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

  /** Where a frame in a region begins there, bytes. */
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
