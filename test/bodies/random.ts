/** Random numbers of a seed: xorshift32, after G. Marsaglia, "Xorshift RNGs" (2003). */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = Math.imul(seed + 1, 0x9e3779b1) >>> 0 || 1;
  }

  /** 32 bits. */
  word(): number {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    this.#state >>>= 0;
    return this.#state;
  }

  /** 0 to `limit` - 1. */
  below(limit: number): number {
    return this.word() % limit;
  }

  /** True once in `times`. */
  once(times: number): boolean {
    return this.below(times) === 0;
  }

  one<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }

  /** Words at which arithmetic goes wrong first, and others. */
  edge(): number {
    const kind = this.below(6);
    if (kind === 0) return this.one([0, 1, 2, 31, 32, 33, 0x7fffffff, 0x80000000, 0xffffffff, 0xfffffffe]);
    if (kind === 1) return (1 << this.below(32)) >>> 0;
    if (kind === 2) return this.below(16);
    if (kind === 3) return -this.below(16) >>> 0;
    return this.word();
  }
}
