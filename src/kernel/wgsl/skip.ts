/**
 * naga 30 computes the types of a function's expressions while it parses them. `Typifier::grow` reaches the new
 * expressions with `skip`, which takes one step for each expression before them. So time grows with the square of a
 * function's length: 14 s for 32,000 statements. Here a patch of the WebAssembly makes one step of them. Upstream, the
 * iterator of the arenas needs a `nth`.
 */

/** Bytes of an expression in naga's arenas. */
const EXPRESSION = 40;

/**
 * The loop, which the module has once. Local 2 is the address of the iterator: address of the next expression, end
 * address, index. Local 5 is the end address, 7 the number of expressions left to skip, 10 the index, 11 the next
 * expression's address.
 */
const LOOP = [
  ...[0x02, 0x40, 0x03, 0x40, 0x20, 0x05, 0x20, 0x0b, 0x46, 0x0d, 0x01], // block, loop: leave both where end = first
  ...[0x20, 0x02, 0x20, 0x0b, 0x41, EXPRESSION, 0x6a, 0x22, 0x0b, 0x36, 0x02, 0x00], // iterator.first = first += EXPRESSION
  ...[0x20, 0x0a, 0x10, 0xc7, 0x16, 0x1a], // makes a handle of the index, and drops it
  ...[0x20, 0x02, 0x20, 0x0a, 0x41, 0x01, 0x6a, 0x22, 0x0a, 0x36, 0x02, 0x08], // iterator.index = index += 1
  ...[0x20, 0x07, 0x41, 0x01, 0x6b, 0x22, 0x07, 0x0d, 0x00, 0x0b], // left -= 1, and on with the loop where that is not 0
  ...[0x41, 0x00, 0x21, 0x07, 0x0b], // left = 0, end of the block
];

/**
 * The replacement, of the same length. Local 5 becomes the number of skipped expressions: the module sets it before it
 * reads it.
 */
const STEP = [
  ...[0x20, 0x05, 0x20, 0x0b, 0x6b, 0x41, EXPRESSION, 0x6e, 0x21, 0x05], // skipped = (end - first) / EXPRESSION
  ...[0x20, 0x05, 0x20, 0x07, 0x20, 0x05, 0x20, 0x07, 0x49, 0x1b, 0x21, 0x05], // skipped = min(skipped, left)
  ...[0x20, 0x02, 0x20, 0x0b, 0x20, 0x05, 0x41, EXPRESSION, 0x6c, 0x6a, 0x22, 0x0b, 0x36, 0x02, 0x00], // first += …
  ...[0x20, 0x02, 0x20, 0x0a, 0x20, 0x05, 0x6a, 0x22, 0x0a, 0x36, 0x02, 0x08], // index += skipped
  ...[0x20, 0x07, 0x20, 0x05, 0x6b, 0x21, 0x07], // left -= skipped
];

/** The module with the loop replaced. A module of another version, which does not have the loop, stays unchanged. */
export function withSteps(module: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const changed = Buffer.from(module);
  const loop = Buffer.from(LOOP);
  const at = changed.indexOf(loop);
  if (at >= 0 && changed.indexOf(loop, at + 1) < 0) changed.set(STEP, at);
  return changed;
}
