/** Kernels in a grid: who is beside whom. */
import { invalidArgument } from "../errors.ts";

type Place2d = readonly [x: number, y: number];
type Place3d = readonly [x: number, y: number, z: number];

/** One step down and one up along each axis, x first: the order of the neighbours. */
function neighbours(
  at: readonly number[],
  grid: readonly number[],
  periodic: boolean,
  name: (at: number[]) => string,
): string[] {
  const inside = at.length === grid.length && at.every((c, axis) => Number.isInteger(c) && c >= 0 && c < grid[axis]!);
  if (!inside || !grid.every(Number.isInteger))
    throw invalidArgument("at", at.join(", "), `a place in the grid of ${grid.join(" by ")}`);
  return grid.flatMap((size, axis) =>
    [-1, 1].map((step) => {
      const moved = (at[axis] as number) + step;
      if (!periodic && (moved < 0 || moved >= size)) return "";
      return name(at.with(axis, (moved + size) % size));
    }),
  );
}

/**
 * The ids of the four kernels beside one, for `routes`: west (x - 1), east (x + 1), south (y - 1), north (y + 1). At a
 * border there is nobody, "", unless the grid is periodic: then it goes on at the other end. INVALID_ARGUMENT.
 */
export function neighbours2d(
  at: Place2d,
  grid: Place2d,
  name: (x: number, y: number) => string,
  { periodic = false } = {},
): string[] {
  return neighbours(at, grid, periodic, ([x, y]) => name(x as number, y as number));
}

/** The same in 3D, six of them: west, east, south, north, below (z - 1), above (z + 1). */
export function neighbours3d(
  at: Place3d,
  grid: Place3d,
  name: (x: number, y: number, z: number) => string,
  { periodic = false } = {},
): string[] {
  return neighbours(at, grid, periodic, ([x, y, z]) => name(x as number, y as number, z as number));
}
