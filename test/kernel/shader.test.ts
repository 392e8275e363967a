/** The translation of WGSL: refusals, and the lines that they name. */
import { describe, expect, test } from "bun:test";
import { LavaFlowError } from "../../src/errors.ts";
import { PUSH } from "../../src/kernel/shader/layout.ts";
import { toKernel, toSpirv } from "../../src/kernel/shader/shader.ts";

const GOOD = "fn on_message(message: Message) { set_reply(0u, payload(0u)); reply(4u); }";

async function refusal(made: Promise<unknown>): Promise<LavaFlowError> {
  const error = await made.catch((caught: unknown) => caught);
  if (!(error instanceof LavaFlowError)) throw new Error(`it was not refused: ${error}`);
  expect(error.code).toBe("SHADER_INVALID");
  return error;
}

describe("a body that is refused", () => {
  const cases: [string, string, RegExp][] = [
    ["does not parse", "fn on_message(message: Message) {\n  let x = ;\n}", /wgsl:2:11/],
    ["does not validate", "\n\nfn on_message(message: Message) { let x: u32 = 1.5f; }", /wgsl:3:/],
    ["knows a name that is not there", "fn on_message(message: Message) {\n\n  foo(1u);\n}", /wgsl:3:3/],
    ["calls itself", "fn f() { f(); }\nfn on_message(message: Message) { f(); }", /wgsl:1:/],
    [
      "has a constant index beyond its array",
      `fn on_message(message: Message) { var l: array<u32, 2>; l[2] = 1u; }`,
      /wgsl:1:/,
    ],
    ["has no on_message", "fn on_messages(message: Message) {}", /no function on_message/],
    [
      "has on_message in a comment only",
      "// fn on_message(message: Message) {}\n/* fn on_message( /* */ */",
      /no function on_message/,
    ],
    ["has another on_message", "fn on_message(a: u32, b: u32) {}", /does not fit/],
    ["has a buffer", "\n@group(0) @binding(9) var<storage> x: array<u32>;\n", /line 2: @group/],
    ["has immediate data", "\n\n\nvar<immediate> x: u32;\n", /line 4/],
    ["has an entry point", "// @compute\n@compute @workgroup_size(1) fn f() {}", /line 2: @compute/],
    ["uses a name of the library's own", "fn on_message(message: Message) {\n lf_store[0] = 1u; }", /line 2: lf_store/],
    [
      "has too large an array in a function",
      "fn on_message(message: Message) { var l: array<u32, 3000>; l[payload(0u)] = 1u; set_reply(0u, l[1]); }",
      /a function need 12\d+ bytes of 8192/,
    ],
    [
      "has too large an array of its own",
      "var<private> p: array<mat4x4<f32>, 9999>; fn on_message(message: Message) { p[payload(0u)][1].x = 1.0; }",
      /an invocation need \d+ bytes of 8192/,
    ],
    [
      "needs what devices do not have",
      "fn on_message(message: Message) { var x = i64(payload(0u)); x += 1; set_reply(0u, u32(x)); }",
      /capability/,
    ],
  ];
  for (const [name, wgsl, text] of cases) {
    test(name, async () => {
      const error = await refusal(toKernel(wgsl, 1, "mine"));
      expect(error.message).toContain("the WGSL of mine");
      expect(error.message).toMatch(text);
    });
  }

  test("a local variable may have a name of the library's", async () => {
    await toKernel("fn on_message(message: Message) { var state = 1u; state += 1u; }", 1, "mine");
  });
});

describe("a valid body", () => {
  test("is translated once for each size of its workgroup", async () => {
    const made = toKernel(GOOD, 4, "one");
    expect(toKernel(GOOD, 4, "two")).toBe(made);
    const other = await toKernel(GOOD, 8, "three");
    expect(other.workgroupSize).toBe(8);
    expect(other).not.toBe(await made);
    expect(await made).toMatchObject({ workgroupSize: 4, buffers: 4, pushWords: PUSH.WORDS });
  });

  test("is translated again after a refusal", async () => {
    const first = toKernel("nonsense", 1, "a");
    await refusal(first);
    expect(toKernel("nonsense", 1, "a")).not.toBe(first);
    await refusal(toKernel("nonsense", 1, "a"));
  });
});

test("a module of the library is translated unchanged", async () => {
  const words = await toSpirv("@compute @workgroup_size(1) fn main() {}", "mine");
  expect(words[0]).toBe(0x07230203);
  await refusal(toSpirv("@compute @workgroup_size(1) fn main() { x(); }", "mine"));
});

describe("a body that crashes naga", () => {
  const pointer =
    "fn f(p: ptr<function, u32>) { *p = 1u; }\nfn on_message(m: Message) {\n var a: array<u32, 2>; f(&a[1]); }";
  const sum = (count: number) =>
    `fn on_message(m: Message) { let a = 1;\n set_reply(0u, ${Array(count).fill("payload(1u)").join(" + ")}); }`;

  test("is refused with its line, and the next body is translated", async () => {
    for (let round = 0; round < 3; round++) {
      const error = await refusal(toKernel(pointer, 1, "mine"));
      expect(error.message).toContain("&a[1] in line 3 is a pointer to a part of a variable");
      await toKernel(`${GOOD} // ${round}`, 1, "mine");
    }
  });

  test("is refused for a sum of too many terms, and the next body is translated", async () => {
    expect((await refusal(toKernel(sum(50_000), 1, "mine"))).message).toContain("line 2 has too many levels");
    await toKernel(`${GOOD} // and then`, 1, "mine");
  }, 60_000);

  test("is refused for a pointer that is made of another pointer", async () => {
    const { message } = await refusal(
      toKernel(
        `fn g(p: ptr<function, u32>) { *p = 1u; }
         fn h(p: ptr<function, array<u32, 3>>) {
           g(&(*p)[1]); }
         fn on_message(m: Message) { var s: array<u32, 3>; h(&s); }`,
        1,
        "mine",
      ),
    );
    expect(message).toContain("&(*p)[1] in line 3");
  });

  test("has more than some thousand terms in a sum", async () => {
    await toKernel(sum(4000), 1, "mine");
  });
});

describe("every refusal has the line of the body", () => {
  const cases: [string, RegExp][] = [
    ["const a = 1;\n\nfn on_message(m: u32) {}", /on_message in line 3 does not fit/],
    ["\nconst on_message = 1;", /no function on_message/],
    [`fn on_message(m: Message) {\n let a = ${"(".repeat(600)}1${")".repeat(600)}; }`, /line 2/],
    [
      "fn on_message(m: Message) {\n set_reply(0u, subgroupAdd(payload(0u))); }",
      /subgroup operations: subgroupAdd in line 2\. Write enable subgroups/,
    ],
    ["fn on_message(m: Message) {\n\n set_reply(0u, u32(f64(payload(0u)))); }", /capability 10.*: f64 in line 3/],
    [
      "fn f() {\n var l: array<u32, 3000>; l[payload(0u)] = 1u; set_reply(0u, l[1]); }\nfn on_message(m: Message) { f(); }",
      /a function need 12\d+ bytes of 8192: l in line 2/,
    ],
    [
      "\nvar<private> p: array<u32, 3000>; fn on_message(m: Message) { p[payload(0u)] = 1u; }",
      /an invocation need 12\d+ bytes of 8192: p in line 2/,
    ],
    [
      "\nfn on_message(m: Message) { var pack4xU8: array<u32, 9000>; pack4xU8[payload(0u)] = 1u; }",
      /pack4xU8 in line 2/,
    ],
    ["fn on_message(m: Message) { let x = nope; \n}", /^ *1 │ fn on_message\(m: Message\) \{ let x = nope;$/m],
    ["fn on_message(m: Message) {}\nfn min(a: u32) -> u32 { return a + 1.5; }", /wgsl:2:/],
  ];
  for (const [wgsl, text] of cases) {
    test(String(text), async () => {
      const { message } = await refusal(toKernel(wgsl, 1, "mine"));
      expect(message).toMatch(text);
      expect(message).not.toContain("lf_");
    });
  }
});
