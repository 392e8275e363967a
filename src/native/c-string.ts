/** Text that the shim writes into a buffer. */

const decoder = new TextDecoder();

/** The text of the char array at `from` up to `to`: it ends at the first NUL, or at `to`. */
export function cString(bytes: Uint8Array, from = 0, to = bytes.length): string {
  const end = bytes.indexOf(0, from);
  return decoder.decode(bytes.subarray(from, end < 0 || end > to ? to : end));
}

/** As `cString`, for names that are printed to terminals: each row of control characters becomes a space. */
export function printableCString(bytes: Uint8Array, from = 0, to = bytes.length): string {
  return cString(bytes, from, to).replace(/\p{Cc}+/gu, " ");
}
