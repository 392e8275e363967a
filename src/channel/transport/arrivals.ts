/**
 * Frames that are copied to this side's GPU before they are received: from a staged block, or from another GPU's memory.
 * They stay in order with all other frames. The copy's end releases the frame for the sender.
 */
import type { GpuDevice } from "../../gpu/device.ts";
import { CONSTANTS } from "../../native/layout.ts";
import { native } from "../../native/load.ts";
import { check } from "../../native/status.ts";
import { ARRIVING, type CellFrame, COPIED } from "./cell-frame.ts";
import { type CopyBlock, CopyBlocks } from "./copy-blocks.ts";
import { GpuWait } from "./gpu-wait.ts";

const { LF_FULL } = CONSTANTS;

/** Microseconds between two polls of a blocking receive. */
const NAP_US = 50;

/** Milliseconds for which a copy without an event is polled at every turn of the event loop. Later: once a millisecond. */
const BUSY_MS = 20;

const value = new Float64Array(new ArrayBuffer(8));

/** A copy to `block`. */
export interface Copy {
  readonly block: CopyBlock;
  /** Makes progress without waiting; true when the copy is complete. */
  step(): boolean;
  /** The timeline value of this side's queue that the copy waits for; 0: another event. */
  readonly next: number;
}

/** From mapped memory, in fragments through the staging ring. */
class Upload implements Copy {
  readonly block: CopyBlock;
  readonly #shim = native();
  readonly #device: GpuDevice;
  readonly #source: Uint8Array;
  #sent = 0;
  next = 0;

  constructor(device: GpuDevice, block: CopyBlock, source: Uint8Array) {
    this.#device = device;
    this.block = block;
    this.#source = source;
  }

  step(): boolean {
    const { handle, queue } = this.#device;
    for (let first = 1; this.#sent < this.#source.length; first = 0) {
      const rest = this.#source.subarray(this.#sent);
      const { memory } = this.block;
      const result = this.#shim.lf_queue_write(handle, memory, this.#sent, rest, rest.length, first, value);
      this.next = value[0] as number;
      if (check(this.#shim, result, "upload") === LF_FULL) return false;
      this.#sent += result;
    }
    return queue.reached(this.next);
  }
}

/** From the memory of another GPU, by CUDA, which has handles of both memories. */
class PeerCopy implements Copy {
  readonly block: CopyBlock;
  readonly #shim = native();
  readonly #device: GpuDevice;
  readonly #source: number;
  readonly #offset: number;
  readonly #target: number;
  readonly #sizeBytes: number;
  #started = false;
  next = 0;

  /** `source`, from `offset` on, and `target` are handles of CUDA memory; `target` is the block's. */
  constructor(device: GpuDevice, block: CopyBlock, source: number, offset: number, target: number, sizeBytes: number) {
    this.#device = device;
    this.block = block;
    this.#source = source;
    this.#offset = offset;
    this.#target = target;
    this.#sizeBytes = sizeBytes;
  }

  step(): boolean {
    if (!this.#started) {
      // CUDA does not order the copy after Vulkan work on the block by its last user.
      this.next = this.#device.queue.pending(this.block.memory);
      if (this.next > 0) return false;
      check(
        this.#shim,
        this.#shim.lf_cuda_copy(this.#target, 0, this.#source, this.#offset, this.#sizeBytes),
        "peer copy",
      );
      this.#started = true;
    }
    return check(this.#shim, this.#shim.lf_cuda_copied(this.#target), "peer copy") === 1;
  }
}

interface Arrival {
  frame: CellFrame;
  /** The state of a frame that needs no copy. */
  state: number;
  /** Null for a frame that needs no copy. */
  begin: (() => Copy) | null;
  copy: Copy | null;
}

/** The end that the arrivals belong to. */
interface Owner {
  /** The CUDA handle of a region on another GPU. */
  remoteMemory(region: number): number;
  /** The payload of a frame in a block. */
  bytesOf(frame: CellFrame): Uint8Array;
  /** Releases the frame for the sender. */
  giveBack(token: number): void;
}

export class Arrivals {
  /** Frames that may arrive at once. */
  readonly max: number;
  readonly #shim = native();
  readonly #device: GpuDevice;
  readonly #owner: Owner;
  readonly #blocks: CopyBlocks;
  /** CUDA handles of the blocks. */
  readonly #targets = new Map<CopyBlock, number>();
  readonly #queue: Arrival[] = [];
  readonly #wait: GpuWait;
  readonly #wake: () => void;
  #polling = false;
  #busyUntil = 0;

  constructor(device: GpuDevice, owner: Owner, max: number, wake: () => void) {
    this.max = max;
    this.#device = device;
    this.#owner = owner;
    this.#blocks = new CopyBlocks(device);
    this.#wait = new GpuWait(device, wake);
    this.#wake = wake;
  }

  get length(): number {
    return this.#queue.length;
  }

  /** Bytes of all arriving frames. */
  get bytes(): number {
    return this.#queue.reduce((sum, { frame }) => sum + frame.sizeBytes, 0);
  }

  /** Adds a frame without a copy, in order behind the arriving frames. */
  add(frame: CellFrame): void {
    this.#add(frame, null);
  }

  /** Adds a frame whose payload is in a staged block. */
  upload(frame: CellFrame): void {
    this.#add(frame, () => {
      return new Upload(this.#device, this.#blocks.acquire(frame.sizeBytes), this.#owner.bytesOf(frame));
    });
  }

  /** Adds a frame whose payload is on another GPU. */
  fetch(frame: CellFrame): void {
    this.#add(frame, () => {
      const source = this.#owner.remoteMemory(frame.region);
      const block = this.#blocks.acquire(frame.sizeBytes);
      return new PeerCopy(this.#device, block, source, frame.offset, this.#target(block), frame.sizeBytes);
    });
  }

  /** Adds a frame that arrives in fragments. `begin` starts its copy to a block. */
  assemble(frame: CellFrame, begin: (block: CopyBlock) => Copy): void {
    this.#add(frame, () => begin(this.#blocks.acquire(frame.sizeBytes)));
  }

  #add(frame: CellFrame, begin: Arrival["begin"]): void {
    this.#queue.push({ frame, state: frame.state, begin, copy: null });
    frame.state = ARRIVING;
    this.#busyUntil = performance.now() + BUSY_MS;
  }

  #target(block: CopyBlock): number {
    const known = this.#targets.get(block);
    if (known !== undefined) return known;
    const made = check(this.#shim, this.#shim.lf_cuda_import(block.memory), "this side's GPU in CUDA");
    this.#targets.set(block, made);
    block.alongside.push(() => {
      this.#targets.delete(block);
      this.#shim.lf_cuda_close(made);
    });
    return made;
  }

  /** The first frame, once its copy is complete. Throws the error of the copy; the next call begins it again. */
  next(): CellFrame | null {
    const first = this.#queue[0];
    if (!first || !this.#step(first)) return null;
    this.#queue.shift();
    return first.frame;
  }

  /** Makes progress on the copies behind the first. `next` reports their errors. */
  advance(): void {
    for (const arrival of this.#queue.slice(1)) {
      try {
        this.#step(arrival);
      } catch {
        // `next` begins the copy again, and throws.
      }
    }
  }

  #step(arrival: Arrival): boolean {
    const { frame, begin } = arrival;
    if (frame.state !== ARRIVING) return true;
    if (begin === null) {
      frame.state = arrival.state;
      return true;
    }
    arrival.copy ??= begin();
    try {
      if (!arrival.copy.step()) return false;
    } catch (error) {
      // The block may still be written: close it, instead of reusing it.
      arrival.copy.block.close();
      this.#blocks.release(arrival.copy.block);
      arrival.copy = null;
      throw error;
    }
    const token = frame.token;
    frame.copy = arrival.copy.block;
    frame.state = COPIED;
    this.#owner.giveBack(token);
    return true;
  }

  /** Requests a wake-up when the first copy can make progress. */
  arm(): void {
    if (!this.armAtGpu()) this.#poll();
  }

  /** As `arm` if the first copy waits for the GPU; else false. */
  armAtGpu(): boolean {
    const next = this.#queue[0]?.copy?.next ?? 0;
    if (next > 0) this.#wait.reach(next);
    return next > 0;
  }

  #poll(): void {
    if (this.#polling) return;
    this.#polling = true;
    const poll = () => {
      this.#polling = false;
      this.#wake();
    };
    if (performance.now() < this.#busyUntil) setImmediate(poll);
    else setTimeout(poll, 1);
  }

  /** Blocks for up to NAP_US. A copy without an event is polled without a pause at first, as it may end soon. */
  nap(): void {
    const next = this.#queue[0]?.copy?.next ?? 0;
    if (next > 0) check(this.#shim, this.#shim.lf_queue_reached(this.#device.handle, next, NAP_US));
    else if (performance.now() >= this.#busyUntil) Bun.sleepSync(NAP_US / 1000);
  }

  /** The user released the frame of a copy. */
  recycle(block: CopyBlock): void {
    this.#blocks.release(block);
  }

  /** Does not wait for copies: the shim keeps memory that the GPU uses. */
  close(): void {
    this.#queue.length = 0;
    this.#blocks.close();
  }
}
