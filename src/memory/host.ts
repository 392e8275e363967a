/** Host memory that the shim holds, with its one ArrayBuffer: made, looked at, and given back in the right order. */
import { LavaFlowError } from "../errors.ts";
import { viewOf } from "../native/handle.ts";
import { CONSTANTS, MEMORY_INFO } from "../native/layout.ts";
import { native } from "../native/load.ts";
import { lastError } from "../native/status.ts";

export type HostStrategy = "standard" | "numa" | "hugepages" | "shared";

const CODES: Record<HostStrategy, number> = {
  standard: CONSTANTS.LF_MEMORY_STANDARD,
  numa: CONSTANTS.LF_MEMORY_NUMA,
  hugepages: CONSTANTS.LF_MEMORY_HUGEPAGES,
  shared: CONSTANTS.LF_MEMORY_SHARED,
};

/** The shim's description of the memory it made last; one a thread is enough, as it is read at once. */
const info = new Uint8Array(new ArrayBuffer(MEMORY_INFO.size));
const words = new Uint32Array(info.buffer);
const integers = new Int32Array(info.buffer);
const { fields } = MEMORY_INFO;

function number64(offset: number): number {
  return (words[offset / 4] as number) + (words[offset / 4 + 1] as number) * 2 ** 32;
}

/** Who keeps a list of memory that is open, to close what is left at its own end. */
type Owner = Set<HostMemory>;

export class HostMemory {
  readonly sizeBytes: number;
  /** Bytes really taken: whole pages. */
  readonly allocatedBytes: number;
  /** What the memory is made of: 4096, 2 MiB, … */
  readonly pageBytes: number;
  /** The node it is bound to, or -1. */
  readonly numaNode: number;
  /** Made of reserved huge pages. */
  readonly reserved: boolean;
  readonly #address: number;
  readonly #owner: Owner | null;
  /** What gives adopted memory back; the shim does it for all other. */
  readonly #release: ((escaped: boolean) => void) | null;
  #handle: number;
  #closing = false;
  #buffer: ArrayBuffer | null = null;
  #escaped = false;
  #closers: Set<() => void> | null = null;

  private constructor(
    handle: number,
    address: number,
    sizeBytes: number,
    owner: Owner | null,
    release: ((escaped: boolean) => void) | null,
  ) {
    this.sizeBytes = sizeBytes;
    this.#handle = handle;
    this.#address = address;
    this.#owner = owner;
    this.#release = release;
    const described = release === null;
    this.allocatedBytes = described ? number64(fields.allocated) : sizeBytes;
    this.pageBytes = described ? number64(fields.page_bytes) : 0;
    this.numaNode = described ? (integers[fields.numa_node / 4] as number) : -1;
    this.reserved = described && integers[fields.hugetlb / 4] === 1;
    owner?.add(this);
  }

  static #described(sizeBytes: number, owner: Owner): HostMemory {
    return new HostMemory(integers[fields.handle / 4] as number, number64(fields.address), sizeBytes, owner, null);
  }

  /** New memory, zeroed. `numaNode` -1 means the node of this thread's processor, and counts for `numa` only. */
  static allocate(strategy: HostStrategy, sizeBytes: number, numaNode: number, owner: Owner): HostMemory {
    const shim = native();
    if (shim.lf_memory_allocate(CODES[strategy], sizeBytes, numaNode, info) < 0) throw lastError(shim, strategy);
    return HostMemory.#described(sizeBytes, owner);
  }

  /** Shared memory from elsewhere; takes the OS handle over, also when it fails. */
  static import(osHandle: number | bigint, sizeBytes: number, owner: Owner): HostMemory {
    const shim = native();
    if (shim.lf_memory_import(osHandle, sizeBytes, info) < 0) throw lastError(shim, "import");
    return HostMemory.#described(sizeBytes, owner);
  }

  /** Memory that somebody else closes: `release` is told when it is no longer looked at, or that it always will be. */
  static adopt(handle: number, address: number, sizeBytes: number, release: (escaped: boolean) => void): HostMemory {
    return new HostMemory(handle, address, sizeBytes, null, release);
  }

  get closed(): boolean {
    return this.#handle === 0;
  }

  /** The shim's handle. CLOSED after close. */
  get handle(): number {
    if (this.#handle === 0) throw this.#closedError();
    return this.#handle;
  }

  /** All of the memory. CLOSED after close. */
  get buffer(): ArrayBuffer {
    if (this.#handle === 0) throw this.#closedError();
    if (this.#buffer?.detached) {
      // Its user transferred it: what it became shows the same memory, out of our reach.
      this.#escaped = true;
      this.#buffer = null;
    }
    return (this.#buffer ??= viewOf(this.#address, this.sizeBytes));
  }

  /** Runs `closer` before the memory goes. Returns what takes this back. */
  onClose(closer: () => void): () => void {
    const closers = (this.#closers ??= new Set());
    closers.add(closer);
    return () => closers.delete(closer);
  }

  /** Idempotent. Tells everyone, detaches every view, gives the memory back; an error of those told comes last. */
  close(): void {
    if (this.#handle === 0 || this.#closing) return;
    this.#closing = true;
    const errors = this.#tell();
    const escaped = this.#escaped || this.#buffer?.detached === true;
    if (this.#buffer && !this.#buffer.detached) this.#buffer.transfer(0);
    this.#buffer = null;
    const handle = this.#handle;
    this.#handle = 0;
    this.#owner?.delete(this);
    if (this.#release) this.#release(escaped);
    else if (escaped) warnOfEscape(this.sizeBytes);
    else native().lf_memory_close(handle);
    if (errors.length > 0) throw errors[0];
  }

  #tell(): unknown[] {
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
      remedy: "Keep a buffer open for as long as it is used",
    });
  }
}

/** Unmapping what another ArrayBuffer still shows would turn its next use into a crash. */
function warnOfEscape(sizeBytes: number): void {
  process.emitWarning(
    `the ArrayBuffer of a MemoryBuffer was transferred: its ${sizeBytes} bytes stay until the thread ends`,
    { type: "LavaFlowWarning", code: "LAVA_FLOW_ESCAPED" },
  );
}
