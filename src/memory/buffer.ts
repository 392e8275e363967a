/** MemoryBuffer: memory that its user reads, writes, shares and closes. */
import { invalidArgument, LavaFlowError } from "../errors.ts";
import type { GpuDevice } from "../gpu/device.ts";
import { type ExternalMemoryHandle, exportMemory } from "./handle.ts";
import { type GpuSide, NativeMemory } from "./memory.ts";
import type { Decision, MemoryLocation, MemoryStrategy } from "./strategy.ts";
import * as transfer from "./transfer.ts";

/** How channels reach the memory behind a buffer. */
let memoryOf: (buffer: MemoryBuffer) => NativeMemory;
/** What has a handle of the shim's: the memory itself, or that of which it is a part. */
let wholeOf: (buffer: MemoryBuffer) => NativeMemory;

/** Only reports: freeing memory at some time that nobody chose would pull it away from a view. */
const leaks = new FinalizationRegistry((memory: NativeMemory) => {
  if (memory.closed) return;
  process.emitWarning(
    `a MemoryBuffer of ${memory.sizeBytes} bytes was dropped without close(): its memory stays until its allocator is closed or the thread ends`,
    { type: "LavaFlowWarning", code: "LAVA_FLOW_LEAK" },
  );
});

/**
 * Memory. Host memory was zeroed when it was made; GPU memory holds anything. Every method throws or rejects with CLOSED
 * after `close`, and with INVALID_ARGUMENT for an offset or a size that does not lie inside. Offsets and sizes are in
 * bytes.
 *
 * `write`, `read`, `fill` and `copyTo` on memory that a GPU reaches are done in the order of the calls on that GPU, and
 * each resolves when it is done. What they copy from or to must not change meanwhile. They reject with CLOSED when a
 * buffer is closed meanwhile, with GPU_DEVICE_LOST, and with TIMEOUT when the GPU gets nothing done for 30 s. Between two
 * GPUs the bytes go by way of host memory.
 */
export class MemoryBuffer implements Disposable {
  static {
    memoryOf = (buffer) => buffer.#memory;
    wholeOf = (buffer) => buffer.#whole;
  }

  readonly location: MemoryLocation;
  readonly strategy: MemoryStrategy;
  /** Why the memory is of this strategy, and why of no other that was thought of. */
  readonly decision: Decision;
  readonly #memory: NativeMemory;
  /** The memory itself, or that of which it is the part from `#start` on. */
  readonly #whole: NativeMemory;
  readonly #start: number;

  /** Buffers come from a MemoryAllocator or out of a channel, not from `new`. */
  constructor(
    memory: NativeMemory,
    strategy: MemoryStrategy,
    location: MemoryLocation,
    decision: Decision,
    { whole, start }: { whole: NativeMemory; start: number } = { whole: memory, start: 0 },
  ) {
    if (!(memory instanceof NativeMemory)) {
      throw new LavaFlowError("INVALID_ARGUMENT", "a MemoryBuffer can't be made with new", {
        remedy: "Use MemoryAllocator.allocate",
      });
    }
    this.#memory = memory;
    this.#whole = whole;
    this.#start = start;
    this.strategy = strategy;
    this.location = location;
    this.decision = decision;
  }

  get sizeBytes(): number {
    return this.#memory.sizeBytes;
  }

  /** The size of the pages that the memory is made of, in bytes; 0 where that is not known, and for GPU memory. */
  get pageBytes(): number {
    return this.isGpu ? 0 : this.#memory.pageBytes;
  }

  /** Memory of a GPU, mapped or not. Pinned memory is host memory. */
  get isGpu(): boolean {
    const { gpu } = this.#whole;
    return gpu !== null && !gpu.pinned;
  }

  /**
   * The memory itself, not a copy: the same array each time, and empty after close. CLOSED after close. NOT_HOST_VISIBLE
   * for GPU memory that was not allocated with `hostVisible: true`, or is larger than one ArrayBuffer (4 GiB). Where a GPU
   * reaches the memory, await what it does with it before looking.
   */
  get bytes(): Uint8Array {
    return this.#memory.bytes;
  }

  /**
   * All of the memory as a typed array or a DataView. INVALID_ARGUMENT when the size is no multiple of its elements, else
   * as `bytes`.
   */
  view<T extends ArrayBufferView>(type: new (buffer: ArrayBuffer, byteOffset: number, length: number) => T): T {
    if (typeof type !== "function") throw invalidArgument("type", type, "a typed array class or DataView");
    const elementBytes = (type as { BYTES_PER_ELEMENT?: number }).BYTES_PER_ELEMENT ?? 1;
    const { buffer } = this.#memory.bytes;
    const { sizeBytes } = this;
    if (sizeBytes % elementBytes !== 0) {
      throw new LavaFlowError(
        "INVALID_ARGUMENT",
        `${sizeBytes} bytes are no whole number of ${type.name} elements of ${elementBytes} bytes`,
        { remedy: `Allocate a multiple of ${elementBytes} bytes, or make the view from bytes.buffer` },
      );
    }
    return new type(buffer, 0, sizeBytes / elementBytes);
  }

  /** Copies all of `source` to `offsetBytes`; done when it resolves. */
  async write(source: ArrayBufferView, offsetBytes = 0): Promise<void> {
    const from = bytesOf("source", source);
    this.#checkRange("write", offsetBytes, from.length);
    return transfer.write(this.#place(offsetBytes), from);
  }

  /** Fills all of `target` from `offsetBytes` on; done when it resolves. */
  async read(target: ArrayBufferView, offsetBytes = 0): Promise<void> {
    const to = bytesOf("target", target);
    this.#checkRange("read", offsetBytes, to.length);
    return transfer.read(this.#place(offsetBytes), to);
  }

  /**
   * Writes the 32-bit `value32` over and over, up to the end unless `sizeBytes` says less. The offset and the size must
   * be multiples of 4: GPUs fill whole words.
   */
  async fill(value32: number, offsetBytes = 0, sizeBytes = this.sizeBytes - offsetBytes): Promise<void> {
    if (!Number.isInteger(value32) || value32 < -(2 ** 31) || value32 >= 2 ** 32) {
      throw invalidArgument("value32", value32, "an integer of 32 bits");
    }
    this.#checkRange("fill", offsetBytes, sizeBytes);
    if (offsetBytes % 4 !== 0) throw invalidArgument("offsetBytes", offsetBytes, "a multiple of 4");
    if (sizeBytes % 4 !== 0) throw invalidArgument("sizeBytes", sizeBytes, "a multiple of 4");
    return transfer.fill(this.#place(offsetBytes), sizeBytes, value32);
  }

  /** Copies to `target`, all from `sourceOffset` on unless `sizeBytes` says less. The two may be one buffer. */
  async copyTo(
    target: MemoryBuffer,
    options: { sourceOffset?: number; targetOffset?: number; sizeBytes?: number } = {},
  ): Promise<void> {
    if (!(target instanceof MemoryBuffer)) throw invalidArgument("target", target, "a MemoryBuffer");
    const { sourceOffset = 0, targetOffset = 0, sizeBytes = this.sizeBytes - sourceOffset } = options;
    this.#checkRange("copyTo (source)", sourceOffset, sizeBytes);
    target.#checkRange("copyTo (target)", targetOffset, sizeBytes);
    return transfer.copy(this.#place(sourceOffset), target.#place(targetOffset), sizeBytes);
  }

  /**
   * An OS handle to the memory, for another process or API; whoever gets it owns it, so dispose of it once it is passed
   * on. EXTERNAL_MEMORY_UNSUPPORTED unless the strategy is `shared` or `gpu`, and where a GPU's driver shares none;
   * SYSTEM when no descriptor is left.
   */
  exportHandle(): ExternalMemoryHandle {
    if (!this.isGpu && this.strategy !== "shared") {
      throw new LavaFlowError("EXTERNAL_MEMORY_UNSUPPORTED", `${this.strategy} memory belongs to this process alone`, {
        remedy: 'Allocate it with { kind: "host", shared: true }, or with { kind: "gpu" }',
      });
    }
    nativeMemory(this); // refuses parts
    return exportMemory(this.#memory, this.location.kind === "gpu" && this.location.hostVisible === true);
  }

  /**
   * Idempotent. Every view is detached first, so a stale one has length 0; channels tell their peers. What a GPU still
   * does with the memory ends without harm; whoever waits for it gets CLOSED.
   */
  close(): void {
    this.#memory.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** CLOSED after close. */
  #place(offset: number): transfer.Place {
    if (this.#whole !== this.#memory) void this.#memory.handle;
    return { memory: this.#whole, offset: this.#start + offset };
  }

  #checkRange(what: string, offset: number, size: number): void {
    const limit = this.sizeBytes;
    if (Number.isInteger(offset) && Number.isInteger(size) && offset >= 0 && size >= 0 && offset + size <= limit) {
      return;
    }
    throw new LavaFlowError("INVALID_ARGUMENT", `${what}: ${size} bytes at offset ${offset} of ${limit} bytes`, {
      remedy: `Stay between 0 and ${limit}, in whole bytes`,
    });
  }
}

function bytesOf(name: string, view: ArrayBufferView): Uint8Array {
  if (!ArrayBuffer.isView(view)) throw invalidArgument(name, view, "a typed array or a DataView");
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

/** A buffer that is a leak when it is collected with its memory still open. */
export function ownedBuffer(
  memory: NativeMemory,
  strategy: MemoryStrategy,
  location: MemoryLocation,
  decision: Decision,
): MemoryBuffer {
  const buffer = new MemoryBuffer(memory, strategy, location, decision);
  leaks.register(buffer, memory);
  return buffer;
}

export const SHARED: MemoryLocation = Object.freeze({ kind: "host", shared: true });
const FROM_PEER: Decision = { reason: "the peer of a channel shares it", rejected: [] };

// What channels need beyond the public class.

/** The shim's handle of a buffer's memory. CLOSED after close, EXTERNAL_MEMORY_UNSUPPORTED for a part of another's. */
export function nativeMemory(buffer: MemoryBuffer): number {
  const { handle } = memoryOf(buffer);
  if (wholeOf(buffer) === memoryOf(buffer)) return handle;
  throw new LavaFlowError(
    "EXTERNAL_MEMORY_UNSUPPORTED",
    `these ${buffer.sizeBytes} bytes are a part of memory that is not shared in parts`,
    { remedy: "Copy them (copyTo) into a buffer of their own, and share that" },
  );
}

/**
 * Bytes of a buffer as a buffer: on them GPU work keeps the order of the whole. It closes with the whole at the latest,
 * and closing it gives back nothing but its views. Not of mapped memory that a GPU reaches.
 */
export function partOf(whole: MemoryBuffer, start: number, sizeBytes: number): MemoryBuffer {
  const memory = memoryOf(whole);
  const { strategy, location, decision } = whole;
  return new MemoryBuffer(memory.part(start, sizeBytes), strategy, location, decision, { whole: memory, start });
}

/** The GPU whose memory it is, or that reaches it; null for all other host memory. */
export function deviceOf(buffer: MemoryBuffer): GpuDevice | null {
  return wholeOf(buffer).gpu?.device ?? null;
}

/** How adopted memory of a GPU came to be. `allocationBytes` is what the exporter's driver allocated. */
export interface AdoptedGpu {
  device: GpuDevice;
  allocationBytes: number;
  hostVisible: boolean;
}

/**
 * A buffer of shared memory, or of a GPU's, whose native memory somebody else owns: `close()` detaches the views and
 * calls `release`, with true when its ArrayBuffer was transferred away, so that the memory may not go. Where the memory
 * goes first, its owner closes the buffer before. `address` is 0 where the memory is not mapped.
 */
export function adoptMemory(
  shimHandle: number,
  address: number,
  sizeBytes: number,
  release: (escaped: boolean) => void,
  gpu?: AdoptedGpu,
): MemoryBuffer {
  const allocatedBytes = gpu?.allocationBytes ?? sizeBytes;
  const what = { handle: shimHandle, address, sizeBytes, allocatedBytes, pageBytes: 0, numaNode: -1, reserved: false };
  const side: GpuSide | null = gpu ? { device: gpu.device.retain(), pinned: false } : null;
  const memory = new NativeMemory(what, side, null, release);
  if (!gpu) return new MemoryBuffer(memory, "shared", SHARED, FROM_PEER);
  const { index } = gpu.device.info;
  return new MemoryBuffer(memory, "gpu", gpuLocation(index, gpu.hostVisible), FROM_PEER);
}

/** As `buffer.location` says it. */
export function gpuLocation(device: number, hostVisible: boolean): MemoryLocation {
  return hostVisible ? { kind: "gpu", device, hostVisible } : { kind: "gpu", device };
}

/** Runs `closer` when the buffer closes, before the memory goes. Returns what takes this back. */
export function onClose(buffer: MemoryBuffer, closer: () => void): () => void {
  return memoryOf(buffer).onClose(closer);
}

/** Keeps the buffer's memory mapped, also when it is closed. Returns what takes this back; null where that can't be. */
export function holdMemory(buffer: MemoryBuffer): (() => void) | null {
  return wholeOf(buffer).hold();
}
