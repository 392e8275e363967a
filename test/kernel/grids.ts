/** Grids of tiles for tests: their content before and after an exchange. */
import type { HaloExchange, HaloGrid } from "../../src/kernel/index.ts";

type Coordinates = [number, number, number];
/** The value of a cell, by its coordinates in the whole grid. */
export type Cells = (at: Coordinates) => number;

/** The value of ghosts that were not written. No cell has it. */
export const UNTOUCHED = -1;

const triple = (sides: readonly number[], otherwise: number): Coordinates => [
  sides[0] as number,
  sides[1] as number,
  sides[2] ?? otherwise,
];

/** Sides along x, y and z: of the grid in tiles; in cells: of a tile, its border, both together, and the whole grid. */
export function measures({ grid, tile, halo }: HaloGrid) {
  const [tiles, cells] = [triple(grid, 1), triple(tile, 1)];
  const border: Coordinates = [halo, halo, grid.length === 3 ? halo : 0];
  const extent = cells.map((side, axis) => side + 2 * border[axis]!) as Coordinates;
  const whole = cells.map((side, axis) => side * tiles[axis]!) as Coordinates;
  return { tiles, cells, border, extent, whole };
}

/**
 * The cells of a tile and of its border: index, coordinates in the whole grid or outside of it, and whether it is a
 * ghost.
 */
function* cellsOf(config: HaloGrid, tile: number): Generator<{ index: number; at: Coordinates; ghost: boolean }> {
  const { tiles, cells, border, extent } = measures(config);
  const tileAt = [tile % tiles[0], Math.floor(tile / tiles[0]) % tiles[1], Math.floor(tile / (tiles[0] * tiles[1]))];
  let index = 0;
  for (let z = 0; z < extent[2]; z++) {
    for (let y = 0; y < extent[1]; y++) {
      for (let x = 0; x < extent[0]; x++) {
        const inside = [x - border[0], y - border[1], z - border[2]];
        const at = inside.map((each, axis) => each + tileAt[axis]! * cells[axis]!) as Coordinates;
        yield { index: index++, at, ghost: inside.some((each, axis) => each < 0 || each >= cells[axis]!) };
      }
    }
  }
}

const arrayOf = (config: HaloGrid, length: number) =>
  config.elementBytes === 8 ? new Float64Array(length) : new Float32Array(length);

/** The bytes of a tile that has `cells`, and ghosts that were not written. */
export function contentOf(config: HaloGrid, tile: number, cells: Cells): Float32Array | Float64Array {
  const { extent } = measures(config);
  const content = arrayOf(config, extent[0] * extent[1] * extent[2]);
  for (const { index, at, ghost } of cellsOf(config, tile)) content[index] = ghost ? UNTOUCHED : cells(at);
  return content;
}

/** The bytes of the tile that are expected after an exchange. */
export function exchanged(config: HaloGrid, tile: number, cells: Cells): Float32Array | Float64Array {
  const { extent, whole } = measures(config);
  const content = arrayOf(config, extent[0] * extent[1] * extent[2]);
  for (const { index, at } of cellsOf(config, tile)) {
    const wrapped = at.map((each, axis) =>
      config.periodic ? (each + whole[axis]!) % whole[axis]! : each,
    ) as Coordinates;
    const outside = wrapped.some((each, axis) => each < 0 || each >= whole[axis]!);
    content[index] = outside ? UNTOUCHED : cells(wrapped);
  }
  return content;
}

export async function write(exchange: HaloExchange, config: HaloGrid, cells: Cells): Promise<void> {
  await Promise.all([...exchange.tiles].map(([tile, buffer]) => buffer.write(contentOf(config, tile, cells))));
}

export async function read(
  exchange: HaloExchange,
  config: HaloGrid,
  tile: number,
): Promise<Float32Array | Float64Array> {
  const buffer = exchange.tiles.get(tile)!;
  const content = arrayOf(config, buffer.sizeBytes / (config.elementBytes ?? 4));
  await buffer.read(content);
  return content;
}

/** Whole numbers below 2^24, which an f32 holds exactly; they depend on all coordinates. */
export const scattered =
  (seed: number): Cells =>
  ([x, y, z]) => {
    let word = Math.imul(x + 1, 0x9e3779b1) ^ Math.imul(y + 1, 0x85ebca6b) ^ Math.imul(z + 1, 0xc2b2ae35) ^ seed;
    word = Math.imul(word ^ (word >>> 15), 0x2c1b3c6d);
    return (word ^ (word >>> 13)) & 0xffffff;
  };

/** Throws an error with the first cell that differs, compared by its bits. */
export function expectCells(
  actual: Float32Array | Float64Array,
  expected: Float32Array | Float64Array,
  what: string,
): void {
  const bytes = (cells: Float32Array | Float64Array) =>
    new Uint8Array(cells.buffer, cells.byteOffset, cells.byteLength);
  if (Buffer.compare(bytes(actual), bytes(expected)) === 0) return;
  const at = actual.findIndex((cell, index) => !Object.is(cell, expected[index]));
  throw new Error(`${what}: cell ${at} of ${actual.length} is ${actual[at]}, not ${expected[at]}`);
}
