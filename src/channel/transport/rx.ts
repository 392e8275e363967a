/** The receiving end of a channel, of every transport. An RxPart has what differs between them. */
import type { MemoryBuffer } from "../../memory/buffer.ts";
import { CONSTANTS } from "../../native/layout.ts";
import { native } from "../../native/load.ts";
import { check, lastError } from "../../native/status.ts";
import { readEventFd } from "../wait/event.ts";
import type { Arrivals } from "./arrivals.ts";
import { type CellFrame, COPIED, type FrameOwner, IN_REGION } from "./cell-frame.ts";
import type { CopyBlock } from "./copy-blocks.ts";
import { type EndStats, endStats } from "./end.ts";
import { Frames } from "./frames.ts";

const { LF_PENDING, LF_REACH_LOCAL } = CONSTANTS;

/** How one transport brings frames to this side's GPU, and its frames that are MemoryBuffers. */
export interface RxPart {
  /** Frames that are copied to this side's GPU; null: this end uses none. */
  readonly arrivals: Arrivals | null;
  /** Adds a frame that has to be copied to this side's GPU to `arrivals`. */
  addArrival(frame: CellFrame): void;
  /** Requests a wake-up for the first arrival. False: an event of the end brings it. */
  armArrivals(): boolean;
  /** The whole buffer that a frame's memory is a part of. */
  wholeOf?(frame: CellFrame): MemoryBuffer;
  /** Whether the frame is released later, as this side's work on its memory was not submitted yet. */
  releasesLater?(token: number): boolean;
  /** Frames were released whose memory is in use by this side's GPU. */
  releaseDone?(): void;
  /** The peer frees the region: closes every buffer in it. */
  forget?(region: number): void;
  /** As the functions of Rx. */
  notified(ended: boolean): void;
  settled?(): Promise<void> | null;
  /** The end closes: before and after the shim frees it. */
  detach(): void;
  release(): void;
}

export class Rx implements FrameOwner {
  /** Whether calls of `moved` in a loop can replace the event. */
  readonly busyPolls: boolean;
  readonly frames: Frames;
  readonly #shim = native();
  readonly #handle: number;
  readonly #part: RxPart;
  /** Set while frames are copied to this side's GPU. */
  #arriving: Arrivals | null = null;
  #closed = false;

  constructor(handle: number, busyPolls: boolean, part: (rx: Rx) => RxPart) {
    this.busyPolls = busyPolls;
    this.#handle = handle;
    this.frames = new Frames(handle, this);
    this.#part = part(this);
  }

  /** The descriptor that becomes readable at an event, owned by the caller; -1 where the system has none. */
  eventFd(): number {
    return readEventFd((out) => this.#shim.lf_rx_event_fd(this.#handle, out));
  }

  // ───────────── receiving ─────────────

  /** Null while there is no frame. Throws CHANNEL_CLOSED or PEER_DIED once every frame was received. */
  tryRecv(): CellFrame | null {
    if (this.#arriving !== null) return this.#arrived(this.#arriving);
    const frame = this.frames.receive();
    return frame !== null && this.#arrives(frame) ? this.#arrived(this.#part.arrivals as Arrivals) : frame;
  }

  /** Blocks this thread; null after `timeoutMs`. */
  recvSync(timeoutMs: number, spinUs: number): CellFrame | null {
    if (this.#arriving !== null) return this.#arrivedSync(this.#arriving, timeoutMs);
    const frame = this.frames.receiveSync(timeoutMs, spinUs);
    if (frame === null || !this.#arrives(frame)) return frame;
    return this.#arrivedSync(this.#part.arrivals as Arrivals, timeoutMs);
  }

  /** Whether the frame has to be copied to this side's GPU first; if so, begins the copy. */
  #arrives(frame: CellFrame): boolean {
    if (frame.state !== IN_REGION || frame.reach === LF_REACH_LOCAL || this.#part.arrivals === null) return false;
    this.#part.addArrival(frame);
    this.#arriving = this.#part.arrivals;
    return true;
  }

  /** The first arriving frame, once it is copied. Receives the next frames, so that their copies overlap. */
  #arrived(arrivals: Arrivals): CellFrame | null {
    const first = arrivals.next();
    try {
      while (arrivals.length > 0 && arrivals.length < arrivals.max) {
        const frame = this.frames.receive();
        if (frame === null) break;
        if (!this.#arrives(frame)) arrivals.add(frame);
      }
    } catch {
      // The receive after the arriving frames throws the error again.
    }
    arrivals.advance();
    if (arrivals.length === 0) this.#arriving = null;
    return first;
  }

  #arrivedSync(arrivals: Arrivals, timeoutMs: number): CellFrame | null {
    const end = performance.now() + timeoutMs;
    for (;;) {
      const frame = this.#arrived(arrivals);
      if (frame !== null) return frame;
      if (performance.now() >= end) return null;
      arrivals.nap();
    }
  }

  // ───────────── the payloads of frames, and their release ─────────────

  bytesOf(frame: CellFrame): Uint8Array<ArrayBuffer> {
    const isCopy = frame.state === COPIED;
    if (!isCopy && frame.token > 0) return this.frames.view(frame);
    const { sizeBytes } = frame;
    const { bytes } = isCopy ? (frame.copy as CopyBlock).buffer : this.#wholeOf(frame);
    const offset = isCopy ? 0 : frame.offset;
    return sizeBytes === bytes.byteLength ? bytes : bytes.subarray(offset, offset + sizeBytes);
  }

  bufferOf(frame: CellFrame): MemoryBuffer | undefined {
    if (frame.state === COPIED) return (frame.copy as CopyBlock).buffer;
    if (frame.token > 0) return undefined;
    const whole = this.#wholeOf(frame);
    if (frame.sizeBytes === whole.sizeBytes) return whole;
    return (frame.part ??= whole.part(frame.offset, frame.sizeBytes));
  }

  /** Only a part with `wholeOf` receives frames that are MemoryBuffers. */
  #wholeOf(frame: CellFrame): MemoryBuffer {
    return this.#part.wholeOf?.(frame) as MemoryBuffer;
  }

  release(token: number): void {
    if (token >= 0 || !this.#part.releasesLater?.(token)) this.giveBack(token);
  }

  /** Releases a frame for the sender. */
  giveBack(token: number): void {
    const result = this.#shim.lf_rx_release(this.#handle, token);
    if (result === LF_PENDING) this.#part.releaseDone?.();
    else if (result < 0 && !this.#closed) throw lastError(this.#shim);
  }

  recycle(copy: CopyBlock): void {
    this.#part.arrivals?.recycle(copy);
  }

  forget(region: number): void {
    this.#part.forget?.(region);
  }

  // ───────────── waiting, and the end ─────────────

  /** Requests one event for the next frame. True: a frame is there already, or the peer died; no event comes. */
  arm(): boolean {
    if (this.#arriving !== null && this.#part.armArrivals()) return false;
    return check(this.#shim, this.#shim.lf_rx_arm(this.#handle)) === 1;
  }

  /** Polls up to `spins` times, 20 ns each. True: a retry may succeed. */
  moved(spins: number): boolean {
    // The end of GPU work causes a wake-up: polls would find nothing.
    if (!this.busyPolls || this.#arriving !== null) return false;
    return this.#shim.lf_shm_rx_poll(this.#handle, spins) === 1;
  }

  /** An event came. `ended`: the peer has exited, and no further event comes. */
  notified(ended: boolean): void {
    this.#part.notified(ended);
  }

  /** Resolves when no work under way needs this end; null: none does now. Never rejects. */
  settled(): Promise<void> | null {
    return this.#part.settled?.() ?? null;
  }

  stats(): EndStats {
    const counted = endStats((out) => this.#shim.lf_rx_stats(this.#handle, out));
    const { length = 0, bytes = 0 } = this.#part.arrivals ?? {};
    // The shim has received the arriving frames; this end has not.
    counted.frames -= length;
    counted.bytes -= bytes;
    counted.queued += length;
    counted.held = this.frames.held;
    return counted;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Detaches every view, then frees. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#part.detach();
    this.frames.close();
    this.#shim.lf_rx_close(this.#handle);
    this.#part.release();
  }
}
