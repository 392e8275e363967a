/** A stencil's step by a GPU: one dispatch for all cells of one shape of region. */
import { LavaFlowError } from "../../errors.ts";
import type { GpuDevice } from "../../gpu/device.ts";
import type { MemoryBuffer } from "../../memory/buffer.ts";
import { toGuardedSpirv } from "../shader.ts";
import { CELLS, OWN_FUNCTIONS, OWN_WORDS, REGION_WORDS, stencil, THREADS } from "../shaders/stencil.ts";
import type { Field } from "./field.ts";
import { GROUPS_MAX, Program } from "./program.ts";
import { type Region, regionsOf } from "./regions.ts";
import { noBody, type Sweep, type SweepPart, type SweepSpec } from "./sweep.ts";

/** What it has of its engine. */
interface Shop {
  readonly device: GpuDevice;
  /** A buffer with these words in it. */
  table(words: Uint32Array): Promise<MemoryBuffer>;
}

/** Rounds of loops for the cells of a thread; a software device ends loops by itself after 65,535. */
const FUEL = 2 ** 25;
const SOFTWARE_FUEL = 2 ** 14;

/** Regions of one memory that need as many workgroups. */
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
  readonly #names: readonly string[];
  readonly #batches: Record<SweepPart, readonly Batch[]>;

  static async make(engine: Shop, spec: SweepSpec): Promise<GpuSweep> {
    const { wgsl, tiling, parameters } = spec;
    if (wgsl === undefined) throw noBody("wgsl", "a GPU's memory", 'a runtime of the backend "cpu"');
    if (tiling.elementBytes !== 4) {
      throw new LavaFlowError("BACKEND_UNAVAILABLE", "a stencil of 8-byte cells on a GPU: WGSL has no f64", {
        remedy: 'Use elementBytes: 4, or a runtime of the backend "cpu"',
      });
    }
    if (!/\bfn\s+cell\s*\(\s*\)\s*->\s*f32\b/.test(wgsl)) {
      throw new LavaFlowError("SHADER_INVALID", "the WGSL of a stencil has no function `cell() -> f32`", {
        remedy: "Write one: what it returns is what the cell becomes",
      });
    }
    const { device } = engine;
    const source = stencil(wgsl, tiling, parameters, device.info.type === "cpu" ? SOFTWARE_FUEL : FUEL);
    const spirv = await toGuardedSpirv(source, "a stencil", OWN_FUNCTIONS);
    const program = Program.make(device, spirv, "a stencil", 3, 4 * (OWN_WORDS + parameters.length));
    const batches = { all: [] as Batch[], inner: [] as Batch[], outer: [] as Batch[] };
    try {
      for (const [part, regions] of Object.entries(regionsOf(spec)) as [SweepPart, Region[]][]) {
        batches[part] = await batchesOf(engine, spec, regions);
      }
    } catch (error) {
      program.close(); // the tables go with the engine
      throw error;
    }
    return new GpuSweep(program, parameters, batches);
  }

  private constructor(program: Program, names: readonly string[], batches: Record<SweepPart, readonly Batch[]>) {
    this.#program = program;
    this.#names = names;
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
        const push = new ArrayBuffer(4 * (OWN_WORDS + this.#names.length));
        new Uint32Array(push).set([first, chunks, steps]);
        new Float32Array(push).set(
          this.#names.map((name) => parameters[name] as number),
          OWN_WORDS,
        );
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

async function batchesOf(engine: Shop, { tiling, layout }: SweepSpec, regions: readonly Region[]): Promise<Batch[]> {
  const alike = Map.groupBy(
    regions,
    (region) => `${layout.slots.get(region.tile)?.memory} ${groupsOf(region, tiling.dimensions)}`,
  );
  const batches: Batch[] = [];
  for (const those of alike.values()) {
    const words = new Uint32Array(REGION_WORDS * those.length);
    for (const [index, { tile, low, high }] of those.entries()) {
      const origin = tiling.place(tile).map((at, axis) => at * (tiling.tile[axis] as number));
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

/** The workgroups along x, y and z that a region needs. A thread's cells begin at a multiple of CELLS. */
function groupsOf({ low, high }: Region, dimensions: 2 | 3): [number, number, number] {
  const chunks = (axis: 1 | 2) => Math.ceil(high[axis] / CELLS) - Math.floor(low[axis] / CELLS);
  const x = Math.ceil((high[0] - low[0]) / THREADS[0]);
  const rows = dimensions === 2 ? chunks(1) : high[1] - low[1];
  return [x, Math.ceil(rows / THREADS[1]), dimensions === 2 ? 1 : chunks(2)];
}
