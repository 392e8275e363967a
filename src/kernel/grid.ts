/** Kernels in a grid: the ids of a kernel's neighbours. */
import { invalidArgument } from "../errors.ts";
import { checkNames } from "../native/options.ts";

/** The coordinates of a tile in a grid of two dimensions. */
export type Coordinates2d = readonly [x: number, y: number];
/** The coordinates of a tile in a grid of three dimensions. */
export type Coordinates3d = readonly [x: number, y: number, z: number];

/** One step down and one up along each axis, x first: the order of the neighbours. */
function neighbours(
  call: string,
  at: readonly number[],
  grid: readonly number[],
  options: { periodic?: boolean },
  name: (at: number[]) => string,
): string[] {
  checkNames(call, options, { periodic: true });
  const { periodic = false } = options;
  const inside = at.length === grid.length && at.every((c, axis) => Number.isInteger(c) && c >= 0 && c < grid[axis]!);
  if (!inside || !grid.every(Number.isInteger))
    throw invalidArgument("at", at.join(", "), `a cell of the grid of ${grid.join(" by ")}`);
  return grid.flatMap((size, axis) =>
    [-1, 1].map((step) => {
      const moved = (at[axis] as number) + step;
      if (!periodic && (moved < 0 || moved >= size)) return "";
      return name(at.with(axis, (moved + size) % size));
    }),
  );
}

/**
 * The ids of a kernel's four neighbours, for `routes`: west (x - 1), east (x + 1), south (y - 1), north (y + 1). Beyond
 * a border the id is ""; in a periodic grid, the neighbour is at the opposite border. Throws INVALID_ARGUMENT.
 */
export function neighbours2d(
  at: Coordinates2d,
  grid: Coordinates2d,
  name: (x: number, y: number) => string,
  options: { periodic?: boolean } = {},
): string[] {
  return neighbours("neighbours2d", at, grid, options, ([x, y]) => name(x as number, y as number));
}

/**
 * The same for six neighbours in 3D: west, east, south, north, below (z - 1), above (z + 1). Throws INVALID_ARGUMENT.
 */
export function neighbours3d(
  at: Coordinates3d,
  grid: Coordinates3d,
  name: (x: number, y: number, z: number) => string,
  options: { periodic?: boolean } = {},
): string[] {
  return neighbours("neighbours3d", at, grid, options, ([x, y, z]) => name(x as number, y as number, z as number));
}
