/** What a message carries. */
import { isAnyArrayBuffer } from "node:util/types";
import type { LavaFlowError } from "../../errors.ts";
import { type Bytes, bytesOf, checkUnchanged } from "../../memory/bytes.ts";
import type { Struct, StructInit, StructValue } from "../struct/struct.ts";

/** The bytes of a view, whatever its elements are, or of a whole buffer. */
export type MessageBytes = Bytes;

/** What is sent to a kernel whose requests are of a struct, or to one that takes bytes. */
export type PayloadInit<S> = S extends Struct ? StructInit<S> | MessageBytes : MessageBytes;

/** What comes from a kernel whose replies are of a struct, or of one that gives bytes. */
export type Payload<S> = S extends Struct ? StructValue<S> : Uint8Array;

export const isBytes = (value: unknown): value is MessageBytes => ArrayBuffer.isView(value) || isAnyArrayBuffer(value);

export const isThenable = (value: unknown): value is PromiseLike<unknown> =>
  typeof value === "object" && value !== null && typeof (value as { then?: unknown }).then === "function";

/** The bytes themselves. INVALID_ARGUMENT, or CLOSED where their memory was closed. */
export function messageBytes(name: string, value: unknown, struct: Struct | null = null): Uint8Array {
  if (struct !== null && !isBytes(value)) return struct.pack(value as never);
  return bytesOf(name, value);
}

/** What is wrong with a payload that waited, and had `sizeBytes` bytes; null where it is as it was. */
export function changeOf(payload: Uint8Array, sizeBytes: number): LavaFlowError | null {
  try {
    checkUnchanged("payload", payload, sizeBytes);
    return null;
  } catch (error) {
    return error as LavaFlowError;
  }
}
