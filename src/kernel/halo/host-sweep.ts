/** A stencil's step on the processor: calls the handler for each row. */

import type { Field } from "./field.ts";
import { type Region, regionsOf } from "./regions.ts";
import type { StencilRow, Sweep, SweepPart, SweepSpec } from "./sweep.ts";

type Cells = Float32Array | Float64Array;

export class HostSweep implements Sweep {
  readonly #spec: SweepSpec;
  readonly #handler: (row: StencilRow) => void;
  readonly #regions: Record<SweepPart, Region[]>;
  readonly #cells = new WeakMap<Field, Map<number, Cells>>();

  constructor(spec: SweepSpec, handler: (row: StencilRow) => void) {
    this.#spec = spec;
    this.#handler = handler;
    this.#regions = regionsOf(spec);
  }

  async run(
    part: SweepPart,
    now: Field,
    next: Field,
    parameters: Record<string, number>,
    steps: number,
  ): Promise<void> {
    const { tiling } = this.#spec;
    const [from, to] = [this.#cellsOf(now), this.#cellsOf(next)];
    const [width, height] = tiling.extent;
    const plane = width * height;
    // One object for all rows: `StencilRow` is valid during the call only.
    const row = { now: NONE, next: NONE, from: 0, to: 0, row: width, plane, x: 0, y: 0, z: 0, steps, parameters };
    for (const { tile, low, high } of this.#regions[part]) {
      row.now = from.get(tile) as Cells;
      row.next = to.get(tile) as Cells;
      const origin = tiling.coordinates(tile).map((at, axis) => at * (tiling.tile[axis] as number)) as [
        number,
        number,
        number,
      ];
      row.x = origin[0] + low[0];
      for (let z = low[2]; z < high[2]; z++) {
        row.z = origin[2] + z;
        for (let y = low[1]; y < high[1]; y++) {
          row.y = origin[1] + y;
          const start = (z + tiling.halo[2]) * plane + (y + tiling.halo[1]) * width + tiling.halo[0];
          row.from = start + low[0];
          row.to = start + high[0];
          this.#handler(row);
        }
      }
    }
  }

  #cellsOf(field: Field): Map<number, Cells> {
    const known = this.#cells.get(field);
    if (known) return known;
    const type = this.#spec.tiling.elementBytes === 4 ? Float32Array : Float64Array;
    const cells = new Map<number, Cells>();
    for (const [tile, buffer] of field.tiles) cells.set(tile, buffer.view<Cells>(type));
    this.#cells.set(field, cells);
    return cells;
  }

  close(): void {}
}

const NONE: Cells = new Float32Array(0);
