/** Lines of errors that naga reports without a position. */
import { describe, expect, test } from "bun:test";
import { toKernel } from "../../../src/kernel/shader/shader.ts";
import { failure } from "../../channel/support.ts";

/** Bodies with one invalid statement, and its line. */
const REFUSED: [string, string, number][] = [
  ["an index into a number", "fn on_message() {\n var r = 0u;\n r = r[1];\n reply(4u); }", 3],
  ["a member of an index into a number", "fn on_message() {\n let r = 0u;\n reply(r[0].x); }", 3],
  ["a message that is compared", "fn on_message(m: Message) {\n\n if m < 3u { } }", 3],
  [
    "an array that is compared, behind else",
    "fn on_message() {\n let a = array(1u, 2u);\n if true {\n }\n else if a > 3u {\n }\n }",
    5,
  ],
  ["a column that is not there", "fn on_message() {\n var m = mat2x2f();\n while m[3].x > 1.0 {\n }\n}", 3],
  [
    "in a block in a loop in a branch of a function with a result, behind a switch",
    `fn f() -> u32 {\n return 1u;\n }
fn g(a: u32) -> vec2<u32> {
 if a >> 1u > 1u {
  for (var i = 0u; i < 3u; i++) {
   switch a { case 1u: { } default: { } }
   loop {
    let c = a[2];
    continuing {\n break if true;\n }
   }
  }
 } else {\n return vec2u(a);\n }
 return vec2u();
}
fn on_message() {\n reply(g(f()).x);\n }`,
    9,
  ],
  [
    "in a switch",
    "fn on_message(m: Message) {\n let a = 1u;\n switch a {\n case 1u: {\n let b = m < 3u; }\n default: {} }\n}",
    3,
  ],
  [
    "behind many switches",
    `fn on_message(m: Message) {\n${"switch m.kind { case 1u: { let a = 1u; _ = a; } default: { let b = 2u; } }\n".repeat(9)} _ = m.kind[1];\n }`,
    11,
  ],
  [
    "in the last of many functions",
    `fn f0() -> i32 {\n return 1; }\n${Array.from({ length: 20 }, (_, i) => `fn f${i + 1}() -> i32 {\n return f${i}(); }\n`).join("")}fn g(a: i32) -> i32 {\n return a[1];\n }\nfn on_message() { _ = g(f20()); }`,
    44,
  ],
];

describe("the line of an error without a position is found:", () => {
  for (const [name, wgsl, line] of REFUSED) {
    test(name, async () => {
      const { message } = await failure("SHADER_INVALID", () => toKernel(wgsl, 1, "it"));
      expect(message).not.toContain("wgsl:");
      expect(Number(/in line (\d+): error: /.exec(message)?.[1])).toBe(line);
    });
  }

  test("an error outside of functions has no line", async () => {
    const wgsl = "var<private> a: array<u32, 642289353u>;\nfn on_message() {\n}";
    expect((await failure("SHADER_INVALID", () => toKernel(wgsl, 1, "it"))).message).not.toContain("in line");
  });
});
