/** Hostile bodies that try to reach another kernel's state, and the library's buffers and functions. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { LavaFlowError } from "../../../src/errors.ts";
import { GpuDevice } from "../../../src/gpu/device.ts";
import { toKernel } from "../../../src/kernel/shader/shader.ts";
import { device, validationIsSilent, vulkan } from "../../gpu/support.ts";
import { Bare, type Launched, words, wordsOf } from "../port.ts";

/** A software device compiles a body for half a second, and more on a busy machine. */
setDefaultTimeout(120_000);

/** Declares the memory of all states, and overwrites it. */
const SCAN = (memory: string) =>
  `fn scan() { for (var i = 0u; i < arrayLength(&${memory}); i++) { ${memory}[i] = 0xdeadu; } }`;
const CALL = "fn on_message(m: Message) { scan(); reply(4u); }";
const BREAKS = ["\n", "\v", "\f", "\r", "\r\n", "\u0085", "\u2028", "\u2029"];
const STORE = "var<storage, read_write> words: array<u32>;";

/** Refused bodies, with the line of the refusal. */
const REFUSED: [string, string, number][] = [
  ["the library's buffer", `${CALL}\n${SCAN("lf_store")}`, 2],
  ["behind a comment of a block with // in it", `${CALL}\n/* // */ ${SCAN("lf_store")}`, 2],
  ["behind comments in comments", `${CALL}\n/* /* // */ // */ ${SCAN("lf_store")}`, 2],
  ["behind a block that a comment of a line seems to open", `${CALL}\n// /*\n${SCAN("lf_store")} // */`, 3],
  ...BREAKS.map((end): [string, string, number] => [
    `behind a comment that ends with ${JSON.stringify(end)}`,
    `${CALL} // ${end}${SCAN("lf_store")}`,
    2,
  ]),
  ["in a comment's gap", `${CALL}\n fn f() { let x = lf_/**/store; }`, 2],
  ["through a pointer", `${CALL}\nfn scan() { let p = &lf_store; (*p)[0] = 1u; }`, 2],
  ["by a type of the library's", `${CALL}\nfn scan() { var k: LfKernel; }`, 2],
  ["by a constant of the library's", `${CALL}\nfn scan() { let k = LF_FUEL; }`, 2],
  ["the fuel", "fn on_message(m: Message) {\n loop { lf_fuel = vec2(1u, 1u); } }", 2],
  [
    "a local with the name of the fuel",
    "fn on_message(m: Message) {\n var lf_fuel = vec2(1u, 1u); loop { lf_fuel.x = 1u; } }",
    2,
  ],
  ["a function of the library's", "fn on_message(m: Message) {\n lf_put(2u, 0u, 1u); }", 2],
  [
    "a function of the library's, declared",
    "fn lf_get(a: u32, b: u32) -> u32 { return 1u; }\nfn on_message(m: Message) {}",
    1,
  ],
  ["the prefix of names", "fn on_message(m: Message) {}\nfn lf_u_on_message() {}", 2],
  ["a buffer with the binding of the library's", `\n@group(0) @binding(2) ${STORE}\n${SCAN("words")} ${CALL}`, 2],
  [
    "the same with comments and breaks",
    `\n@/* // */group/*\r*/(0)\u2028@\tbinding(2) ${STORE} ${SCAN("words")} ${CALL}`,
    2,
  ],
  ["the same without a binding", `\n\n${STORE} ${SCAN("words")} ${CALL}`, 3],
  [
    "the same behind an alias",
    `alias A = array<u32>;\nvar < storage , read_write > words : A; ${SCAN("words")} ${CALL}`,
    2,
  ],
  ["the same read only", `@group(0) @binding(0)\nvar<storage> words: array<u32>; ${CALL}`, 1],
  ["the immediate data", `\nvar<immediate> p: vec4<u32>; ${CALL}`, 2],
  ["an entry point", `\n@compute @workgroup_size(1) fn mine() {} ${CALL}`, 2],
  ["an entry point called main", `${CALL}\n@workgroup_size(1) @compute fn main() {}`, 2],
  ["a call of the entry point", "fn on_message(m: Message) {\n main(); }", 2],
  ["the end of the function that calls it", "fn on_message(m: Message) {}\n}\nfn f() {", 2],
  ["the beginning of a comment that takes the library's part away", "fn on_message(m: Message) {}\n/*", 2],
  ["the beginning of a bracket", "fn on_message(m: Message) {}\nfn f() { (", 2],
  ["the beginning of a declaration", "fn on_message(m: Message) {}\nconst a = 1", 2],
  ["the beginning of a template", "fn on_message(m: Message) {}\nconst a = array<u32", 2],
  ["an attribute for what follows", "fn on_message(m: Message) {}\n@must_use", 2],
  [
    "a pointer into a buffer as a parameter",
    `${CALL} fn scan() {}\nfn f(p: ptr<storage, array<u32>, read_write>) { (*p)[0] = 1u; }`,
    2,
  ],
  ["a name in other letters", `${CALL}\n${SCAN("lf\u200c_store")}`, 2],
  ["a null character", `${CALL} fn scan() {}\n\0${SCAN("lf_store")}`, 2],
];

/** Accepted bodies, which change no other kernel's memory. */
const HARMLESS: [string, string][] = [
  [
    "names of the library's functions",
    `fn set_state(i: u32, v: u32) { }  fn state(i: u32) -> u32 { return 7u; }
    fn on_message(m: Message) { set_state(0u, 1u); set_reply(0u, state(0u)); reply(4u); }`,
  ],
  [
    "a clamp without effect",
    `fn min(a: u32, b: u32) -> u32 { return a; } fn select(a: u32, b: u32, c: bool) -> u32 { return b; }
    fn arrayLength(a: ptr<function, u32>) -> u32 { return 0xffffffffu; }
    fn on_message(m: Message) { for (var i = 0u; i < 5000u; i++) { set_reply(i, 0xdeadu); set_state(i + 16u, 0xdeadu); set_out(i, 0xdeadu); }
      set_reply(0u, 7u); reply(0xffffffffu); }`,
  ],
  [
    "barriers without effect",
    `fn workgroupBarrier() {} fn storageBarrier() {} fn workgroupUniformLoad(a: u32) -> u32 { return 0u; }
    fn on_message(m: Message) { workgroupBarrier(); storageBarrier(); set_reply(0u, 7u + workgroupUniformLoad(1u)); reply(4u); }`,
  ],
  [
    "redeclared types",
    `alias u32 = i32; struct vec4 { a: f32 } struct array { b: f32 } struct atomic { c: f32 }
    fn on_message(m: Message) { set_reply(bitcast<vec2u>(vec2<u32>(0, 0)).x, bitcast<vec2u>(vec2<u32>(7, 0)).x); reply(vec2u(4, 0).x); }`,
  ],
  [
    "an index beyond all memory",
    `var<private> own: array<u32, 4>; var<workgroup> all: array<u32, 4>;
    fn at(p: ptr<private, array<u32, 4>>, i: u32) { (*p)[i] = 0xdeadu; }
    fn on_message(m: Message) { for (var i = 0u; i < 9000u; i++) { own[i * 77u] = 0xdeadu; all[0u - i] = 0xdeadu; at(&own, i * 1001u); }
      set_reply(0u, 7u); reply(4u); }`,
  ],
];

async function refusal(made: Promise<unknown>): Promise<LavaFlowError> {
  const error = await made.catch((caught: unknown) => caught);
  if (!(error instanceof LavaFlowError)) throw new Error(`it was not refused: ${error}`);
  expect(error.code).toBe("SHADER_INVALID");
  return error;
}

describe("refused with the line:", () => {
  for (const [name, wgsl, line] of REFUSED) {
    test(name, async () => {
      const { message } = await refusal(toKernel(wgsl, 1, "the thief"));
      expect(Number(/\bline (\d+)|wgsl:(\d+):/.exec(message)?.slice(1).find(Boolean))).toBe(line);
    });
  }
});

describe.skipIf(!vulkan)("on a device", () => {
  let gpu: GpuDevice;
  let bare: Bare;
  let victim: Launched;
  beforeAll(async () => {
    gpu = GpuDevice.open(device);
    bare = await Bare.open(gpu);
    victim = await bare.launch(`fn on_message(m: Message) {
      if (m.bytes == 64u) { for (var i = 0u; i < 16u; i++) { set_state(i, payload(i)); } }
      for (var i = 0u; i < 16u; i++) { set_reply(i, state(i)); }
      reply(64u);
    }`);
  });
  afterAll(async () => {
    await bare[Symbol.asyncDispose]();
    gpu.release();
  });

  for (const [name, wgsl] of HARMLESS) {
    test(`changes no other kernel: ${name}`, async () => {
      const kept = Array.from({ length: 16 }, (_, i) => 0xc0ffee00 + i);
      await bare.call(victim, words(...kept));
      const thief = await bare.launch(wgsl);
      const answer = await bare.call(thief, words(1));
      expect(wordsOf(answer)[0]).toBe(7);
      expect(answer.payload.length).toBeLessThanOrEqual(thief.spec.payloadBytes);
      expect(wordsOf(await bare.call(victim, words(1)))).toEqual(kept);
      await thief.kernel.close();
    });
  }

  validationIsSilent();
});
