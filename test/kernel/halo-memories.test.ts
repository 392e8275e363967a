/**
 * Tiles that do not fit into one memory. The largest memory of a shader differs between GPUs, so the test sets the
 * limit.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { GpuDevice } from "../../src/gpu/device.ts";
import type { Engine } from "../../src/kernel/halo/engine.ts";
import { Field, type TileMemory } from "../../src/kernel/halo/field.ts";
import { GpuEngine } from "../../src/kernel/halo/gpu.ts";
import { HostEngine } from "../../src/kernel/halo/host.ts";
import { shareOf } from "../../src/kernel/halo/share.ts";
import { Tiling } from "../../src/kernel/halo/tiling.ts";
import type { HaloGrid } from "../../src/kernel/index.ts";
import { failure } from "../channel/support.ts";
import { device, validationIsSilent, vulkan } from "../gpu/support.ts";
import { STENCILS } from "../process/stencils.ts";
import { type Cells, contentOf, exchanged, expectCells, scattered } from "./grids.ts";

const CONFIG: HaloGrid = { grid: [5, 4], tile: [6, 5], halo: 2, periodic: true };
const tiling = new Tiling(CONFIG);

const ENGINES: { name: string; there: boolean; make: () => Engine }[] = [
  { name: "host memory", there: true, make: () => new HostEngine() },
  {
    name: "a GPU's",
    there: vulkan,
    make() {
      const opened = GpuDevice.open(device);
      try {
        return new GpuEngine(opened);
      } finally {
        opened.release();
      }
    },
  },
];

for (const { name, there, make } of ENGINES) {
  describe.skipIf(!there)(`tiles in several memories, ${name}`, () => {
    let engine: Engine;
    beforeAll(() => {
      engine = make();
    });
    afterAll(() => engine?.close());

    const tileMemoryOf = (memoryMaxBytes: number): TileMemory => ({
      memoryMaxBytes,
      capacity: engine.capacity,
      allocate: (sizeBytes) => engine.allocate(sizeBytes),
    });

    async function written(tileMemory: TileMemory, cells: Cells) {
      const { layout, ...share } = shareOf(tiling, new Int32Array(tiling.count), 0, tileMemory);
      const field = await Field.make(tileMemory, layout, tiling.tileBytes);
      for (const [tile, buffer] of field.tiles) await buffer.write(contentOf(CONFIG, tile, cells));
      return { ...share, layout, field };
    }

    async function contents(field: Field): Promise<Float32Array[]> {
      return Promise.all(
        [...field.tiles.values()].map(async (buffer) => {
          const content = new Float32Array(buffer.sizeBytes / 4);
          await buffer.read(content);
          return content;
        }),
      );
    }

    // Three tiles in a memory; and one, so that there are more memories than one dispatch can use.
    for (const [tiles, memories] of [
      [3, 7],
      [1, 20],
    ] as const) {
      test(`${memories} of ${tiles} tiles: halos, and a step`, async () => {
        const cells: Cells = (at) => scattered(9)(at) % 64;
        const { layout, out, remoteSides, field } = await written(
          tileMemoryOf((tiles + 0.5) * tiling.tileBytes),
          cells,
        );
        expect(field.memories).toHaveLength(memories);
        const copies = await engine.copies(out);
        await copies.run(field.memories);
        for (const [tile, content] of (await contents(field)).entries()) {
          expectCells(content, exchanged(CONFIG, tile, cells), `tile ${tile}`);
        }

        // The same step with all tiles in one memory.
        const one = await written(tileMemoryOf(engine.memoryMaxBytes), cells);
        expect(one.field.memories).toHaveLength(1);
        const together = await engine.copies(one.out);
        await together.run(one.field.memories);
        const results = [];
        for (const each of [
          { layout, field },
          { layout: one.layout, field: one.field },
        ]) {
          const next = await Field.make(engine, each.layout, tiling.tileBytes);
          const sweep = await engine.sweep({
            ...STENCILS.wide2d,
            tiling,
            layout: each.layout,
            remoteSides,
            parameters: [{ name: "scale", type: "f32" }],
          });
          await sweep.run("all", each.field, next, { scale: 0.5 }, 0);
          results.push(await contents(next));
          sweep.close();
          next.close();
        }
        for (const [tile, content] of results[0]!.entries()) expectCells(content, results[1]![tile]!, `tile ${tile}`);
        expect(results[0]!.some((content) => content.some((cell) => cell !== 0))).toBe(true);
        for (const each of [copies, together]) each.close();
        for (const each of [field, one.field]) each.close();
      });
    }

    test("a tile that is larger than a memory is refused", async () => {
      const { message } = await failure("INVALID_ARGUMENT", () =>
        written(tileMemoryOf(tiling.tileBytes - 1), scattered(1)),
      );
      expect(message).toContain(`a tile of ${tiling.tileBytes} bytes`);
      expect(message).toContain(`at most ${tiling.tileBytes - 1}`);
    });
  });
}

validationIsSilent();
