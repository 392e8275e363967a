/** The payloads of a frame, and their checks. */
import { isProxy } from "node:util/types";
import { invalidArgument } from "../../errors.ts";
import type { MemoryBuffer } from "../../memory/buffer.ts";
import { BYTES_ALLOWED, type Bytes, bytesOf, checkView, sizeOf } from "../../memory/bytes.ts";

/** The bytes that a producer sends: a view, an ArrayBuffer or a buffer of this library. */
export type Payload = Bytes | MemoryBuffer;

const ALLOWED = `${BYTES_ALLOWED}, or a MemoryBuffer`;

/** Bytes of the longest view that the shim copies in one call. */
export const VIEW_MAX = 0xffffffff;

/** A payload that is no MemoryBuffer: itself if it is a view, else a view of all its bytes. */
export function viewOfPayload(payload: unknown): ArrayBufferView {
  if (ArrayBuffer.isView(payload)) return payload;
  if (isProxy(payload)) throw invalidArgument("payload", "a Proxy", `${ALLOWED}, not a Proxy of one`);
  return bytesOf("payload", payload, ALLOWED);
}

/** The bytes of a view to send. INVALID_ARGUMENT, or CLOSED if its memory was closed. */
export function lengthOf(view: ArrayBufferView, max = VIEW_MAX): number {
  try {
    // An object can fake `byteLength`, not its last element: without one there, the length is false.
    const said = view.byteLength;
    const byteLength = (view as Uint8Array)[said - 1] !== undefined ? said : sizeOf(view);
    if (byteLength > 0 && byteLength <= max) return byteLength;
  } catch {} // a Proxy, or a DataView whose memory is gone
  viewOfPayload(view);
  checkView("payload", view);
  const byteLength = sizeOf(view);
  if (byteLength <= max) return byteLength;
  throw invalidArgument("payload", `a view of ${byteLength} bytes`, `at most ${max} bytes, or a shared MemoryBuffer`);
}
