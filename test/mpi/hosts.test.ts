/** Two and three hosts with a network between them, and what becomes of channels when it fails. */
import { describe, expect, test } from "bun:test";
import type { Peer } from "../channel/peers.ts";
import { requires } from "../requires.ts";
import type { Coordinator } from "./coordinator.ts";
import { lacking } from "./hosts.ts";
import { LAUNCHERS } from "./launchers.ts";
import { withRanks } from "./orders.ts";
import { everyPair } from "./pairs.ts";
import { LIMIT } from "./ranks.ts";

const lack = lacking();
const namespaces = requires("namespaces", lack.namespaces === null, `${lack.namespaces}`);
const netem = requires("netem", lack.netem === null, `${lack.netem}`);

/** One rank on each of them. */
const one = (...hosts: string[]) => hosts.map((host) => ({ host, ranks: 1 }));

/** A stream each way between two ranks, under way. */
async function bothWays(coordinator: Coordinator): Promise<Peer[]> {
  const sides = (rank: number) => [
    ["ranks/stream", { name: "there", role: rank === 0 ? "producer" : "consumer" }],
    ["ranks/stream", { name: "back", role: rank === 0 ? "consumer" : "producer" }],
  ];
  const peers = [0, 1].map((rank) => coordinator.start("many/run", sides(rank), rank));
  for (const peer of peers) for (const _ of ["there", "back"]) expect((await peer.heard()).said).toBe("open");
  return peers;
}

for (const { launcher, here } of LAUNCHERS) {
  describe.skipIf(!here || !namespaces)(launcher.name, () => {
    test(
      "two hosts with two ranks each: shared memory on a host, MPI between them",
      () => {
        const groups = ["alpha", "beta"].map((host) => ({ host, ranks: 2 }));
        return withRanks({ launcher, groups, network: true }, ({ coordinator }) =>
          everyPair(coordinator, ["alpha", "alpha", "beta", "beta"]),
        );
      },
      LIMIT,
    );

    test(
      "three hosts",
      () => {
        const groups = one("alpha", "beta", "gamma");
        return withRanks({ launcher, groups, network: true }, ({ coordinator }) =>
          everyPair(coordinator, ["alpha", "beta", "gamma"]),
        );
      },
      LIMIT,
    );

    test(
      "a host is cut off in the middle of streams: both sides are told who is gone, and live",
      () => {
        const groups = one("alpha", "beta");
        return withRanks({ launcher, groups, network: true, recovery: true }, async ({ coordinator, hosts }) => {
          const peers = await bothWays(coordinator);
          hosts!.cut(1);
          for (const [rank, peer] of peers.entries()) {
            const [gone, host] = [
              ["rank 1", "beta"],
              ["rank 0", "alpha"],
            ][rank] as [string, string];
            for (const _ of ["there", "back"]) {
              const { code, message, wrong } = (await peer.heard()).said;
              expect({ code, wrong }).toEqual({ code: "PEER_DIED", wrong: 0 });
              expect(message).toContain(gone);
              expect(message).toContain(host);
            }
            await peer.done;
          }
          // Each can still do something else, and leave.
          for (const rank of [0, 1]) {
            const alive = coordinator.start("exchange/produce", { name: "alone", specs: [], timeoutMs: 0 }, rank);
            expect(await alive.heard()).toBe("taken");
            await alive.done.catch((error) => expect(error.message).toContain("TIMEOUT"));
          }
          await coordinator.quit();
        });
      },
      LIMIT,
    );

    test(
      "a host is out of reach for longer than the limit, and back: new channels of the same job go there again",
      () => {
        const env = { LAVA_FLOW_PEER_SILENCE_MS: "2000" };
        const groups = one("alpha", "beta").map((group) => ({ ...group, env }));
        return withRanks({ launcher, groups, network: true, recovery: true }, async ({ coordinator, hosts }) => {
          const peers = await bothWays(coordinator);
          hosts!.cut(1);
          for (const peer of peers) {
            for (const _ of ["there", "back"]) {
              const { code, wrong } = (await peer.heard()).said;
              expect({ code, wrong }).toEqual({ code: "PEER_DIED", wrong: 0 });
            }
            await peer.done;
          }
          hosts!.mend(1);
          for (let i = 0; i < 3; i++) await everyPair(coordinator, ["alpha", "beta"]);
        });
      },
      LIMIT,
    );

    for (const { what, discipline, when } of [
      {
        what: "a network that delays and loses",
        discipline: ["netem", "delay", "2ms", "1ms", "loss", "1%"],
        when: netem,
      },
      {
        what: "a slow one that drops what queues up",
        discipline: ["tbf", "rate", "200mbit", "burst", "16kb", "limit", "64kb"],
        when: true,
      },
    ]) {
      test.skipIf(!when)(
        `${what}: it takes longer, and nothing else`,
        () =>
          withRanks({ launcher, groups: one("alpha", "beta"), network: true }, async ({ coordinator, hosts }) => {
            hosts!.shape(...discipline);
            await everyPair(coordinator, ["alpha", "beta"]);
            expect(hosts!.dropped()).toBeGreaterThan(0);
          }),
        LIMIT,
      );
    }
  });
}
