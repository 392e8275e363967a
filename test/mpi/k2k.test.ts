/** Kernels on two hosts: the same calls as between processes, and what becomes of them when a host is cut off. */
import { describe, expect, test } from "bun:test";
import type { Order } from "../process/kernel-peer.ts";
import { requires } from "../requires.ts";
import type { Coordinator } from "./coordinator.ts";
import { lacking } from "./hosts.ts";
import { LAUNCHERS } from "./launchers.ts";
import { withRanks } from "./orders.ts";
import { LIMIT } from "./ranks.ts";

const lack = lacking();
const namespaces = requires("namespaces", lack.namespaces === null, `${lack.namespaces}`);

/** A runtime on each of two ranks; the two are connected. */
async function runtimes(coordinator: Coordinator, k2k: object) {
  const peers = ["a", "b"].map((name, rank) => coordinator.start("kernel-peer/serve", { name, k2k }, rank));
  const asked = (rank: number, order: Order) => {
    peers[rank]!.tell(order);
    return peers[rank]!.heard();
  };
  expect(await Promise.all([asked(0, { connect: "b" }), asked(1, { connect: "a" })])).toEqual([["b"], ["a"]]);
  return { peers, asked };
}

for (const { launcher, here } of LAUNCHERS) {
  describe.skipIf(!here || !namespaces)(launcher.name, () => {
    const groups = ["alpha", "beta"].map((host) => ({ host, ranks: 1 }));

    test(
      "messages both ways, and what the far side says of them",
      () =>
        withRanks({ launcher, groups, network: true }, async ({ coordinator }) => {
          const { peers, asked } = await runtimes(coordinator, { deliveryTimeoutMs: 500 });
          expect(await asked(0, { start: "echo", id: "echo", inputCapacity: 1024, outputCapacity: 1024 })).toBe("echo");
          expect(await asked(1, { start: "echo", id: "echo", inputCapacity: 1024, outputCapacity: 1024 })).toBe("echo");
          const sends = [
            asked(0, { send: ["echo", "b/echo", 0], times: 300 }),
            asked(1, { send: ["echo", "a/echo", 0], times: 300 }),
          ];
          expect(await Promise.all(sends)).toEqual(["delivered", "delivered"]);
          for (const rank of [0, 1]) {
            for (let i = 0; i < 300; i++) {
              expect(await asked(rank, { receive: "echo" })).toEqual({ value: i, source: "echo" });
            }
          }
          expect(await asked(0, { send: ["host", "b/none", 0] })).toBe("not-found");
          expect(await asked(0, { metrics: true })).toEqual({ delivered: 600, pending: 0, rejected: 1 });
          for (const peer of peers) peer.tell({ quit: true } satisfies Order);
          // The ranks' own end is not a part of it: MPICH's MPI_Finalize over TCP does not always return.
          for (const peer of peers) await peer.done;
        }),
      LIMIT,
    );

    test(
      "a host is cut off: what it has not answered gets PEER_DIED",
      () =>
        withRanks({ launcher, groups, network: true, recovery: true }, async ({ coordinator, hosts }) => {
          const { peers, asked } = await runtimes(coordinator, { deliveryTimeoutMs: 120_000 });
          const waiting = asked(0, { send: ["host", "b/none", 0] });
          hosts!.cut(1);
          expect(await waiting).toMatchObject({ code: "PEER_DIED" });
          for (const peer of peers) peer.tell({ quit: true } satisfies Order);
          for (const peer of peers) await peer.done;
          await coordinator.quit();
        }),
      LIMIT,
    );
  });
}
