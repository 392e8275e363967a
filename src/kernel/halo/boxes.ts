/** Lists of boxes to copy between memories, in the shim's words. */
import { BOX } from "../../native/layout.ts";
import type { Triple } from "./tiling.ts";

/** Where a box is in one of the two arrays, in words. */
export interface BoxSide {
  /** Which of the memories of a run. */
  memory: number;
  first: number;
  row: number;
  plane: number;
}

/** Boxes from one memory to one. */
export interface BoxGroup {
  readonly source: number;
  readonly target: number;
  /** lf_box after lf_box. */
  readonly words: number[];
}

export const BOX_WORDS = BOX.sizeof / 4;

/** Boxes of any memories. What one of them writes, none of them reads or writes. */
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

  /** What one run writes. */
  get bytes(): number {
    return this.#bytes;
  }
}
