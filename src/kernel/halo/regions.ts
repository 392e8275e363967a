/** Divides the cells of a tile: those that can be computed before other ranks' halos arrive, and the rest. */
import type { Sides, SweepPart, SweepSpec } from "./sweep.ts";
import type { Tiling, Triple } from "./tiling.ts";

/** Cells of a tile, from `low` up to, and without, `high`. Coordinates do not count the border. */
export interface Region {
  readonly tile: number;
  readonly low: Triple;
  readonly high: Triple;
}

/** Threads that a GPU runs together. In tiles of at least WIDE cells, outer regions are multiples of them along x. */
const THREADS = 32;
const WIDE = 8 * THREADS;

export function regionsOf({ tiling, layout, remoteSides }: SweepSpec): Record<SweepPart, Region[]> {
  const regions: Record<SweepPart, Region[]> = { all: [], inner: [], outer: [] };
  for (const tile of layout.slots.keys()) {
    const whole = { low: [0, 0, 0] as Triple, high: tiling.tile };
    const sides = remoteSides.get(tile);
    const inner = sides ? innerOf(tiling, sides) : whole;
    regions.all.push({ tile, ...whole });
    if (inner) regions.inner.push({ tile, ...inner });
    const outer = inner ? shell(tiling.tile, inner.low, inner.high) : [whole];
    for (const slab of outer) regions.outer.push({ tile, ...slab });
  }
  return regions;
}

/** The cells that read no ghosts of the given sides; null where there are none. */
function innerOf({ tile, halo }: Tiling, { low, high }: Sides): { low: Triple; high: Triple } | null {
  const margin = halo.map((width, axis) =>
    axis === 0 && tile[0] >= WIDE ? Math.ceil(width / THREADS) * THREADS : width,
  );
  const from = low.map((remote, axis) => (remote ? (margin[axis] as number) : 0)) as unknown as Triple;
  const to = high.map((remote, axis) => (tile[axis] as number) - (remote ? (margin[axis] as number) : 0));
  return from.every((at, axis) => at < (to[axis] as number)) ? { low: from, high: to as unknown as Triple } : null;
}

/** The cells of a tile outside `low` to `high`, as disjoint slabs. */
function shell(tile: Triple, low: Triple, high: Triple): { low: Triple; high: Triple }[] {
  const [x, y, z] = tile;
  const slabs: { low: Triple; high: Triple }[] = [
    { low: [0, 0, 0], high: [x, y, low[2]] },
    { low: [0, 0, high[2]], high: [x, y, z] },
    { low: [0, 0, low[2]], high: [x, low[1], high[2]] },
    { low: [0, high[1], low[2]], high: [x, y, high[2]] },
    { low: [0, low[1], low[2]], high: [low[0], high[1], high[2]] },
    { low: [high[0], low[1], low[2]], high: [x, high[1], high[2]] },
  ];
  return slabs.filter((slab) => slab.low.every((from, axis) => from < (slab.high[axis] as number)));
}
