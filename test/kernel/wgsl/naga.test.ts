/** naga's instance: it is replaced after a crash, its stack is large, and refused modules are freed. */
import { describe, expect, test } from "bun:test";
import { NagaCrash, NagaRefusal, naga } from "../../../src/kernel/wgsl/naga.ts";
import { withStack } from "../../../src/kernel/wgsl/stack.ts";

const MAIN = (body: string) => `@group(0) @binding(0) var<storage, read_write> o: array<u32>;
  fn f(p: ptr<function, u32>) { *p = 1u; }
  @compute @workgroup_size(1) fn main() { ${body} }`;
const GOOD = MAIN("o[0] = 1u;");
const PANIC = MAIN("var a: array<u32, 2>; f(&a[1]);");

function thrown(call: () => unknown): unknown {
  try {
    call();
  } catch (error) {
    return error;
  }
  throw new Error("it did not throw");
}

test("an instance that has panicked is not used again", async () => {
  const first = await naga();
  const words = first.wgslToSpirv(GOOD, { debug: true });
  const crash = thrown(() => first.wgslToSpirv(PANIC, { debug: true }));
  expect(crash).toBeInstanceOf(NagaCrash);
  expect(crash).toMatchObject({ step: "writeSpirv", isTooDeep: false });
  const second = await naga();
  expect(second).not.toBe(first);
  expect(second.wgslToSpirv(GOOD, { debug: true })).toEqual(words);
  expect(await naga()).toBe(second);
});

test("an instance that has refused a module is used again, and frees the module", async () => {
  const translator = await naga();
  for (const [source, text] of [
    ["fn f( {", /expected/],
    ["fn f() -> u32 { }", /Function \[0\] 'f' is invalid/],
    [MAIN("var s: sampler;"), /sampler|invalid/],
  ] as const) {
    for (let round = 0; round < 200; round++) {
      const refusal = thrown(() => translator.wgslToSpirv(source, { debug: true }));
      expect(refusal).toBeInstanceOf(NagaRefusal);
      expect((refusal as Error).message).toMatch(text);
    }
  }
  expect(await naga()).toBe(translator);
});

test("isTooDeep is true for a crash by too many levels", async () => {
  const translator = await naga();
  const deep = MAIN(`o[0] = ${"~".repeat(100_000)}o[1];`);
  expect(thrown(() => translator.wgslToSpirv(deep, { debug: true }))).toMatchObject({ isTooDeep: true });
  expect((await naga()).wgslToSpirv(GOOD, { debug: true }).length).toBeGreaterThan(0);
}, 60_000);

test("only SPIR-V with debug information has names", async () => {
  const translator = await naga();
  const has = (debug: boolean) => {
    const words = translator.wgslToSpirv(MAIN("var some_name = o[1]; o[0] = some_name;"), { debug });
    return Buffer.from(words.buffer).includes("some_name");
  };
  expect([has(true), has(false)]).toEqual([true, false]);
});

test("SPIR-V is translated to MSL", async () => {
  const translator = await naga();
  const text = translator.spirvToMsl(translator.wgslToSpirv(GOOD, { debug: false }), [2, 4]);
  expect(text).toContain("#include <metal_stdlib>");
  expect(thrown(() => translator.spirvToMsl(Uint32Array.of(1, 2, 3), [2, 4]))).toBeInstanceOf(NagaRefusal);
});

describe("a larger stack", () => {
  /** A WebAssembly module with a memory of `pages` pages, and globals. */
  const module = (memory: number[], globals: number[]) =>
    Uint8Array.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 5, memory.length, ...memory, 6, globals.length, ...globals]);
  const GLOBAL = [1, 0x7f, 1, 0x41, 0x80, 0x80, 0xc0, 0, 0x0b]; // 1 MiB

  test("lies behind the initial memory, and the stack pointer starts at its top", () => {
    const made = withStack(module([1, 0, 17], GLOBAL));
    expect(WebAssembly.validate(made)).toBe(true);
    // 17 + 1024 pages, and the same in bytes, with a sign.
    expect([...made.subarray(8, 14)]).toEqual([5, 4, 1, 0, 0x91, 8]);
    const top = (17 + 1024) * 65_536;
    const [a = 0, b = 0, c = 0, d = 0] = made.subarray(20);
    expect((a & 127) | ((b & 127) << 7) | ((c & 127) << 14) | ((d & 127) << 21)).toBe(top);
  });

  test("needs a memory without a limit, and a pointer", () => {
    expect(() => withStack(module([1, 1, 17, 99], GLOBAL))).toThrow("its memory is limited");
    expect(() => withStack(module([1, 0, 17], [1, 0x7f, 0, 0x41, 0, 0x0b]))).toThrow("no stack pointer");
  });
});
