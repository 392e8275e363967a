/** One rank's part of a grid: where its tiles lie, and what it copies in each exchange. */
import { BoxList, type BoxSide } from "./boxes.ts";
import { FieldLayout, type Room } from "./field.ts";
import type { RemoteSides, Sides } from "./sweep.ts";
import type { Piece, Tiling, Triple } from "./tiling.ts";

/** The bytes that come from and go to another rank in each exchange. */
export interface Traffic {
  readonly incoming: number;
  readonly outgoing: number;
}

export interface Share {
  readonly tiling: Tiling;
  readonly layout: FieldLayout;
  readonly remoteSides: RemoteSides;
  /** Copies between local tiles, and into what goes to each peer. */
  readonly out: BoxList;
  /** Copies out of what came from each peer. */
  readonly into: BoxList;
  /** By rank, in the order of the memories after the field's. */
  readonly traffic: ReadonlyMap<number, Traffic>;
}

/** Both sides of a pair list their pieces by target and direction: so they lie in the frame as the other expects them. */
export function shareOf(tiling: Tiling, owners: Int32Array, rank: number, room: Room): Share {
  const local = [...owners.keys()].filter((tile) => owners[tile] === rank);
  const layout = new FieldLayout(tiling, local, room);
  const pieces = local.flatMap((tile) => [...tiling.pieces(tile)]);
  const isLocal = (tile: number) => owners[tile] === rank;
  const coming = pieces.filter(({ source }) => !isLocal(source));
  // Who is beside us has us beside it.
  const others = [...new Set(coming.map(({ source }) => source))].sort((a, b) => a - b);
  const going = others.flatMap((tile) => [...tiling.pieces(tile)]).filter(({ source }) => isLocal(source));
  const ranks = [...new Set(others.map((tile) => owners[tile] as number))].sort((a, b) => a - b);
  const memoryOf = new Map(ranks.map((each, index) => [each, layout.sizes.length + index]));

  const [out, into] = [new BoxList(), new BoxList()];
  for (const piece of pieces.filter(({ source }) => isLocal(source))) {
    out.add(
      inTile(tiling, layout, piece.source, piece.from),
      inTile(tiling, layout, piece.target, piece.to),
      inWords(tiling, piece),
    );
  }
  const pack = (
    list: readonly Piece[],
    other: (piece: Piece) => number,
    add: (piece: Piece, packed: BoxSide) => void,
  ) => {
    const sizes = new Map<number, number>();
    for (const piece of list) {
      const [x, y, z] = inWords(tiling, piece);
      const peer = owners[other(piece)] as number;
      const first = sizes.get(peer) ?? 0;
      add(piece, { memory: memoryOf.get(peer) as number, first, row: x, plane: x * y });
      sizes.set(peer, first + x * y * z);
    }
    return sizes;
  };
  const outgoing = pack(
    going,
    ({ target }) => target,
    (piece, packed) => out.add(inTile(tiling, layout, piece.source, piece.from), packed, inWords(tiling, piece)),
  );
  const incoming = pack(
    coming,
    ({ source }) => source,
    (piece, packed) => into.add(packed, inTile(tiling, layout, piece.target, piece.to), inWords(tiling, piece)),
  );
  const bytes = (words: Map<number, number>, peer: number) => 4 * (words.get(peer) as number);
  const traffic = new Map(
    ranks.map((each) => [each, { outgoing: bytes(outgoing, each), incoming: bytes(incoming, each) }]),
  );
  return { tiling, layout, remoteSides: remoteSidesOf(tiling, coming), out, into, traffic };
}

/**
 * A corner's ghosts are needed by cells of each side that it is at: it is enough that they wait at one, and along z and y
 * they are whole rows.
 */
function remoteSidesOf({ halo }: Tiling, coming: readonly Piece[]): RemoteSides {
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

const inWords = ({ elementBytes }: Tiling, { size: [x, y, z] }: Piece): Triple => [x * (elementBytes / 4), y, z];

/** Where a cell of a local tile lies. */
function inTile({ extent, elementBytes }: Tiling, layout: FieldLayout, tile: number, [x, y, z]: Triple): BoxSide {
  const { memory, start } = layout.slots.get(tile) as { memory: number; start: number };
  const row = extent[0] * (elementBytes / 4);
  const plane = row * extent[1];
  return { memory, first: start / 4 + z * plane + y * row + x * (elementBytes / 4), row, plane };
}
