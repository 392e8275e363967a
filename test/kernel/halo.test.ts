/** The exchange of halos in one process, compared with one whole grid. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { LavaFlowError } from "../../src/index.ts";
import { HaloExchange, type HaloGrid, KernelRuntime } from "../../src/kernel/index.ts";
import { allocateGpu } from "../../src/memory/gpu.ts";
import { native } from "../../src/native/load.ts";
import { failure, pair, privateDirectory, random, seed } from "../channel/support.ts";
import { device, newAllocator, validationIsSilent, vulkan } from "../gpu/support.ts";
import { exchanged, expectCells, read, scattered, write } from "./grids.ts";

privateDirectory();

const BACKENDS = [
  { backend: "cpu", there: true },
  { backend: "vulkan", there: vulkan },
] as const;

const SHAPES: (HaloGrid & { what: string })[] = [
  { what: "one tile beside itself", grid: [1, 1], tile: [5, 3], halo: 1, periodic: true },
  { what: "one tile and nothing beside it", grid: [1, 1], tile: [5, 3], halo: 1 },
  { what: "a halo as wide as the tile", grid: [2, 3], tile: [4, 5], halo: 4, periodic: true },
  { what: "a halo as wide as the one tile", grid: [1, 1], tile: [3, 3], halo: 3, periodic: true },
  { what: "no halo at all", grid: [2, 2], tile: [4, 4], halo: 0, periodic: true },
  { what: "two tiles, each on both sides of the other", grid: [2, 1], tile: [6, 2], halo: 2, periodic: true },
  { what: "fixed borders", grid: [3, 2], tile: [7, 5], halo: 2 },
  { what: "cells of 8 bytes", grid: [3, 3], tile: [4, 6], halo: 2, periodic: true, elementBytes: 8 },
  { what: "long tiles", grid: [2, 2], tile: [2000, 3], halo: 3 },
  { what: "three dimensions", grid: [2, 3, 2], tile: [4, 3, 5], halo: 2, periodic: true },
  { what: "three dimensions with fixed borders", grid: [3, 2, 2], tile: [3, 4, 3], halo: 1 },
  { what: "three dimensions of 8 bytes", grid: [2, 1, 3], tile: [3, 5, 4], halo: 3, periodic: true, elementBytes: 8 },
  { what: "one cube beside itself", grid: [1, 1, 1], tile: [4, 4, 4], halo: 4, periodic: true },
];

for (const { backend, there } of BACKENDS) {
  describe.skipIf(!there)(`halos on ${backend}`, () => {
    let runtime: KernelRuntime;
    beforeAll(async () => {
      runtime = await KernelRuntime.create({ backend, device });
    });
    afterAll(() => runtime?.shutdown());

    async function check(config: HaloGrid, salt: number): Promise<void> {
      await using exchange = await HaloExchange.create(runtime, config);
      const cells = scattered(salt);
      await write(exchange, config, cells);
      await exchange.exchange();
      for (const tile of exchange.tiles.keys()) {
        expectCells(await read(exchange, config, tile), exchanged(config, tile, cells), `tile ${tile}`);
      }
      expect(exchange.stats.exchanges).toBe(1);
      expect(exchange.stats.messagesSent).toBe(0);
    }

    for (const { what, ...config } of SHAPES) test(what, () => check(config, 1));

    test("random shapes", async () => {
      const next = random(seed(`shapes on ${backend}`));
      const whole = (low: number, high: number) => low + Math.floor(next() * (high - low + 1));
      for (let round = 0; round < 40; round++) {
        const three = next() < 0.5;
        const sides = (low: number, high: number): HaloGrid["grid"] =>
          three ? [whole(low, high), whole(low, high), whole(low, high)] : [whole(low, high), whole(low, high)];
        const [grid, tile] = [sides(1, three ? 3 : 4), sides(1, three ? 6 : 20)];
        const config: HaloGrid = {
          grid,
          tile,
          halo: whole(0, Math.min(...tile)),
          periodic: next() < 0.5,
          elementBytes: next() < 0.5 ? 4 : 8,
        };
        await check(config, round).catch((error) => {
          throw new Error(JSON.stringify(config), { cause: error });
        });
      }
    });

    test("more tiles than fit into memory are refused", async () => {
      const config: HaloGrid = { grid: [1 << 11, 1 << 11], tile: [1 << 12, 1 << 12], halo: 0 };
      const code = backend === "cpu" ? "HOST_OUT_OF_MEMORY" : "GPU_OUT_OF_MEMORY";
      const { message } = await failure(code, () => HaloExchange.create(runtime, config));
      expect(message).toContain(String(2 ** 48));
    });

    test("calls that are not awaited keep their order", async () => {
      const config: HaloGrid = { grid: [2, 2], tile: [8, 8], halo: 1, periodic: true };
      await using exchange = await HaloExchange.create(runtime, config);
      await write(exchange, config, scattered(7));
      const ended: number[] = [];
      await Promise.all([1, 2, 3, 4].map((each) => exchange.exchange().then(() => ended.push(each))));
      expect(ended).toEqual([1, 2, 3, 4]);
      expect(exchange.stats.exchanges).toBe(4);
    });

    test("close() ends an exchange in progress with CLOSED", async () => {
      const config: HaloGrid = { grid: [4, 4], tile: [64, 64], halo: 2, periodic: true };
      const exchange = await HaloExchange.create(runtime, config);
      const { tiles } = exchange;
      const under = Array.from({ length: 8 }, () => exchange.exchange().then(() => "done", codeOf));
      await exchange.close();
      for (const each of await Promise.all(under)) expect(["done", "CLOSED"]).toContain(each);
      await failure("CLOSED", () => exchange.exchange());
      await failure("CLOSED", () => tiles.get(0)!.read(new Uint8Array(4)));
      await exchange.close();
    });

    test("parts of a tile are read, written, filled and copied, within its bounds", async () => {
      const config: HaloGrid = { grid: [2, 1], tile: [4, 4], halo: 1 };
      await using exchange = await HaloExchange.create(runtime, config);
      const [one, other] = [exchange.tiles.get(0)!, exchange.tiles.get(1)!];
      expect(one.sizeBytes).toBe(6 * 6 * 4);
      await one.fill(7);
      await one.copyTo(other, { sourceOffset: 4, targetOffset: 8, sizeBytes: 12 });
      const words = new Uint32Array(36);
      await other.read(words);
      expect([...words.subarray(0, 7)]).toEqual([0, 0, 7, 7, 7, 0, 0]);
      await failure("INVALID_ARGUMENT", () => one.fill(0, 4, one.sizeBytes));
      await failure("INVALID_ARGUMENT", () => one.write(words, 4));
      await failure("EXTERNAL_MEMORY_UNSUPPORTED", () => one.exportHandle());
      one.close();
      await failure("CLOSED", () => one.fill(0));
      await other.fill(1);
    });
  });
}

function codeOf(error: unknown): string {
  if (error instanceof LavaFlowError) return error.code;
  throw error;
}

describe("a tile in host memory", () => {
  test("has views, which become empty when the tile or its exchange is closed", async () => {
    const runtime = await KernelRuntime.create({ backend: "cpu" });
    const exchange = await HaloExchange.create(runtime, { grid: [2, 1], tile: [4, 4], halo: 1, periodic: true });
    const [one, other] = [exchange.tiles.get(0)!, exchange.tiles.get(1)!];
    const [cells, others] = [one.view(Float32Array), other.view(Float32Array)];
    expect([cells.length, others.length, one.bytes.buffer.byteLength]).toEqual([36, 36, 144]);
    cells.fill(3);
    expect(others.every((cell) => cell === 0)).toBe(true);
    await exchange.exchange();
    expect(others[6]).toBe(3);
    one.close();
    expect([cells.length, others.length]).toEqual([0, 36]);
    // The exchange still has the memory.
    await exchange.exchange();
    expect(others[6]).toBe(3);
    await exchange.close();
    expect(others.length).toBe(0);
    await runtime.shutdown();
  });

  test("is sent as bytes", async () => {
    const runtime = await KernelRuntime.create({ backend: "cpu" });
    await using exchange = await HaloExchange.create(runtime, { grid: [2, 1], tile: [4, 4], halo: 1 });
    await using channel = await pair();
    await exchange.tiles.get(1)!.fill(5);
    await channel.producer.send(exchange.tiles.get(1)!);
    using frame = await channel.consumer.recv();
    expect(frame.sizeBytes).toBe(144);
    expect(frame.bytes[143 - 3]).toBe(5);
    await runtime.shutdown();
  });
});

test.skipIf(!vulkan)("one dispatch copies the halos of all tiles on a GPU", async () => {
  await using runtime = await KernelRuntime.create({ backend: "vulkan", device });
  await using exchange = await HaloExchange.create(runtime, { grid: [5, 4], tile: [8, 8], halo: 2, periodic: true });
  const gpu = KernelRuntime.device(runtime)!;
  const memory = allocateGpu(gpu, 64, false, null);
  /** The timeline value of the queue, which counts submissions. */
  const count = () => {
    const value = new Float64Array(new ArrayBuffer(8));
    expect(native().lf_queue_fill(gpu.handle, memory.handle, 0, 64, 0, value)).toBe(1);
    return value[0]!;
  };
  await exchange.exchange();
  const before = count();
  await exchange.exchange();
  expect(count() - before).toBe(2); // the exchange, and the second fill
  memory.close();
});

test.skipIf(!vulkan)("a tile on a GPU can only be sent through a copy, and the error says so", async () => {
  const runtime = await KernelRuntime.create({ backend: "vulkan", device });
  await using exchange = await HaloExchange.create(runtime, { grid: [2, 1], tile: [4, 4], halo: 1 });
  using allocator = newAllocator();
  await using channel = await pair({ profile: "gpu-preferred", allocator });
  const tile = exchange.tiles.get(1)!;
  const { message } = await failure("EXTERNAL_MEMORY_UNSUPPORTED", () => channel.producer.send(tile));
  expect(message).toContain("copyTo");
  using copy = allocator.allocate(tile.sizeBytes, { kind: "gpu", device });
  await tile.copyTo(copy);
  await channel.producer.send(copy);
  (await channel.consumer.recv()).release();
  await runtime.shutdown();
});

describe("invalid grids", () => {
  let runtime: KernelRuntime;
  beforeAll(async () => {
    runtime = await KernelRuntime.create({ backend: "cpu" });
  });
  afterAll(() => runtime.shutdown());
  const refused = (config: unknown, options: unknown = {}) =>
    failure("INVALID_ARGUMENT", () => HaloExchange.create(runtime, config as HaloGrid, options as object));

  test("are refused with the numbers", async () => {
    expect((await refused({ grid: [2, 2], tile: [8, 4], halo: 5 })).message).toContain(
      "halo is 5. Give a whole number from 0 to 4",
    );
    expect((await refused({ grid: [2, 2, 2], tile: [8, 4], halo: 1 })).message).toContain("tile is");
    expect((await refused({ grid: [2, 0], tile: [8, 4], halo: 1 })).message).toContain("grid is");
    expect((await refused({ grid: [1, 1], tile: [1 << 16, 1 << 16], halo: 1 })).message).toContain("17180917776 bytes");
    expect((await refused({ grid: [1 << 13, 1 << 13], tile: [1, 1], halo: 1 })).message).toContain("67108864 tiles");
    await refused({ grid: [2, 2], tile: [8, 4], halo: 1, elementBytes: 2 });
    await refused({ grid: [2, 2], tile: [8, 4], halo: 1, periodic: 1 });
    await refused(null);
  });

  test("invalid ranks and owners are refused", async () => {
    const config = { grid: [2, 2], tile: [4, 4], halo: 1 };
    expect((await refused(config, { owner: () => -1 })).message).toContain("owner(0) is -1");
    expect((await refused(config, { owner: () => 1 })).message).toContain("rank 0 owns none of the 4 tiles");
    expect((await refused(config, { owner: (tile: number) => tile % 2 })).message).toContain(
      "neighbours at rank 1, and no name",
    );
    await refused(config, { rank: 0.5 });
    await refused(config, { name: "x".repeat(41) });
    await refused(config, { timeoutMs: -1 });
  });
});

validationIsSilent();
