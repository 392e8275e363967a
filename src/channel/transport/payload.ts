/** What can be sent, and what is said of the rest. */
import { isProxy } from "node:util/types";
import { invalidArgument } from "../../errors.ts";
import type { MemoryBuffer } from "../../memory/buffer.ts";
import { BYTES_ALLOWED, type Bytes, bytesOf, checkView, sizeOf } from "../../memory/bytes.ts";

/** The bytes that a producer sends: a view, an ArrayBuffer or a buffer of this library. */
export type Payload = Bytes | MemoryBuffer;

const ALLOWED = `${BYTES_ALLOWED}, or a MemoryBuffer`;

/** The longest view whose bytes the shim copies in one call. */
export const VIEW_MAX = 0xffffffff;

/** Of a payload that is no MemoryBuffer: itself where it is a view, else a view of all of it. */
export function viewOfPayload(payload: unknown): ArrayBufferView {
  if (ArrayBuffer.isView(payload)) return payload;
  if (isProxy(payload)) throw invalidArgument("payload", "a Proxy", `${ALLOWED}, not a Proxy of one`);
  return bytesOf("payload", payload, ALLOWED);
}

/** The length of a view that is to be sent. INVALID_ARGUMENT, or CLOSED where its memory was closed. */
export function lengthOf(view: ArrayBufferView, max = VIEW_MAX): number {
  try {
    // Nothing can take the place of an element. Where a view says that it has more bytes than it has, there is none.
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
