/** Steps of a simulation on tiles: each cell becomes what a function of its neighbours says. */
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
   * For a GPU: a function `cell() -> f32` and what it needs. It has `at(dx, dy)`, in three dimensions `at(dx, dy, dz)`: a
   * cell so far from this one, now (NaN beyond the halo); `previous()`: this cell one step earlier; `parameters.NAME`;
   * `position()`: this cell's place in the whole grid, `vec2<u32>` or `vec3<u32>`; `steps()`: how many were taken before.
   */
  wgsl?: string;
  /** For tiles in host memory: writes one row of cells. */
  handler?: (row: StencilRow<P>) => void;
  /** Numbers that the function uses, by name; they may be changed between steps. At most 16. */
  parameters?: Record<P, number>;
  /** Those of them that are whole numbers of 32 bits, and what they are in WGSL. The others are `f32`, rounded. */
  integers?: { [name in P]?: "i32" | "u32" };
}

/** What a stencil has of its exchange. */
export interface Neighbourhood {
  readonly engine: Engine;
  readonly tiling: Tiling;
  readonly layout: FieldLayout;
  readonly remoteSides: RemoteSides;
  field(): Field;
  /** Makes a field the exchange's, and gives the one that was. */
  swap(field: Field): Field;
  post(): Promise<{ done: Promise<unknown> }>;
  collect(): Promise<{ done: Promise<unknown> }>;
  inTurn(work: () => Promise<{ done: Promise<unknown> }>): Promise<void>;
}

const PARAMETERS_MAX = 16;
/** Steps that a GPU is given before the first of them has ended: enough to keep it busy. */
const AHEAD = 32;
/** After so much work of the processor, milliseconds, the event loop has its turn. */
const BREATH_MS = 10;

/** Made by `HaloExchange.stencil`, and closed with its exchange. */
export class Stencil<P extends string = string> {
  /** May be changed; the next call of `step` takes them as they are then. */
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

  /** Steps that were taken. */
  get steps(): number {
    return this.#steps;
  }

  /** The local tiles one step earlier, by their index; as `HaloExchange.tiles`, to be asked for again after steps. */
  get previous(): ReadonlyMap<number, MemoryBuffer> {
    return this.#other.tiles;
  }

  /**
   * Makes the earlier step the same as the tiles are now, borders included: nothing moves. After TIMEOUT or ABORTED the copy
   * goes on, and the next call begins after it.
   */
  async rest(limits?: Limits): Promise<void> {
    checkLimits("rest", limits);
    return limitedWork("the earlier step was not copied", limits, () => this.#copyNow());
  }

  #copyNow(): Promise<void> {
    return this.#neighbourhood.inTurn(async () => ({ done: this.#other.copyFrom(this.#neighbourhood.field()) }));
  }

  /**
   * Exchanges the halos and computes all cells, `count` times; every rank has to take as many. What can be computed before
   * other ranks' halos come is. Rejects as `HaloExchange.exchange` does, and with what a handler throws. `timeoutMs` defaults
   * to Infinity. After TIMEOUT or ABORTED the step that is under way is completed, and no other is begun: `steps` counts those
   * that were taken, once the next call has resolved. Other ranks wait until this one takes the steps that are left.
   */
  async step(count = 1, limits?: Limits): Promise<void> {
    checkLimits("step", limits);
    if (!(Number.isSafeInteger(count) && count >= 0)) throw invalidArgument("count", count, "a whole number from 0");
    const parameters = { ...this.parameters };
    checkNumbers(parameters, this.#types);
    let isGivenUp = false;
    try {
      await limitedWork(`${count} steps were not taken`, limits, () =>
        this.#neighbourhood.inTurn(() => this.#take(count, parameters, () => isGivenUp)),
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
    const ahead: Promise<unknown>[] = [];
    let breath = performance.now();
    for (let each = 0; each < count && !isGivenUp(); each++) {
      const { done } = await this.#step(parameters);
      ahead.push(done);
      if (ahead.length > AHEAD) await ahead.shift();
      if (gpu || performance.now() - breath < BREATH_MS) continue;
      await new Promise((resolve) => setImmediate(resolve));
      breath = performance.now();
    }
    return { done: Promise.all(ahead) };
  }

  /** Hands one step over; `done` is the GPU's end of it. */
  async #step(parameters: Record<P, number>): Promise<{ done: Promise<unknown> }> {
    const { engine, remoteSides, field, post, collect, swap } = this.#neighbourhood;
    const [now, next] = [field(), this.#other];
    const done: Promise<unknown>[] = [];
    const run = async (part: SweepPart) => {
      const swept = this.#sweep.run(part, now, next, parameters, this.#steps);
      swept.catch(() => {}); // it is awaited later, which may be too late for the runtime
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

  /** By its exchange. */
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
  if (word !== undefined) throw invalidArgument("parameters", word, "names that are no words of WGSL");
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
