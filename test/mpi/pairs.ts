/** Channels between all ranks of a job, each way, and whether each took the way it should. */
import { expect } from "bun:test";
import { expected, specs } from "../process/payload.ts";
import type { Met, Side } from "../process/ranks.ts";
import type { Coordinator } from "./coordinator.ts";

/** Small ones, one that does not fit into a message of MPI's own, and a large one. */
const LIST = specs([0, 1, 64, 120, 121, 4096, 100_000, 3_000_000, 8]);

/**
 * `hosts` names each rank's host: between two ranks of one host frames go through shared memory, else through MPI.
 * Every frame is verified. Jobs with another `seed` send other contents.
 */
export async function everyPair(coordinator: Coordinator, hosts: string[], seed = 0): Promise<void> {
  const list = LIST.map((spec) => ({ ...spec, seed: spec.seed + seed }));
  const sides: Side[][] = hosts.map(() => []);
  for (const [from] of hosts.entries()) {
    for (const [to] of hosts.entries()) {
      if (from === to) continue;
      const name = `from-${from}-to-${to}`;
      sides[from]!.push({ name, role: "producer" });
      sides[to]!.push({ name, role: "consumer" });
    }
  }
  const peers = hosts.map((_, rank) => coordinator.start("ranks/connect", { sides: sides[rank], specs: list }, rank));
  for (const [rank, peer] of peers.entries()) {
    const met: Met[] = await peer.heard();
    for (const { name, route, got } of met) {
      const [from, to] = [...name.matchAll(/\d+/g)].map(Number) as [number, number];
      const other = from === rank ? to : from;
      const local = hosts[rank] === hosts[other];
      expect({ name, rank, transport: route.transport, scope: route.scope.scope, peer: route.peer.mpiRank }).toEqual({
        name,
        rank,
        transport: local ? "shm" : "mpi",
        scope: local ? "local" : "remote",
        peer: other,
      });
      expect(route.peer.hostId).toBe(hosts[other]);
      const others = ["mpi", "shm", "vulkan"].filter((transport) => transport !== route.transport);
      expect(route.rejected.map(({ transport }) => transport as string).sort()).toEqual(others);
      for (const { reason } of [route, ...route.rejected]) expect(reason).not.toBe("");
      if (to === rank) expect(got).toEqual(expected(list));
    }
    await peer.done;
  }
}
