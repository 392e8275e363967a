/** Names of structs and of a body are separate. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { KernelRuntime, type Struct, struct } from "../../../src/kernel/index.ts";
import { toKernel } from "../../../src/kernel/shader/shader.ts";
import { StructLibrary } from "../../../src/kernel/struct/library.ts";
import { array } from "../../../src/kernel/struct/struct.ts";
import { failure } from "../../channel/support.ts";
import { device, validationIsSilent, vulkan } from "../../gpu/support.ts";

/** A software device compiles a body for half a second, and more on a busy machine. */
setDefaultTimeout(120_000);

const Part = struct("Part", { at: "vec3f", count: "i32" });
const Push = struct("Push", { part: Part, list: array("u32", 3), sign: "i32", weight: "f32" });
const push = { part: { at: [1, -2, 0.5], count: -7 }, list: [4, 5, 4_000_000_000], sign: -1, weight: 0.25 } as const;
/** Adds 1 to each number of its message. */
const moved = {
  part: { at: [2, -1, 1.5], count: -6 },
  list: Uint32Array.of(5, 6, 4_000_000_001),
  sign: 0,
  weight: 1.25,
};

/** Declarations of a body with names that the accessors use for other things. */
const SHADOWING: [string, string, string][] = [
  [
    "types",
    "struct u32 { a: f32 } struct i32 { a: f32 } alias f32 = vec2f; struct vec3 { a: vec2f } struct array { b: vec2f }",
    "",
  ],
  [
    "functions",
    `fn bitcast(a: u32) -> u32 { return 0u; } fn payload(i: u32) -> u32 { return 1u; } fn payload_f32(i: u32) -> f32 { return 2.0; }
     fn set_reply(i: u32, value: u32) {} fn set_reply_f32(i: u32, value: f32) {} fn state(i: u32) -> u32 { return 3u; }`,
    "set_reply(0u, payload(0u) + bitcast(state(1u))); set_reply_f32(1u, payload_f32(0u));",
  ],
  [
    "functions of the structs that it does not use",
    "fn payload_Part(a: f32) -> f32 { return a; } fn state_Push() {} const Part_SIZE = 1.5; struct Part { b: f32 }",
    "let own = Part(payload_Part(Part_SIZE)); state_Push();",
  ],
  [
    "locals",
    "",
    "var payload = 1; let state = 2; var u32 = 3; let bitcast = 4; var i = 5; let value = 6; let Part = 7;",
  ],
];

const BODY = (declarations: string, statements: string) => `${declarations}
  fn on_message(message: Message) {
    ${statements}
    var push = payload_Push(0u);
    push.part.at += 1.0; push.part.count++; push.sign++; push.weight += 1.0;
    push.list[0]++; push.list[1]++; push.list[2]++;
    set_state_Push(1u, push);
    set_reply_Push(0u, state_Push_again(1u));
    reply(Push_SIZE);
  }`;

describe.skipIf(!vulkan)("on a device", () => {
  async function answer(wgsl: string): Promise<unknown> {
    await using runtime = await KernelRuntime.create({ backend: "vulkan", device });
    const kernel = await runtime.launch("k", { source: { wgsl }, request: Push, reply: Push });
    await kernel.activate();
    return (await kernel.call({ payload: push })).payload;
  }

  for (const [name, declarations, statements] of SHADOWING) {
    test(`a body's ${name} do not change the accessors`, async () => {
      const state = name.includes("structs") ? "push" : "state_Push(1u)";
      expect(await answer(BODY(declarations, statements).replace("state_Push_again(1u)", state))).toEqual(
        moved as never,
      );
    });
  }

  test("structs and members may have names of WGSL and of the library", async () => {
    await using runtime = await KernelRuntime.create({ backend: "vulkan", device });
    const f32 = struct("f32", { bitcast: "i32", vec3: "vec3f" });
    const select = struct("select", { f32, u32: array("u32", 2), payload: "f32", lf_store: "u32" });
    const kernel = await runtime.launch("k", {
      request: select,
      reply: f32,
      source: {
        wgsl: `fn on_message(message: Message) {
          let all: select = payload_select(0u);
          var own: f32 = all.f32;
          own.bitcast += bitcast<i32>(all.u32[1]) + i32(all.payload);
          own.vec3 *= 2.0;
          set_reply_f32(0u, own);
          reply(f32_SIZE);
        }`,
      },
    });
    await kernel.activate();
    const payload = { f32: { bitcast: -5, vec3: [1, 2, 3] }, u32: [1, 20], payload: 300, lf_store: 7 } as const;
    expect((await kernel.call({ payload })).payload).toEqual({ bitcast: 315, vec3: [2, 4, 6] });
  });

  test("a struct larger than the memory limit of a function's variables can be a message", async () => {
    await using runtime = await KernelRuntime.create({ backend: "vulkan", device });
    const Large = struct("Large", { words: array("u32", 3000) });
    const source = {
      wgsl: "fn on_message(message: Message) { set_reply(2999u, payload(2999u) + 1u); reply(Large_SIZE); }",
    };
    const kernel = await runtime.launch("k", { source, request: Large, reply: Large });
    await kernel.activate();
    const { payload } = await kernel.call({ payload: { words: new Uint32Array(3000).fill(6) } });
    expect(payload.words[2999]).toBe(7);
    const wgsl = "fn on_message(message: Message) {\n  _ = payload_Large(0u).words[1];\n}";
    const error = await failure("SHADER_INVALID", () => runtime.launch("l", { source: { wgsl }, request: Large }));
    expect(error.message).toContain("a function need 12000 bytes of 8192: payload_Large in line 2");
  });

  validationIsSilent();
});

describe("a body with structs", () => {
  const made = (wgsl: string, ...structs: Struct[]) =>
    toKernel(wgsl, 1, "it", undefined, undefined, new StructLibrary(structs as never));

  test("is translated with the functions that it names and those that they call", async () => {
    const size = async (wgsl: string) => (await made(`fn on_message() { ${wgsl} }`, Push as never)).spirv.length;
    const none = await size("");
    const inner = await size("_ = payload_Part(0u);");
    const outer = await size("_ = payload_Push(0u);");
    expect(inner).toBeGreaterThan(none);
    expect(outer).toBeGreaterThan(inner);
    expect(await size("_ = payload_Push(0u); _ = payload_Part(0u);")).toBeLessThan(outer + inner - none);
    expect(await size("var state_Push = 1u; state_Push++;")).toBeGreaterThan(none);
  });

  test("has its own names and lines in naga's reports", async () => {
    const wgsl = "fn on_message(message: Message) {\n  let a = payload_Push(0u);\n  let b: Part = a;\n}";
    const { message } = await failure("SHADER_INVALID", () => made(wgsl, Push as never));
    expect(message).toContain("wgsl:3:7");
    expect(message).toContain("Part");
    expect(message).not.toContain("lf_");
    const wrong = await failure("SHADER_INVALID", () =>
      made("fn on_message() {\n\n _ = payload_Push(); }", Push as never),
    );
    expect(wrong.message).toContain("3 │ │  _ = payload_Push(); }\n");
    expect(wrong.message).not.toContain("lf_");
  });

  test("can't use the prefix of structs", async () => {
    for (const name of ["lf_s_payload_Push(0u)", "lf_s_Push()"]) {
      const error = await failure("SHADER_INVALID", () => made(`fn on_message() {\n _ = ${name}; }`, Push as never));
      expect(error.message).toContain("a name of the library's own in line 2");
    }
  });

  test("is refused for a struct with a reserved name; a handler is not", async () => {
    await using runtime = await KernelRuntime.create({ backend: "cpu" });
    for (const [refused, text] of [
      [struct("A", { target: "u32" }), '"target"'],
      [struct("A", { b: struct("B", { loop: "u32" }) }), '"loop"'],
      [struct("A", { b: array(struct("while", { a: "u32" }), 2) }), '"while"'],
      [struct("Message", { a: "u32" }), '"Message"'],
    ] as [Struct, string][]) {
      const handler = () => {};
      const both = { source: { wgsl: "fn on_message() {}", handler }, request: refused };
      expect((await failure("INVALID_ARGUMENT", () => runtime.launch("k", both))).message).toContain(text);
      await (await runtime.launch("k", { source: { handler }, request: refused })).terminate();
    }
  });
});
