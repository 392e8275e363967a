// Heat that spreads over a plate, in one process or in several: bun docs/examples/heat.ts [rank size]
import { type Backend, HaloExchange, KernelRuntime } from "lava-flow/kernel";

// Each launcher says rank and size in its own way; on a laptop they are the arguments.
const { env, argv } = process;
const rank = Number(env.OMPI_COMM_WORLD_RANK ?? env.PMI_RANK ?? env.SLURM_PROCID ?? argv[2] ?? 0);
const size = Number(env.OMPI_COMM_WORLD_SIZE ?? env.PMI_SIZE ?? env.SLURM_NTASKS ?? argv[3] ?? 1);

await using runtime = await KernelRuntime.create({ backend: (env.BACKEND ?? "auto") as Backend | "auto" });

const GRID: [number, number] = [4, 2];
const TILE = 32;
const EXTENT = TILE + 2; // with a border of ghost cells on both sides
await using plate = await HaloExchange.create(
  runtime,
  { grid: GRID, tile: [TILE, TILE], halo: 1 },
  { name: "plate", rank, owner: (tile) => tile % size },
);

// Beyond the plate's west side it is hot. Borders are fixed, so these ghost cells stay as they are.
for (const [tile, buffer] of plate.tiles) {
  if (tile % GRID[0] !== 0) continue;
  const cells = new Float32Array(EXTENT * EXTENT);
  for (let y = 0; y < EXTENT; y++) cells[y * EXTENT] = 100;
  await buffer.write(cells);
}

const heat = await plate.stencil({
  wgsl: `fn cell() -> f32 {
    return at(0, 0) + parameters.rate * (at(-1, 0) + at(1, 0) + at(0, -1) + at(0, 1) - 4.0 * at(0, 0));
  }`,
  handler({ now, next, from, to, row, parameters: { rate } }) {
    for (let i = from; i < to; i++) {
      const [west, east, south, north] = [now[i - 1], now[i + 1], now[i - row], now[i + row]] as [
        number,
        number,
        number,
        number,
      ];
      const here = now[i] as number;
      next[i] = here + rate * (west + east + south + north - 4 * here);
    }
  },
  parameters: { rate: 0.2 },
});
await heat.step(1000);

for (const [tile, buffer] of plate.tiles) {
  const cells = new Float32Array(EXTENT * EXTENT);
  await buffer.read(cells);
  let sum = 0;
  for (let y = 1; y <= TILE; y++) for (let x = 1; x <= TILE; x++) sum += cells[y * EXTENT + x] as number;
  console.log(`tile ${tile}: ${(sum / TILE ** 2).toPrecision(12)} °C`);
}
