/** GpuSemaphore: orders the work of a GPU here with that of another process or another API. */
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

/** An OS handle to a semaphore, with the device that it belongs to. The receiver owns the handle and closes it. */
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

/** Calls the private constructor. */
let make: (device: GpuDevice, kind: SemaphoreKind, handle: number, owner: Set<GpuSemaphore>) => GpuSemaphore;
/** Stack frames that a waiting call keeps: callHere, two methods of this file, and the user's frames. */
const FRAMES = 6;

/** The shim's handle, for interop. */
let handleOf: (semaphore: GpuSemaphore) => number;

export function checkKind(name: string, kind: unknown): void {
  if (kind !== "timeline" && kind !== "binary") throw invalidArgument(name, kind, '"timeline" or "binary"');
}

/**
 * A timeline counts up: a wait for a value ends when the value is reached or passed. A binary semaphore is signalled once
 * for each wait. All methods but `close` throw or reject with CLOSED after `close`.
 *
 * `signal` and `wait` take Limits. Without `timeoutMs` they reject with TIMEOUT when the GPU ends no work for 30 s. After
 * TIMEOUT or ABORTED a signal or wait that was not submitted is dropped. A submitted one stays in the GPU's order.
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

  /** `new` throws INVALID_ARGUMENT: MemoryAllocator.createSemaphore makes semaphores. Takes over one use of `device`. */
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

  /** The GPU signals when all work called before has ended. Resolves then. */
  signal(value?: number, limits?: Limits): Promise<void> {
    return this.#submit("signal", value, limits);
  }

  /** Work called later waits on the GPU until the semaphore is signalled. Resolves then. */
  wait(value?: number, limits?: Limits): Promise<void> {
    return this.#submit("wait", value, limits);
  }

  /** Whether a timeline has reached the value. INVALID_ARGUMENT for a binary semaphore, which has none. */
  reached(value: number): boolean {
    if (this.kind !== "timeline") {
      throw new LavaFlowError("INVALID_ARGUMENT", "a binary semaphore has no value that could be read", {
        remedy: 'Create the semaphore with kind: "timeline"',
      });
    }
    const shim = native();
    check(shim, shim.lf_semaphore_value(this.#open(), current), "semaphore");
    return (current[0] as number) >= this.#checked(value);
  }

  /** An OS handle for another process or API. Its receiver owns it. SYSTEM when no descriptor is left. */
  exportHandle(): ExternalSemaphoreHandle {
    const shim = native();
    check(shim, shim.lf_semaphore_export(this.#open(), exported), "exportHandle");
    return new SemaphoreHandle(this.kind, this.#device);
  }

  /** Idempotent. Work that uses the semaphore runs on. */
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
      remedy: "Keep the semaphore open while it is used",
    });
  }
}

/** Takes over one use of `device`, also when it fails. EXTERNAL_MEMORY_UNSUPPORTED. */
export function createSemaphore(device: GpuDevice, kind: SemaphoreKind, owner: Set<GpuSemaphore>): GpuSemaphore {
  return made(device, kind, native().lf_semaphore_create(device.handle, KINDS[kind]), owner);
}

/** Takes over the OS handle and one use of `device`, also when it fails. */
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
