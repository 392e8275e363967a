/**
 * One rank of a wave in two dimensions on 4 x 4 tiles: what its steps cost this process, in processor time and in time.
 *
 *     wave.ts NAME RANK RANKS cpu|vulkan DEVICE SIZE STEPS together|alone
 *
 * alone: with its share of the tiles as a grid of its own, so that it does the same work and waits for no peer.
 */
import { HaloExchange, KernelRuntime } from "../../src/kernel/index.ts";

const [name = "", own, all, backend, device, side, count, how] = Bun.argv.slice(2);
const [rank, ranks, size, steps] = [own, all, side, count].map(Number) as [number, number, number, number];
const GRID = 4;

const runtime = await KernelRuntime.create({ backend: backend as "cpu", device: Number(device) });
const alone = how === "alone";
const exchange = await HaloExchange.create(
  runtime,
  { grid: [GRID, alone ? GRID / ranks : GRID], tile: [size / GRID, size / GRID], halo: 1, periodic: true },
  alone ? {} : { name, rank, owner: (tile) => Math.floor((tile * ranks) / GRID ** 2) },
);
for (const [tile, buffer] of exchange.tiles) {
  await buffer.write(Float32Array.from({ length: buffer.sizeBytes / 4 }, (_, at) => (at + tile) % 97));
}
const stencil = await exchange.stencil({
  parameters: { speed: 0.25 },
  wgsl: `fn cell() -> f32 {
    let here = at(0, 0);
    return 2.0 * here - previous() + parameters.speed * (at(-1, 0) + at(1, 0) + at(0, -1) + at(0, 1) - 4.0 * here);
  }`,
  handler({ now, next, from, to, row, parameters: { speed } }) {
    for (let i = from; i < to; i++) {
      const here = now[i]!;
      next[i] = 2 * here - next[i]! + speed * (now[i - 1]! + now[i + 1]! + now[i - row]! + now[i + row]! - 4 * here);
    }
  },
});
await stencil.step(Math.ceil(steps / 5));
const [used, started] = [process.cpuUsage(), performance.now()];
await stencil.step(steps);
const { user, system } = process.cpuUsage(used);
console.log(JSON.stringify({ cpuMs: (user + system) / 1000, ms: performance.now() - started }));
await exchange.close();
await runtime.shutdown();
