/**
 * Exchanges of halos on one GPU, in batches that are awaited as one, beside plain copies of as many bytes, awaited likewise.
 *
 *     halo-exchange.ts DEVICE TILES TILE HALO BATCHES
 */
import { MemoryAllocator } from "../../src/index.ts";
import { HaloExchange, KernelRuntime } from "../../src/kernel/index.ts";
import { figureOf } from "../measure.ts";
import { rate } from "./gpu.ts";

const [device, tiles, tile, halo, batches] = Bun.argv.slice(2).map(Number) as [number, number, number, number, number];
/** Exchanges under way at a time: the time from a call to its end is another row's. */
const BATCH = 64;

const runtime = await KernelRuntime.create({ backend: "vulkan", device });
const exchange = await HaloExchange.create(runtime, { grid: [tiles, tiles], tile: [tile, tile], halo, periodic: true });
await exchange.exchange();
const bytes = exchange.stats.bytesMoved;

const allocator = new MemoryAllocator({ devices: [device] });
const [source, target] = [0, 1].map(() => allocator.allocate(bytes, { kind: "gpu", device }));

async function measure(work: () => Promise<void>): Promise<number> {
  const started = Bun.nanoseconds();
  await Promise.all(Array.from({ length: BATCH }, work));
  return rate(BATCH * bytes, started);
}

const samples: Record<"exchange" | "copy", number[]> = { exchange: [], copy: [] };
for (let round = -Math.ceil(batches / 5); round < batches; round++) {
  const exchanged = await measure(() => exchange.exchange());
  const copied = await measure(() => source!.copyTo(target!));
  if (round < 0) continue;
  samples.exchange.push(exchanged);
  samples.copy.push(copied);
}
const exchanged = figureOf(samples.exchange, "higher");
console.log(JSON.stringify({ exchange: exchanged, copy: figureOf(samples.copy, "higher") }));
await exchange.close();
allocator.close();
await runtime.shutdown();
