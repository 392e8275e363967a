/**
 * naga 30 works out the types of a function's expressions as it reads them. `Typifier::grow` gets to those that are new with
 * `skip`, which takes a step for each expression before them: time grows with the square of a function's length, 14 s for 32,000
 * statements. Here those steps are one, in the WebAssembly. Upstream should give the iterator of its arenas a `nth`.
 */

/** Bytes of an expression in naga's arenas. */
const EXPRESSION = 40;

/**
 * The loop, with nothing else like it in the module. Local 2 has the address of the iterator: the first of what is left, its end,
 * its index. Local 5 is the end, 7 how many are left to skip, 10 the index, 11 the first.
 */
const LOOP = [
  ...[0x02, 0x40, 0x03, 0x40, 0x20, 0x05, 0x20, 0x0b, 0x46, 0x0d, 0x01], // block, loop: leave both where end = first
  ...[0x20, 0x02, 0x20, 0x0b, 0x41, EXPRESSION, 0x6a, 0x22, 0x0b, 0x36, 0x02, 0x00], // iterator.first = first += EXPRESSION
  ...[0x20, 0x0a, 0x10, 0xc7, 0x16, 0x1a], // makes a handle of the index, and drops it
  ...[0x20, 0x02, 0x20, 0x0a, 0x41, 0x01, 0x6a, 0x22, 0x0a, 0x36, 0x02, 0x08], // iterator.index = index += 1
  ...[0x20, 0x07, 0x41, 0x01, 0x6b, 0x22, 0x07, 0x0d, 0x00, 0x0b], // left -= 1, and on with the loop where that is not 0
  ...[0x41, 0x00, 0x21, 0x07, 0x0b], // left = 0, end of the block
];

/** As many bytes, which do the same at once. Local 5 becomes how many are skipped: it is not read again before it is set. */
const STEP = [
  ...[0x20, 0x05, 0x20, 0x0b, 0x6b, 0x41, EXPRESSION, 0x6e, 0x21, 0x05], // skipped = (end - first) / EXPRESSION
  ...[0x20, 0x05, 0x20, 0x07, 0x20, 0x05, 0x20, 0x07, 0x49, 0x1b, 0x21, 0x05], // skipped = min(skipped, left)
  ...[0x20, 0x02, 0x20, 0x0b, 0x20, 0x05, 0x41, EXPRESSION, 0x6c, 0x6a, 0x22, 0x0b, 0x36, 0x02, 0x00], // first += …
  ...[0x20, 0x02, 0x20, 0x0a, 0x20, 0x05, 0x6a, 0x22, 0x0a, 0x36, 0x02, 0x08], // index += skipped
  ...[0x20, 0x07, 0x20, 0x05, 0x6b, 0x21, 0x07], // left -= skipped
];

/** The same module with the step. One that does not have the loop, of another version, stays as it is. */
export function withSteps(module: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const changed = Buffer.from(module);
  const loop = Buffer.from(LOOP);
  const at = changed.indexOf(loop);
  if (at >= 0 && changed.indexOf(loop, at + 1) < 0) changed.set(STEP, at);
  return changed;
}
