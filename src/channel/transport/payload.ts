/** What can be sent, and what is said of the rest. */
import { invalidArgument, LavaFlowError } from "../../errors.ts";

/** The longest view whose bytes the shim copies in one call. */
export const VIEW_MAX = 0xffffffff;

export function notAPayload(value: unknown): LavaFlowError {
  return invalidArgument("payload", value, "a typed array, a DataView or a MemoryBuffer");
}

/** For a view that is empty, or too long: INVALID_ARGUMENT, or CLOSED where its memory is gone. */
export function checkView(view: ArrayBufferView): void {
  if (view.byteLength > VIEW_MAX) {
    throw invalidArgument(
      "payload",
      `a view of ${view.byteLength} bytes`,
      `at most ${VIEW_MAX} bytes, or a shared MemoryBuffer`,
    );
  }
  if (view.buffer instanceof ArrayBuffer && view.buffer.detached) {
    throw new LavaFlowError("CLOSED", "the payload's memory was closed", { remedy: "Send before closing its buffer" });
  }
}
