/** Stencils on tiles of one process, compared with one whole grid that is computed in f64. */
import { afterAll, beforeAll, describe, expect, spyOn, test } from "bun:test";
import { Program } from "../../src/kernel/halo/program.ts";
import { HaloExchange, type HaloGrid, KernelRuntime, type StencilOptions } from "../../src/kernel/index.ts";
import { failure } from "../channel/support.ts";
import { device, validationIsSilent, vulkan } from "../gpu/support.ts";
import { STENCILS } from "../process/stencils.ts";
import { type Cells, measures, read, scattered, write } from "./grids.ts";

const { jacobi2d, wave3d, wide2d } = STENCILS;

/** A whole grid with a border as wide as the halo. The ghosts at fixed borders stay unchanged. */
class Reference {
  readonly #config: HaloGrid;
  readonly #extent: [number, number, number];
  #now: Float64Array;
  #before: Float64Array;

  constructor(config: HaloGrid, cells: Cells) {
    const { whole, border } = measures(config);
    this.#config = config;
    this.#extent = whole.map((side, axis) => side + 2 * border[axis]!) as [number, number, number];
    this.#now = this.#filled(cells);
    this.#before = this.#now.slice();
  }

  #filled(cells: Cells): Float64Array {
    const { whole, border } = measures(this.#config);
    const filled = new Float64Array(this.#extent[0] * this.#extent[1] * this.#extent[2]);
    this.#each((at, cell) => {
      const inside = cell.map((each, axis) => each - border[axis]!) as [number, number, number];
      filled[at] = inside.every((each, axis) => each >= 0 && each < whole[axis]!) ? cells(inside) : -1;
    });
    return filled;
  }

  #each(visit: (at: number, cell: [number, number, number]) => void): void {
    const [x, y, z] = this.#extent;
    for (let at = 0; at < x * y * z; at++) visit(at, [at % x, Math.floor(at / x) % y, Math.floor(at / (x * y))]);
  }

  /** Computes each cell; the function gets its index. */
  step(
    handler: NonNullable<StencilOptions<string>["handler"]>,
    parameters: Record<string, number>,
    steps: number,
  ): void {
    const { whole, border } = measures(this.#config);
    const [width, height] = this.#extent;
    if (this.#config.periodic) {
      const before = this.#now.slice();
      this.#each((at, cell) => {
        const from = cell.map((each, axis) => border[axis]! + ((each - border[axis]! + whole[axis]!) % whole[axis]!));
        this.#now[at] = before[(from[2]! * height + from[1]!) * width + from[0]!]!;
      });
    }
    const next = this.#before;
    this.#each((at, cell) => {
      const [x, y, z] = cell.map((each, axis) => each - border[axis]!) as [number, number, number];
      if (![x, y, z].every((each, axis) => each >= 0 && each < whole[axis]!)) return;
      const row = { row: width, plane: width * height, x, y, z, steps, parameters };
      handler({ now: this.#now, next, from: at, to: at + 1, ...row });
    });
    [this.#now, this.#before] = [next, this.#now];
  }

  at([x, y, z]: [number, number, number]): number {
    const { border } = measures(this.#config);
    const [width, height] = this.#extent;
    return this.#now[((z + border[2]) * height + y + border[1]) * width + x + border[0]]!;
  }
}

const small =
  (salt: number): Cells =>
  (cell) =>
    scattered(salt)(cell) % 64;

// biome-ignore lint/suspicious/noExplicitAny: stencils with parameters of any names
const CASES: { what: string; config: HaloGrid; stencil: StencilOptions<any>; steps: number }[] = [
  {
    what: "Jacobi on a torus",
    config: { grid: [3, 2], tile: [10, 7], halo: 1, periodic: true },
    stencil: jacobi2d,
    steps: 5,
  },
  { what: "Jacobi with fixed borders", config: { grid: [2, 2], tile: [70, 33], halo: 1 }, stencil: jacobi2d, steps: 4 },
  {
    what: "one tile with a halo wider than needed",
    config: { grid: [1, 1], tile: [9, 9], halo: 3, periodic: true },
    stencil: jacobi2d,
    steps: 4,
  },
  {
    what: "a wave in a box of three dimensions",
    config: { grid: [2, 1, 2], tile: [6, 5, 7], halo: 1 },
    stencil: wave3d,
    steps: 3,
  },
  {
    what: "a wave around a torus of three dimensions",
    config: { grid: [1, 2, 3], tile: [8, 4, 3], halo: 1, periodic: true },
    stencil: wave3d,
    steps: 3,
  },
  {
    what: "a stencil two cells wide, corners too",
    config: { grid: [2, 3], tile: [5, 6], halo: 2, periodic: true },
    stencil: wide2d,
    steps: 1,
  },
];

const BACKENDS = [
  { backend: "cpu", there: true },
  { backend: "vulkan", there: vulkan },
] as const;

for (const { backend, there } of BACKENDS) {
  describe.skipIf(!there)(`stencils on ${backend}`, () => {
    let runtime: KernelRuntime;
    beforeAll(async () => {
      runtime = await KernelRuntime.create({ backend, device });
    });
    afterAll(() => runtime?.shutdown());

    for (const { what, config, stencil: options, steps } of CASES) {
      for (const elementBytes of backend === "cpu" ? ([4, 8] as const) : ([4] as const)) {
        test(`${what}, ${elementBytes} bytes`, async () => {
          const sized = { ...config, elementBytes };
          await using exchange = await HaloExchange.create(runtime, sized);
          const cells = small(3);
          await write(exchange, sized, cells);
          const stencil = await exchange.stencil(options);
          const reference = new Reference(sized, cells);
          await stencil.step(steps - 1);
          await stencil.step();
          for (let each = 0; each < steps; each++) reference.step(options.handler!, options.parameters ?? {}, each);
          expect(stencil.steps).toBe(steps);
          const { tiles, cells: sides, border, extent } = measures(sized);
          for (const tile of exchange.tiles.keys()) {
            const content = await read(exchange, sized, tile);
            const at = [
              tile % tiles[0],
              Math.floor(tile / tiles[0]) % tiles[1],
              Math.floor(tile / (tiles[0] * tiles[1])),
            ];
            for (let z = 0; z < sides[2]; z++) {
              for (let y = 0; y < sides[1]; y++) {
                for (let x = 0; x < sides[0]; x++) {
                  const cell: [number, number, number] = [
                    at[0]! * sides[0] + x,
                    at[1]! * sides[1] + y,
                    at[2]! * sides[2] + z,
                  ];
                  const index = ((z + border[2]) * extent[1] + y + border[1]) * extent[0] + x + border[0];
                  if (content[index] !== reference.at(cell)) {
                    throw new Error(`cell ${cell} is ${content[index]}, not ${reference.at(cell)}`);
                  }
                }
              }
            }
          }
        });
      }
    }

    test("the previous step is kept, and rest() makes it equal to the tiles", async () => {
      const config: HaloGrid = { grid: [2, 1], tile: [4, 4], halo: 1, periodic: true };
      await using exchange = await HaloExchange.create(runtime, config);
      await write(exchange, config, scattered(5));
      const stencil = await exchange.stencil(jacobi2d);
      const before = await read(exchange, config, 1);
      await stencil.step();
      const kept = new Float32Array(36);
      await stencil.previous.get(1)!.read(kept);
      for (const y of [1, 2, 3, 4]) {
        expect([...kept.subarray(6 * y + 1, 6 * y + 5)]).toEqual([...before.subarray(6 * y + 1, 6 * y + 5)]);
      }
      await stencil.rest();
      await stencil.previous.get(1)!.read(kept);
      expect([...kept]).toEqual([...(await read(exchange, config, 1))]);
    });

    test("integer parameters have all 32 bits", async () => {
      const config: HaloGrid = { grid: [1, 1], tile: [4, 2], halo: 1 };
      await using exchange = await HaloExchange.create(runtime, config);
      // 2^24 + 1 is no f32. Each cell becomes 8 bits of one of the numbers.
      const stencil = await exchange.stencil({
        wgsl: `fn cell() -> f32 {
          let at = 8u * position().x;
          return f32(select(u32(parameters.signed), parameters.seed, position().y == 0u) >> at & 255u) * parameters.scale;
        }`,
        handler({ next, from, to, x, y, parameters: { seed, signed, scale } }) {
          for (let i = from; i < to; i++)
            next[i] = (((y === 0 ? seed : signed) >>> (8 * (x + i - from))) & 255) * scale;
        },
        parameters: { seed: 2 ** 24 + 1, signed: -(2 ** 24) - 1, scale: 0.5 },
        integers: { seed: "u32", signed: "i32" },
      });
      const rows = async () => {
        await stencil.step();
        const content = await read(exchange, config, 0);
        return [...content.subarray(7, 11), ...content.subarray(13, 17)].map((half) => half * 2);
      };
      expect(await rows()).toEqual([1, 0, 0, 1, 255, 255, 255, 254]);
      stencil.parameters.seed = 2 ** 32 - 2;
      stencil.parameters.signed = 2 ** 31 - 1;
      expect(await rows()).toEqual([254, 255, 255, 255, 255, 255, 255, 127]);
      for (const wrong of [0.5, -1, 2 ** 32, Number.NaN]) {
        stencil.parameters.seed = wrong;
        expect(() => stencil.step()).toThrow("parameters.seed");
      }
    });

    test("changed parameters are used from the next call on", async () => {
      const config: HaloGrid = { grid: [1, 1], tile: [4, 4], halo: 1, periodic: true };
      await using exchange = await HaloExchange.create(runtime, config);
      const stencil = await exchange.stencil({
        wgsl: "fn cell() -> f32 { return at(0, 0) + parameters.more; }",
        handler({ now, next, from, to, parameters }) {
          for (let i = from; i < to; i++) next[i] = now[i]! + parameters.more;
        },
        parameters: { more: 1 },
      });
      const first = stencil.step(2);
      stencil.parameters.more = 10;
      await Promise.all([first, stencil.step(3)]);
      expect((await read(exchange, config, 0))[7]).toBe(32);
      stencil.parameters.more = "much" as unknown as number;
      expect(() => stencil.step()).toThrow("parameters.more");
    });

    test("more steps than are in flight at a time run in order with exchanges", async () => {
      const config: HaloGrid = { grid: [2, 2], tile: [4, 4], halo: 1, periodic: true };
      await using exchange = await HaloExchange.create(runtime, config);
      const stencil = await exchange.stencil({
        wgsl: "fn cell() -> f32 { return at(0, 0) + 1.0; }",
        handler({ now, next, from, to }) {
          for (let i = from; i < to; i++) next[i] = now[i]! + 1;
        },
      });
      await Promise.all([stencil.step(300), exchange.exchange(), stencil.step(0), stencil.step(51)]);
      expect((await read(exchange, config, 3))[7]).toBe(351);
      expect(stencil.steps).toBe(351);
      expect(exchange.stats.exchanges).toBe(352);
      for (const count of [-1, 0.5, Number.NaN]) expect(() => stencil.step(count)).toThrow("count");
    });

    test("two stencils alternate on the same tiles", async () => {
      const config: HaloGrid = { grid: [2, 1], tile: [8, 4], halo: 1, periodic: true };
      await using exchange = await HaloExchange.create(runtime, config);
      const add = (more: number): StencilOptions => ({
        wgsl: `fn cell() -> f32 { return 2.0 * at(0, 0) + ${more}.0; }`,
        handler({ now, next, from, to }) {
          for (let i = from; i < to; i++) next[i] = 2 * now[i]! + more;
        },
      });
      const [one, other] = [await exchange.stencil(add(1)), await exchange.stencil(add(5))];
      await one.step();
      await other.step();
      await one.step();
      expect((await read(exchange, config, 0))[11]).toBe(2 * (2 * 1 + 5) + 1);
    });

    test("close() ends steps in progress with CLOSED", async () => {
      const config: HaloGrid = { grid: [2, 2], tile: [128, 128], halo: 1, periodic: true };
      const exchange = await HaloExchange.create(runtime, config);
      const stencil = await exchange.stencil(jacobi2d);
      const stepping = failure("CLOSED", () => stencil.step(1e9));
      while (stencil.steps === 0) await new Promise(setImmediate);
      await exchange.close();
      await stepping;
      await failure("CLOSED", () => stencil.step());
      await failure("CLOSED", () => exchange.stencil(jacobi2d));
    });

    test("invalid options are refused", async () => {
      await using exchange = await HaloExchange.create(runtime, { grid: [1, 1], tile: [4, 4], halo: 1 });
      const refused = (options: unknown) =>
        failure("INVALID_ARGUMENT", () => exchange.stencil(options as StencilOptions));
      const both = { wgsl: jacobi2d.wgsl, handler: jacobi2d.handler };
      expect((await refused({})).message).toContain(backend === "cpu" ? "without a handler" : "without wgsl");
      await refused({ ...both, wgsl: 5 });
      await refused({ ...both, handler: "fast" });
      await refused({ ...both, parameters: { "no name": 1 } });
      await refused({ ...both, parameters: { lf_first: 1 } });
      await refused({ ...both, parameters: { speed: "1" } });
      await refused({ ...both, parameters: { speed: 1.5 }, integers: { speed: "u32" } });
      await refused({ ...both, parameters: { speed: 1 }, integers: { speed: "u64" } });
      await refused({ ...both, parameters: { speed: 1 }, integers: { other: "u32" } });
      await refused({ ...both, parameters: { speed: 1 }, integers: "speed" });
      await refused({ ...both, parameters: Object.fromEntries(Array.from({ length: 17 }, (_, at) => [`p${at}`, at])) });
    });
  });
}

describe.skipIf(!vulkan)("the WGSL of a stencil", () => {
  let runtime: KernelRuntime;
  beforeAll(async () => {
    runtime = await KernelRuntime.create({ backend: "vulkan", device });
  });
  afterAll(() => runtime?.shutdown());
  const grid: HaloGrid = { grid: [2, 2], tile: [6, 6], halo: 1, periodic: true };

  test("has errors at the user's own lines", async () => {
    await using exchange = await HaloExchange.create(runtime, grid);
    const wrong = "fn double(x: f32) -> f32 { return 2.0 * x; }\n\nfn cell() -> f32 {\n  return double(at(0, 0u));\n}";
    const { message } = await failure("SHADER_INVALID", () => exchange.stencil({ wgsl: wrong }));
    expect(message).toContain("a stencil");
    expect(message).toMatch(/\b4 │.* return double\(at\(0, 0u\)\);/);
    const syntax = await failure("SHADER_INVALID", () =>
      exchange.stencil({ wgsl: "fn cell() -> f32 {\n  retrn 1.0;\n}" }),
    );
    expect(syntax.message).toMatch(/wgsl:2:\d+/);
    const missing = await failure("SHADER_INVALID", () =>
      exchange.stencil({ wgsl: "fn cel() -> f32 { return 1.0; }" }),
    );
    expect(missing.message).toContain("no function `cell() -> f32`");
    // The exchange stays usable.
    await exchange.exchange();
  });

  test("reads NaN beyond the halo", async () => {
    await using exchange = await HaloExchange.create(runtime, grid);
    await write(exchange, grid, () => 3);
    const stencil = await exchange.stencil({
      wgsl: `fn cell() -> f32 {
        switch (position().x) {
          case 0u: { return at(2, 0); }
          case 1u: { return at(0, -2); }
          case 2u: { return at(2147483647, 0); }
          case 3u: { return at(1, -2147483647 - 1); }
          default: { return at(1, -1); }
        }
      }`,
    });
    await stencil.step();
    const row = [...(await read(exchange, grid, 0)).subarray(9, 15)];
    expect(row).toEqual([Number.NaN, Number.NaN, Number.NaN, Number.NaN, 3, 3]);
  });

  test("may have names of its own that WGSL or the library has", async () => {
    await using exchange = await HaloExchange.create(runtime, grid);
    await write(exchange, grid, ([x]) => x);
    const stencil = await exchange.stencil({
      wgsl: `fn select(a: f32, b: f32, c: bool) -> f32 { return -1.0; }
        fn bitcast(a: u32) -> f32 { return 0.0; }
        fn min(a: u32, b: u32) -> u32 { return 0u; }
        struct vec3 { a: f32 } alias vec2 = u32; const steps = 2.0; var<private> Region: f32; struct Parameters { main: f32 }
        fn main() -> f32 { return Parameters(3.0).main + vec3(steps).a + f32(min(1u, vec2(1))) + bitcast(1u) + Region; }
        fn cell() -> f32 { let at_ = at(0, 0); return select(0.0, 0.0, true) + parameters.min * main() + at_; }`,
      parameters: { min: 10 },
    });
    await stencil.step();
    expect([...(await read(exchange, grid, 0)).subarray(9, 15)]).toEqual([0, 1, 2, 3, 4, 5].map((x) => x - 1 + 50));
  });

  test("that crashes naga is refused with its line, and the next one is accepted", async () => {
    await using exchange = await HaloExchange.create(runtime, grid);
    const wgsl = `struct S { a: f32 } fn add(p: ptr<function, f32>) { *p += 1.0; }
      fn cell() -> f32 { var s: S;
        add(&s.a); return s.a; }`;
    for (let round = 0; round < 2; round++) {
      const { message } = await failure("SHADER_INVALID", () => exchange.stencil({ wgsl }));
      expect(message).toContain("&s.a in line 3");
    }
    await exchange.stencil({ wgsl: "fn cell() -> f32 { return 1.0; }" });
  });

  test("names of parameters that WGSL reserves are refused", async () => {
    await using exchange = await HaloExchange.create(runtime, grid);
    for (const name of ["loop", "get", "fn", "a__b"]) {
      const made = exchange.stencil({ wgsl: "fn cell() -> f32 { return 1.0; }", parameters: { [name]: 1 } });
      if (name === "a__b") await made;
      else await failure("INVALID_ARGUMENT", () => made);
    }
  });

  test("can't have cells of 8 bytes", async () => {
    await using exchange = await HaloExchange.create(runtime, { ...grid, elementBytes: 8 });
    const { message } = await failure("BACKEND_UNAVAILABLE", () => exchange.stencil(jacobi2d));
    expect(message).toContain("f64");
  });
});

describe("a handler", () => {
  test("that throws ends the exchange with that error", async () => {
    const runtime = await KernelRuntime.create({ backend: "cpu" });
    await using exchange = await HaloExchange.create(runtime, { grid: [1, 1], tile: [4, 4], halo: 1 });
    const stencil = await exchange.stencil({
      handler() {
        throw new RangeError("no such cell");
      },
    });
    for (let each = 0; each < 2; each++) await expect(stencil.step()).rejects.toThrow("no such cell");
    await expect(exchange.exchange()).rejects.toThrow("no such cell");
    await runtime.shutdown();
  });
});

describe.skipIf(!vulkan)("a tile with a side longer than one dispatch reaches", () => {
  const cases: [string, [number, number] | [number, number, number]][] = [
    ["along y", [4, 1_100_000]],
    ["along y in three dimensions", [2, 140_000, 2]],
    ["along z", [2, 2, 530_000]],
  ];
  for (const [name, tile] of cases) {
    test(`${name}: every cell is computed`, async () => {
      await using runtime = await KernelRuntime.create({ backend: "vulkan", device });
      const flat = tile.length === 2;
      const config: HaloGrid = { grid: flat ? [1, 1] : [1, 1, 1], tile, halo: 1 };
      await using exchange = await HaloExchange.create(runtime, config);
      const position = flat ? "position().y" : "position().y + position().z";
      const stencil = await exchange.stencil({
        wgsl: `fn cell() -> f32 { return at(${flat ? "0, 0" : "0, 0, 0"}) + f32(${position}) + 1.0; }`,
      });
      await stencil.step(2);
      const content = await read(exchange, config, 0);
      const { cells, extent } = measures(config);
      let wrong = 0;
      for (let z = 0; z < cells[2]; z++) {
        for (let y = 0; y < cells[1]; y++) {
          const row = ((flat ? 0 : z + 1) * extent[1] + y + 1) * extent[0];
          for (let x = 0; x < cells[0]; x++) if (content[row + x + 1] !== 2 * (y + z + 1)) wrong++;
        }
      }
      expect(wrong).toBe(0);
    }, 60_000);
  }
});

describe.skipIf(!vulkan)("a new stencil", () => {
  test("has run once, on no cells", async () => {
    await using runtime = await KernelRuntime.create({ backend: "vulkan", device });
    const config: HaloGrid = { grid: [1, 1], tile: [8, 8], halo: 1 };
    await using exchange = await HaloExchange.create(runtime, config);
    const run = spyOn(Program.prototype, "run");
    try {
      const stencil = await exchange.stencil({ wgsl: "fn cell() -> f32 { return 3.0; }" });
      expect(run.mock.calls.map(([, groups]) => groups)).toEqual([[1, 1, 1]]);
      for (const field of [exchange.tiles, stencil.previous]) {
        const content = new Float32Array(10 * 10);
        await field.get(0)!.read(content);
        expect(new Set(content)).toEqual(new Set([0]));
      }
    } finally {
      run.mockRestore();
    }
  });
});

describe.skipIf(!vulkan)("a hostile stencil", () => {
  const config: HaloGrid = { grid: [1, 1], tile: [8, 8], halo: 1, periodic: true };

  /** The cells of the tile after a step with the body `wgsl`. */
  async function after(...sources: string[]): Promise<Set<number>[]> {
    await using runtime = await KernelRuntime.create({ backend: "vulkan", device });
    await using exchange = await HaloExchange.create(runtime, config);
    const seen: Set<number>[] = [];
    for (const wgsl of sources) {
      const stencil = await exchange.stencil({ wgsl });
      await stencil.step();
      const { cells } = measures(config);
      const content = await read(exchange, config, 0);
      const inner = new Set<number>();
      for (let y = 1; y <= cells[1]; y++) {
        for (let x = 1; x <= cells[0]; x++) inner.add(content[y * (cells[0] + 2) + x] as number);
      }
      seen.push(inner);
    }
    return seen;
  }

  test("with an endless loop gets NaN cells, and the next stencil works", async () => {
    const endless = "fn cell() -> f32 { var i = 0u; loop { i += 1u; if (at(0, 0) > 1.0) { break; } } return f32(i); }";
    expect(await after(endless, "fn cell() -> f32 { return 3.0; }")).toEqual([new Set([Number.NaN]), new Set([3])]);
  }, 60_000);

  test("with an index beyond its array reads the last element", async () => {
    const source = `fn cell() -> f32 {
      var l = array<f32, 4>(1.0, 1.0, 1.0, 1.0);
      let i = 0x7fffffffu - u32(at(0, 0));
      l[i] = 5.0;
      return l[i] + l[0];
    }`;
    expect(await after(source)).toEqual([new Set([6])]);
  }, 60_000);
});

validationIsSilent();
