/** Slots of waiting messages, by priority, then by age. No memory is allocated for a message. */
import type { Priority } from "../base/message.ts";

const LEVELS = [3, 2, 1, 0] as const;

class Ring {
  readonly slots: Uint32Array;
  head = 0;
  tail = 0;

  constructor(capacity: number) {
    this.slots = new Uint32Array(capacity);
  }
}

export class PriorityQueue {
  readonly #mask: number;
  readonly #rings: readonly Ring[];
  readonly #free: Uint32Array;
  #freeCount: number;
  /** Messages of each level in the last `order`. */
  readonly #ordered = new Uint32Array(4);
  /** Messages in the last `order`. */
  ordered = 0;

  /** `capacity` is a power of two. */
  constructor(capacity: number) {
    this.#mask = capacity - 1;
    this.#rings = Array.from({ length: 4 }, () => new Ring(capacity));
    this.#free = Uint32Array.from({ length: capacity }, (_, i) => capacity - 1 - i);
    this.#freeCount = capacity;
  }

  get size(): number {
    return this.#mask + 1 - this.#freeCount;
  }

  /** Adds a message and returns its slot; -1 where no slot is free. */
  add(priority: Priority): number {
    if (this.#freeCount === 0) return -1;
    const slot = this.#free[--this.#freeCount] as number;
    const ring = this.#rings[priority] as Ring;
    ring.slots[ring.head++ & this.#mask] = slot;
    return slot;
  }

  /** The slot of the first message; 0 where no message waits. */
  get first(): number {
    for (const level of LEVELS) {
      const ring = this.#rings[level] as Ring;
      if (ring.head !== ring.tail) return ring.slots[ring.tail & this.#mask] as number;
    }
    return 0;
  }

  /** Writes the slots of all waiting messages, in order, from word `at` on. Returns their number. */
  order(words: Uint32Array, at: number): number {
    let count = 0;
    for (const level of LEVELS) {
      const { slots, head, tail } = this.#rings[level] as Ring;
      for (let i = tail; i !== head; i++) words[at + count++] = slots[i & this.#mask] as number;
      this.#ordered[level] = head - tail;
    }
    this.ordered = count;
    return count;
  }

  /** Removes the first `count` messages of the last `order`. */
  take(count: number): void {
    let left = count;
    for (const level of LEVELS) {
      const ring = this.#rings[level] as Ring;
      const taken = Math.min(left, this.#ordered[level] as number);
      for (let i = 0; i < taken; i++) this.#free[this.#freeCount++] = ring.slots[ring.tail++ & this.#mask] as number;
      left -= taken;
    }
    this.#ordered.fill(0);
    this.ordered = 0;
  }
}
