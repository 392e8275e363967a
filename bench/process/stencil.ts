/**
 * Steps of a stencil on one GPU, halos included, beside copies on it. A reading of 1 stands for a billion bytes a second
 * that are read and written again: what a step must move is its cells' fields, once each, in or out.
 *
 *     stencil.ts jacobi2d|wave3d DEVICE SIDE STEPS
 */
import { MemoryAllocator } from "../../src/index.ts";
import { HaloExchange, type HaloGrid, KernelRuntime } from "../../src/kernel/index.ts";
import { figureOf } from "../measure.ts";
import { rate } from "./gpu.ts";

const [kind, ...numbers] = Bun.argv.slice(2);
const [device, side, steps] = numbers.map(Number) as [number, number, number];
const ROUNDS = 7;

/** `fields`: how many are read or written for each cell. */
const { config, wgsl, fields } = {
  jacobi2d: {
    config: { grid: [4, 4], tile: [side / 4, side / 4], halo: 1, periodic: true } as HaloGrid,
    wgsl: "fn cell() -> f32 { return 0.25 * (at(-1, 0) + at(1, 0) + at(0, -1) + at(0, 1)); }",
    fields: 2,
  },
  wave3d: {
    config: { grid: [1, 1, 1], tile: [side, side, side], halo: 1, periodic: true } as HaloGrid,
    wgsl: `fn cell() -> f32 {
      let here = at(0, 0, 0);
      let around = at(-1, 0, 0) + at(1, 0, 0) + at(0, -1, 0) + at(0, 1, 0) + at(0, 0, -1) + at(0, 0, 1);
      return 2.0 * here - previous() + 0.125 * (around - 6.0 * here);
    }`,
    fields: 3,
  },
}[kind as "jacobi2d" | "wave3d"];

const runtime = await KernelRuntime.create({ backend: "vulkan", device });
const exchange = await HaloExchange.create(runtime, config);
const stencil = await exchange.stencil({ wgsl });
const cells = side ** config.grid.length;

const allocator = new MemoryAllocator({ devices: [device] });
const copied = Math.min(4 * cells, 2 ** 30);
const [source, target] = [0, 1].map(() => allocator.allocate(copied, { kind: "gpu", device }));

await stencil.step(Math.ceil(steps / 5));
await source!.copyTo(target!);
const samples: Record<"step" | "copy", number[]> = { step: [], copy: [] };
for (let round = 0; round < ROUNDS; round++) {
  let started = Bun.nanoseconds();
  await stencil.step(steps);
  samples.step.push(rate((steps * 4 * cells * fields) / 2, started));
  started = Bun.nanoseconds();
  await Promise.all(Array.from({ length: steps }, () => source!.copyTo(target!)));
  samples.copy.push(rate(steps * copied, started));
}
console.log(JSON.stringify({ step: figureOf(samples.step, "higher"), copy: figureOf(samples.copy, "higher") }));
await exchange.close();
allocator.close();
await runtime.shutdown();
