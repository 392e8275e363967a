/** Halos between hosts, under each launcher: the bits that one process comes to. */
import { expect, test } from "bun:test";
import { HaloExchange, type HaloGrid, KernelRuntime } from "../../src/kernel/index.ts";
import { device, vulkan } from "../gpu/support.ts";
import { write } from "../kernel/grids.ts";
import { digests, type Order, small } from "../process/halo-rank.ts";
import { STENCILS } from "../process/stencils.ts";
import { LAUNCHERS } from "./launchers.ts";
import { withRanks } from "./orders.ts";
import { LIMIT } from "./ranks.ts";

const CONFIG: HaloGrid = { grid: [3, 4], tile: [40, 30], halo: 2, periodic: true };
const SEED = 21;
const STEPS = 12;
/** Ranks 0 and 1 share a host, and 2 has one of its own. */
const GROUPS = [
  { ranks: 2, host: "one" },
  { ranks: 1, host: "two" },
];
const RANKS = 3;

/** What the same comes to in this process. */
async function alone(backend: "cpu" | "vulkan"): Promise<Record<number, string>> {
  const runtime = await KernelRuntime.create({ backend, device });
  const exchange = await HaloExchange.create(runtime, CONFIG);
  await write(exchange, CONFIG, small(SEED));
  const stencil = await exchange.stencil(STENCILS.wide2d);
  await stencil.step(STEPS);
  await exchange.exchange();
  const found = await digests(exchange);
  await exchange.close();
  await runtime.shutdown();
  return found;
}

for (const { launcher, here } of LAUNCHERS) {
  for (const backend of ["cpu", "vulkan"] as const) {
    test.skipIf(!here || (backend === "vulkan" && !vulkan))(
      `halos between hosts, ${launcher.name}, ${backend}`,
      () =>
        withRanks({ launcher, groups: GROUPS }, async ({ coordinator }) => {
          const common = { name: "halo", ranks: RANKS, backend, config: CONFIG };
          const peers = Array.from({ length: RANKS }, (_, rank) =>
            coordinator.start("halo-rank/run", { ...common, rank }, rank),
          );
          const heard = () => Promise.all(peers.map((peer) => peer.heard()));
          for (const answer of await heard()) expect(answer).toEqual({ done: true });
          const all = async (order: Order) => {
            for (const peer of peers) peer.tell(order);
            return (await heard()).map(({ done, code, message }) => {
              if (done === undefined) throw new Error(`${code}: ${message}`);
              return done;
            });
          };
          await all({ do: "fill", seed: SEED });
          await all({ do: "stencil", which: "wide2d", steps: STEPS });
          await all({ do: "exchange", times: 1 });
          expect(Object.assign({}, ...(await all({ do: "tiles" })))).toEqual(await alone(backend));
          for (const peer of peers) peer.tell({ do: "close" } satisfies Order);
          expect(await heard()).toEqual(["closed", "closed", "closed"]);
          await Promise.all(peers.map((peer) => peer.done));
        }),
      LIMIT,
    );
  }
}
