/**
 * Exchanges and stencils after TIMEOUT or ABORTED: work that goes on, steps that are not begun, and effects on other
 * ranks.
 */
import { describe, expect, test } from "bun:test";
import { HaloExchange, type HaloGrid, KernelRuntime, type Stencil } from "../../src/kernel/index.ts";
import { failure, held, privateDirectory, unique } from "../channel/support.ts";
import { device, validationIsSilent, vulkan } from "../gpu/support.ts";
import { exchanged, expectCells, read, scattered, write } from "./grids.ts";

privateDirectory();

const BACKENDS = [
  { backend: "cpu", there: true },
  { backend: "vulkan", there: vulkan },
] as const;

/** Two tiles, for one or two ranks of this process. */
const CONFIG: HaloGrid = { grid: [2, 1], tile: [6, 4], halo: 1, periodic: true };

/** Adds 1 to each cell. */
const STENCIL = {
  wgsl: "fn cell() -> f32 { return at(0, 0) + 1.0; }",
  handler: ({
    now,
    next,
    from,
    to,
  }: {
    now: ArrayLike<number>;
    next: Float32Array | Float64Array;
    from: number;
    to: number;
  }) => {
    for (let i = from; i < to; i++) next[i] = now[i]! + 1;
  },
};

/** Aborts `call` after its beginning, and expects ABORTED. */
async function abortedAfter(call: (signal: AbortSignal) => Promise<unknown>): Promise<void> {
  const caller = new AbortController();
  const waiting = call(caller.signal);
  caller.abort();
  await failure("ABORTED", () => waiting);
}

const ABORTED = { signal: AbortSignal.abort() };

for (const { backend, there } of BACKENDS) {
  describe.skipIf(!there)(`limits of halos on ${backend}`, () => {
    const create = () => KernelRuntime.create({ backend, device: backend === "vulkan" ? device : undefined });

    /** Both ranks of CONFIG, in this process. */
    function bothRanks(runtime: KernelRuntime): Promise<HaloExchange[]> {
      const name = unique("halo");
      return Promise.all(
        [0, 1].map((rank) => HaloExchange.create(runtime, CONFIG, { name, rank, owner: (tile) => tile })),
      );
    }

    async function expectTaken(stencils: Stencil<never>[], steps: number): Promise<void> {
      for (const stencil of stencils) expect(stencil.steps).toBe(steps);
    }

    test("an aborted create closes its channels and its memory", async () => {
      await using runtime = await create();
      const options = { name: unique("halo"), rank: 0, owner: (tile: number) => tile };
      await failure("ABORTED", () => HaloExchange.create(runtime, CONFIG, { ...options, ...ABORTED }));
      await abortedAfter((signal) => HaloExchange.create(runtime, CONFIG, { ...options, signal }));
      const before = held();
      await abortedAfter((signal) => HaloExchange.create(runtime, CONFIG, { ...options, signal }));
      await failure("TIMEOUT", () => HaloExchange.create(runtime, CONFIG, { ...options, timeoutMs: 20 }));
      expect(held().descriptors).toBeLessThanOrEqual(before.descriptors);
      // The name can be used again.
      const ranks = await Promise.all(
        [0, 1].map((rank) => HaloExchange.create(runtime, CONFIG, { ...options, rank, timeoutMs: 30_000 })),
      );
      await Promise.all(ranks.map((each) => each.close()));
    });

    test("an aborted exchange goes on, and the next call begins after it", async () => {
      await using runtime = await create();
      const [one, two] = (await bothRanks(runtime)) as [HaloExchange, HaloExchange];
      await using _one = one;
      await using _two = two;
      const cells = scattered(3);
      for (const each of [one, two]) await write(each, CONFIG, cells);
      await failure("ABORTED", () => one.exchange(ABORTED));
      await abortedAfter((signal) => one.exchange({ signal }));
      await two.exchange();
      await Promise.all([one.exchange(), two.exchange()]);
      expect([one.stats.exchanges, two.stats.exchanges]).toEqual([2, 2]);
      for (const [tile, each] of [one, two].entries())
        expectCells(await read(each, CONFIG, tile), exchanged(CONFIG, tile, cells), `tile ${tile}`);
      await failure("TIMEOUT", () => one.exchange({ timeoutMs: 1 }));
      await two.exchange();
      await Promise.all([one.exchange(), two.exchange()]);
    });

    test("an aborted step begins no other step, and another rank waits for it", async () => {
      await using runtime = await create();
      const both = await bothRanks(runtime);
      const stencils = await Promise.all(both.map((each) => each.stencil(STENCIL)));
      const [one, two] = stencils as [Stencil<never>, Stencil<never>];
      await failure("ABORTED", () => one.step(5, ABORTED));
      await abortedAfter((signal) => one.step(5, { signal }));
      const steps = two.step(5);
      await one.rest();
      const taken = one.steps;
      expect(taken).toBeLessThanOrEqual(1);
      await Promise.all([one.step(5 - taken), steps]);
      await expectTaken(stencils, 5);
      await Promise.all(both.map((each) => each.close()));
    });

    test("steps of one process end soon after an abort", async () => {
      await using runtime = await create();
      await using exchange = await HaloExchange.create(runtime, CONFIG);
      const stencil = await exchange.stencil(STENCIL);
      await failure("TIMEOUT", () => stencil.step(Number.MAX_SAFE_INTEGER, { timeoutMs: 5 }));
      await stencil.rest(); // resolves, as those steps have ended
      const { steps } = stencil;
      await stencil.step(2);
      expect(stencil.steps).toBe(steps + 2);
      await failure("ABORTED", () => stencil.rest(ABORTED));
      await abortedAfter((signal) => stencil.rest({ signal }));
      await stencil.step();
      expect(stencil.steps).toBe(steps + 3);
    });

    test("a stencil that is made after an abort is closed", async () => {
      await using runtime = await create();
      await using exchange = await HaloExchange.create(runtime, CONFIG);
      await failure("ABORTED", () => exchange.stencil({ ...STENCIL, ...ABORTED }));
      await abortedAfter((signal) => exchange.stencil({ ...STENCIL, signal }));
      const stencil = await exchange.stencil({ ...STENCIL, timeoutMs: 60_000 });
      await stencil.step();
      await failure("INVALID_ARGUMENT", () => exchange.stencil({ ...STENCIL, timeoutMs: -1 }));
    });
  });
}

describe.skipIf(!vulkan)("validation", () => validationIsSilent());
