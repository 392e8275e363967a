/** Extensions of WGSL in bodies, f16 and subgroups: their results, and the refusals on devices without them. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { GpuDevice, type SubgroupOperation } from "../../src/gpu/device.ts";
import { HaloExchange, KernelRuntime } from "../../src/kernel/index.ts";
import { toMsl } from "../../src/kernel/shader/msl.ts";
import { toKernel } from "../../src/kernel/shader/shader.ts";
import { PLAIN, type Target } from "../../src/kernel/wgsl/extensions.ts";
import { failure, random } from "../channel/support.ts";
import { device, gpu as info, validationIsSilent, vulkan } from "../gpu/support.ts";
import { requires } from "../requires.ts";
import { Bare, words, wordsOf } from "./port.ts";

/** A software device compiles a body for half a second, and more on a busy machine. */
setDefaultTimeout(60_000);

/** metal-rings.test.ts runs this file on the other one. */
const isMetal = process.env.LAVA_FLOW_METAL !== undefined;
const has = isMetal
  ? { f16: true, subgroups: [] }
  : { f16: info?.shaderF16, subgroups: info?.subgroupOperations ?? [] };
const f16 = requires("gpu-f16", vulkan && has.f16, "the GPU has no 16-bit floats in shaders");
const subgroups = requires("gpu-subgroups", vulkan && has.subgroups.length > 0, "the GPU has no subgroups in shaders");

let gpu: GpuDevice;
let bare: Bare;
beforeAll(async () => {
  if (!vulkan) return;
  gpu = GpuDevice.open(device);
  bare = await Bare.open(gpu);
});
afterAll(async () => {
  await bare?.[Symbol.asyncDispose]();
  gpu?.release();
});

const bitsOf = (value: number) => new Uint32Array(Float32Array.of(value).buffer)[0] as number;

describe.skipIf(!f16)("f16", () => {
  test("sums and products have the precision of f16", async () => {
    const kernel = await bare.launch(`enable f16;
      fn on_message(m: Message) {
        let a = f16(payload_f32(0u));
        let b = vec2h(vec2f(payload_f32(1u), 3.0));
        set_reply_f32(0u, f32(a + b.x));
        set_reply_f32(1u, f32(a * b.x));
        set_reply_f32(2u, f32((b * 0.5h).y));
        reply(12u);
      }`);
    const next = random(16);
    for (let i = 0; i < 50; i++) {
      const [a, b] = [next() * 200 - 100, next() * 200 - 100].map(Math.f16round) as [number, number];
      const reply = wordsOf(await bare.call(kernel, words(bitsOf(a), bitsOf(b))));
      expect(reply).toEqual([Math.f16round(a + b), Math.f16round(a * b), 1.5].map(bitsOf));
    }
  });

  test("in variables of all address spaces: indices are clamped, and an element counts two bytes", async () => {
    const kernel = await bare.launch(
      `enable f16;
      struct Pair { a: f16, b: vec3h }
      var<private> p: array<Pair, 300>;
      var<workgroup> w: array<f16, 1000>;
      fn on_message(m: Message) {
        let i = payload(0u);
        var l: array<f16, 4096>;
        l[i] = 1.5h; p[i].b.y = 2.5h; w[i] = 3.5h;
        set_reply_f32(0u, f32(l[4095u])); set_reply_f32(1u, f32(p[299u].b.y)); set_reply_f32(2u, f32(w[999u]));
        set_reply_f32(3u, f32(l[i + 1u] + l[7u] + p[8u].a + w[9u]));
        reply(16u);
      }`,
    );
    expect(wordsOf(await bare.call(kernel, words(0x7fffffff)))).toEqual([1.5, 2.5, 3.5, 1.5].map(bitsOf));
    const large = "enable f16;\nfn on_message(m: Message) { var l: array<f16, 4097>; l[payload(0u)] = 1h; }";
    expect((await failure("SHADER_INVALID", () => bare.launch(large))).message).toContain("need 8194 bytes of 8192");
  });

  test("in a stencil", async () => {
    await using runtime = await KernelRuntime.create({ backend: "vulkan", device });
    await using plate = await HaloExchange.create(runtime, { grid: [1, 1], tile: [4, 4], halo: 1, periodic: true });
    const wgsl = "enable f16;\nfn cell() -> f32 { return f32(f16(at(0, 0)) * 3.0h); }";
    const stencil = await plate.stencil({ wgsl });
    const [, tile] = [...plate.tiles][0]!;
    await tile.write(new Float32Array(36).fill(0.1));
    await stencil.step(1);
    const cells = new Float32Array(36);
    await [...plate.tiles][0]![1].read(cells);
    expect(cells[7]).toBe(Math.f16round(Math.f16round(0.1) * 3));
    const none = "enable subgroups;\nfn cell() -> f32 { return subgroupAdd(at(0, 0)); }";
    const { message } = await failure("SHADER_INVALID", () => plate.stencil({ wgsl: none }));
    expect(message).toContain("the extension subgroups, which can't be enabled here, in line 1");
  });
});

/**
 * An operation on each thread's value `v`, with `id` and `size` of its subgroup; and the expected result by the ids.
 */
type Operation = [wgsl: string, model: (all: readonly number[], id: number) => number | undefined];
const sum = (all: readonly number[]) => all.reduce((a, b) => (a + b) >>> 0, 0);
const product = (all: readonly number[]) => all.reduce((a, b) => Math.imul(a, b) >>> 0, 1);
const OPERATIONS: Partial<Record<SubgroupOperation, readonly Operation[]>> = {
  vote: [
    ["u32(subgroupAll((v & 1u) == 0u))", (all) => Number(all.every((v) => v % 2 === 0))],
    ["u32(subgroupAny((v & 1u) == 1u))", (all) => Number(all.some((v) => v % 2 === 1))],
  ],
  arithmetic: [
    ["subgroupAdd(v)", sum],
    ["subgroupMul(v)", product],
    ["subgroupMin(v)", (all) => Math.min(...all)],
    ["subgroupMax(v)", (all) => Math.max(...all)],
    ["bitcast<u32>(subgroupMin(bitcast<i32>(v)))", (all) => Math.min(...all.map((v) => v | 0)) >>> 0],
    ["subgroupAnd(v)", (all) => all.reduce((a, b) => (a & b) >>> 0)],
    ["subgroupOr(v)", (all) => all.reduce((a, b) => (a | b) >>> 0)],
    ["subgroupXor(v)", (all) => all.reduce((a, b) => (a ^ b) >>> 0)],
    ["subgroupExclusiveAdd(v)", (all, id) => sum(all.slice(0, id))],
    ["subgroupInclusiveAdd(v)", (all, id) => sum(all.slice(0, id + 1))],
    ["subgroupExclusiveMul(v)", (all, id) => product(all.slice(0, id))],
    ["subgroupInclusiveMul(v)", (all, id) => product(all.slice(0, id + 1))],
    ["u32(subgroupElect())", (_, id) => Number(id === 0)],
  ],
  ballot: [
    ["subgroupBallot((v & 1u) == 1u).x", (all) => all.reduce((bits, v, id) => (bits | ((v & 1) << id)) >>> 0, 0)],
    ["subgroupBroadcastFirst(v)", (all) => all[0]],
  ],
  shuffle: [
    ["subgroupBroadcast(v, 2u)", (all) => all[2]],
    ["subgroupShuffle(v, subgroup_invocation_id() ^ 3u)", (all, id) => all[id ^ 3]],
    ["subgroupShuffleXor(v, 1u)", (all, id) => all[id ^ 1]],
  ],
  "shuffle-relative": [
    ["subgroupShuffleUp(v, 1u)", (all, id) => all[id - 1]],
    ["subgroupShuffleDown(v, 1u)", (all, id) => all[id + 1]],
  ],
  quad: [
    ["quadBroadcast(v, 1u)", (all, id) => all[(id & ~3) + 1]],
    ["quadSwapX(v)", (all, id) => all[id ^ 1]],
    ["quadSwapY(v)", (all, id) => all[id ^ 2]],
    ["quadSwapDiagonal(v)", (all, id) => all[id ^ 3]],
  ],
};
/** No multiple of common subgroup sizes, 32 for example. */
const THREADS = 40;

describe.skipIf(!subgroups)("subgroups", () => {
  for (const [group, operations] of Object.entries(OPERATIONS) as [SubgroupOperation, readonly Operation[]][]) {
    test.skipIf(!has.subgroups.includes(group as never))(
      `${group}: each operation is that of its subgroup`,
      async () => {
        const width = operations.length + 3;
        const kernel = await bare.launch(
          `enable subgroups;
        var<workgroup> firsts: array<u32, ${THREADS}>;
        fn on_message(m: Message) {
          let v = payload(m.thread);
          let at = m.thread * ${width}u;
          set_reply(at, subgroup_size());
          set_reply(at + 1u, subgroup_invocation_id());
          set_reply(at + 2u, m.thread - subgroup_invocation_id());
          ${operations.map(([wgsl], i) => `set_reply(at + ${i + 3}u, ${wgsl});`).join("\n")}
          if (m.thread == 0u) { reply(${THREADS * width * 4}u); }
        }`,
          { workgroupSize: THREADS, payloadBytes: THREADS * width * 4 },
        );
        const next = random(THREADS);
        for (let round = 0; round < 3; round++) {
          // Few values of the first round are odd, so that votes differ.
          const values = Array.from({ length: THREADS }, () => (next() * 2 ** 32) >>> 0).map((v) =>
            round === 0 && next() < 0.9 ? (v & ~1) >>> 0 : v,
          );
          const reply = wordsOf(await bare.call(kernel, words(...values)));
          const rows = values.map((_, thread) => reply.slice(thread * width, (thread + 1) * width));
          const size = rows[0]![0]!;
          expect([4, 8, 16, 32, 64, 128]).toContain(size);
          for (const [thread, [its, id, first, ...results]] of rows.entries()) {
            expect([its, id! < size]).toEqual([size, true]);
            const all = values.slice(first, Math.min(first! + size, THREADS));
            for (const [i, [wgsl, model]] of operations.entries()) {
              const wanted = model(all, id!);
              if (wanted !== undefined) expect([thread, wgsl, results[i]]).toEqual([thread, wgsl, wanted]);
            }
          }
        }
      },
    );
  }

  test.skipIf(!(has.f16 && info?.subgroupF16))("with f16", async () => {
    const kernel = await bare.launch(
      `enable f16, subgroups;
      fn on_message(m: Message) {
        let all = subgroupAdd(vec2h(0.5h, f16(m.thread)));
        if (m.thread == 0u) { set_reply_f32(0u, f32(all.x)); set_reply_f32(1u, f32(all.y)); reply(8u); }
      }`,
      { workgroupSize: 4 },
    );
    expect(wordsOf(await bare.call(kernel, words(0)))).toEqual([2, 6].map(bitsOf));
  });

  test("their names may be the body's own", async () => {
    const kernel = await bare.launch(`enable subgroups;
      fn subgroupElect() -> u32 { return 3u; }
      const subgroup_size = 4u;
      fn on_message(m: Message) {
        set_reply(0u, subgroupElect() + subgroup_size + subgroupAdd(0u) + 10u * subgroup_invocation_id());
        reply(4u);
      }`);
    expect(wordsOf(await bare.call(kernel, words(0)))).toEqual([7]);
  });
});

describe("an extension that a device does not have", () => {
  const old: Target = { ...PLAIN, name: "GPU 7 (Old)" };
  const some: Target = { name: "GPU 8 (Some)", f16: true, subgroups: ["basic", "vote"], subgroupF16: false };
  const body = (statement: string) => `fn on_message(m: Message) {\n ${statement} }`;
  const cases: [Target, string, string][] = [
    [old, `\nenable f16;\n${body("")}`, "the extension f16, which GPU 7 (Old) does not have, in line 2"],
    [old, `enable subgroups;\n${body("")}`, "the extension subgroups, which GPU 7 (Old) does not have, in line 1"],
    [some, `enable f16,\nsubgroups, clip_distances;\n${body("")}`, "the extension clip_distances, which can't be"],
    [old, body("set_reply(0u, subgroupAdd(1u));"), "it has subgroup operations: subgroupAdd in line 2"],
    ...Object.entries({
      "arithmetic, that GPU 8 (Some) does not have: subgroupMul": "set_reply(0u, subgroupMul(1u));",
      "arithmetic, that GPU 8 (Some) does not have: subgroupInclusiveAdd": "set_reply(0u, subgroupInclusiveAdd(1u));",
      "arithmetic, that GPU 8 (Some) does not have: subgroupElect": "if (subgroupElect()) { reply(0u); }",
      "ballot, that GPU 8 (Some) does not have: subgroupBallot": "set_reply(0u, subgroupBallot(true).x);",
      "shuffle, that GPU 8 (Some) does not have: subgroupShuffleXor": "set_reply(0u, subgroupShuffleXor(1u, 1u));",
      "shuffle-relative, that GPU 8 (Some) does not have: subgroupShuffleUp":
        "set_reply(0u, subgroupShuffleUp(1u, 1u));",
      "quad, that GPU 8 (Some) does not have: quadSwapX": "set_reply(0u, quadSwapX(1u));",
    }).map(([words, statement]): [Target, string, string] => [some, `enable subgroups;\n${body(statement)}`, words]),
    [
      { ...some, subgroups: ["basic", "arithmetic"] },
      `enable subgroups, f16;\n${body("set_reply(0u, u32(subgroupAdd(1h)));")}`,
      "subgroup operations with f16, which GPU 8 (Some) does not have: subgroupAdd in line 3",
    ],
    [some, body("let a = f16(1);"), "f16"],
  ];
  for (const [target, wgsl, text] of cases) {
    test(text, async () => {
      const { message } = await failure("SHADER_INVALID", () => toKernel(wgsl, 4, "mine", undefined, target));
      expect(message).toContain(text);
      expect(message).toMatch(/line \d|wgsl:\d/);
      expect(message).not.toContain("lf_");
    });
  }

  test("is accepted in a body that only enables it, in every form of the directive", async () => {
    const all: Target = { ...some, subgroups: ["basic", "vote", "arithmetic"] };
    for (const directives of [
      "enable f16;",
      "enable subgroups;",
      "enable f16; enable subgroups;",
      "enable f16, subgroups,;",
      "enable /* one */ subgroups // two\n , f16\n;\nrequires pointer_composite_access;",
    ]) {
      await toKernel(`${directives}\n${body("")}`, 4, "mine", undefined, all);
      const wrong = `${directives} ${body("nope();")}`;
      const { message } = await failure("SHADER_INVALID", () => toKernel(wrong, 4, "mine", undefined, all));
      expect(message).toContain(`wgsl:${wrong.split("\n").length}:2`);
    }
  });
});

test("MSL has half for f16", async () => {
  const wgsl = "enable f16; fn on_message(m: Message) { set_reply_f32(0u, f32(f16(payload_f32(0u)) * 2h)); }";
  const { source } = await toMsl(await toKernel(wgsl, 1, "mine", undefined, { ...PLAIN, f16: true }));
  expect(source).toMatch(/\bhalf\b/);
});

validationIsSilent();
