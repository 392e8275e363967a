/** The front end: the changed text of a user's part, refusals, and naga's reports. */
import { describe, expect, test } from "bun:test";
import type { Target } from "../../../src/kernel/wgsl/extensions.ts";
import { BUILT_IN, Front, PREFIX } from "../../../src/kernel/wgsl/front.ts";
import { Fault } from "../../../src/kernel/wgsl/lexer.ts";

const target: Target = { name: "GPU 7", f16: true, subgroups: ["basic"], subgroupF16: false };
const PROVIDED = new Map([
  ["pack4xU8", "lf_b_"],
  ["Push", "lf_s_"],
]);
const front = (text: string) => new Front(text, { provided: PROVIDED, extensions: ["f16", "subgroups"], target });
/** The text for naga, with single blanks. */
const given = (text: string) => front(text).text.replaceAll(PREFIX, "°").replace(/ +/g, " ").trim();

function fault(text: string): string {
  try {
    front(text);
  } catch (error) {
    if (error instanceof Fault) return error.message;
    throw error;
  }
  throw new Error(`it was taken: ${text}`);
}

describe("names that the user's part declares", () => {
  const cases: [string, string, string][] = [
    ["a function", "fn min(a: u32) -> u32 { return min(a); }", "fn °min(a: u32) -> u32 { return °min(a); }"],
    ["a type", "struct vec4 { a: u32 } alias f = vec4;", "struct °vec4 { a: u32 } alias °f = °vec4;"],
    ["a value", "const n = 1; var<private> m = n;", "const °n = 1; var<private> °m = °n;"],
    ["also as locals", "const n = 1; fn f(n: u32) { let f = n; }", "const °n = 1; fn °f(°n: u32) { let °f = °n; }"],
    [
      "not as members",
      "const a = 1; struct S { a: u32, @size(a) b: u32 } fn f(s: S) { let x = s.a + s . a; }",
      "const °a = 1; struct °S { a: u32, @size(°a) b: u32 } fn °f(s: °S) { let x = s.a + s . a; }",
    ],
    [
      "not in directives",
      "requires f16; diagnostic(off, f.x); fn f16() {} fn off() {} fn f() {}",
      "requires f16; diagnostic(off, f.x); fn °f16() {} fn °off() {} fn °f() {}",
    ],
    [
      "not as attributes and their words",
      "fn diagnostic_() {} const off = 1; fn must_use() {} @must_use fn f(@builtin(off) x: u32) {}",
      "fn °diagnostic_() {} const °off = 1; fn °must_use() {} @must_use fn °f(@builtin(off) x: u32) {}",
    ],
    [
      "in templates",
      "alias T = u32; var<private> x: array<T, 2>; fn f(p: ptr<function, T>) {}",
      "alias °T = u32; var<private> °x: array<°T, 2>; fn °f(p: ptr<function, °T>) {}",
    ],
    ["not to be the library's entry point", "fn f() { main(); }", "fn °f() { °main(); }"],
    ["and nothing else", "fn f() { let g = h(payload(0u)); }", "fn °f() { let g = h(payload(0u)); }"],
    ["behind comments and breaks", "fn/**/f//\u2028(){}", "fn °f \n(){}"],
  ];
  for (const [name, text, want] of cases) test(`get a prefix: ${name}`, () => expect(given(text)).toBe(want));
});

test("line breaks become \\n, and comments become blanks", () => {
  const made = front("//a\r\n/*\u2028*/fn f(){}//\u0085\v\f\r");
  expect(made.text).toBe(`   \n  \n  fn ${PREFIX}f(){}  \n\n\n\n`);
  expect(made.lines).toBe(7);
});

describe("an endless loop at the end of a function with a result", () => {
  const cases: [string, string, string][] = [
    ["a loop", "fn f() -> u32 { loop { if a { return 1u; } } }", "loop { if a { return 1u; } } return u32();}"],
    [
      "a for without a condition",
      "alias T = u32; fn f() -> array<T, 2> { for (;;) { } }",
      "for (;;) { } return array < °T , 2 >();}",
    ],
    ["one in a branch", "fn f() -> u32 { if a { loop { } } else { return 1u; } }", "{ loop { } return u32();} else"],
    [
      "a loop with a switch and a loop that breaks leave",
      "fn f() -> u32 { loop { switch a { default { break; } } while b { break; } } }",
      "} } return u32();}",
    ],
    ["one with attributes", "fn f() -> u32 { loop @diagnostic(off, a) { } }", "{ } return u32();}"],
  ];
  for (const [name, text, want] of cases) {
    const squeezed = (of: string) => of.replaceAll(" ", "");
    test(`has a return behind it: ${name}`, () => expect(squeezed(given(text))).toContain(squeezed(want)));
  }
  for (const text of [
    "fn f() -> u32 { loop { break; } }",
    "fn f() -> u32 { loop { continuing { break if a; } } }",
    "fn f() -> u32 { for (;a;) { } }",
    "fn f() -> u32 { while true { } }",
    "fn f() -> u32 { loop { } return 1u; }",
    "fn f() { loop { } }",
    "fn f() -> u32 { while a { continuing { loop { } } } return 1u; }",
  ]) {
    test(`has none: ${text}`, () => expect(given(text)).toBe(text.replace("fn f", "fn °f")));
  }
});

test("diagnostic attributes are left out", () => {
  expect(given("@diagnostic(off, a.b) @must_use fn f() -> u32 { @diagnostic(off, c) if d { } }")).toBe(
    "@must_use fn °f() -> u32 { if d { } }",
  );
});

describe("overrides", () => {
  const cases: [string, string, string][] = [
    ["with a type", "override n: u32 = 7u;", "const °n: u32 = 7u;"],
    ["with an id", "@id(3) override n = 7u;", "const °n= 7u;"],
    ["of a whole number", "override n = 2 * (3 + 4);", "const °n: i32 = 2 * (3 + 4);"],
    ["of a broken number", "override n = -1e3;", "const °n: f32 = -1e3;"],
    ["of a number in hexadecimal", "override n = 0xef;", "const °n: i32 = 0xef;"],
    ["of a value with a type of its own", "override n = 1.5f;", "const °n = 1.5f;"],
    ["of a name", "const a = 1; override n = a;", "const °a = 1; const °n = °a;"],
  ];
  for (const [name, text, want] of cases) {
    test(`${name} are constants`, () => expect(given(text).replaceAll(" ", "")).toBe(want.replaceAll(" ", "")));
  }
  test("without a default are refused", () => {
    expect(fault("\noverride n: u32;")).toBe("an override without a default in line 2: n");
  });
});

test("replaced built-in functions are the library's, unless the user declares them", () => {
  const made = front("fn f() { let a = pack4xU8(vec4(1u)); let b = a.pack4xU8; }");
  expect(made.text).toContain(`${BUILT_IN}pack4xU8(vec4`);
  expect(made.text).toContain("a.pack4xU8");
  expect([...made.used]).toEqual(["pack4xU8"]);
  expect(front("fn pack4xU8() {}").used.size).toBe(0);
});

test("names of structs have their prefix, unless the user declares them", () => {
  const made = front("fn f(a: Push) -> Push { return Push(a.Push); } struct S { Push: u32 }");
  expect(made.text).toContain("f(a: lf_s_Push) -> lf_s_Push { return lf_s_Push(a.Push); } struct");
  expect(made.text).toContain("{ Push: u32 }");
  expect([...made.used]).toEqual(["Push"]);
  expect(front("struct Push { a: u32 } fn f(a: Push) {}").used.size).toBe(0);
});

describe("refused are", () => {
  const cases: [string, string, string][] = [
    ["a buffer", "\n@group(0) @binding(0) var<storage> a: u32;", "a resource of its own in line 2: @group"],
    ["a buffer, in pieces", "@\n/*\n*/group(0) var x: u32;", "a resource of its own in line 3: @group"],
    [
      "a buffer without a binding",
      "var<storage, read_write> a: u32;",
      "a resource of its own in line 1: var<storage,read_write> a",
    ],
    ["a uniform", "var /**/ < uniform > a: u32;", "a resource of its own in line 1: var<uniform> a"],
    ["immediate data", "var<immediate> a: u32;", "a resource of its own in line 1: var<immediate> a"],
    ["push constants", "var<push_constant> a: u32;", "a resource of its own in line 1: var<push_constant> a"],
    ["a handle", "var a: sampler;", "a resource of its own in line 1: a"],
    ["an entry point", "@compute @workgroup_size(1) fn a() {}", "an entry point, or a part of one in line 1: @compute"],
    [
      "an entry point, with a comment in it",
      "@/*\r\n*/compute fn a() {}",
      "an entry point, or a part of one in line 2: @compute",
    ],
    ["naga's own entry points", "@task fn a() {}", "an entry point, or a part of one in line 1: @task"],
    ["the library's names", "fn a() { /* // */ lf_x(); }", "a name of the library's own in line 1: lf_x"],
    [
      "the library's names, behind each kind of line break",
      "// a\u2028 fn f() { LfX(); }",
      "a name of the library's own in line 2: LfX",
    ],
    ["the library's names, as locals", "fn f() { let LF_A = 1; }", "a name of the library's own in line 1: LF_A"],
    ["the library's names, as members", "struct S { lf_a: u32 }", "a name of the library's own in line 1: lf_a"],
    ["a name that is a word of WGSL", "fn loop() {}", "a name was expected behind fn in line 1: loop"],
    ["a bracket that is not closed", "fn f() {\n if (true) {\n}", "`{` is not closed in line 1"],
    ["a bracket too many", "fn f() {}\n}", "`}` closes nothing in line 2"],
    ["a wrong bracket", "fn f(\n] {}", "`(` is closed by `]` in line 1"],
    ["a declaration without an end", "const a = 1\nfn f() {}", "a declaration without `;` in line 1"],
    ["a statement outside", "\nlet a = 1;", "a declaration was expected in line 2: let"],
    ["an attribute of nothing", "@must_use", "a declaration was expected in line 1: the end"],
    ["an extension", "\nenable f17;", "the extension f17, which can't be enabled here, in line 2"],
    ["a directive behind a declaration", "fn f() {}\nenable f16;", "enable behind a declaration in line 2"],
    ["a function without a body", "fn f();", "`{` was expected in line 1: ;"],
    ["a function without parameters", "fn f {}", "`(` was expected in line 1: {"],
    ["a var< without an end", "var<private a: u32;", "a var< that is not closed in line 1"],
  ];
  for (const [name, text, want] of cases) test(name, () => expect(fault(text)).toBe(want));
});

describe("naga's reports", () => {
  const source = "/* é日 */ const min = 1;\n\tfn f() { /*日*/ let a = min + nope + min; }";
  const made = front(source);
  test("have the user's names, columns and carets", () => {
    const line = made.text.split("\n")[1] as string;
    const column = line.indexOf("nope");
    const report = [
      "error: no definition of `lf_u_min` and `lf_b_pack4xU8`",
      `  ┌─ wgsl:2:${column + 1}`,
      "  │",
      `2 │ ${line}`,
      `  │ ${" ".repeat(column)}^^^^ \`lf_u_min\` is ${"x".repeat(40)}`,
      "",
    ].join("\n");
    const rows = made.explain(report).split("\n");
    expect(rows[0]).toBe("error: no definition of `min` and `pack4xU8`");
    expect(rows[1]).toBe(`  ┌─ wgsl:2:${(source.split("\n")[1] as string).indexOf("nope") + 1}`);
    expect(rows[3]).toBe("2 │   fn f() { /*日*/ let a = min + nope + min; }");
    // 日 is two columns wide.
    expect(rows[4]).toBe(
      `  │ ${" ".repeat((rows[3] as string).indexOf("nope") - 4 + 1)}^^^^ \`min\` is ${"x".repeat(40)}`,
    );
  });
});
