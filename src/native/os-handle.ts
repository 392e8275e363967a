/** An OS handle (a descriptor, on Windows an NT handle) that this process owns until it is passed on. */
import { invalidArgument, LavaFlowError } from "../errors.ts";
import { sharedBetweenCopies } from "./copies.ts";
import { native } from "./load.ts";
import { check } from "./status.ts";

/** Exactly one of the two. */
export interface OsHandleFields {
  /** File descriptor (Linux, macOS). */
  readonly fd?: number;
  /** NT handle (Windows). */
  readonly handle?: bigint;
}

const WINDOWS = process.platform === "win32";

/** The shim writes a new handle here. Each call reads it at once, so a thread needs only one. */
export const exported = new BigInt64Array(new ArrayBuffer(8));

export class OsHandle implements OsHandleFields, Disposable {
  static {
    sharedBetweenCopies(OsHandle, "OsHandle", (handle) => handle);
  }

  readonly fd?: number;
  readonly handle?: bigint;
  #open = true;

  /** Takes over the handle in `exported`. */
  constructor() {
    const made = exported[0] as bigint;
    if (WINDOWS) this.handle = made;
    else this.fd = Number(made);
  }

  /** Makes the caller the owner of the number. CLOSED when it has an owner already, or was disposed of. */
  take(): void {
    if (!this.#open) {
      throw new LavaFlowError("CLOSED", "this handle was disposed of, or imported before", {
        remedy: "Export a handle for each import",
      });
    }
    this.#open = false;
  }

  [Symbol.dispose](): void {
    if (!this.#open) return;
    this.#open = false;
    closeOsHandle(this.fd ?? (this.handle as bigint));
  }
}

export function closeOsHandle(handle: number | bigint): void {
  const shim = native();
  check(shim, shim.lf_os_handle_close(handle));
}

/** The number in `given`, an OsHandle or a plain object. The caller owns it from now on. */
export function takeOsHandle(given: OsHandleFields): number | bigint {
  const { fd, handle } = given;
  if (!WINDOWS && (!Number.isInteger(fd) || (fd as number) < 0 || (fd as number) > 0x7fffffff)) {
    throw invalidArgument("handle.fd", fd, "an open file descriptor");
  }
  if (WINDOWS && (typeof handle !== "bigint" || handle <= 0n)) {
    throw invalidArgument("handle.handle", handle, "an NT handle as a bigint");
  }
  if (given instanceof OsHandle) given.take();
  return WINDOWS ? (handle as bigint) : (fd as number);
}
