/** What a stencil asks of the place where its tiles lie, and what a handler is given. */
import { LavaFlowError } from "../../errors.ts";
import type { Field, FieldLayout } from "./field.ts";
import type { Tiling } from "./tiling.ts";

/**
 * Cells next to each other along x: from `now`, the cells `from` up to, and without, `to` of `next` have to be written. A
 * neighbour at (dx, dy, dz) is `now[i + dx + dy * row + dz * plane]`. Before it is written, `next[i]` is the same cell one step
 * earlier. The object is valid during the call.
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
  /** Where the first cell is in the whole grid. */
  readonly x: number;
  readonly y: number;
  readonly z: number;
  /** How many steps were taken before. */
  readonly steps: number;
  readonly parameters: Readonly<Record<P, number>>;
}

/** What a parameter is in WGSL. */
export type ParameterType = "f32" | "i32" | "u32";

/** A parameter of a stencil. */
export interface Parameter {
  readonly name: string;
  readonly type: ParameterType;
}

/** All cells of the local tiles; or those that need nothing of other ranks, and then the rest. */
export type SweepPart = "all" | "inner" | "outer";

/** At which sides of a tile ghosts come from other ranks, along x, y and z. */
export interface Sides {
  readonly low: [boolean, boolean, boolean];
  readonly high: [boolean, boolean, boolean];
}

/** The local tiles with such sides. */
export type RemoteSides = ReadonlyMap<number, Sides>;

/** What an engine has to know to make a step. */
export interface SweepSpec {
  readonly tiling: Tiling;
  readonly layout: FieldLayout;
  readonly remoteSides: RemoteSides;
  readonly wgsl?: string;
  // biome-ignore lint/suspicious/noExplicitAny: the names of its parameters are its maker's
  readonly handler?: (row: StencilRow<any>) => void;
  readonly parameters: readonly Parameter[];
}

/** A function of cells, ready to run. */
export interface Sweep {
  /** From one field into the other; resolves when it is done. Runs are done in their order. */
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
