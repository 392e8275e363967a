/** MemoryBuffer: memory that its user reads, writes, shares and closes. */
import { invalidArgument, LavaFlowError } from "../errors.ts";
import { type ExternalMemoryHandle, exportHostMemory } from "./handle.ts";
import { HostMemory } from "./host.ts";
import type { Decision, MemoryLocation, MemoryStrategy } from "./strategy.ts";

/** How channels reach the memory behind a buffer. */
let memoryOf: (buffer: MemoryBuffer) => HostMemory;

/** Only reports: freeing memory at some time that nobody chose would pull it away from a view. */
const leaks = new FinalizationRegistry((memory: HostMemory) => {
  if (memory.closed) return;
  process.emitWarning(
    `a MemoryBuffer of ${memory.sizeBytes} bytes was dropped without close(): its memory stays until its allocator is closed or the thread ends`,
    { type: "LavaFlowWarning", code: "LAVA_FLOW_LEAK" },
  );
});

/**
 * Memory, zeroed when it was made. Every method throws or rejects with CLOSED after `close`, and with INVALID_ARGUMENT
 * for an offset or a size that does not lie inside. Offsets and sizes are in bytes.
 */
export class MemoryBuffer implements Disposable {
  static {
    memoryOf = (buffer) => buffer.#memory;
  }

  readonly location: MemoryLocation;
  readonly strategy: MemoryStrategy;
  /** Why the memory is of this strategy, and why of no other that was thought of. */
  readonly decision: Decision;
  readonly #memory: HostMemory;
  #bytes: Uint8Array<ArrayBuffer> | null = null;

  /** Buffers come from a MemoryAllocator or out of a channel, not from `new`. */
  constructor(memory: HostMemory, strategy: MemoryStrategy, location: MemoryLocation, decision: Decision) {
    if (!(memory instanceof HostMemory)) {
      throw new LavaFlowError("INVALID_ARGUMENT", "a MemoryBuffer can't be made with new", {
        remedy: "Use MemoryAllocator.allocate",
      });
    }
    this.#memory = memory;
    this.strategy = strategy;
    this.location = location;
    this.decision = decision;
  }

  get sizeBytes(): number {
    return this.#memory.sizeBytes;
  }

  /** The size of the pages that the memory is made of, in bytes; 0 where that is not known. */
  get pageBytes(): number {
    return this.#memory.pageBytes;
  }

  get isGpu(): boolean {
    return false;
  }

  /** The memory itself, not a copy: the same array each time, and empty after close. CLOSED after close. */
  get bytes(): Uint8Array {
    const buffer = this.#memory.buffer;
    if (this.#bytes?.buffer !== buffer) this.#bytes = new Uint8Array(buffer);
    return this.#bytes;
  }

  /** All of the memory as a typed array or a DataView. INVALID_ARGUMENT when the size is no multiple of its elements. */
  view<T extends ArrayBufferView>(type: new (buffer: ArrayBuffer, byteOffset: number, length: number) => T): T {
    if (typeof type !== "function") throw invalidArgument("type", type, "a typed array class or DataView");
    const elementBytes = (type as { BYTES_PER_ELEMENT?: number }).BYTES_PER_ELEMENT ?? 1;
    const { buffer, sizeBytes } = this.#memory;
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
    this.bytes.set(from, offsetBytes);
  }

  /** Fills all of `target` from `offsetBytes` on; done when it resolves. */
  async read(target: ArrayBufferView, offsetBytes = 0): Promise<void> {
    const to = bytesOf("target", target);
    this.#checkRange("read", offsetBytes, to.length);
    to.set(this.bytes.subarray(offsetBytes, offsetBytes + to.length));
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
    new Uint32Array(this.#memory.buffer, offsetBytes, sizeBytes / 4).fill(value32);
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
    target.bytes.set(this.bytes.subarray(sourceOffset, sourceOffset + sizeBytes), targetOffset);
  }

  /**
   * An OS handle to the memory, for another process; whoever gets it owns it, so dispose of it once it is passed on.
   * EXTERNAL_MEMORY_UNSUPPORTED unless the strategy is `shared`; SYSTEM when no descriptor is left.
   */
  exportHandle(): ExternalMemoryHandle {
    if (this.strategy !== "shared") {
      throw new LavaFlowError("EXTERNAL_MEMORY_UNSUPPORTED", `${this.strategy} memory belongs to this process alone`, {
        remedy: 'Allocate it with { kind: "host", shared: true }',
      });
    }
    return exportHostMemory(this.#memory);
  }

  /** Idempotent. Every view is detached first, so a stale one has length 0; channels tell their peers. */
  close(): void {
    this.#bytes = null;
    this.#memory.close();
  }

  [Symbol.dispose](): void {
    this.close();
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
  memory: HostMemory,
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

/** The shim's handle of a buffer's memory. CLOSED after close. */
export function nativeMemory(buffer: MemoryBuffer): number {
  return memoryOf(buffer).handle;
}

/**
 * A shared buffer whose native memory somebody else owns: `close()` detaches the views and calls `release`, with true
 * when its ArrayBuffer was transferred away, so that the memory may not go. Where the memory goes first, its owner
 * closes the buffer before.
 */
export function adoptMemory(
  shimHandle: number,
  address: number,
  sizeBytes: number,
  release: (escaped: boolean) => void,
): MemoryBuffer {
  return new MemoryBuffer(HostMemory.adopt(shimHandle, address, sizeBytes, release), "shared", SHARED, FROM_PEER);
}

/** Runs `closer` when the buffer closes, before the memory goes. Returns what takes this back. */
export function onClose(buffer: MemoryBuffer, closer: () => void): () => void {
  return memoryOf(buffer).onClose(closer);
}
