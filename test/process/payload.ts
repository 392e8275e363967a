/** Payloads that both sides of a test can make from a few numbers, and tell apart by a checksum. */

/** A payload of a size, with bytes from a seed. */
export interface Spec {
  size: number;
  seed: number;
}

/** What arrived. */
export interface Got {
  sequence: number;
  size: number;
  sum: string;
}

const OFFSETS = 65_536;
const LARGEST = 8 << 20;
let noise: Uint8Array<ArrayBuffer> | undefined;

/** The bytes of a payload of up to 8 MiB: a window of one block of noise, so not to be written. */
export function content({ size, seed }: Spec): Uint8Array<ArrayBuffer> {
  if (!noise) {
    const words = new Uint32Array((LARGEST + OFFSETS) / 4);
    for (let i = 0, state = 2463534242; i < words.length; i++) {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      words[i] = state;
    }
    noise = new Uint8Array(words.buffer);
  }
  const offset = (seed * 7919) % OFFSETS;
  return noise.subarray(offset, offset + size);
}

export function checksum(bytes: Uint8Array): string {
  return Bun.hash(bytes).toString(36);
}

/** What arrives when these are sent in this order. */
export function expected(specs: Spec[]): Got[] {
  return specs.map((spec, sequence) => ({ sequence, size: spec.size, sum: checksum(content(spec)) }));
}

/** Sizes with a content each. */
export function specs(sizes: number[]): Spec[] {
  return sizes.map((size, i) => ({ size, seed: i + size }));
}
