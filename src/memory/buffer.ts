/** MemoryBuffer: memory that its user reads, writes, shares and closes. */
import { invalidArgument, LavaFlowError } from "../errors.ts";
import type { GpuDevice } from "../gpu/device.ts";
import { sharedBetweenCopies } from "../native/copies.ts";
import { checkLimits, type Limits } from "../native/limits.ts";
import { checkNames } from "../native/options.ts";
import { access } from "./access.ts";
import { type Bytes, bytesOf, checkRange, checkUnchanged, type ViewType, viewAs } from "./bytes.ts";
import { type ExternalMemoryHandle, exportMemory } from "./handle.ts";
import { type Holder, held, isHeld, untilReleased } from "./holders.ts";
import { type GpuSide, NativeMemory } from "./memory.ts";
import { type Decision, gpuLocation, type MemoryLocation, type MemoryStrategy } from "./strategy.ts";
import * as transfer from "./transfer.ts";

/** Of what a buffer is a part. */
interface Part {
  whole: NativeMemory;
  /** Where in `whole` it begins. */
  start: number;
  /** The buffer of all of `whole`, which channels pass; null: they pass no part of it. */
  root: MemoryBuffer | null;
}

/** Makes a buffer: its constructor is private, and runs for this file alone. */
let make: (
  memory: NativeMemory,
  strategy: MemoryStrategy,
  location: MemoryLocation,
  decision: Decision,
  part?: Part,
) => MemoryBuffer;
/** How channels reach the memory behind a buffer. */
let memoryOf: (buffer: MemoryBuffer) => NativeMemory;
/** What has a handle of the shim's: the memory itself, or that of which it is a part. */
let wholeOf: (buffer: MemoryBuffer) => NativeMemory;
/** Where in `wholeOf` it begins. */
let startOf: (buffer: MemoryBuffer) => number;
/** The buffer of which channels pass a part when this is sent; else itself. */
let rootOf: (buffer: MemoryBuffer) => MemoryBuffer;

const COPY = { sourceOffset: true, targetOffset: true, sizeBytes: true, timeoutMs: true, signal: true } as const;

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
 * buffer is closed meanwhile, and with GPU_DEVICE_LOST. Between two GPUs the bytes go by way of host memory.
 *
 * `write`, `fill` and `copyTo` (its target) wait until the peers have released every frame of the memory, as `released`
 * does. A call that waits takes its place in the order when it has waited. Nothing waits for who writes into `bytes` or
 * `view`: await `released` before that.
 *
 * The four take Limits. Without `timeoutMs` they reject with TIMEOUT when a peer releases nothing, or the GPU gets nothing
 * done, for 30 s. After TIMEOUT or ABORTED what the GPU has not begun is left out, and views are neither read nor written
 * any more, but those of memory that a GPU reaches itself. What the GPU has begun can't be taken back: it goes on, before
 * all that is called later, and keeps the memory that it needs.
 */
export class MemoryBuffer implements Disposable {
  static {
    make = (...parts) => new MemoryBuffer(...parts);
    const inside = sharedBetweenCopies(MemoryBuffer, "MemoryBuffer", (buffer) => {
      const root = buffer.#root ?? buffer;
      return { memory: buffer.#memory, whole: buffer.#whole, start: buffer.#start, root };
    });
    memoryOf = (buffer) => (#memory in buffer ? buffer.#memory : inside(buffer).memory);
    wholeOf = (buffer) => (#memory in buffer ? buffer.#whole : inside(buffer).whole);
    startOf = (buffer) => (#memory in buffer ? buffer.#start : inside(buffer).start);
    rootOf = (buffer) => (#memory in buffer ? (buffer.#root ?? buffer) : inside(buffer).root);
  }

  readonly location: MemoryLocation;
  readonly strategy: MemoryStrategy;
  /** Why the memory is of this strategy, and why of no other that was thought of. */
  readonly decision: Decision;
  readonly #memory: NativeMemory;
  /** The memory itself, or that of which it is the part from `#start` on. */
  readonly #whole: NativeMemory;
  readonly #start: number;
  /** As Part has it; null where it is none. */
  readonly #root: MemoryBuffer | null;

  /** Buffers come from a MemoryAllocator or out of a channel, not from `new`: it throws INVALID_ARGUMENT. */
  private constructor(
    memory: NativeMemory,
    strategy: MemoryStrategy,
    location: MemoryLocation,
    decision: Decision,
    { whole, start, root }: Part = { whole: memory, start: 0, root: null },
  ) {
    if (!(memory instanceof NativeMemory)) {
      throw new LavaFlowError("INVALID_ARGUMENT", "a MemoryBuffer can't be made with new", {
        remedy: "Use MemoryAllocator.allocate",
      });
    }
    this.#memory = memory;
    this.#whole = whole;
    this.#start = start;
    this.#root = root;
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
  get bytes(): Uint8Array<ArrayBuffer> {
    return this.#memory.bytes;
  }

  /**
   * All of the memory as a typed array or a DataView. INVALID_ARGUMENT when the size is no multiple of its elements, else
   * as `bytes`.
   */
  view<T extends ArrayBufferView>(type: ViewType<T>): T {
    return viewAs(this.#memory.bytes, type);
  }

  /**
   * Resolves when no peer of a channel has a frame of this memory that it has not released: it may be written again.
   * Resolves at once for memory that was never sent without a copy (a frame of it then has bytes of its own). A channel
   * whose peer has closed or died counts no longer, and neither does one that was closed here: await `flush` before
   * that. TIMEOUT (default 30 000 ms) says which channels have how many frames; ABORTED, CLOSED; CORRUPT_SEGMENT when a
   * peer says what can't be.
   */
  async released(limits?: Limits): Promise<void> {
    checkLimits("released", limits);
    return untilReleased(this.#whole, limits);
  }

  /** Copies all of `source` to `offsetBytes`; done when it resolves. */
  async write(source: Bytes, offsetBytes = 0, limits?: Limits): Promise<void> {
    const from = bytesOf("source", source);
    const sizeBytes = from.length;
    checkRange(this.sizeBytes, "write", offsetBytes, sizeBytes);
    if (limits === undefined && this.#whole.atOnce) return transfer.write(placeIn(this, offsetBytes), from, null);
    await access("write", sizeBytes, null, this.#whole, limits, (stop) => {
      if (from.length !== sizeBytes) checkUnchanged("source", from, sizeBytes); // while it waited
      return transfer.write(placeIn(this, offsetBytes), from, stop);
    });
  }

  /** Fills all of `target` from `offsetBytes` on; done when it resolves. */
  async read(target: Bytes, offsetBytes = 0, limits?: Limits): Promise<void> {
    const to = bytesOf("target", target);
    const sizeBytes = to.length;
    checkRange(this.sizeBytes, "read", offsetBytes, sizeBytes);
    if (limits === undefined && this.#whole.atOnce) return transfer.read(placeIn(this, offsetBytes), to, null);
    await access("read", sizeBytes, this.#whole, null, limits, (stop) =>
      transfer.read(placeIn(this, offsetBytes), to, stop),
    );
  }

  /**
   * Writes the 32-bit `value32` over and over, its lowest byte first, up to the end unless `sizeBytes` says less. Where the
   * end comes within a word, its first bytes are written. Multiples of 4 are fastest on a GPU.
   */
  async fill(
    value32: number,
    offsetBytes = 0,
    sizeBytes = this.sizeBytes - offsetBytes,
    limits?: Limits,
  ): Promise<void> {
    if (!Number.isInteger(value32) || value32 < -(2 ** 31) || value32 >= 2 ** 32) {
      throw invalidArgument("value32", value32, "an integer of 32 bits");
    }
    checkRange(this.sizeBytes, "fill", offsetBytes, sizeBytes);
    await access("fill", sizeBytes, null, this.#whole, limits, (stop) =>
      transfer.fill(placeIn(this, offsetBytes), sizeBytes, value32, stop),
    );
  }

  /** Copies to `target`, all from `sourceOffset` on unless `sizeBytes` says less. The two may be one buffer. */
  async copyTo(
    target: MemoryBuffer,
    options: { sourceOffset?: number; targetOffset?: number; sizeBytes?: number } & Limits = {},
  ): Promise<void> {
    if (!(target instanceof MemoryBuffer)) throw invalidArgument("target", target, "a MemoryBuffer");
    checkNames("copyTo", options, COPY);
    const {
      sourceOffset = 0,
      targetOffset = 0,
      sizeBytes = this.sizeBytes - sourceOffset,
      timeoutMs,
      signal,
    } = options;
    checkRange(this.sizeBytes, "copyTo (source)", sourceOffset, sizeBytes);
    checkRange(target.sizeBytes, "copyTo (target)", targetOffset, sizeBytes);
    const limits = timeoutMs === undefined && signal === undefined ? undefined : { timeoutMs, signal };
    await access("copyTo", sizeBytes, this.#whole, wholeOf(target), limits, (stop) =>
      transfer.copy(placeIn(this, sourceOffset), placeIn(target, targetOffset), sizeBytes, stop),
    );
  }

  /**
   * `sizeBytes` of it, at least 1, from `offsetBytes` on, as a buffer: the same memory, not a copy. Work on a GPU keeps the order of
   * the whole, and `released` is the whole's too. It closes with this buffer at the latest, and closing it gives back
   * nothing but its views. A channel passes a part as it would pass the whole, and the peer gets the part; but who maps
   * memory maps all of it, so a peer that means harm can reach the whole buffer. CLOSED, INVALID_ARGUMENT.
   */
  part(offsetBytes: number, sizeBytes: number = this.sizeBytes - offsetBytes): MemoryBuffer {
    checkRange(this.sizeBytes, "part", offsetBytes, sizeBytes);
    if (sizeBytes === 0) throw invalidArgument("sizeBytes", sizeBytes, "at least 1");
    const memory = this.#memory.part(offsetBytes, sizeBytes);
    const root = this.#whole === this.#memory ? this : this.#root;
    const part = { whole: this.#whole, start: this.#start + offsetBytes, root };
    return new MemoryBuffer(memory, this.strategy, this.location, this.decision, part);
  }

  /**
   * An OS handle to the memory, for another process or API; whoever gets it owns it, so dispose of it once it is passed
   * on. The first one of GPU memory of up to 256 KiB that is not mapped moves that into an allocation of its own, so that
   * nobody sees other buffers: the thread waits until the GPU has copied it, behind all work before; TIMEOUT when that did
   * not end within 30 s. EXTERNAL_MEMORY_UNSUPPORTED unless the strategy is `shared` or `gpu`, and where a GPU's driver shares none;
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
   * Idempotent. Every view is detached first, so a stale one has length 0; channels tell their peers. While an API of the
   * runtime reads the bytes (zlib, a file that is written) they can't be detached: the memory then stays, and is given back
   * when its last view was collected. What a GPU still
   * does with the memory ends without harm; whoever waits for it gets CLOSED.
   */
  close(): void {
    this.#memory.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** CLOSED after close. */
function placeIn(buffer: MemoryBuffer, offset: number): transfer.Place {
  checkOpen(buffer);
  return { memory: wholeOf(buffer), offset: startOf(buffer) + offset };
}

/** A buffer that is a leak when it is collected with its memory still open. */
export function ownedBuffer(
  memory: NativeMemory,
  strategy: MemoryStrategy,
  location: MemoryLocation,
  decision: Decision,
): MemoryBuffer {
  const buffer = make(memory, strategy, location, decision);
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
    `these ${buffer.sizeBytes} bytes are a part of memory that has one handle for all of it`,
    { remedy: "Send the part through a channel, or copy it (copyTo) into a buffer of its own, and share that" },
  );
}

/** As `whole.part`, but no channel passes it in place: the peer could reach all of the whole, which is not its sender's. */
export function partOf(whole: MemoryBuffer, start: number, sizeBytes: number): MemoryBuffer {
  const part = { whole: memoryOf(whole), start, root: null };
  return make(part.whole.part(start, sizeBytes), whole.strategy, whole.location, whole.decision, part);
}

/** Where a buffer lies, as the shim takes it. CLOSED after close. */
export interface NativePlace {
  /** The handle of the whole memory. */
  memory: number;
  /** Bytes. */
  offset: number;
}

export function nativePlace(buffer: MemoryBuffer): NativePlace {
  checkOpen(buffer);
  return { memory: wholeOf(buffer).handle, offset: startOf(buffer) };
}

/** The buffer of which channels pass a part; itself where it is no such part. */
export function wholeBuffer(buffer: MemoryBuffer): MemoryBuffer {
  return rootOf(buffer);
}

/** CLOSED after close. */
export function checkOpen(buffer: MemoryBuffer): void {
  void memoryOf(buffer).handle;
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
 * calls `release`. Where the memory goes first, its owner closes the buffer before. `address` is 0 where the memory is not mapped.
 */
export function adoptMemory(
  shimHandle: number,
  address: number,
  sizeBytes: number,
  release: () => void,
  gpu?: AdoptedGpu,
): MemoryBuffer {
  const allocatedBytes = gpu?.allocationBytes ?? sizeBytes;
  const what = { handle: shimHandle, address, sizeBytes, allocatedBytes, pageBytes: 0, numaNode: -1, reserved: false };
  const side: GpuSide | null = gpu ? { device: gpu.device.retain(), pinned: false } : null;
  const memory = new NativeMemory(what, side, null, release);
  if (!gpu) return make(memory, "shared", SHARED, FROM_PEER);
  const { index } = gpu.device.info;
  return make(memory, "gpu", gpuLocation(index, gpu.hostVisible), FROM_PEER);
}

/** Runs `closer` when the buffer closes, before the memory goes. Returns what takes this back. */
export function onClose(buffer: MemoryBuffer, closer: () => void): () => void {
  return memoryOf(buffer).onClose(closer);
}

/** The buffer is passed without a copy over the holder's channel. Returns what takes this back. */
export function holdBy(buffer: MemoryBuffer, holder: Holder): () => void {
  const memory = wholeOf(buffer);
  const holders = (memory.holders ??= new Set());
  holders.add(holder);
  return () => {
    holders.delete(holder);
    if (holders.size === 0 && memory.holders === holders) memory.holders = null;
  };
}

export function isClosed(buffer: MemoryBuffer): boolean {
  return memoryOf(buffer).closed;
}

/** Whether a peer has a frame of the buffer that it has not released. */
export function unreleased(buffer: MemoryBuffer): boolean {
  return isHeld(wholeOf(buffer));
}

/** Which channels have frames of the buffer that were not released. */
export function describeHeld(buffer: MemoryBuffer): string {
  return held(wholeOf(buffer));
}

/** Keeps the buffer's memory open, also when it is closed. Returns what takes this back; null where that can't be. */
export function holdMemory(buffer: MemoryBuffer): (() => void) | null {
  return wholeOf(buffer).hold();
}
