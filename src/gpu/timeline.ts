/** GpuSemaphore: order between the work of a GPU here and that of another process, or of another API. */
import { callHere, invalidArgument, LavaFlowError, shownAt } from "../errors.ts";
import { sharedBetweenCopies } from "../native/copies.ts";
import { CONSTANTS } from "../native/layout.ts";
import { checkLimits, type Limits } from "../native/limits.ts";
import { native } from "../native/load.ts";
import { exported, OsHandle, type OsHandleFields } from "../native/os-handle.ts";
import { check } from "../native/status.ts";
import { GpuDevice } from "./device.ts";
import { Stop } from "./stop.ts";

/** A timeline semaphore has a value that only grows; a binary one is signalled once for each wait. */
export type SemaphoreKind = "timeline" | "binary";

/** What an OS handle to a semaphore says of itself. The receiver owns the handle; closing it is its duty. */
export interface ExternalSemaphoreHandle extends OsHandleFields, Disposable {
  readonly type: "opaque-fd" | "opaque-win32";
  readonly kind: SemaphoreKind;
  /** 16-byte UUIDs as hex: importing on another device or driver is refused. */
  readonly deviceUuid: string;
  readonly driverUuid: string;
}

const KINDS: Record<SemaphoreKind, number> = {
  timeline: CONSTANTS.LF_SEMAPHORE_TIMELINE,
  binary: CONSTANTS.LF_SEMAPHORE_BINARY,
};

class SemaphoreHandle extends OsHandle implements ExternalSemaphoreHandle {
  readonly type = process.platform === "win32" ? "opaque-win32" : "opaque-fd";
  readonly kind: SemaphoreKind;
  readonly deviceUuid: string;
  readonly driverUuid: string;

  constructor(kind: SemaphoreKind, device: GpuDevice) {
    super();
    this.kind = kind;
    this.deviceUuid = device.info.deviceUuid;
    this.driverUuid = device.info.driverUuid;
  }
}

const current = new Float64Array(new ArrayBuffer(8));

/** Makes a semaphore: its constructor is private, and runs for this file alone. */
let make: (device: GpuDevice, kind: SemaphoreKind, handle: number, owner: Set<GpuSemaphore>) => GpuSemaphore;
/** Of the stack of a call that waits: callHere, two methods here, and what the user calls them by. */
const FRAMES = 6;

/** How interop reaches the shim's handle. */
let handleOf: (semaphore: GpuSemaphore) => number;

export function checkKind(name: string, kind: unknown): void {
  if (kind !== "timeline" && kind !== "binary") throw invalidArgument(name, kind, '"timeline" or "binary"');
}

/**
 * A timeline counts up: who waits for a value waits until it is reached or passed. A binary semaphore is signalled once
 * for each wait. All methods but `close` throw or reject with CLOSED after `close`.
 *
 * `signal` and `wait` take Limits. Without `timeoutMs` they reject with TIMEOUT when the GPU gets nothing done for 30 s. After
 * TIMEOUT or ABORTED what was not handed to the GPU yet is left out; what was can't be taken back, and the GPU still signals
 * or waits in its order.
 */
export class GpuSemaphore implements Disposable {
  static {
    make = (...parts) => new GpuSemaphore(...parts);
    handleOf = sharedBetweenCopies(GpuSemaphore, "GpuSemaphore", (semaphore) => semaphore.#open());
  }

  readonly kind: SemaphoreKind;
  readonly #device: GpuDevice;
  readonly #owner: Set<GpuSemaphore>;
  #handle: number;

  /** Semaphores come from a MemoryAllocator, not from `new`: it throws INVALID_ARGUMENT. Takes over one use of `device`. */
  private constructor(device: GpuDevice, kind: SemaphoreKind, handle: number, owner: Set<GpuSemaphore>) {
    if (!(device instanceof GpuDevice)) {
      throw new LavaFlowError("INVALID_ARGUMENT", "a GpuSemaphore can't be made with new", {
        remedy: "Use MemoryAllocator.createSemaphore",
      });
    }
    this.#device = device;
    this.kind = kind;
    this.#handle = handle;
    this.#owner = owner;
    owner.add(this);
  }

  /** Signals when all work of its GPU that was called before has ended; resolves then. */
  signal(value?: number, limits?: Limits): Promise<void> {
    return this.#submit("signal", value, limits);
  }

  /** All work of its GPU that is called later waits until the semaphore is signalled; resolves then. */
  wait(value?: number, limits?: Limits): Promise<void> {
    return this.#submit("wait", value, limits);
  }

  /** Whether a timeline has reached the value. INVALID_ARGUMENT for a binary semaphore, which can't tell. */
  reached(value: number): boolean {
    if (this.kind !== "timeline") {
      throw new LavaFlowError("INVALID_ARGUMENT", "a binary semaphore does not tell whether it is signalled", {
        remedy: 'Use one of kind "timeline"',
      });
    }
    const shim = native();
    check(shim, shim.lf_semaphore_value(this.#open(), current), "semaphore");
    return (current[0] as number) >= this.#checked(value);
  }

  /** An OS handle for another process or API; whoever gets it owns it. SYSTEM when no descriptor is left. */
  exportHandle(): ExternalSemaphoreHandle {
    const shim = native();
    check(shim, shim.lf_semaphore_export(this.#open(), exported), "exportHandle");
    return new SemaphoreHandle(this.kind, this.#device);
  }

  /** Idempotent. Work that is under way keeps what it needs. */
  close(): void {
    if (this.#handle === 0) return;
    native().lf_semaphore_close(this.#handle);
    this.#handle = 0;
    this.#owner.delete(this);
    this.#device.release();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async #submit(what: "signal" | "wait", value: number | undefined, limits: Limits | undefined): Promise<void> {
    const target = this.#checked(value);
    checkLimits(what, limits);
    const shim = native();
    this.#open();
    const call = callHere(FRAMES);
    const stop = limits === undefined ? null : new Stop(`the GPU's ${what} of the semaphore did not come`, limits);
    const run = (out: Float64Array) =>
      what === "signal"
        ? shim.lf_semaphore_signal(this.#handle, target, out)
        : shim.lf_semaphore_wait(this.#handle, target, out);
    try {
      await this.#device.queue.submit([], `semaphore ${what}`, run, { stop });
    } catch (error) {
      throw shownAt(call, error);
    } finally {
      stop?.close();
    }
  }

  #checked(value: number | undefined): number {
    if (this.kind === "binary") {
      if (value !== undefined) throw invalidArgument("value", value, "no value: a binary semaphore has none");
      return 0;
    }
    if (!Number.isSafeInteger(value) || (value as number) < 0) {
      throw invalidArgument("value", value, "a whole number from 0 to 2^53 - 1");
    }
    return value as number;
  }

  #open(): number {
    if (this.#handle !== 0) return this.#handle;
    throw new LavaFlowError("CLOSED", "this GpuSemaphore is closed", {
      remedy: "Keep it open for as long as it is used",
    });
  }
}

/** A new one; takes over one use of `device`, also when it fails. EXTERNAL_MEMORY_UNSUPPORTED. */
export function createSemaphore(device: GpuDevice, kind: SemaphoreKind, owner: Set<GpuSemaphore>): GpuSemaphore {
  return made(device, kind, native().lf_semaphore_create(device.handle, KINDS[kind]), owner);
}

/** That of another process or API; takes over the OS handle and one use of `device`, also when it fails. */
export function importSemaphore(
  device: GpuDevice,
  kind: SemaphoreKind,
  osHandle: number | bigint,
  uuids: Uint8Array,
  owner: Set<GpuSemaphore>,
): GpuSemaphore {
  return made(device, kind, native().lf_semaphore_import(device.handle, KINDS[kind], osHandle, uuids), owner);
}

function made(device: GpuDevice, kind: SemaphoreKind, handle: number, owner: Set<GpuSemaphore>): GpuSemaphore {
  try {
    check(native(), handle, `a ${kind} semaphore of GPU ${device.info.index} (${device.info.name})`);
  } catch (error) {
    device.release();
    throw error;
  }
  return make(device, kind, handle, owner);
}

/** The shim's handle of a semaphore. CLOSED after close. */
export function nativeSemaphore(semaphore: GpuSemaphore): number {
  return handleOf(semaphore);
}
