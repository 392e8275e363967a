/** Steps of a simulation on tiles: a function computes each cell from its neighbours. */
import { invalidArgument } from "../errors.ts";
import type { MemoryBuffer } from "../memory/buffer.ts";
import { checkLimits, type Limits, limitedWork } from "../native/limits.ts";
import { checkNames, type OptionNames } from "../native/options.ts";
import type { Engine } from "./halo/engine.ts";
import { Field, type FieldLayout } from "./halo/field.ts";
import type { Parameter, ParameterType, RemoteSides, StencilRow, Sweep, SweepPart } from "./halo/sweep.ts";
import type { Tiling } from "./halo/tiling.ts";
import { KEYWORDS, RESERVED } from "./wgsl/words.ts";

export type { StencilRow } from "./halo/sweep.ts";

/** Options of `HaloExchange.stencil`. */
export interface StencilOptions<P extends string = never> extends Limits {
  /**
   * For a GPU: WGSL with a function `cell() -> f32`, which may call `at(dx, dy)`, in three dimensions `at(dx, dy, dz)`:
   * the cell at that distance, now (NaN beyond the halo); `previous()`: this cell one step earlier; `parameters.NAME`;
   * `position()`: this cell's coordinates in the whole grid, `vec2<u32>` or `vec3<u32>`; `steps()`: the steps before
   * this one.
   */
  wgsl?: string;
  /** For tiles in host memory: writes one row of cells. */
  handler?: (row: StencilRow<P>) => void;
  /** Numbers that the function uses, by name, at most 16. They may be changed between steps. */
  parameters?: Record<P, number>;
  /** WGSL types of the parameters that are whole numbers of 32 bits. The others are rounded to `f32`. */
  integers?: { [name in P]?: "i32" | "u32" };
}

/** The interface of a stencil to its exchange. */
export interface Neighbourhood {
  readonly engine: Engine;
  readonly tiling: Tiling;
  readonly layout: FieldLayout;
  readonly remoteSides: RemoteSides;
  field(): Field;
  /** Replaces the field of the exchange, and returns the one before. */
  swap(field: Field): Field;
  post(): Promise<{ done: Promise<unknown> }>;
  collect(): Promise<{ done: Promise<unknown> }>;
  inOrder(work: () => Promise<{ done: Promise<unknown> }>): Promise<void>;
}

const PARAMETERS_MAX = 16;
/** Steps in flight on a GPU, at most: enough to keep it busy. */
const PENDING_MAX = 32;
/** Milliseconds of steps on the processor, after which the event loop gets one turn. */
const SLICE_MS = 10;

/** A stencil of `HaloExchange.stencil`. The exchange closes it. */
export class Stencil<P extends string = string> {
  /** May be changed: the next call of `step` uses the new values. */
  readonly parameters: Record<P, number>;
  readonly #types: readonly Parameter[];
  readonly #neighbourhood: Neighbourhood;
  readonly #sweep: Sweep;
  #other: Field;
  #steps = 0;

  /** @internal */
  static async make<P extends string>(options: StencilOptions<P>, neighbourhood: Neighbourhood): Promise<Stencil<P>> {
    const { parameters, types } = checkOptions(options);
    const { engine, tiling, layout, remoteSides } = neighbourhood;
    const { wgsl, handler } = options;
    const sweep = await engine.sweep({ tiling, layout, remoteSides, wgsl, handler, parameters: types });
    let other: Field | null = null;
    try {
      other = await Field.make(engine, layout, tiling.tileBytes);
      const made = new Stencil<P>(parameters, types, neighbourhood, sweep, other);
      await made.#copyNow();
      return made;
    } catch (error) {
      other?.close();
      sweep.close();
      throw error;
    }
  }

  private constructor(
    parameters: Record<P, number>,
    types: readonly Parameter[],
    neighbourhood: Neighbourhood,
    sweep: Sweep,
    other: Field,
  ) {
    this.parameters = parameters;
    this.#types = types;
    this.#neighbourhood = neighbourhood;
    this.#sweep = sweep;
    this.#other = other;
  }

  /** The number of steps until now. */
  get steps(): number {
    return this.#steps;
  }

  /** The local tiles one step earlier, by index. As `HaloExchange.tiles`: read them again after steps. */
  get previous(): ReadonlyMap<number, MemoryBuffer> {
    return this.#other.tiles;
  }

  /**
   * Copies the tiles, borders included, to the previous step: a wave is at rest then. After TIMEOUT or ABORTED the copy
   * goes on, and the next call begins after it.
   */
  async rest(limits?: Limits): Promise<void> {
    checkLimits("rest", limits);
    return limitedWork("the earlier step was not copied", limits, () => this.#copyNow());
  }

  #copyNow(): Promise<void> {
    return this.#neighbourhood.inOrder(async () => ({ done: this.#other.copyFrom(this.#neighbourhood.field()) }));
  }

  /**
   * Exchanges the halos and computes all cells, `count` times, the same number on every rank. Cells that need no halo
   * of another rank are computed before those arrive. Rejects as `HaloExchange.exchange` does, and with a handler's
   * error. `timeoutMs` defaults to Infinity. After TIMEOUT or ABORTED the current step is completed, and no other is
   * begun: `steps` is right when the next call has resolved. Other ranks wait until this one takes the remaining steps.
   */
  async step(count = 1, limits?: Limits): Promise<void> {
    checkLimits("step", limits);
    if (!(Number.isSafeInteger(count) && count >= 0)) throw invalidArgument("count", count, "a whole number from 0");
    const parameters = { ...this.parameters };
    checkNumbers(parameters, this.#types);
    let isGivenUp = false;
    try {
      await limitedWork(`${count} steps were not taken`, limits, () =>
        this.#neighbourhood.inOrder(() => this.#take(count, parameters, () => isGivenUp)),
      );
    } catch (error) {
      isGivenUp = true;
      throw error;
    }
  }

  async #take(
    count: number,
    parameters: Record<P, number>,
    isGivenUp: () => boolean,
  ): Promise<{ done: Promise<unknown> }> {
    const { gpu } = this.#neighbourhood.engine;
    const pending: Promise<unknown>[] = [];
    let sliceStart = performance.now();
    for (let each = 0; each < count && !isGivenUp(); each++) {
      const { done } = await this.#step(parameters);
      pending.push(done);
      if (pending.length > PENDING_MAX) await pending.shift();
      if (gpu || performance.now() - sliceStart < SLICE_MS) continue;
      await new Promise((resolve) => setImmediate(resolve));
      sliceStart = performance.now();
    }
    return { done: Promise.all(pending) };
  }

  /** Starts one step. `done`: the end of the GPU's work. */
  async #step(parameters: Record<P, number>): Promise<{ done: Promise<unknown> }> {
    const { engine, remoteSides, field, post, collect, swap } = this.#neighbourhood;
    const [now, next] = [field(), this.#other];
    const done: Promise<unknown>[] = [];
    const run = async (part: SweepPart) => {
      const swept = this.#sweep.run(part, now, next, parameters, this.#steps);
      swept.catch(() => {}); // awaited later: no unhandled rejection before
      done.push(swept);
      if (!engine.gpu) await swept;
    };
    done.push((await post()).done);
    if (remoteSides.size === 0) {
      await run("all");
    } else {
      await run("inner");
      done.push((await collect()).done);
      await run("outer");
    }
    this.#other = swap(next);
    this.#steps++;
    const all = Promise.all(done);
    all.catch(() => {}); // as above
    return { done: all };
  }

  /** Called by the exchange. */
  close(): void {
    this.#sweep.close();
    this.#other.close();
  }
}

const NAME = /^[A-Za-z][A-Za-z0-9_]*$/;

const NAMES: OptionNames<StencilOptions> = {
  wgsl: true,
  handler: true,
  parameters: true,
  integers: true,
  timeoutMs: true,
  signal: true,
};

interface Checked<P extends string> {
  parameters: Record<P, number>;
  types: readonly Parameter[];
}

function checkOptions<P extends string>(options: StencilOptions<P>): Checked<P> {
  if (typeof options !== "object" || options === null) throw invalidArgument("options", options, "{ wgsl, handler }");
  checkNames("stencil", options, NAMES);
  const { wgsl, handler, parameters = {} as Record<P, number>, integers = {} } = options;
  if (wgsl !== undefined && typeof wgsl !== "string") throw invalidArgument("wgsl", wgsl, "WGSL as a string");
  if (handler !== undefined && typeof handler !== "function") throw invalidArgument("handler", handler, "a function");
  if (typeof parameters !== "object" || parameters === null) {
    throw invalidArgument("parameters", parameters, "numbers by their names");
  }
  const names = Object.keys(parameters);
  if (names.length > PARAMETERS_MAX) {
    throw invalidArgument("parameters", `${names.length} numbers`, `at most ${PARAMETERS_MAX}`);
  }
  for (const name of names) {
    if (!NAME.test(name) || name.startsWith("lf_")) {
      throw invalidArgument(
        "parameters",
        name,
        "names of letters, digits and _ that begin with a letter, and not with lf_",
      );
    }
  }
  const word = wgsl === undefined ? undefined : names.find((name) => KEYWORDS.has(name) || RESERVED.has(name));
  if (word !== undefined) throw invalidArgument("parameters", word, "names that WGSL does not reserve");
  const types = typesOf(names, integers);
  checkNumbers(parameters, types);
  return { parameters: Object.seal({ ...parameters }), types };
}

function typesOf(names: readonly string[], integers: Record<string, unknown>): Parameter[] {
  if (typeof integers !== "object" || integers === null) {
    throw invalidArgument("integers", integers, 'names of parameters with "i32" or "u32"');
  }
  const types = new Map<string, ParameterType>(names.map((name) => [name, "f32"]));
  for (const [name, type] of Object.entries(integers)) {
    if (type === undefined) continue;
    if (!types.has(name)) throw invalidArgument("integers", name, "names of parameters");
    if (type !== "i32" && type !== "u32") throw invalidArgument(`integers.${name}`, type, '"i32" or "u32"');
    types.set(name, type);
  }
  return [...types].map(([name, type]) => ({ name, type }));
}

function checkNumbers(parameters: Record<string, unknown>, types: readonly Parameter[]): void {
  for (const { name, type } of types) {
    const value = parameters[name];
    if (typeof value !== "number") throw invalidArgument(`parameters.${name}`, value, "a number");
    if (type === "f32") continue;
    const [least, most] = type === "u32" ? [0, 2 ** 32 - 1] : [-(2 ** 31), 2 ** 31 - 1];
    if (!(Number.isInteger(value) && value >= least && value <= most))
      throw invalidArgument(`parameters.${name}`, value, `a whole number from ${least} to ${most}`);
  }
}
