/** The geometry of a grid of equal tiles: the ghost cells of each tile, and the cells that they repeat. */
import { invalidArgument, LavaFlowError } from "../../errors.ts";
import { checkNames, type OptionNames } from "../../native/options.ts";

/** The tiles of a grid. */
export interface HaloGrid {
  /** Tiles along x, y and z. */
  grid: [number, number] | [number, number, number];
  /** Cells of a tile along x, y and z, without its border. */
  tile: [number, number] | [number, number, number];
  /** The width of a tile's border of ghost cells: 0 to the tile's shortest side. */
  halo: number;
  /** Whether opposite sides of the grid are neighbours; default false: the user sets the outermost ghosts. */
  periodic?: boolean;
  /** Bytes of a cell; default 4. */
  elementBytes?: 4 | 8;
}

/** Numbers along x, y and z. In two dimensions there is one tile and one cell along z, and no halo. */
export type Triple = readonly [number, number, number];

/** A box of ghost cells of `target`, and the cells of `source` that they repeat. Coordinates count the border. */
export interface GhostBox {
  readonly target: number;
  readonly source: number;
  readonly to: Triple;
  readonly from: Triple;
  readonly size: Triple;
}

/** Tiles of a grid, at most: each has an entry of 4 bytes in the table of owners. */
const TILES_MAX = 2 ** 24;

/** Throws INVALID_ARGUMENT unless `sides` is a list of two or three whole numbers from 1. */
function checkSides(name: string, sides: unknown, dimensions?: number): asserts sides is number[] {
  const right =
    Array.isArray(sides) &&
    (dimensions === undefined ? sides.length === 2 || sides.length === 3 : sides.length === dimensions) &&
    sides.every((side) => Number.isSafeInteger(side) && side >= 1);
  if (right) return;
  const given = Array.isArray(sides) ? `[${sides}]` : sides;
  throw invalidArgument(name, given, `${dimensions ?? "2 or 3"} whole numbers from 1`);
}

const product = ([x, y, z]: Triple): number => x * y * z;

const NAMES: OptionNames<HaloGrid> = { grid: true, tile: true, halo: true, periodic: true, elementBytes: true };

export class Tiling {
  readonly dimensions: 2 | 3;
  readonly grid: Triple;
  readonly tile: Triple;
  readonly halo: Triple;
  /** Cells of a tile with its border. */
  readonly extent: Triple;
  readonly periodic: boolean;
  readonly elementBytes: 4 | 8;
  /** Tiles in the grid. */
  readonly count: number;
  /** Bytes of a tile with its border. */
  readonly tileBytes: number;
  readonly #width: number;

  /** Throws INVALID_ARGUMENT with the invalid option. */
  constructor(config: HaloGrid) {
    if (typeof config !== "object" || config === null) throw invalidArgument("config", config, "{ grid, tile, halo }");
    checkNames("HaloExchange.create", config, NAMES);
    const { grid, tile, halo, periodic = false, elementBytes = 4 } = config;
    checkSides("grid", grid);
    checkSides("tile", tile, grid.length);
    const shortest = Math.min(...tile);
    if (!(Number.isInteger(halo) && halo >= 0 && halo <= shortest)) {
      throw invalidArgument("halo", halo, `a whole number from 0 to ${shortest}, the shortest side of a tile`);
    }
    if (typeof periodic !== "boolean") throw invalidArgument("periodic", periodic, "true or false");
    if (elementBytes !== 4 && elementBytes !== 8) throw invalidArgument("elementBytes", elementBytes, "4 or 8");
    this.dimensions = grid.length as 2 | 3;
    this.grid = [grid[0], grid[1], grid[2] ?? 1];
    this.tile = [tile[0], tile[1], tile[2] ?? 1];
    this.halo = [halo, halo, this.dimensions === 3 ? halo : 0];
    this.extent = this.tile.map((side, axis) => side + 2 * (this.halo[axis] as number)) as unknown as Triple;
    this.periodic = periodic;
    this.elementBytes = elementBytes;
    this.count = product(this.grid);
    this.tileBytes = product(this.extent) * elementBytes;
    this.#width = halo;
    if (this.count > TILES_MAX) throw invalidArgument("grid", `${this.count} tiles`, `at most ${TILES_MAX}`);
    // The shim and the shaders have offsets of words within a tile in 32 bits.
    if (this.tileBytes > 2 ** 32) {
      throw new LavaFlowError(
        "INVALID_ARGUMENT",
        `a tile of ${this.extent.slice(0, this.dimensions).join(" x ")} cells, with its border, has ${this.tileBytes} bytes`,
        { remedy: `Make tiles of at most ${2 ** 32} bytes, and more of them` },
      );
    }
  }

  /** The coordinates of a tile in the grid. */
  coordinates(tile: number): Triple {
    const [columns, rows] = this.grid;
    return [tile % columns, Math.floor(tile / columns) % rows, Math.floor(tile / (columns * rows))];
  }

  /** The tile at coordinates in the grid, or up to one tile outside; null where there is none. */
  #tileAt(coordinates: readonly number[]): number | null {
    const [columns, rows, planes] = this.grid;
    const wrapped = [columns, rows, planes].map((count, axis) => {
      const at = coordinates[axis] as number;
      return this.periodic ? (at + count) % count : at;
    }) as [number, number, number];
    const [x, y, z] = wrapped;
    if (x < 0 || y < 0 || z < 0 || x >= columns || y >= rows || z >= planes) return null;
    return (z * rows + y) * columns + x;
  }

  /** All boxes of ghosts of a tile that repeat another tile's cells, or its own. The order is the same on all ranks. */
  *ghostBoxes(target: number): Generator<GhostBox> {
    if (this.#width === 0) return;
    const own = this.coordinates(target);
    const reach = this.dimensions === 3 ? [-1, 0, 1] : [0];
    for (const dz of reach) {
      for (const dy of [-1, 0, 1]) {
        for (const dx of [-1, 0, 1]) {
          const toward = [dx, dy, dz] as const;
          if (dx === 0 && dy === 0 && dz === 0) continue;
          const source = this.#tileAt(own.map((at, axis) => at + (toward[axis] as number)));
          if (source !== null) yield { target, source, ...this.#cells(toward) };
        }
      }
    }
  }

  /** The box of ghosts towards a neighbour: they repeat the neighbour's nearest cells, as many as the halo is wide. */
  #cells(toward: Triple): { to: Triple; from: Triple; size: Triple } {
    const along = (pick: (side: number, halo: number, direction: number) => number) =>
      toward.map((direction, axis) =>
        pick(this.tile[axis] as number, this.halo[axis] as number, direction),
      ) as unknown as Triple;
    return {
      to: along((side, halo, direction) => (direction < 0 ? 0 : direction > 0 ? halo + side : halo)),
      from: along((side, halo, direction) => (direction < 0 ? side : halo)),
      size: along((side, halo, direction) => (direction === 0 ? side : halo)),
    };
  }
}
