/** MemoryBuffer: memory that its owner reads, writes, shares and closes. */
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

/** The memory that a buffer is a part of. */
interface Part {
  whole: NativeMemory;
  /** Where in `whole` the part begins, bytes. */
  start: number;
  /** The buffer of all of `whole`, which channels pass; null where channels pass no part of it. */
  root: MemoryBuffer | null;
}

/** Calls the private constructor. */
let make: (
  memory: NativeMemory,
  strategy: MemoryStrategy,
  location: MemoryLocation,
  decision: Decision,
  part?: Part,
) => MemoryBuffer;
/** The memory of a buffer, for channels. */
let memoryOf: (buffer: MemoryBuffer) => NativeMemory;
/** The memory with a handle of the shim: the buffer's own, or the one that it is a part of. */
let wholeOf: (buffer: MemoryBuffer) => NativeMemory;
/** Where in `wholeOf` the buffer begins, bytes. */
let startOf: (buffer: MemoryBuffer) => number;
/** The buffer that a channel announces when this one is sent: the whole of a part, else the buffer itself. */
let rootOf: (buffer: MemoryBuffer) => MemoryBuffer;

const COPY = { sourceOffset: true, targetOffset: true, sizeBytes: true, timeoutMs: true, signal: true } as const;

/** Only reports a leak: a finalizer that frees memory would pull it away from a view. */
const leaks = new FinalizationRegistry((memory: NativeMemory) => {
  if (memory.closed) return;
  process.emitWarning(
    `a MemoryBuffer of ${memory.sizeBytes} bytes was dropped without close(): its memory stays until its allocator is closed or the thread ends`,
    { type: "LavaFlowWarning", code: "LAVA_FLOW_LEAK" },
  );
});

/**
 * Memory. Host memory starts zeroed; GPU memory starts with any content. Every method throws or rejects with CLOSED
 * after `close`, and with INVALID_ARGUMENT for a range outside of the buffer. Offsets and sizes are in bytes.
 *
 * `write`, `read`, `fill` and `copyTo` on memory that a GPU reaches run in the order of the calls on that GPU, and each
 * resolves at its end. Their sources must not change before that. They reject with CLOSED when a buffer closes first, and
 * with GPU_DEVICE_LOST. Between two GPUs the bytes pass through host memory.
 *
 * `write`, `fill` and `copyTo` (its target) first wait until the peers have released every frame of the memory, as `released`
 * does. A call joins the GPU's order after that wait. Code that writes into `bytes` or `view` must await `released` itself.
 *
 * The four take Limits. Without `timeoutMs` they reject with TIMEOUT when a peer releases nothing, or the GPU ends no work,
 * for 30 s. After TIMEOUT or ABORTED, work that the GPU has not begun is dropped, and the call's views are neither read nor
 * written, except views of memory that the GPU reaches. Work that the GPU has begun runs on, before all later calls,
 * and keeps the memory that it needs.
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
  /** Why this strategy was chosen, and why each other one was rejected. */
  readonly decision: Decision;
  readonly #memory: NativeMemory;
  /** The buffer's own memory, or the memory that holds it at `#start`. */
  readonly #whole: NativeMemory;
  readonly #start: number;
  /** As in Part; null where the buffer is no part. */
  readonly #root: MemoryBuffer | null;

  /** `new` throws INVALID_ARGUMENT: MemoryAllocator and channels make buffers. */
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

  /** Bytes of a page of the memory; 0 for GPU memory, and where the size is not known. */
  get pageBytes(): number {
    return this.isGpu ? 0 : this.#memory.pageBytes;
  }

  /** Whether the memory is a GPU's, mapped or not. Pinned memory is host memory. */
  get isGpu(): boolean {
    const { gpu } = this.#whole;
    return gpu !== null && !gpu.pinned;
  }

  /**
   * The memory itself, not a copy: the same array each time, detached by close. CLOSED after close. NOT_HOST_VISIBLE for
   * GPU memory that was allocated without `hostVisible: true`, or is larger than one ArrayBuffer (4 GiB). Await the GPU's work
   * on the memory before reading the array.
   */
  get bytes(): Uint8Array<ArrayBuffer> {
    return this.#memory.bytes;
  }

  /** All of the memory as a typed array or a DataView. INVALID_ARGUMENT when the size is no multiple of the element's; else as `bytes`. */
  view<T extends ArrayBufferView>(type: ViewType<T>): T {
    return viewAs(this.#memory.bytes, type);
  }

  /**
   * Resolves when the peers have released every frame of this memory: it may be written again. Resolves at once for memory
   * that was only sent as a copy. A channel whose peer has closed or died does not count, nor one that was closed here: await
   * `flush` before that close. TIMEOUT (default 30 000 ms) names the channels and their frames; ABORTED, CLOSED;
   * CORRUPT_SEGMENT when a peer's counts are impossible.
   */
  async released(limits?: Limits): Promise<void> {
    checkLimits("released", limits);
    return untilReleased(this.#whole, limits);
  }

  /** Copies all of `source` to `offsetBytes`. Resolves when the bytes are there. */
  async write(source: Bytes, offsetBytes = 0, limits?: Limits): Promise<void> {
    const from = bytesOf("source", source);
    const sizeBytes = from.length;
    checkRange(this.sizeBytes, "write", offsetBytes, sizeBytes);
    if (limits === undefined && this.#whole.atOnce) return transfer.write(addressIn(this, offsetBytes), from, null);
    await access("write", sizeBytes, null, this.#whole, limits, (stop) => {
      if (from.length !== sizeBytes) checkUnchanged("source", from, sizeBytes); // while it waited
      return transfer.write(addressIn(this, offsetBytes), from, stop);
    });
  }

  /** Fills all of `target` with the bytes from `offsetBytes` on. Resolves when they are there. */
  async read(target: Bytes, offsetBytes = 0, limits?: Limits): Promise<void> {
    const to = bytesOf("target", target);
    const sizeBytes = to.length;
    checkRange(this.sizeBytes, "read", offsetBytes, sizeBytes);
    if (limits === undefined && this.#whole.atOnce) return transfer.read(addressIn(this, offsetBytes), to, null);
    await access("read", sizeBytes, this.#whole, null, limits, (stop) =>
      transfer.read(addressIn(this, offsetBytes), to, stop),
    );
  }

  /**
   * Repeats the 32-bit `value32`, its lowest byte first, for `sizeBytes` (default: up to the end). The last word may be
   * incomplete. Offsets and sizes that are multiples of 4 are fastest on a GPU.
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
      transfer.fill(addressIn(this, offsetBytes), sizeBytes, value32, stop),
    );
  }

  /** Copies `sizeBytes` (default: all from `sourceOffset` on) to `target`, which may be the same buffer. */
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
      transfer.copy(addressIn(this, sourceOffset), addressIn(target, targetOffset), sizeBytes, stop),
    );
  }

  /**
   * `sizeBytes` (at least 1) from `offsetBytes` on, as a buffer: the same memory, not a copy. GPU work and `released` count
   * for the whole buffer. The part closes with this buffer at the latest; closing the part only detaches its views. A channel
   * passes a part as it passes the whole. The peer maps all of the memory, so a hostile peer can reach the whole buffer.
   * CLOSED, INVALID_ARGUMENT.
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
   * An OS handle to the memory, for another process or API. The receiver owns its handle: dispose of this one after passing
   * it on. The first export of unmapped GPU memory of up to 256 KiB moves the memory into an allocation of its own, because
   * the handle would show other buffers too: the thread blocks until the GPU has copied it, behind all earlier work; TIMEOUT
   * after 30 s. EXTERNAL_MEMORY_UNSUPPORTED unless the strategy is `shared` or `gpu`, and where a GPU's driver shares none;
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
   * Idempotent. Detaches every view first, so a stale view has length 0; channels tell their peers. A view can't be detached
   * while an API of the runtime reads it (zlib, a file that is written): the memory is then freed when its last view has been
   * collected. Work of a GPU on the memory runs on without harm; calls that wait for it reject with CLOSED.
   */
  close(): void {
    this.#memory.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** CLOSED after close. */
function addressIn(buffer: MemoryBuffer, offset: number): transfer.Address {
  checkOpen(buffer);
  return { memory: wholeOf(buffer), offset: startOf(buffer) + offset };
}

/** A buffer that is reported as a leak when it is collected before it was closed. */
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

/** As `whole.part`, but no channel passes it in place: the peer could reach all of `whole`, which is not the sender's. */
export function partOf(whole: MemoryBuffer, start: number, sizeBytes: number): MemoryBuffer {
  const part = { whole: memoryOf(whole), start, root: null };
  return make(part.whole.part(start, sizeBytes), whole.strategy, whole.location, whole.decision, part);
}

/** Where a buffer begins, as the shim takes it. CLOSED after close. */
export interface NativeAddress {
  /** The handle of the whole memory. */
  memory: number;
  /** Bytes. */
  offset: number;
}

export function nativeAddress(buffer: MemoryBuffer): NativeAddress {
  checkOpen(buffer);
  return { memory: wholeOf(buffer).handle, offset: startOf(buffer) };
}

/** The buffer that a channel announces for this one: the whole of a part, else the buffer itself. */
export function wholeBuffer(buffer: MemoryBuffer): MemoryBuffer {
  return rootOf(buffer);
}

/** CLOSED after close. */
export function checkOpen(buffer: MemoryBuffer): void {
  void memoryOf(buffer).handle;
}

/** The GPU that owns or reaches the memory; null for other host memory. */
export function deviceOf(buffer: MemoryBuffer): GpuDevice | null {
  return wholeOf(buffer).gpu?.device ?? null;
}

/** The GPU of adopted memory. `allocationBytes` is the size of the allocation in the exporter's driver. */
export interface AdoptedGpu {
  device: GpuDevice;
  allocationBytes: number;
  hostVisible: boolean;
}

/**
 * A buffer whose shared or GPU memory has another owner. `close()` detaches the views and calls `release`; the owner
 * closes the buffer before it frees the memory. `address` is 0 where the memory is not mapped.
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

/** Calls `closer` on close, before the memory is freed. Returns an unsubscribe function. */
export function onClose(buffer: MemoryBuffer, closer: () => void): () => void {
  return memoryOf(buffer).onClose(closer);
}

/** The holder's channel passes the buffer without a copy. Returns a function that removes the holder. */
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

/** Whether a peer has an unreleased frame of the buffer. */
export function unreleased(buffer: MemoryBuffer): boolean {
  return isHeld(wholeOf(buffer));
}

/** Names the channels with unreleased frames of the buffer. */
export function describeHeld(buffer: MemoryBuffer): string {
  return held(wholeOf(buffer));
}

/** As NativeMemory.hold, of all of the memory that the buffer is in. */
export function holdMemory(buffer: MemoryBuffer): (() => void) | null {
  return wholeOf(buffer).hold();
}
