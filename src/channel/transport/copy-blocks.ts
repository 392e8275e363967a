/** Memory of this side's own GPU, into which buffers are copied that it can't reach where they are. */
import type { GpuDevice } from "../../gpu/device.ts";
import { type MemoryBuffer, nativeMemory, onClose, ownedBuffer } from "../../memory/buffer.ts";
import { allocateGpu } from "../../memory/gpu.ts";
import { gpuLocation } from "../../memory/strategy.ts";
import { submitted } from "./gpu-wait.ts";

/** Blocks that are kept for the next frames of their size. */
const FREE_MAX = 4;

const DECISION = Object.freeze({ reason: "a copy of the peer's buffer on this side's GPU", rejected: [] });

export class CopyBlock {
  readonly buffer: MemoryBuffer;
  /** The shim's handle. */
  readonly memory: number;
  /** What else is to go with the memory. */
  readonly alongside: (() => void)[] = [];
  #closed = false;

  constructor(device: GpuDevice, sizeBytes: number) {
    const memory = allocateGpu(device, sizeBytes, false, null);
    this.buffer = ownedBuffer(memory, "gpu", gpuLocation(device.info.index, false), DECISION);
    this.memory = nativeMemory(this.buffer);
    onClose(this.buffer, () => {
      this.#closed = true;
      for (const close of this.alongside) close();
    });
  }

  /** Also by the receiver, who may close a frame's buffer. */
  get closed(): boolean {
    return this.#closed;
  }

  close(): void {
    this.buffer.close();
  }
}

export class CopyBlocks {
  readonly #device: GpuDevice;
  readonly #all = new Set<CopyBlock>();
  /** The one that came back last is the last. */
  readonly #free: CopyBlock[] = [];

  constructor(device: GpuDevice) {
    this.#device = device;
  }

  /** GPU_OUT_OF_MEMORY, GPU_DEVICE_LOST. */
  acquire(sizeBytes: number): CopyBlock {
    const at = this.#free.findLastIndex(({ buffer }) => buffer.sizeBytes === sizeBytes);
    if (at >= 0) return this.#free.splice(at, 1)[0] as CopyBlock;
    const block = new CopyBlock(this.#device, sizeBytes);
    this.#all.add(block);
    return block;
  }

  /** The receiver has released it. What it has asked of the GPU before is handed over first. */
  release(block: CopyBlock): void {
    if (this.#device.queue.submitted) this.#keep(block);
    else
      submitted(this.#device)
        .finally(() => this.#keep(block))
        .catch(() => {});
  }

  #keep(block: CopyBlock): void {
    if (!this.#all.has(block)) return; // closed meanwhile, with the channel
    if (block.closed) {
      this.#all.delete(block);
      return;
    }
    this.#free.push(block);
    if (this.#free.length > FREE_MAX) this.#drop(this.#free.shift() as CopyBlock);
  }

  #drop(block: CopyBlock): void {
    this.#all.delete(block);
    block.close();
  }

  close(): void {
    for (const block of [...this.#all]) this.#drop(block);
    this.#free.length = 0;
  }
}
