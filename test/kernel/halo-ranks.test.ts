/** Halos between processes: the same bits as in one process, and the errors of the other ranks when one dies. */
import { describe, expect, test } from "bun:test";
import { Channel } from "../../src/index.ts";
import { HaloExchange, type HaloGrid, KernelRuntime } from "../../src/kernel/index.ts";
import { ProcessPeer } from "../channel/peers.ts";
import { failure, PATIENT, privateDirectory, unique } from "../channel/support.ts";
import { validationIsSilent, vulkan } from "../gpu/support.ts";
import type { Order, RankArgs } from "../process/halo-rank.ts";
import { STENCILS } from "../process/stencils.ts";

privateDirectory();

type Answer = { done?: unknown; code?: string; message?: string };

/** Several processes with one grid. */
class Ranks {
  readonly #peers: ProcessPeer[];

  constructor(configs: Partial<RankArgs>[], common: Omit<RankArgs, "rank" | "ranks" | "name"> & { name?: string }) {
    const name = unique("halo");
    this.#peers = configs.map(
      (own, rank) => new ProcessPeer("halo-rank/run", { name, ranks: configs.length, rank, ...common, ...own }),
    );
  }

  static async of(count: number, common: Omit<RankArgs, "rank" | "ranks" | "name">): Promise<Ranks> {
    const ranks = new Ranks(
      Array.from({ length: count }, () => ({})),
      common,
    );
    for (const answer of await ranks.heard()) expect(answer).toEqual({ done: true });
    return ranks;
  }

  get peers(): readonly ProcessPeer[] {
    return this.#peers;
  }

  heard(): Promise<Answer[]> {
    return Promise.all(this.#peers.map((peer) => peer.heard()));
  }

  tell(order: Order): void {
    for (const peer of this.#peers) peer.tell(order);
  }

  /** Sends a command to all ranks and expects success. */
  async all(order: Order): Promise<unknown[]> {
    this.tell(order);
    return (await this.heard()).map((answer) => {
      if (answer.done === undefined) throw new Error(`${answer.code}: ${answer.message}`);
      return answer.done;
    });
  }

  async tiles(): Promise<Record<number, string>> {
    return Object.assign({}, ...((await this.all({ do: "tiles" })) as Record<number, string>[]));
  }

  async close(): Promise<void> {
    this.tell({ do: "close" });
    for (const said of await this.heard()) expect(said as unknown).toBe("closed");
    await Promise.all(this.#peers.map((peer) => peer.done));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const peer of this.#peers) await peer[Symbol.asyncDispose]();
  }
}

const SHAPES: { what: string; config: HaloGrid; stencil: "jacobi2d" | "wave3d" | "wide2d"; steps: number }[] = [
  {
    what: "a torus of two dimensions",
    config: { grid: [3, 4], tile: [33, 18], halo: 1, periodic: true },
    stencil: "jacobi2d",
    steps: 9,
  },
  {
    what: "wide tiles with fixed borders",
    config: { grid: [2, 2], tile: [300, 40], halo: 2 },
    stencil: "wide2d",
    steps: 7,
  },
  {
    what: "three dimensions",
    config: { grid: [2, 2, 2], tile: [9, 12, 10], halo: 1, periodic: true },
    stencil: "wave3d",
    steps: 20,
  },
  { what: "a column of tiles", config: { grid: [1, 1, 4], tile: [9, 10, 12], halo: 1 }, stencil: "wave3d", steps: 15 },
  {
    what: "a halo as wide as the tile",
    config: { grid: [4, 2], tile: [3, 3], halo: 3, periodic: true },
    stencil: "wide2d",
    steps: 5,
  },
];

const BACKENDS = [
  { backend: "cpu", there: true },
  { backend: "vulkan", there: vulkan },
] as const;

for (const { backend, there } of BACKENDS) {
  describe.skipIf(!there)(`ranks on ${backend}`, () => {
    for (const { what, config, stencil, steps } of SHAPES) {
      test(
        `${what}: four processes come to the bits of one`,
        async () => {
          const results = [];
          for (const count of [1, 4]) {
            await using ranks = await Ranks.of(count, { backend, config });
            await ranks.all({ do: "fill", seed: 11 });
            await ranks.all({ do: "exchange", times: 2 });
            const exchanged = await ranks.tiles();
            await ranks.all({ do: "stencil", which: stencil, steps });
            await ranks.all({ do: "exchange", times: 1 });
            results.push({ exchanged, stepped: await ranks.tiles() });
            if (count === 4) {
              for (const stats of (await ranks.all({ do: "stats" })) as { messagesSent: number; exchanges: number }[]) {
                expect(stats.exchanges).toBe(3 + steps);
                expect(stats.messagesSent % stats.exchanges).toBe(0);
                expect(stats.messagesSent).toBeGreaterThan(0);
              }
            }
            await ranks.close();
          }
          const [one, four] = results;
          expect(Object.keys(one!.stepped)).toHaveLength(config.grid.reduce((all, side) => all * side, 1));
          expect(four).toEqual(one!);
        },
        PATIENT,
      );
    }

    test(
      "a rank dies between the others: all of them get PEER_DIED",
      async () => {
        const config: HaloGrid = { grid: [8, 1], tile: [64, 64], halo: 1 };
        await using ranks = await Ranks.of(4, { backend, config });
        await ranks.all({ do: "exchange", times: 3 });
        // A row of tiles: only ranks 1 and 3 are neighbours of rank 0, and they report its death to rank 2.
        ranks.tell({ do: "exchange", times: 1_000_000 });
        await ranks.peers[0]!.kill();
        for (const peer of ranks.peers.slice(1)) {
          const { code, message } = (await peer.heard()) as Answer;
          expect(`${code}: ${message}`).toStartWith("PEER_DIED");
          peer.tell({ do: "exchange", times: 1 } satisfies Order);
          expect(((await peer.heard()) as Answer).code).toBe("PEER_DIED");
          peer.tell({ do: "close" } satisfies Order);
          expect(await peer.heard()).toBe("closed");
          await peer.done;
        }
      },
      PATIENT,
    );
  });
}

describe.skipIf(!vulkan)("ranks of different backends", () => {
  test(
    "exchange the same halos",
    async () => {
      const config: HaloGrid = { grid: [3, 2, 2], tile: [8, 6, 5], halo: 2, periodic: true };
      const results = [];
      for (const backends of [["cpu"], ["cpu", "vulkan", "cpu"]] as const) {
        await using ranks = new Ranks(
          backends.map((backend) => ({ backend })),
          { backend: "cpu", config },
        );
        for (const answer of await ranks.heard()) expect(answer).toEqual({ done: true });
        await ranks.all({ do: "fill", seed: 5 });
        await ranks.all({ do: "exchange", times: 3 });
        results.push(await ranks.tiles());
        await ranks.close();
      }
      expect(results[1]).toEqual(results[0]!);
    },
    PATIENT,
  );
});

describe("two ranks in one process", () => {
  const config: HaloGrid = { grid: [2, 1], tile: [8, 8], halo: 1 };

  async function both(timeoutMs?: number) {
    const runtime = await KernelRuntime.create({ backend: "cpu" });
    const name = unique("both");
    const exchanges = await Promise.all(
      [0, 1].map((rank) => HaloExchange.create(runtime, config, { name, rank, owner: (tile) => tile, timeoutMs })),
    );
    return exchanges as [HaloExchange, HaloExchange];
  }

  test("close() ends a wait with CLOSED, and the other rank gets CHANNEL_CLOSED", async () => {
    const [one, two] = await both();
    const waiting = failure("CLOSED", () => one.exchange());
    await one.close();
    await waiting;
    for (let each = 0; each < 2; each++) await failure("CHANNEL_CLOSED", () => two.exchange());
    await two.close();
  });

  test("a rank that waits for too long rejects with TIMEOUT, also later", async () => {
    const [one, two] = await both(50);
    await failure("TIMEOUT", () => one.exchange());
    await failure("TIMEOUT", () => one.exchange());
    await Promise.all([one.close(), two.close()]);
  });

  test("both ranks take steps and exchange in different orders", async () => {
    const [one, two] = await both();
    const [first, second] = await Promise.all([one, two].map((each) => each.stencil(STENCILS.jacobi2d)));
    await Promise.all([
      first!.step(40),
      second!.step(40),
      one.exchange(),
      two.exchange(),
      second!.step(),
      first!.step(),
    ]);
    expect([first!.steps, second!.steps]).toEqual([41, 41]);
    await Promise.all([one.close(), two.close()]);
  });
});

/** Connects with rank 0 as rank 1. */
async function stand(name: string) {
  const [out, into] = await Promise.all([
    Channel.open(`${name}.1-0`, { role: "producer" }),
    Channel.open(`${name}.0-1`, { role: "consumer" }),
  ]);
  return {
    out,
    into,
    async [Symbol.asyncDispose]() {
      await Promise.all([out.close(), into.close()]);
    },
  };
}

describe("ranks with different grids", () => {
  const config: HaloGrid = { grid: [2, 2], tile: [6, 6], halo: 1 };

  test(
    "get an error with the difference",
    async () => {
      const other: HaloGrid = { grid: [2, 2], tile: [6, 4], halo: 1, periodic: true };
      await using ranks = new Ranks([{}, { config: other }], { backend: "cpu", config });
      const [one, two] = await ranks.heard();
      for (const answer of [one, two]) expect(answer!.code).toBe("INVALID_ARGUMENT");
      expect(one!.message).toContain(
        "rank 1 has another grid: its tile is 6 x 4, and 6 x 6 here; its border is periodic, and fixed here",
      );
      expect(two!.message).toContain("its tile is 6 x 6, and 6 x 4 here");
    },
    PATIENT,
  );

  test(
    "get an error for different owners",
    async () => {
      // Rank 1's table gives the third tile to rank 2, which does not exist.
      const row: HaloGrid = { ...config, grid: [3, 1] };
      await using ranks = new Ranks([{ ranks: 2 }, { ranks: 3 }], { backend: "cpu", config: row });
      for (const { code, message } of await ranks.heard()) {
        expect(code).toBe("INVALID_ARGUMENT");
        expect(message).toContain("its table of owners");
      }
    },
    PATIENT,
  );

  test(
    "an invalid description is CORRUPT_SEGMENT",
    async () => {
      for (const said of ["{", '"x"', '{"grid":2}', "x".repeat(5000)]) {
        const name = unique("hostile");
        await using ranks = new Ranks([{ ranks: 2, name }], { backend: "cpu", config });
        await using stranger = await stand(name);
        await stranger.out.send(Buffer.from(said));
        expect((await ranks.heard())[0]!.code).toBe("CORRUPT_SEGMENT");
      }
    },
    PATIENT,
  );

  test(
    "a frame of another size than agreed is CORRUPT_SEGMENT",
    async () => {
      const name = unique("hostile");
      await using ranks = new Ranks([{ ranks: 2, name }], { backend: "cpu", config });
      await using stranger = await stand(name);
      const frame = await stranger.into.recv();
      await stranger.out.send(frame.bytes);
      frame.release();
      expect(await ranks.heard()).toEqual([{ done: true }]);
      ranks.tell({ do: "exchange", times: 1 });
      (await stranger.into.recv()).release();
      await stranger.out.send(new Uint8Array(4));
      expect((await ranks.heard())[0]).toMatchObject({ code: "CORRUPT_SEGMENT" });
      await ranks.close();
    },
    PATIENT,
  );

  test(
    "a rank that never connects is TIMEOUT",
    async () => {
      await using ranks = new Ranks([{ ranks: 2, timeoutMs: 200 }], { backend: "cpu", config });
      expect((await ranks.heard())[0]!.code).toBe("TIMEOUT");
    },
    PATIENT,
  );
});

validationIsSilent();
