/** The guards: on naga's SPIR-V, and with hostile bodies on a GPU together with other kernels. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { parseSpirv, translate, validate } from "naga-wasm";
import { GpuDevice } from "../../src/gpu/device.ts";
import { roundsFor } from "../../src/kernel/shader/layout.ts";
import { toKernel } from "../../src/kernel/shader/shader.ts";
import { guarded } from "../../src/kernel/spirv/guards.ts";
import { device, validationIsSilent, vulkan } from "../gpu/support.ts";
import { Bare, words, wordsOf } from "./port.ts";

/** A software device compiles a body for half a second, and more on a busy machine. */
setDefaultTimeout(60_000);

const spirvOf = (source: string) =>
  translate({ from: "wgsl", source, to: "spirv", options: { flags: { debug: true } } });

/** Validates a module and translates it to WGSL. */
function textOf(spirv: Uint32Array): string {
  using module = parseSpirv(spirv);
  using _ = validate(module);
  return translate({ from: "spirv", source: spirv, to: "wgsl" });
}

const IN_MAIN = (body: string) => `
  var<private> lf_fuel: vec2<u32>;
  @group(0) @binding(0) var<storage, read_write> a: array<u32>;
  @group(0) @binding(1) var<storage, read_write> b: array<array<vec4<f32>, 3>>;
  var<workgroup> shared_one: array<i32, 9>;
  var<private> own: array<array<u32, 2>, 3>;
  @compute @workgroup_size(1) fn main(@builtin(global_invocation_id) id: vec3<u32>) { lf_fuel.x = 1u; ${body} }`;

describe("the guards", () => {
  const cases: [string, string, number][] = [
    ["an array of a function", "var l: array<u32, 5>; l[id.x] = 1u; a[0] = l[id.y];", 3],
    ["a module's array, twice indexed", "own[id.x][id.y] = 1u;", 2],
    ["a workgroup's array, with a signed index", "shared_one[i32(id.x) - 4] = 7;", 1],
    ["a runtime array", "a[id.x] = a[id.y];", 2],
    ["arrays and vectors in a runtime array", "b[id.x][id.y][id.z] = 1.0;", 3],
    ["a vector's components", "var v = vec3<u32>(1u, 2u, 3u); v[id.x] = 4u; a[0] = v[id.y];", 3],
    ["a component of a value", "a[0] = id[a[1]];", 3],
    ["a matrix", "var m: mat3x2<f32>; m[id.x][id.y] = 2.0; b[0][0].x = m[id.z].y;", 4],
    ["a pointer that is passed on", "let p = &own[id.x]; (*p)[id.y] = 3u;", 2],
  ];
  for (const [name, body, count] of cases) {
    test(`clamp ${name}`, () => {
      const plain = spirvOf(IN_MAIN(body));
      const selects = (spirv: Uint32Array) => textOf(spirv).split("select(").length - 1;
      const before = selects(plain);
      expect(selects(guarded(plain, "lf_fuel")) - before).toBe(count);
    });
  }

  test("keep barriers within the workgroup, also in trusted functions", () => {
    const BARRIER = 224;
    const plain = spirvOf(IN_MAIN("storageBarrier(); a[0] = 1u; workgroupBarrier();"));
    const scopes = (spirv: Uint32Array) => {
      const found: string[] = [];
      for (let at = 5; at < spirv.length; at += (spirv[at] as number) >>> 16) {
        if (((spirv[at] as number) & 0xffff) !== BARRIER) continue;
        found.push(spirv[at + 1] === spirv[at + 2] ? "workgroup" : "device");
      }
      return found;
    };
    expect(scopes(plain)).toEqual(["device", "workgroup"]);
    expect(scopes(guarded(plain, "lf_fuel"))).toEqual(["workgroup", "workgroup"]);
    expect(scopes(guarded(plain, "lf_fuel", new Set(["main"])))).toEqual(["workgroup", "workgroup"]);
  });

  test("do not clamp indices in trusted functions", () => {
    const source = `
      @group(0) @binding(0) var<storage, read_write> words: array<u32>;
      var<private> lf_fuel: vec2<u32>;
      fn ours(i: u32) -> u32 { return words[i]; }
      fn theirs(i: u32) -> u32 { return words[i]; }
      @compute @workgroup_size(1) fn main() { lf_fuel.x = ours(1u) + theirs(2u); }`;
    const clamps = (trusted: string[]) =>
      textOf(guarded(spirvOf(source), "lf_fuel", new Set(trusted))).split("select(").length - 1;
    expect([clamps([]), clamps(["ours"]), clamps(["ours", "theirs"])]).toEqual([2, 1, 0]);
  });

  test("do not clamp constant indices within bounds", () => {
    const plain = spirvOf(IN_MAIN("var l: array<u32, 5>; l[4] = 1u; own[2][1] = l[0];"));
    expect(guarded(plain, "lf_fuel").length).toBe(plain.length);
  });

  test("make loops of every kind count the fuel down", () => {
    const body = `
      for (var i = 0u; i < id.x; i++) { for (var k = 0u; k < i; k++) { if (a[k] == 3u) { continue; } a[k] += i; } }
      while (a[1] < 3u) { a[1] += 1u; }
      loop { a[2] += 1u; continuing { a[3] += 1u; break if a[3] > 4u; } }
      loop { if (a[4] == 1u) { break; } }`;
    const plain = spirvOf(IN_MAIN(body));
    expect(textOf(plain).split("lf_fuel").length - 1).toBe(2); // its declaration, and the one use above
    const text = textOf(guarded(plain, "lf_fuel"));
    // Each of five loops reads the fuel and subtracts 1.
    expect(text.split("lf_fuel").length - 1).toBe(2 + 5 * 2);
  });

  test("keep a kernel's whole module valid", async () => {
    const module = await toKernel(
      "fn on_message(message: Message) { set_out(0u, 1u); _ = send_to(0u, 4u); }",
      64,
      "test",
    );
    expect(textOf(module.spirv)).toContain("lf_fuel");
  });

  test("refuse incomplete modules, and capabilities that devices do not have", () => {
    const plain = spirvOf(IN_MAIN("a[0] = 1u;"));
    expect(() => guarded(plain.subarray(0, plain.length - 4), "lf_fuel")).toThrow(/SHADER_INVALID/);
    expect(() => guarded(spirvOf(IN_MAIN("loop {}")), "no_such_name")).toThrow(/no_such_name/);
    expect(() => guarded(spirvOf(IN_MAIN("var l = i64(a[0]); l += 1; a[0] = u32(l);")), "lf_fuel")).toThrow(
      /capability 11/,
    );
  });
});

const ECHO = "fn on_message(message: Message) { set_reply(0u, payload(0u)); reply(4u); }";

describe.skipIf(!vulkan)("hostile bodies", () => {
  let gpu: GpuDevice;
  let bare: Bare;
  beforeAll(async () => {
    gpu = GpuDevice.open(device);
    bare = await Bare.open(gpu);
  });
  afterAll(async () => {
    await bare[Symbol.asyncDispose]();
    gpu.release();
  });

  test("an index beyond an array's end reaches the last element, in every address space", async () => {
    const wild = await bare.launch(`
      var<workgroup> w: array<u32, 4>;
      var<private> p: array<u32, 4>;
      fn on_message(message: Message) {
        let i = payload(0u);
        var l: array<u32, 4>;
        l[i] = 11u; p[i] = 12u; w[i] = 13u;
        set_reply(0u, l[3]); set_reply(1u, p[3]); set_reply(2u, w[3]);
        set_reply(3u, l[i]); set_reply(4u, l[i32(i)]); set_reply(5u, vec4<u32>(1u, 2u, 3u, 4u)[i]);
        reply(24u);
      }`);
    for (const index of [4, 1000, 0x7fffffff, 0x80000000, 0xffffffff]) {
      expect(wordsOf(await bare.call(wild, words(index)))).toEqual([11, 12, 13, 11, 11, 4]);
    }
  });

  test("no index reaches another kernel's state, payload or reply", async () => {
    const wild = await bare.launch(`fn on_message(message: Message) {
      for (var i = 0u; i < 10000u; i++) {
        set_state(i * 12345u + 16u, 0xdeadu); set_reply(i * 999u + 64u, 0xdeadu); set_out(i * 77u + 64u, 0xdeadu);
      }
      set_state(0xffffffffu, 1u); set_reply(0xffffffffu, 1u); set_out(0xffffffffu, 1u);
      set_reply(0u, state(16u) | state(0xffffffffu) | payload(1u) | payload(0xffffffffu)); reply(0xffffffffu);
    }`);
    const other = await bare.launch(`fn on_message(message: Message) {
      var all = 0u;
      for (var i = 0u; i < 16u; i++) { all |= state(i); }
      set_reply(0u, all); set_reply(1u, payload(0u)); reply(8u);
    }`);
    const answer = await bare.call(wild, words(5));
    expect(answer.payload.length).toBe(wild.spec.payloadBytes);
    expect(wordsOf(answer)[0]).toBe(0);
    expect(wordsOf(await bare.call(other, words(6)))).toEqual([0, 6]);
  });

  const endless = {
    "a loop": "loop { set_state(0u, state(0u) + 1u); }",
    "loops in loops": "for (var i = 0u; i < 2u; i = 0u) { while (true) { for (;;) { set_state(0u, 1u); } } }",
    "a function that is called again and again": "loop { spin(); }",
  };
  for (const [name, body] of Object.entries(endless)) {
    test(`${name} without an end: the kernel fails with the reason, and others go on`, async () => {
      const echo = await bare.launch(ECHO);
      const stuck = await bare.launch(`fn spin() { for (var i = 0u; i < 10u; i++) { set_state(1u, i); } }
          fn on_message(message: Message) { ${body} reply(4u); }`);
      bare.send(stuck, words(1), { correlationId: 5 });
      bare.send(stuck, words(2));
      await stuck.port.until(() => stuck.port.failures.length > 0);
      const [failure] = stuck.port.failures;
      expect(failure).toMatchObject({ code: "BACKEND_UNAVAILABLE", remedy: expect.any(String) });
      expect(failure?.message).toContain(
        `${roundsFor(gpu.info.type === "cpu" ? 65_535 : Number.POSITIVE_INFINITY).fuel} iterations`,
      );
      expect(stuck.port.messages).toEqual([]);
      expect(bare.send(stuck, words(3))).toBe(false);
      expect(await stuck.kernel.close()).toBe(1);
      expect(wordsOf(await bare.call(echo, words(8)))).toEqual([8]);
    }, 120_000);
  }

  test("a kernel with many long messages pauses between submissions", async () => {
    const SOFTWARE_ROUNDS = 65_535;
    const { pause } = roundsFor(gpu.info.type === "cpu" ? SOFTWARE_ROUNDS : Number.POSITIVE_INFINITY);
    const rounds = Math.ceil(pause / 4);
    const busy = await bare.launch(`fn on_message(message: Message) {
        var mixed = state(0u);
        for (var i = 0u; i < ${rounds}u; i++) { mixed = mixed * 1664525u + payload(0u); }
        set_state(0u, mixed); set_reply(0u, mixed); reply(4u);
      }`);
    const before = bare.backend.metrics.dispatches;
    for (let i = 0; i < 6; i++) bare.send(busy, words(i));
    let mixed = 0;
    for (let i = 0; i < 6; i++) {
      for (let round = 0; round < rounds; round++) mixed = (Math.imul(mixed, 1664525) + i) >>> 0;
      expect(wordsOf(await busy.port.receive())).toEqual([mixed]);
    }
    expect(bare.backend.metrics.dispatches).toBeGreaterThan(before + 1);
  }, 120_000);
});

validationIsSilent();
