/** Native memory with its one ArrayBuffer: shown, and freed in the right order. */
import { LavaFlowError } from "../errors.ts";
import type { GpuDevice } from "../gpu/device.ts";
import { sharedBetweenCopies } from "../native/copies.ts";
import { detach, viewOf } from "../native/handle.ts";
import { MEMORY_INFO } from "../native/layout.ts";
import { native } from "../native/load.ts";
import type { Holder } from "./holders.ts";
import { SIZE_MAX } from "./strategy.ts";

/** The shim writes its description of the last new memory here. Each call reads it at once, so a thread needs only one. */
export const info = new Uint8Array(new ArrayBuffer(MEMORY_INFO.sizeof));
const words = new Uint32Array(info.buffer);
const integers = new Int32Array(info.buffer);
const fields = MEMORY_INFO;

function number64(offset: number): number {
  return (words[offset / 4] as number) + (words[offset / 4 + 1] as number) * 2 ** 32;
}

/**
 * The open memory of one allocator: a linked list through the objects themselves. With a Set, adding took 0.17 µs of the
 * 0.67 µs that allocating 4 KiB on a GPU takes while 20,000 buffers are open.
 */
export class Owner {
  #last: NativeMemory | null = null;

  add(memory: NativeMemory): void {
    const last = this.#last;
    memory.previous = last;
    if (last) last.next = memory;
    this.#last = memory;
  }

  /** `memory` must be in this list. */
  delete(memory: NativeMemory): void {
    const { previous, next } = memory;
    if (previous) previous.next = next;
    if (next) next.previous = previous;
    else this.#last = previous;
    memory.previous = null;
    memory.next = null;
  }

  /** All open memory, the newest first. */
  all(): NativeMemory[] {
    const all: NativeMemory[] = [];
    for (let each = this.#last; each; each = each.previous) all.push(each);
    return all;
  }
}

/** The shim's description of memory. */
export interface Described {
  handle: number;
  /** 0 where the memory is not mapped. */
  address: number;
  sizeBytes: number;
  /** Bytes taken from the system or the GPU: whole pages, or the driver's figure. */
  allocatedBytes: number;
  /** Bytes of a page: 4096, 2 MiB, …; 1 for device memory. */
  pageBytes: number;
  /** The NUMA node that the memory is bound to, or -1. */
  numaNode: number;
  /** The pages are reserved huge pages. */
  reserved: boolean;
}

/** The description in `info`. */
export function described(): Described {
  return {
    handle: integers[fields.handle / 4] as number,
    address: number64(fields.address),
    sizeBytes: number64(fields.size),
    allocatedBytes: number64(fields.allocated),
    pageBytes: number64(fields.page_bytes),
    numaNode: integers[fields.numa_node / 4] as number,
    reserved: integers[fields.hugetlb / 4] === 1,
  };
}

/** How the memory of `info` was pinned: LF_PINNED_BY_… */
export function pinnedBy(): number {
  return integers[fields.pinned_by / 4] as number;
}

/** Whether the memory of `info` is the host's because the GPU has less BAR memory than that. */
export function beyondBar(): boolean {
  return integers[fields.beyond_bar / 4] === 1;
}

/** The GPU of a memory: `pinned` for host memory that its queue reaches, else memory of the GPU. */
export interface GpuSide {
  device: GpuDevice;
  pinned: boolean;
}

/** Memory that a GPU reaches, by the ArrayBuffer that shows it: a view leads back to its memory. */
const reachable = new WeakMap<ArrayBufferLike, NativeMemory>();

/** The memory behind `view`, if `device` reaches it; else null. */
export function memoryBehind(view: Uint8Array, device: GpuDevice): NativeMemory | null {
  const memory = reachable.get(view.buffer);
  return memory && !memory.closed && memory.gpu?.device === device ? memory : null;
}

export class NativeMemory {
  static {
    sharedBetweenCopies(NativeMemory, "NativeMemory", (memory) => memory);
  }

  readonly sizeBytes: number;
  readonly allocatedBytes: number;
  readonly pageBytes: number;
  readonly numaNode: number;
  readonly reserved: boolean;
  /** Null for memory that no GPU reaches. The memory owns one use of the device. */
  readonly gpu: GpuSide | null;
  /** The channels that have passed the memory without a copy; null where none has. */
  holders: Set<Holder> | null = null;
  /** The neighbours in the owner's list, which alone writes them. */
  previous: NativeMemory | null = null;
  next: NativeMemory | null = null;
  readonly #address: number;
  readonly #owner: Owner | null;
  /** The address at which the shim's mapping begins. */
  readonly #base: number;
  /** Frees adopted memory; null where the shim frees it. */
  readonly #release: (() => void) | null;
  #handle: number;
  #closing = false;
  #bytes: Uint8Array<ArrayBuffer> | null = null;
  #closers: Set<() => void> | null = null;
  #holds = 0;

  /**
   * Takes over one use of `gpu.device`. With `release` another owner frees the memory: `close` calls it. `base` is where
   * the mapping begins that holds the memory.
   */
  constructor(
    what: Described,
    gpu: GpuSide | null,
    owner: Owner | null,
    release: (() => void) | null = null,
    base = what.address,
  ) {
    this.sizeBytes = what.sizeBytes;
    this.allocatedBytes = what.allocatedBytes;
    this.pageBytes = what.pageBytes;
    this.numaNode = what.numaNode;
    this.reserved = what.reserved;
    this.gpu = gpu;
    this.#handle = what.handle;
    this.#address = what.address;
    this.#base = base;
    this.#owner = owner;
    this.#release = release;
    owner?.add(this);
  }

  get closed(): boolean {
    return this.#handle === 0;
  }

  /** The shim's handle. CLOSED after close. */
  get handle(): number {
    if (this.#handle === 0) throw this.#closedError();
    return this.#handle;
  }

  /** Whether reads and writes need not wait: no GPU reaches the memory, and no channel's peer has it. */
  get atOnce(): boolean {
    return this.gpu === null && this.holders === null;
  }

  /** All of the memory, the same array each time. CLOSED after close; NOT_HOST_VISIBLE where the memory can't be shown. */
  get bytes(): Uint8Array<ArrayBuffer> {
    if (this.#handle === 0) throw this.#closedError();
    if (this.#bytes?.buffer.detached) this.#bytes = null; // the user has transferred the ArrayBuffer
    return (this.#bytes ??= this.#show());
  }

  #show(): Uint8Array<ArrayBuffer> {
    if (this.#address === 0) {
      throw new LavaFlowError("NOT_HOST_VISIBLE", `these ${this.sizeBytes} bytes are in the GPU's own memory`, {
        remedy: 'Use read() or copyTo(), or allocate with { kind: "gpu", hostVisible: true }',
      });
    }
    if (this.sizeBytes > SIZE_MAX) {
      throw new LavaFlowError(
        "NOT_HOST_VISIBLE",
        `one ArrayBuffer shows at most ${SIZE_MAX} bytes (4 GiB), and these are ${this.sizeBytes}`,
        { remedy: "Use read(), write() and copyTo() on parts of it" },
      );
    }
    const buffer = viewOf(this.#address, this.sizeBytes, this.#base);
    if (this.gpu) reachable.set(buffer, this);
    return new Uint8Array(buffer);
  }

  /** Calls `closer` on close, before the memory is freed. Returns an unsubscribe function. */
  onClose(closer: () => void): () => void {
    const closers = (this.#closers ??= new Set());
    closers.add(closer);
    return () => closers.delete(closer);
  }

  /**
   * Delays the end of the native memory, for a reader that can't be stopped: `close` frees nothing before the returned
   * function is called. Null for memory that another owner frees.
   */
  hold(): (() => void) | null {
    if (this.#release) return null;
    const { handle } = this;
    this.#holds++;
    return () => {
      if (--this.#holds === 0 && this.closed) native().lf_memory_close(handle);
    };
  }

  /**
   * A range of the memory, with an ArrayBuffer of its own, which closes before the whole. The queue orders work on a part as
   * work on the whole. CLOSED after close.
   */
  part(offset: number, sizeBytes: number): NativeMemory {
    const { handle, pageBytes, numaNode, reserved } = this;
    const address = this.#address === 0 ? 0 : this.#address + offset;
    const what = { handle, address, sizeBytes, allocatedBytes: sizeBytes, pageBytes, numaNode, reserved };
    const part = new NativeMemory(what, null, null, () => forget(), this.#base);
    const forget = this.onClose(() => part.close());
    return part;
  }

  /**
   * Idempotent. Calls the closers, fails GPU work that uses the memory, detaches every view, then frees the memory. The shim
   * keeps it while the GPU works on it, or while a view that could not be detached shows it. Then throws the first error of
   * the closers.
   */
  close(): void {
    if (this.#handle === 0 || this.#closing) return;
    this.#closing = true;
    const errors = this.#callClosers();
    const handle = this.#handle;
    this.gpu?.device.queue.abandon(handle);
    if (this.#bytes) detach(this.#bytes.buffer);
    this.#bytes = null;
    this.#handle = 0;
    this.#owner?.delete(this);
    if (this.#release) this.#release();
    else if (this.#holds === 0) native().lf_memory_close(handle);
    this.gpu?.device.release();
    if (errors.length > 0) throw errors[0];
  }

  #callClosers(): unknown[] {
    const errors: unknown[] = [];
    for (const closer of this.#closers ?? []) {
      try {
        closer();
      } catch (error) {
        errors.push(error);
      }
    }
    this.#closers = null;
    return errors;
  }

  #closedError(): LavaFlowError {
    return new LavaFlowError("CLOSED", `this memory of ${this.sizeBytes} bytes is closed`, {
      remedy: "Keep a buffer open while it is used",
    });
  }
}
