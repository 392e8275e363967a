/** Payloads of messages: bytes, or values of structs. */
import { isAnyArrayBuffer } from "node:util/types";
import type { LavaFlowError } from "../../errors.ts";
import { type Bytes, bytesOf, checkUnchanged } from "../../memory/bytes.ts";
import type { Struct, StructInit, StructValue } from "../struct/struct.ts";

/** The bytes of a view, whatever its elements are, or of a whole buffer. */
export type MessageBytes = Bytes;

/** A payload to send: a value of the struct `S` or bytes, or only bytes where the kernel has no struct. */
export type PayloadInit<S> = S extends Struct ? StructInit<S> | MessageBytes : MessageBytes;

/** A payload that was received: a value of the struct `S`, or bytes where the kernel has none. */
export type Payload<S> = S extends Struct ? StructValue<S> : Uint8Array;

export const isBytes = (value: unknown): value is MessageBytes => ArrayBuffer.isView(value) || isAnyArrayBuffer(value);

export const isThenable = (value: unknown): value is PromiseLike<unknown> =>
  typeof value === "object" && value !== null && typeof (value as { then?: unknown }).then === "function";

/** The bytes of a payload; a value is packed. Throws INVALID_ARGUMENT, or CLOSED where the memory was closed. */
export function messageBytes(name: string, value: unknown, struct: Struct | null = null): Uint8Array {
  if (struct !== null && !isBytes(value)) return struct.pack(value as never);
  return bytesOf(name, value);
}

/**
 * The error of a payload that had `sizeBytes` bytes before a wait and no longer has them; null where it still has them.
 */
export function changeOf(payload: Uint8Array, sizeBytes: number): LavaFlowError | null {
  try {
    checkUnchanged("payload", payload, sizeBytes);
    return null;
  } catch (error) {
    return error as LavaFlowError;
  }
}
