/** Large bodies: the work for each part does not grow with the whole. */
import { describe, expect, spyOn, test } from "bun:test";
// @ts-expect-error: its types are those of its exports; with this attribute it is a path.
import wasm from "../../../node_modules/naga-wasm/dist/wasm/naga_bg.wasm" with { type: "file" };
import { toKernel } from "../../../src/kernel/shader/shader.ts";
import { type Module, moduleOf } from "../../../src/kernel/wgsl/declarations.ts";
import { endlessLoops } from "../../../src/kernel/wgsl/endless.ts";
import { PLAIN } from "../../../src/kernel/wgsl/extensions.ts";
import { Front } from "../../../src/kernel/wgsl/front.ts";
import { tokensOf } from "../../../src/kernel/wgsl/lexer.ts";
import { Naga } from "../../../src/kernel/wgsl/naga.ts";
import { withSteps } from "../../../src/kernel/wgsl/skip.ts";
import { withStack } from "../../../src/kernel/wgsl/stack.ts";
import { failure } from "../../channel/support.ts";

const repeat = (count: number, of: (i: number) => string) => Array.from({ length: count }, (_, i) => of(i)).join(" ");

describe("naga's steps to a new expression", () => {
  const read = async () => new Uint8Array(await Bun.file(wasm).arrayBuffer());

  test("become one: naga's module has the loop", async () => {
    const before = await read();
    const after = withSteps(before);
    const changed = [...after.keys()].filter((at) => after[at] !== before[at]);
    expect(changed.length).toBeGreaterThan(30);
    expect((changed.at(-1) as number) - (changed[0] as number)).toBeLessThan(56);
    expect(withSteps(after)).toEqual(after);
  });

  test("reach the same expressions", async () => {
    const [slow, fast] = await Promise.all(
      [await read(), withSteps(await read())].map(
        async (module) => new Naga(await WebAssembly.compile(withStack(module))),
      ),
    );
    for (const count of [0, 1, 2, 300]) {
      const source = `
        var<private> p: vec3<u32>;
        fn f(a: u32, b: f32) -> u32 { let c = a + 1u; var d = array<u32, 3>(a, c, 4u); ${repeat(count, (i) => `d[c] += ${i}u * a; if d[a] > ${i}u { p.y = d[0] << 3; }`)} return d[1] + u32(b * 2.0); }
        @compute @workgroup_size(1) fn main() { p.x = f(p.z, 1.5); let x = p.x; p.z = x; ${repeat(count, (i) => `let y${i} = p.x + f(x, ${i}.0);`)} }`;
      expect(fast?.wgslToSpirv(source, { debug: true })).toEqual(slow?.wgslToSpirv(source, { debug: true }) as never);
    }
  });
});

describe("endless loops", () => {
  /** Counts the reads of tokens. */
  function reads(text: string): { reads: number; tokens: number; found: number } {
    const module = moduleOf(tokensOf(text));
    let reads = 0;
    const tokens = new Proxy(module.tokens, {
      get(target, key) {
        if (typeof key === "string" && /^\d+$/.test(key)) reads++;
        return Reflect.get(target, key);
      },
    });
    const counted: Module = { ...module, tokens };
    const found = module.declarations.flatMap((each) => (each.kind === "fn" ? endlessLoops(counted, each) : []));
    return { reads, tokens: tokens.length, found: found.length };
  }

  const COUNT = 300;
  const cases: [string, string, number][] = [
    ["for loops in a row", `fn f() -> u32 { ${repeat(COUNT, () => "for (;;) { break; }")} for (;;) { } }`, 1],
    ["loops in a row", `fn f() -> u32 { ${repeat(COUNT, () => "loop { break; }")} loop { } }`, 1],
    [
      "loops in loops",
      `fn f() -> u32 { ${repeat(COUNT, () => "loop { if a {")} ${repeat(2 * COUNT, () => "}")} }`,
      COUNT,
    ],
    [
      "keywords of loops",
      `fn f() -> u32 { ${repeat(COUNT, () => "loop")} loop { ${repeat(COUNT, () => "while")} } }`,
      1,
    ],
  ];
  for (const [name, text, found] of cases) {
    test(`are found with a constant number of reads of each token: ${name}`, () => {
      const counted = reads(text);
      expect(counted.found).toBe(found);
      expect(counted.reads).toBeLessThan(10 * counted.tokens);
    });
  }
});

test("carets below a long line are moved with a constant number of reads of each character", () => {
  const COUNT = 2000;
  const front = new Front(`fn f() {} fn g() { ${repeat(COUNT, () => "f();")} nope(); }`, {
    provided: new Map(),
    extensions: [],
    target: PLAIN,
  });
  const column = front.text.indexOf("nope");
  const report = [`  ┌─ wgsl:1:${column + 1}`, "  │", `1 │ ${front.text}`, `  │ ${" ".repeat(column)}^^^^ this`].join(
    "\n",
  );
  let measured = 0;
  const width = Bun.stringWidth;
  const spy = spyOn(Bun, "stringWidth").mockImplementation(((text: string) => {
    measured += text.length;
    return width(text);
  }) as typeof Bun.stringWidth);
  try {
    const rows = front.explain(report).split("\n");
    expect(rows[3]?.indexOf("^^^^ this")).toBe((rows[2] as string).indexOf("nope"));
  } finally {
    spy.mockRestore();
  }
  expect(measured).toBeGreaterThan(COUNT);
  expect(measured).toBeLessThan(5 * front.text.length);
});

test("thousands of loops in a function do not count towards its memory limit", async () => {
  const { spirv } = await toKernel(
    `fn on_message(m: Message) { var x = 1u; ${repeat(1500, (i) => `while x < ${i}u { x *= 2u; }`)} set_reply(0u, x); }`,
    1,
    "it",
  );
  expect(spirv.length).toBeGreaterThan(1500);
});

test("too many instructions after inlining are refused with the line", async () => {
  const doubling = (levels: number) =>
    `fn f0(a: u32) -> u32 { return a + 1u; }
${Array.from({ length: levels }, (_, i) => `fn f${i + 1}(a: u32) -> u32 { return f${i}(a) + f${i}(a + 1u); }`).join("\n")}
fn on_message(m: Message) { set_reply(0u, f${levels}(m.kind)); reply(4u); }`;
  await toKernel(doubling(10), 1, "it");
  const error = await failure("SHADER_INVALID", () => toKernel(doubling(40), 1, "it"));
  const [, name, line] = /with those of all that it calls, of 16777216: f(\d+) in line (\d+)/.exec(error.message) ?? [];
  expect(Number(name)).toBeGreaterThan(15);
  expect(Number(line)).toBe(Number(name) + 1);
});
