/** Local GPU buffers that receive copies of remote buffers which this GPU can't map. */
import type { GpuDevice } from "../../gpu/device.ts";
import { type MemoryBuffer, nativeMemory, onClose, ownedBuffer } from "../../memory/buffer.ts";
import { allocateGpu } from "../../memory/gpu.ts";
import { gpuLocation } from "../../memory/strategy.ts";
import { submitted } from "./gpu-wait.ts";

/** Free blocks that are kept for the next frames of their size. */
const FREE_MAX = 4;

const DECISION = Object.freeze({ reason: "a copy of the peer's buffer on this side's GPU", rejected: [] });

export class CopyBlock {
  readonly buffer: MemoryBuffer;
  /** The shim's handle. */
  readonly memory: number;
  /** Functions to call when the memory is freed. */
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

  /** Whether the block was closed, by this end or by the user, who may close a frame's buffer. */
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
  /** In the order of their release. */
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

  /** The user released the frame. The user's work on the block is submitted before the block is reused. */
  release(block: CopyBlock): void {
    if (this.#device.queue.submitted) this.#keep(block);
    else
      submitted(this.#device)
        .finally(() => this.#keep(block))
        .catch(() => {});
  }

  #keep(block: CopyBlock): void {
    if (!this.#all.has(block)) return; // the channel was closed
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
