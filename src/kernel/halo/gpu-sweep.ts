/** A stencil's step on a GPU: one dispatch for all regions that need the same number of workgroups. */
import { LavaFlowError } from "../../errors.ts";
import type { GpuDevice } from "../../gpu/device.ts";
import type { MemoryBuffer } from "../../memory/buffer.ts";
import { withLibrary } from "../shader/shader.ts";
import { targetOf } from "../wgsl/extensions.ts";
import type { Field } from "./field.ts";
import { GROUPS_MAX, Program } from "./program.ts";
import { type Region, regionsOf } from "./regions.ts";
import { CELLS, OWN_FUNCTIONS, OWN_WORDS, REGION_WORDS, stencil, THREADS } from "./stencil-shader.ts";
import { noBody, type Parameter, type Sweep, type SweepPart, type SweepSpec } from "./sweep.ts";
import type { Triple } from "./tiling.ts";

/** The interface of a sweep to its engine. */
interface SweepEngine {
  readonly device: GpuDevice;
  /** A new buffer with the given words. */
  table(words: Uint32Array): Promise<MemoryBuffer>;
}

/** Loop iterations for the cells of a thread, at most. A software device breaks out of loops after 65,535. */
const FUEL = 2 ** 25;
const SOFTWARE_FUEL = 2 ** 14;

const VIEWS = { f32: Float32Array, i32: Int32Array, u32: Uint32Array } as const;

/** Regions of one memory that need the same number of workgroups. */
interface Batch {
  readonly memory: number;
  readonly regions: MemoryBuffer;
  readonly first: number;
  readonly groups: [number, number, number];
  /** Workgroups along z for one region. */
  readonly chunks: number;
}

export class GpuSweep implements Sweep {
  readonly #program: Program;
  readonly #parameters: readonly Parameter[];
  readonly #batches: Record<SweepPart, readonly Batch[]>;

  static async make(engine: SweepEngine, spec: SweepSpec): Promise<GpuSweep> {
    const { wgsl, tiling, parameters } = spec;
    if (wgsl === undefined) throw noBody("wgsl", "a GPU's memory", 'a runtime of the backend "cpu"');
    if (tiling.elementBytes !== 4) {
      throw new LavaFlowError("BACKEND_UNAVAILABLE", "a stencil of 8-byte cells on a GPU: WGSL has no f64", {
        remedy: 'Use elementBytes: 4, or a runtime of the backend "cpu"',
      });
    }
    const { device } = engine;
    const fuel = device.info.type === "cpu" ? SOFTWARE_FUEL : FUEL;
    const { spirv, lines } = await withLibrary(wgsl, {
      name: "a stencil",
      entry: "cell",
      shown: "`cell() -> f32`",
      remedy: "Write fn cell() -> f32 { … }, which returns the cell's next value",
      own: OWN_FUNCTIONS,
      extensions: ["f16"],
      target: targetOf(device.info),
      library: () => stencil(tiling, parameters, fuel),
    });
    const program = await Program.make(device, spirv, "a stencil", 3, 4 * (OWN_WORDS + parameters.length), lines);
    const batches = { all: [] as Batch[], inner: [] as Batch[], outer: [] as Batch[] };
    try {
      await runOnce(engine, program, parameters.length);
      for (const [part, regions] of Object.entries(regionsOf(spec)) as [SweepPart, Region[]][]) {
        batches[part] = await batchesOf(engine, spec, regions);
      }
    } catch (error) {
      program.close(); // the engine closes the tables
      throw error;
    }
    return new GpuSweep(program, parameters, batches);
  }

  private constructor(
    program: Program,
    parameters: readonly Parameter[],
    batches: Record<SweepPart, readonly Batch[]>,
  ) {
    this.#program = program;
    this.#parameters = parameters;
    this.#batches = batches;
  }

  async run(
    part: SweepPart,
    now: Field,
    next: Field,
    parameters: Record<string, number>,
    steps: number,
  ): Promise<void> {
    await Promise.all(
      this.#batches[part].map(({ memory, regions, first, groups, chunks }) => {
        const push = new ArrayBuffer(4 * (OWN_WORDS + this.#parameters.length));
        new Uint32Array(push).set([first, chunks, steps]);
        this.#parameters.forEach(({ name, type }, at) => {
          new VIEWS[type](push)[OWN_WORDS + at] = parameters[name] as number;
        });
        const [source, target] = [now.memories[memory], next.memories[memory]] as [MemoryBuffer, MemoryBuffer];
        return this.#program.run([regions, source, target], groups, new Uint8Array(push));
      }),
    );
  }

  close(): void {
    this.#program.close();
    for (const batch of Object.values(this.#batches).flat()) batch.regions.close();
  }
}

/** Runs the shader once on no cells: some drivers compile at the first dispatch, and no step should wait for that. */
async function runOnce(engine: SweepEngine, program: Program, parameters: number): Promise<void> {
  const none = await engine.table(new Uint32Array(REGION_WORDS));
  const push = new Uint32Array(OWN_WORDS + parameters);
  push[1] = 1; // chunks
  await program.run([none, none, none], [1, 1, 1], new Uint8Array(push.buffer));
  none.close();
}

async function batchesOf(
  engine: SweepEngine,
  { tiling, layout }: SweepSpec,
  whole: readonly Region[],
): Promise<Batch[]> {
  const alike = Map.groupBy(
    whole.flatMap((region) => cutOf(region, tiling.dimensions)),
    (region) => `${layout.slots.get(region.tile)?.memory} ${groupsOf(region, tiling.dimensions)}`,
  );
  const batches: Batch[] = [];
  for (const those of alike.values()) {
    const words = new Uint32Array(REGION_WORDS * those.length);
    for (const [index, { tile, low, high }] of those.entries()) {
      const origin = tiling.coordinates(tile).map((at, axis) => at * (tiling.tile[axis] as number));
      const start = (layout.slots.get(tile)?.start as number) / 4;
      words.set([start, 0, 0, 0, ...origin, 0, ...low, 0, ...high, 0], REGION_WORDS * index);
    }
    const table = await engine.table(words);
    const [x, y, chunks] = groupsOf(those[0] as Region, tiling.dimensions);
    const most = Math.max(1, Math.floor(GROUPS_MAX / chunks));
    const memory = layout.slots.get((those[0] as Region).tile)?.memory as number;
    for (let first = 0; first < those.length; first += most) {
      const count = Math.min(most, those.length - first);
      batches.push({ memory, regions: table, first, groups: [x, y, count * chunks], chunks });
    }
  }
  return batches;
}

/** Cuts a region into regions for each of which one dispatch has enough workgroups. */
function cutOf(region: Region, dimensions: 2 | 3): Region[] {
  const [threads, rows] = THREADS;
  const most = [threads, dimensions === 2 ? rows * CELLS : rows, CELLS].map((cells) => cells * GROUPS_MAX);
  let cut = [region];
  for (const axis of [0, 1, 2] as const) cut = cut.flatMap((each) => cutAlong(each, axis, most[axis] as number));
  return cut;
}

const along = (triple: Triple, axis: number, at: number) => triple.with(axis, at) as unknown as Triple;

/** Cuts a region along one axis, at multiples of `most`. */
function cutAlong({ tile, low, high }: Region, axis: 0 | 1 | 2, most: number): Region[] {
  const cut: Region[] = [];
  for (let from = low[axis]; from < high[axis]; ) {
    const to = Math.min(high[axis], (Math.floor(from / most) + 1) * most);
    cut.push({ tile, low: along(low, axis, from), high: along(high, axis, to) });
    from = to;
  }
  return cut;
}

/** The workgroups along x, y and z that a region needs. A thread's cells begin at a multiple of CELLS. */
function groupsOf({ low, high }: Region, dimensions: 2 | 3): [number, number, number] {
  const chunks = (axis: 1 | 2) => Math.ceil(high[axis] / CELLS) - Math.floor(low[axis] / CELLS);
  const x = Math.ceil((high[0] - low[0]) / THREADS[0]);
  const rows = dimensions === 2 ? chunks(1) : high[1] - low[1];
  return [x, Math.ceil(rows / THREADS[1]), dimensions === 2 ? 1 : chunks(2)];
}
