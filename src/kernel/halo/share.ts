/** One rank's part of a grid: the positions of its tiles, and the copies of each exchange. */
import { BoxList, type BoxSide } from "./boxes.ts";
import { FieldLayout, type TileMemory } from "./field.ts";
import type { RemoteSides, Sides } from "./sweep.ts";
import type { GhostBox, Tiling, Triple } from "./tiling.ts";

/** Bytes of halos from and to another rank in each exchange. */
export interface Traffic {
  readonly incoming: number;
  readonly outgoing: number;
}

export interface Share {
  readonly tiling: Tiling;
  readonly layout: FieldLayout;
  readonly remoteSides: RemoteSides;
  /** Copies between local tiles, and from local tiles to the outgoing frames. */
  readonly out: BoxList;
  /** Copies from the incoming frames to local tiles. */
  readonly into: BoxList;
  /** By rank. The frames are the memories behind the field's, in this order. */
  readonly traffic: ReadonlyMap<number, Traffic>;
}

/**
 * Both ranks of a pair order the boxes by target and direction, so that a frame has the order that the peer expects.
 */
export function shareOf(tiling: Tiling, owners: Int32Array, rank: number, tileMemory: TileMemory): Share {
  const local = [...owners.keys()].filter((tile) => owners[tile] === rank);
  const layout = new FieldLayout(tiling, local, tileMemory);
  const boxes = local.flatMap((tile) => [...tiling.ghostBoxes(tile)]);
  const isLocal = (tile: number) => owners[tile] === rank;
  const coming = boxes.filter(({ source }) => !isLocal(source));
  // Neighbourhood is symmetric: the tiles that halos come from are those that they go to.
  const others = [...new Set(coming.map(({ source }) => source))].sort((a, b) => a - b);
  const going = others.flatMap((tile) => [...tiling.ghostBoxes(tile)]).filter(({ source }) => isLocal(source));
  const ranks = [...new Set(others.map((tile) => owners[tile] as number))].sort((a, b) => a - b);
  const memoryOf = new Map(ranks.map((each, index) => [each, layout.sizes.length + index]));

  const [out, into] = [new BoxList(), new BoxList()];
  for (const box of boxes.filter(({ source }) => isLocal(source))) {
    out.add(
      inTile(tiling, layout, box.source, box.from),
      inTile(tiling, layout, box.target, box.to),
      inWords(tiling, box),
    );
  }
  const pack = (
    list: readonly GhostBox[],
    other: (box: GhostBox) => number,
    add: (box: GhostBox, packed: BoxSide) => void,
  ) => {
    const sizes = new Map<number, number>();
    for (const box of list) {
      const [x, y, z] = inWords(tiling, box);
      const peer = owners[other(box)] as number;
      const first = sizes.get(peer) ?? 0;
      add(box, { memory: memoryOf.get(peer) as number, first, row: x, plane: x * y });
      sizes.set(peer, first + x * y * z);
    }
    return sizes;
  };
  const outgoing = pack(
    going,
    ({ target }) => target,
    (box, packed) => out.add(inTile(tiling, layout, box.source, box.from), packed, inWords(tiling, box)),
  );
  const incoming = pack(
    coming,
    ({ source }) => source,
    (box, packed) => into.add(packed, inTile(tiling, layout, box.target, box.to), inWords(tiling, box)),
  );
  const bytes = (words: Map<number, number>, peer: number) => 4 * (words.get(peer) as number);
  const traffic = new Map(
    ranks.map((each) => [each, { outgoing: bytes(outgoing, each), incoming: bytes(incoming, each) }]),
  );
  return { tiling, layout, remoteSides: remoteSidesOf(tiling, coming), out, into, traffic };
}

/**
 * The sides of each local tile at which cells wait for another rank's ghosts. A corner is at two or three sides, and
 * one of them is enough. The first of z, y and x is chosen: regions at sides along z and y are whole rows.
 */
function remoteSidesOf({ halo }: Tiling, coming: readonly GhostBox[]): RemoteSides {
  const remoteSides = new Map<number, Sides>();
  for (const { target, to } of coming) {
    let sides = remoteSides.get(target);
    if (!sides) {
      sides = { low: [false, false, false], high: [false, false, false] };
      remoteSides.set(target, sides);
    }
    const axis = ([2, 1, 0] as const).find((each) => to[each] !== halo[each]) as 0 | 1 | 2;
    (to[axis] < halo[axis] ? sides.low : sides.high)[axis] = true;
  }
  return remoteSides;
}

const inWords = ({ elementBytes }: Tiling, { size: [x, y, z] }: GhostBox): Triple => [x * (elementBytes / 4), y, z];

/** The position of a cell of a local tile. */
function inTile({ extent, elementBytes }: Tiling, layout: FieldLayout, tile: number, [x, y, z]: Triple): BoxSide {
  const { memory, start } = layout.slots.get(tile) as { memory: number; start: number };
  const row = extent[0] * (elementBytes / 4);
  const plane = row * extent[1];
  return { memory, first: start / 4 + z * plane + y * row + x * (elementBytes / 4), row, plane };
}
