/** The shader of a stencil: the library's part, which calls the user's function for each cell. */

import { PREFIX } from "../wgsl/front.ts";
import type { Parameter } from "./sweep.ts";
import type { Tiling } from "./tiling.ts";

/** Adjacent cells along the slowest axis that a thread computes: a neighbour of two of them is loaded once. */
export const CELLS = 8;
/** Threads of a workgroup, along x and y. */
export const THREADS = [64, 2] as const;

/** Words of a `LfRegion`, with the padding behind each vec3. */
export const REGION_WORDS = 16;

/** Words of `LfParameters` before the user's parameters. */
export const OWN_WORDS = 3;

/** The library's own functions, whose indices are not clamped. */
export const OWN_FUNCTIONS: ReadonlySet<string> = new Set(["at", "previous", "position", "steps", "main"]);

/**
 * The library's part of the module; the user's part has the function `cell`. `fuel`: loop iterations of a thread, at
 * most. When they are used up, all loops end and the thread's cells become NaN.
 */
export function stencil(tiling: Tiling, parameters: readonly Parameter[], fuel: number): string {
  const { dimensions, tile, halo, extent } = tiling;
  const flat = dimensions === 2;
  const [width, height] = extent;
  const axis = flat ? "y" : "z";
  const side = flat ? tile[1] : tile[2];
  const pitch = flat ? width : width * height;
  const offsets = flat ? ["dx", "dy"] : ["dx", "dy", "dz"];
  const beyond = offsets.map((each) => `u32(${each} + ${halo[0]}) > ${2 * halo[0]}u`).join(" || ");
  // The minimum hides from compilers that cells are adjacent, so that they load shared neighbours more than once. The
  // minimum is only used where the side is no multiple of CELLS.
  const moved = (at: number) => (side % CELLS === 0 ? `${at}u` : `min(${at}u, ${side - 1}u - ${axis})`);
  const cells = Array.from({ length: CELLS }, (_, at) => at);
  return `struct LfParameters {
  lf_first: u32, lf_chunks: u32, lf_steps: u32,
${parameters.map(({ name, type }) => `  ${name}: ${type},`).join("\n")}
}
var<immediate> parameters: LfParameters;
/* The cells of a tile from low up to, and without, high. */
struct LfRegion {
  start: u32, // the tile's first word
  origin: vec3<u32>, // the coordinates of its first cell in the grid
  low: vec3<u32>,
  high: vec3<u32>,
}
@group(0) @binding(0) var<storage, read> lf_regions: array<LfRegion>;
@group(0) @binding(1) var<storage, read> lf_now: array<f32>;
@group(0) @binding(2) var<storage, read_write> lf_next: array<f32>;
var<private> lf_fuel: vec2<u32>;
var<private> lf_cell: u32;
var<private> lf_coordinates: vec3<u32>;

fn at(${offsets.map((each) => `${each}: i32`).join(", ")}) -> f32 {
  if (${beyond}) { return bitcast<f32>(lf_cell | 0x7fc00000u); }
  return lf_now[lf_cell + u32(dx + dy * ${width}${flat ? "" : ` + dz * ${width * height}`})];
}
fn previous() -> f32 { return lf_next[lf_cell]; }
fn position() -> ${flat ? "vec2<u32> { return lf_coordinates.xy; }" : "vec3<u32> { return lf_coordinates; }"}
fn steps() -> u32 { return parameters.lf_steps; }

/* A cell's index among its thread's cells depends only on its coordinates in the tile, and not on the region. So its
   value does not depend on the region, whichever operations the compiler fuses. */
@compute @workgroup_size(${THREADS[0]}, ${THREADS[1]})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(global_invocation_id) id: vec3<u32>) {
  lf_fuel = vec2<u32>(0u, ${fuel}u);
  let region = lf_regions[parameters.lf_first + group.z / parameters.lf_chunks];
  let x = region.low.x + id.x;
  if (x >= region.high.x) { return; }
${
  flat
    ? `  let y = (region.low.y / ${CELLS}u + id.y) * ${CELLS}u;
  if (y >= region.high.y) { return; }
  let z = 0u;`
    : `  let y = region.low.y + id.y;
  let z = (region.low.z / ${CELLS}u + group.z % parameters.lf_chunks) * ${CELLS}u;
  if (y >= region.high.y || z >= region.high.z) { return; }`
}
  let coordinates = region.origin + vec3<u32>(x, y, z);
  let cell0 = region.start + (z + ${halo[2]}u) * ${width * height}u + (y + ${halo[1]}u) * ${width}u + x + ${halo[0]}u;
  lf_cell = cell0;
  lf_coordinates = coordinates;
  let value0 = ${PREFIX}cell();
${cells
  .slice(1)
  .map(
    (at) => `  let moved${at} = ${moved(at)};
  let cell${at} = cell0 + moved${at} * ${pitch}u;
  lf_cell = cell${at};
  lf_coordinates = vec3<u32>(${flat ? `coordinates.x, coordinates.y + moved${at}, coordinates.z` : `coordinates.xy, coordinates.z + moved${at}`});
  let value${at} = ${PREFIX}cell();`,
  )
  .join("\n")}
  let spent = lf_fuel.y == 0u;
${cells
  .map((at) => {
    const inside = `${axis} + ${at}u >= region.low.${axis} && ${axis} + ${at}u < region.high.${axis}`;
    return `  if (${inside}) { lf_next[cell${at}] = select(value${at}, bitcast<f32>(cell${at} | 0x7fc00000u), spent); }`;
  })
  .join("\n")}
}
`;
}
