/**
 * Frames that this side's GPU has to get a copy of before their receiver sees them: out of a staged block, or out of
 * another GPU's memory. They stay in order with all others; the sender has its frame back as soon as the copy is made.
 */
import type { GpuDevice } from "../../gpu/device.ts";
import { CONSTANTS } from "../../native/layout.ts";
import { native } from "../../native/load.ts";
import { check } from "../../native/status.ts";
import { ARRIVING, type CellFrame, COPIED } from "./cell-frame.ts";
import { type CopyBlock, CopyBlocks } from "./copy-blocks.ts";
import { GpuWait } from "./gpu-wait.ts";

const { LF_FULL } = CONSTANTS;

/** Frames that are taken out of the ring before their turn, so that the next copy runs while this one is looked at. */
export const ARRIVALS_MAX = 2;

/** How long a receiver that blocks leaves the GPU alone, microseconds. */
const NAP_US = 50;

/** A copy without a bell is looked for at every turn of the event loop for so long, then once a millisecond. */
const BUSY_MS = 20;

const value = new Float64Array(new ArrayBuffer(8));

/** A copy on its way into `block`. */
export interface Copy {
  readonly block: CopyBlock;
  /** Does what can be done now; true when all of it is there. */
  step(): boolean;
  /** The value of this side's queue that it goes on at; 0: something else. */
  readonly next: number;
}

/** Out of mapped memory, piece by piece through the staging ring. */
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

/** Out of the memory of another GPU, which CUDA has both of. */
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
      // CUDA does not know what the block's last receiver has asked of Vulkan.
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
  /** What its state is when it is there, without a copy. */
  state: number;
  /** Null for a frame that has none to wait for. */
  begin: (() => Copy) | null;
  copy: Copy | null;
}

/** What arrivals ask of the end that they are a part of. */
interface Owner {
  /** The shim's handle of CUDA memory for a region of another GPU. */
  remoteMemory(region: number): number;
  /** The payload of a frame that lies in a block. */
  bytesOf(frame: CellFrame): Uint8Array;
  /** The sender may have its memory again. */
  giveBack(token: number): void;
}

export class Arrivals {
  readonly #shim = native();
  readonly #device: GpuDevice;
  readonly #owner: Owner;
  readonly #blocks: CopyBlocks;
  /** CUDA's view of the blocks. */
  readonly #targets = new Map<CopyBlock, number>();
  readonly #queue: Arrival[] = [];
  readonly #wait: GpuWait;
  readonly #wake: () => void;
  #polling = false;
  #busyUntil = 0;

  constructor(device: GpuDevice, owner: Owner, wake: () => void) {
    this.#device = device;
    this.#owner = owner;
    this.#blocks = new CopyBlocks(device);
    this.#wait = new GpuWait(device, wake);
    this.#wake = wake;
  }

  get length(): number {
    return this.#queue.length;
  }

  /** Bytes of those that wait. */
  get bytes(): number {
    return this.#queue.reduce((sum, { frame }) => sum + frame.sizeBytes, 0);
  }

  /** A frame that is there as it is, behind others that are not. */
  add(frame: CellFrame): void {
    this.#add(frame, null);
  }

  /** A copy of a MemoryBuffer, in a block. */
  upload(frame: CellFrame): void {
    this.#add(frame, () => {
      return new Upload(this.#device, this.#blocks.acquire(frame.sizeBytes), this.#owner.bytesOf(frame));
    });
  }

  /** A MemoryBuffer on another GPU. */
  fetch(frame: CellFrame): void {
    this.#add(frame, () => {
      const source = this.#owner.remoteMemory(frame.region);
      const block = this.#blocks.acquire(frame.sizeBytes);
      return new PeerCopy(this.#device, block, source, frame.offset, this.#target(block), frame.sizeBytes);
    });
  }

  /** What comes in pieces: `begin` says how it gets into a block. */
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

  /** The first frame, when it is there. Throws what its copy failed of; asked again, tries again. */
  next(): CellFrame | null {
    const first = this.#queue[0];
    if (!first || !this.#step(first)) return null;
    this.#queue.shift();
    return first.frame;
  }

  /** Lets the copies of those behind the first go on. What goes wrong with them is told when it is their turn. */
  advance(): void {
    for (const arrival of this.#queue.slice(1)) {
      try {
        this.#step(arrival);
      } catch {
        // As said.
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
      // Half a copy is none: its block may be written to still, and is closed with that.
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

  /** Asks to be woken when the first goes on. */
  arm(): void {
    if (!this.armAtGpu()) this.#poll();
  }

  /** The same where it is the GPU that it waits for; else false. */
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

  /** Blocks for a moment, in which the first may go on; for a copy without a bell not from the start: its end may be near. */
  nap(): void {
    const next = this.#queue[0]?.copy?.next ?? 0;
    if (next > 0) check(this.#shim, this.#shim.lf_queue_reached(this.#device.handle, next, NAP_US));
    else if (performance.now() >= this.#busyUntil) Bun.sleepSync(NAP_US / 1000);
  }

  /** The receiver has released a copy. */
  recycle(block: CopyBlock): void {
    this.#blocks.release(block);
  }

  /** What is on its way is not waited for: the shim keeps memory that the GPU works on. */
  close(): void {
    this.#queue.length = 0;
    this.#blocks.close();
  }
}
