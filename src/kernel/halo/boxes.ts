/** Lists of boxes to copy between memories, in the shim's layout. */
import { BOX } from "../../native/layout.ts";
import type { Triple } from "./tiling.ts";

/** The position of a box in its source or target array, in words. */
export interface BoxSide {
  /** The index of the memory in a run. */
  memory: number;
  first: number;
  row: number;
  plane: number;
}

/** Boxes with the same source and target memory. */
export interface BoxGroup {
  readonly source: number;
  readonly target: number;
  /** An array of lf_box. */
  readonly words: number[];
}

export const BOX_WORDS = BOX.sizeof / 4;

/** Boxes of any memories. No box reads or writes the target of another one. */
export class BoxList {
  readonly #groups = new Map<string, BoxGroup>();
  #bytes = 0;

  /** `size` is in words along x, in rows and in planes. */
  add(source: BoxSide, target: BoxSide, [x, y, z]: Triple): void {
    const key = `${source.memory} ${target.memory}`;
    let group = this.#groups.get(key);
    if (!group) {
      group = { source: source.memory, target: target.memory, words: [] };
      this.#groups.set(key, group);
    }
    group.words.push(source.first, target.first, x, y, z, source.row, source.plane, target.row, target.plane);
    this.#bytes += 4 * x * y * z;
  }

  get groups(): BoxGroup[] {
    return [...this.#groups.values()];
  }

  /** Bytes that one run writes. */
  get bytes(): number {
    return this.#bytes;
  }
}
