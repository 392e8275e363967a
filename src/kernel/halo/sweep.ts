/** The interface of a stencil to its engine, and the rows of a handler. */
import { LavaFlowError } from "../../errors.ts";
import type { Field, FieldLayout } from "./field.ts";
import type { Tiling } from "./tiling.ts";

/**
 * A row of cells along x. The handler reads `now`, and writes the cells `from` up to, and without, `to` of `next`. The
 * neighbour of cell i at (dx, dy, dz) is `now[i + dx + dy * row + dz * plane]`. Before the write, `next[i]` is the same
 * cell one step earlier. The object is valid during the call only.
 */
export interface StencilRow<P extends string = string> {
  readonly now: Float32Array | Float64Array;
  readonly next: Float32Array | Float64Array;
  readonly from: number;
  readonly to: number;
  /** Cells from row to row. */
  readonly row: number;
  /** Cells from plane to plane. */
  readonly plane: number;
  /** Coordinates of the first cell in the whole grid. */
  readonly x: number;
  readonly y: number;
  readonly z: number;
  /** Steps before this one. */
  readonly steps: number;
  readonly parameters: Readonly<Record<P, number>>;
}

/** The type of a parameter in WGSL. */
export type ParameterType = "f32" | "i32" | "u32";

/** A parameter of a stencil. */
export interface Parameter {
  readonly name: string;
  readonly type: ParameterType;
}

/** All cells of the local tiles; "inner": those that need no halo of another rank; "outer": the rest. */
export type SweepPart = "all" | "inner" | "outer";

/** The sides of a tile whose ghosts come from other ranks, along x, y and z. */
export interface Sides {
  readonly low: [boolean, boolean, boolean];
  readonly high: [boolean, boolean, boolean];
}

/** The local tiles with such sides. */
export type RemoteSides = ReadonlyMap<number, Sides>;

/** A stencil, for an engine. */
export interface SweepSpec {
  readonly tiling: Tiling;
  readonly layout: FieldLayout;
  readonly remoteSides: RemoteSides;
  readonly wgsl?: string;
  // biome-ignore lint/suspicious/noExplicitAny: the caller has chosen the names of the parameters
  readonly handler?: (row: StencilRow<any>) => void;
  readonly parameters: readonly Parameter[];
}

/** A prepared stencil. */
export interface Sweep {
  /** Computes `next` from `now`. Runs keep their order. Resolves at the end of this one. */
  run(
    part: SweepPart,
    now: Field,
    next: Field,
    parameters: Readonly<Record<string, number>>,
    steps: number,
  ): Promise<void>;
  close(): void;
}

export function noBody(what: string, where: string, other: string): LavaFlowError {
  return new LavaFlowError("INVALID_ARGUMENT", `a stencil without ${what}, and these tiles lie in ${where}`, {
    remedy: `Give ${what}, or ${other}`,
  });
}
