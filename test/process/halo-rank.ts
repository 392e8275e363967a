/** A rank of an exchange of halos, which does what it is told to. */
import { listGpus } from "../../src/gpu/device.ts";
import { LavaFlowError } from "../../src/index.ts";
import {
  type Backend,
  HaloExchange,
  type HaloGrid,
  KernelRuntime,
  type StencilOptions,
} from "../../src/kernel/index.ts";
import { type Cells, scattered, write } from "../kernel/grids.ts";
import type { Io } from "./peer.ts";
import { STENCILS } from "./stencils.ts";

export interface RankArgs {
  name: string;
  rank: number;
  /** How many ranks: tile t is rank t mod ranks', so that all of them have much to do with each other. */
  ranks: number;
  backend: Backend;
  config: HaloGrid;
  timeoutMs?: number;
}

export type Order =
  | { do: "fill"; seed: number }
  | { do: "exchange"; times: number }
  | { do: "stencil"; which: keyof typeof STENCILS; steps: number }
  | { do: "tiles" }
  | { do: "stats" }
  | { do: "close" };

/** The first in hardware, else a software one. */
function device(): number {
  const usable = listGpus().filter(({ missing }) => missing === null);
  return (usable.find(({ type }) => type !== "cpu") ?? usable[0])?.index ?? 0;
}

/** Says "ready", then an answer to each order: what came of it, or the code and the words of the error. */
export async function run({ say, hear }: Io, args: RankArgs): Promise<void> {
  const { name, rank, ranks, backend, config, timeoutMs } = args;
  const runtime = await KernelRuntime.create({ backend, device: device() });
  const answer = async (work: () => Promise<unknown>) => {
    try {
      say({ done: (await work()) ?? true });
    } catch (error) {
      if (!(error instanceof LavaFlowError)) throw error;
      say({ code: error.code, message: error.message });
    }
  };
  let exchange: HaloExchange | undefined;
  await answer(async () => {
    exchange = await HaloExchange.create(runtime, config, { name, rank, owner: (tile) => tile % ranks, timeoutMs });
  });
  while (exchange) {
    const order: Order | { over: true } = await hear();
    if ("over" in order || order.do === "close") break;
    await answer(() => obey(exchange as HaloExchange, config, order));
  }
  await exchange?.close();
  await runtime.shutdown();
  say("closed");
}

async function obey(
  exchange: HaloExchange,
  config: HaloGrid,
  order: Exclude<Order, { do: "close" }>,
): Promise<unknown> {
  switch (order.do) {
    case "fill":
      return write(exchange, config, small(order.seed));
    case "exchange":
      for (let each = 0; each < order.times; each++) await exchange.exchange();
      return;
    case "stencil":
      return (await exchange.stencil(STENCILS[order.which] as StencilOptions<string>)).step(order.steps);
    case "stats":
      return exchange.stats;
    case "tiles":
      return digests(exchange);
  }
}

/** Numbers that are exact in 4 bytes after some steps too. */
export const small =
  (seed: number): Cells =>
  (cell) =>
    scattered(seed)(cell) % 64;

/** Of every local tile, border included. */
export async function digests(exchange: HaloExchange): Promise<Record<number, string>> {
  const found: Record<number, string> = {};
  for (const [tile, buffer] of exchange.tiles) {
    const bytes = new Uint8Array(buffer.sizeBytes);
    await buffer.read(bytes);
    found[tile] = new Bun.CryptoHasher("sha256").update(bytes).digest("hex");
  }
  return found;
}
