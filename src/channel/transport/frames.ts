/** The frames of a receiving end, which are reused. */
import { CONSTANTS } from "../../native/layout.ts";
import { native } from "../../native/load.ts";
import { check, lastError } from "../../native/status.ts";
import { ARRIVING, CellFrame, FREE, type FrameOwner, IN_REGION, INLINE } from "./cell-frame.ts";
import { Regions } from "./regions.ts";

const { LF_INLINE_MAX, LF_EMPTY, LF_TIMEOUT, LF_REGION, LF_RETIRE } = CONSTANTS;

/** Frames that are allocated at first. A released frame is reused only after all the others. */
const FRAMES = 64;

/** Milliseconds of the longest single call of a blocking wait: half of the 100 within which a terminated Worker has to end. */
const SLICE_MS = 50;

const regionId = new Uint32Array(new ArrayBuffer(4));

interface FramesOwner extends FrameOwner {
  /** The peer frees the region: closes every buffer in it. */
  forget(region: number): void;
}

export class Frames {
  readonly regions: Regions;
  readonly #handle: number;
  readonly #shim = native();
  readonly #owner: FramesOwner;
  readonly #frames: CellFrame[] = [];
  #next = 0;

  constructor(handle: number, owner: FramesOwner) {
    this.#handle = handle;
    this.#owner = owner;
    this.regions = new Regions((id, out) => this.#shim.lf_rx_region(handle, id, out));
    for (let i = 0; i < FRAMES; i++) this.#frames.push(new CellFrame(owner));
  }

  /** Null while there is no frame. */
  receive(): CellFrame | null {
    const frame = this.#freeFrame();
    const result = this.#shim.lf_rx_receive(this.#handle, frame.cell);
    if (result >= 0 && result <= LF_INLINE_MAX) return this.#take(frame, INLINE, result);
    if (result === LF_EMPTY) return null;
    return this.#takeOther(frame, result);
  }

  /**
   * Blocks this thread; null after `timeoutMs`. Waits in slices: the engine ends a Worker only while the Worker runs
   * JavaScript, so a single call would keep a terminated Worker alive.
   */
  receiveSync(timeoutMs: number, spinUs: number): CellFrame | null {
    if (timeoutMs <= SLICE_MS) return this.#receiveSlice(timeoutMs, spinUs);
    const frame = this.#receiveSlice(SLICE_MS, spinUs);
    return frame === null ? this.#receiveSlices(timeoutMs, spinUs) : frame;
  }

  /** Waits in slices, after a first one of SLICE_MS. */
  #receiveSlices(timeoutMs: number, spinUs: number): CellFrame | null {
    const start = performance.now() - SLICE_MS;
    for (;;) {
      const passed = performance.now() - start;
      if (passed >= timeoutMs) return null;
      const spinLeft = Math.max(0, spinUs - passed * 1000);
      const frame = this.#receiveSlice(Math.min(SLICE_MS, timeoutMs - passed), spinLeft);
      if (frame !== null) return frame;
    }
  }

  #receiveSlice(timeoutMs: number, spinUs: number): CellFrame | null {
    const frame = this.#freeFrame();
    const result = this.#shim.lf_rx_receive_wait(this.#handle, timeoutMs, spinUs, frame.cell);
    if (result >= 0 && result <= LF_INLINE_MAX) return this.#take(frame, INLINE, result);
    if (result === LF_TIMEOUT) return null;
    if (result === LF_RETIRE) {
      this.#retire(frame.region);
      return this.#receiveSlice(timeoutMs, spinUs);
    }
    if (result < 0 && this.#renew(frame)) return this.#receiveSlice(timeoutMs, spinUs);
    return this.#takeOther(frame, result);
  }

  /** The payload of a frame that lies in a block. */
  view(frame: CellFrame): Uint8Array<ArrayBuffer> {
    return this.regions.view(frame.region, frame.token - 1, frame.numbers[0] as number, frame.sizeBytes);
  }

  #take(frame: CellFrame, state: number, sizeBytes: number): CellFrame {
    this.#next++;
    frame.uses++;
    frame.state = state;
    frame.sizeBytes = sizeBytes;
    return frame;
  }

  #takeOther(frame: CellFrame, first: number): CellFrame | null {
    let result = first;
    while (result === LF_RETIRE) {
      this.#retire(frame.region);
      result = this.#shim.lf_rx_receive(this.#handle, frame.cell);
    }
    if (result < 0) {
      if (this.#renew(frame)) return this.receive();
      throw lastError(this.#shim);
    }
    if (result === LF_REGION) return this.#take(frame, IN_REGION, frame.numbers[1] as number);
    if (result <= LF_INLINE_MAX) return this.#take(frame, INLINE, result);
    return null;
  }

  #freeFrame(): CellFrame {
    const frame = this.#frames[this.#next & (this.#frames.length - 1)] as CellFrame;
    return frame.state === FREE ? frame : this.#nextFree();
  }

  /** Skips frames that are held. Doubles the number of frames after half of them. */
  #nextFree(): CellFrame {
    const { length } = this.#frames;
    for (let steps = 0; ; steps++) {
      if (steps === length / 2) for (let i = 0; i < length; i++) this.#frames.push(new CellFrame(this.#owner));
      const frame = this.#frames[++this.#next & (this.#frames.length - 1)] as CellFrame;
      if (frame.state === FREE) return frame;
    }
  }

  /** If the user transferred the cell's ArrayBuffer, replaces the frame and returns true. */
  #renew(frame: CellFrame): boolean {
    if (frame.cell.length > 0) return false;
    this.#frames[this.#frames.indexOf(frame)] = new CellFrame(this.#owner);
    return true;
  }

  #retire(id: number): void {
    this.#owner.forget(id);
    this.regions.detach(id);
    check(this.#shim, this.#shim.lf_rx_retire(this.#handle, id));
  }

  /** Frees the idle regions that frames not yet received need gone. `retirable` names the next such region. */
  retireRegions(retirable: (out: Uint32Array) => number): void {
    while (check(this.#shim, retirable(regionId)) === 1) this.#retire(regionId[0] as number);
  }

  /** The number of frames that were received and not released. */
  get held(): number {
    return this.#frames.reduce((count, { state }) => (state === FREE || state === ARRIVING ? count : count + 1), 0);
  }

  /** Invalidates every frame, and detaches every view. */
  close(): void {
    for (const frame of this.#frames) frame.state = FREE;
    this.regions.detachAll();
  }
}
