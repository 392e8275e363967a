/** Every failure of this library is a LavaFlowError with a code that stays the same from version to version. */

/** In the order of the status numbers in shim/include/lavaflow.h: the code at index i is status -(i + 1). */
export const ERROR_CODES = [
  "INVALID_ARGUMENT",
  "CLOSED",
  "TIMEOUT",
  "ABORTED",
  "NOT_HOST_VISIBLE",
  "HOST_OUT_OF_MEMORY",
  "GPU_OUT_OF_MEMORY",
  "NUMA_NODE_NOT_FOUND",
  "HUGEPAGES_UNAVAILABLE",
  "GPU_PINNING_FAILED",
  "GPU_DEVICE_NOT_FOUND",
  "EXTERNAL_MEMORY_UNSUPPORTED",
  "EXTERNAL_HANDLE_MISMATCH",
  "PEER_DIED",
  "CHANNEL_CLOSED",
  "NAME_IN_USE",
  "PERMISSION_DENIED",
  "WIRE_VERSION_MISMATCH",
  "CORRUPT_SEGMENT",
  "NO_ROUTE",
  "MPI_UNAVAILABLE",
  "MPI_FAILED",
  "SHIM_NOT_FOUND",
  "SHIM_VERSION_MISMATCH",
  "BACKEND_UNAVAILABLE",
  "KERNEL_EXISTS",
  "KERNEL_NOT_ACTIVE",
  "INVALID_TRANSITION",
  "SHADER_INVALID",
  "QUEUE_FULL",
  "MAX_HOPS_EXCEEDED",
  "CLOCK_DRIFT",
  "SYSTEM",
  "GPU_DEVICE_LOST",
  "HANDLER_FAILED",
] as const;

export type ErrorCode = (typeof ERROR_CODES)[number];

/** The call underneath a failure: which API, its own status number and its own words. */
export interface NativeFailure {
  api: string;
  status: number;
  text: string;
}

export class LavaFlowError extends Error {
  override readonly name = "LavaFlowError";
  readonly code: ErrorCode;
  declare readonly native?: NativeFailure;
  /** What the user can do about it, where that is known. */
  declare readonly remedy?: string;
  readonly #reason: string;

  constructor(
    code: ErrorCode,
    message: string,
    options: { native?: NativeFailure; remedy?: string; cause?: unknown } = {},
  ) {
    const remedy = options.remedy ? `. ${options.remedy}` : "";
    super(`${code}: ${message}${remedy}`, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.#reason = message;
    if (options.native) this.native = options.native;
    if (options.remedy) this.remedy = options.remedy;
  }

  /** What happened: the message without the code and the remedy. */
  get reason(): string {
    return this.#reason;
  }
}

/** The error for an argument that can't be right: its name, what it was, and what it may be. */
export function invalidArgument(name: string, value: unknown, allowed: string): LavaFlowError {
  return new LavaFlowError("INVALID_ARGUMENT", `${name} is ${describe(value)}`, { remedy: `Give ${allowed}` });
}

function describe(value: unknown): string {
  if (typeof value === "string")
    return value.length > 80 ? `a string of ${value.length} characters` : JSON.stringify(value);
  if (typeof value === "function") return "a function";
  if (typeof value === "object" && value !== null) return `a ${value.constructor?.name ?? "value"}`;
  return String(value);
}
