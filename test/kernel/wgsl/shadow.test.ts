/** A body's declarations with names of WGSL or the library: they apply to the body only. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { GpuDevice } from "../../../src/gpu/device.ts";
import { toKernel } from "../../../src/kernel/shader/shader.ts";
import { device, validationIsSilent, vulkan } from "../../gpu/support.ts";
import { Bare, words, wordsOf } from "../port.ts";

/** A software device compiles a body for half a second, and more on a busy machine. */
setDefaultTimeout(120_000);

const list = (text: string) => text.trim().split(/\s+/);

/** Predeclared names of compute shaders (WGSL, sections 6 and 17). */
const FUNCTIONS = list(`
  bitcast all any select arrayLength abs acos acosh asin asinh atan atanh atan2 ceil clamp cos cosh countLeadingZeros
  countOneBits countTrailingZeros cross degrees determinant distance dot dot4U8Packed dot4I8Packed exp exp2 extractBits
  faceForward firstLeadingBit firstTrailingBit floor fma fract frexp insertBits inverseSqrt ldexp length log log2 max min mix
  modf normalize pow quantizeToF16 radians reflect refract reverseBits round saturate sign sin sinh smoothstep sqrt step tan
  tanh transpose trunc textureDimensions textureLoad textureStore atomicLoad atomicStore atomicAdd atomicSub atomicMax
  atomicMin atomicAnd atomicOr atomicXor atomicExchange atomicCompareExchangeWeak pack4x8snorm pack4x8unorm pack4xI8 pack4xU8
  pack4xI8Clamp pack4xU8Clamp pack2x16snorm pack2x16unorm pack2x16float unpack4x8snorm unpack4x8unorm unpack4xI8 unpack4xU8
  unpack2x16snorm unpack2x16unorm unpack2x16float storageBarrier workgroupBarrier workgroupUniformLoad subgroupAdd`);
const TYPES = list(`
  bool i32 f32 f16 vec2 vec3 vec4 vec2i vec3i vec4i vec2u vec3u vec4u vec2f vec3f vec4f mat2x2 mat2x3 mat2x4 mat3x2 mat3x3
  mat3x4 mat4x2 mat4x3 mat4x4 mat2x2f mat3x3f mat4x4f array atomic ptr sampler texture_2d i64 f64 u64`);
/** The library's names: those for bodies, and internal ones. */
const LIBRARY = list(`
  payload payload_f32 state state_f32 set_state set_state_f32 set_reply_f32 set_out set_out_f32 send_to
  state_atomic_add state_atomic_max_i32 main message ring body
  thread turn read write read_write storage uniform private function workgroup`);

/** The reply of a body with all of these names: 64 words that its invocations compute from one word. */
const PROBE = (declarations: string, value: string) => `${declarations}
  fn on_message(m: Message) {
    var sum = 0u;
    for (var i = 0u; i <= m.thread; i++) { sum += ${value}; }
    set_reply(m.thread, sum);
    if (m.thread == 0u) { reply(4096u); }
  }`;

describe.skipIf(!vulkan)("on a device", () => {
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

  async function replies(wgsl: string, each: number): Promise<void> {
    const kernel = await bare.launch(wgsl, { workgroupSize: 64 });
    for (const value of [1, 2, 3]) {
      const answer = await bare.call(kernel, words(value));
      expect(wordsOf(answer)).toEqual(Array.from({ length: 64 }, (_, i) => (i + 1) * each));
    }
    await kernel.kernel.close();
  }

  test("a body may declare every predeclared function", async () => {
    const own = FUNCTIONS.map((name, i) => `fn ${name}(a: u32, b: u32) -> u32 { return a + ${i}u * b; }`);
    const sum = FUNCTIONS.map((name) => `${name}(1u, 2u)`).join(" + ");
    await replies(PROBE(own.join("\n"), sum), FUNCTIONS.length ** 2);
  });

  test("a body may declare every predeclared type", async () => {
    const own = TYPES.map(
      (name, i) => `struct ${name} { a: u32, b: u32 } fn of_${i}() -> u32 { return ${name}(${i}u, 1u).a; }`,
    );
    const sum = TYPES.map((_, i) => `of_${i}()`).join(" + ");
    await replies(PROBE(own.join("\n"), sum), (TYPES.length * (TYPES.length - 1)) / 2);
  });

  test("a body may declare u32", async () => {
    await replies(
      "alias u32 = i32; fn f(a: u32) -> u32 { return a - 1; }\n" +
        PROBE("", "bitcast<vec2u>(vec2<u32>(f(0), 0)).x & 7"),
      7,
    );
  });

  test("a body may declare every name of the library's functions", async () => {
    const own = LIBRARY.map((name, i) => `const ${name} = ${i}u;`);
    await replies(PROBE(own.join("\n"), LIBRARY.join(" + ")), (LIBRARY.length * (LIBRARY.length - 1)) / 2);
  });

  test("a reply stays within its limit where a body declares min", async () => {
    const thief = await bare.launch(`
      fn min(a: u32, b: u32) -> u32 { return a; }
      fn on_message(m: Message) { for (var i = 0u; i < 64u; i++) { set_reply(i, 0x41414141u); } reply(65536u); }`);
    expect((await bare.call(thief, words(1))).payload.length).toBe(256);
  });

  test("a body may declare one packed function and use the others", async () => {
    const own = "fn unpack4xU8(e: u32) -> vec4<u32> { return vec4(7u); }";
    await replies(PROBE(own, "dot4U8Packed(0x01020304u, 0x02020202u) + unpack4xU8(1u).x"), 20 + 7);
  });

  test("packed built-in functions give the specified results", async () => {
    const kernel = await bare.launch(`fn on_message(m: Message) {
      let a = payload(0u); let b = payload(1u);
      let u = vec4(a, b, a >> 8u, b >> 16u); let i = bitcast<vec4<i32>>(u);
      set_reply(0u, pack4xU8(u)); set_reply(1u, pack4xI8(i)); set_reply(2u, pack4xU8Clamp(u)); set_reply(3u, pack4xI8Clamp(i));
      for (var k = 0u; k < 4u; k++) { set_reply(4u + k, unpack4xU8(a)[k]); set_reply(8u + k, u32(unpack4xI8(a)[k])); }
      set_reply(12u, dot4U8Packed(a, b)); set_reply(13u, u32(dot4I8Packed(a, b)));
      set_reply(14u, pack4xU8(vec4(1, 2, 3, 4)));
      reply(60u); }`);
    const u8 = (word: number) => [...new Uint8Array(Uint32Array.of(word).buffer)];
    const i8 = (word: number) => [...new Int8Array(Uint32Array.of(word).buffer)];
    const packed = (bytes: number[]) => new Uint32Array(Uint8Array.from(bytes).buffer)[0] as number;
    const dot = (a: number[], b: number[]) => a.reduce((sum, value, i) => sum + value * (b[i] as number), 0) >>> 0;
    for (const [a, b] of [
      [0, 0],
      [0x807f01ff, 0xff02807f],
      [0xffffffff, 0x80808080],
      [0x12345678, 0x9abcdef0],
    ] as const) {
      const u = [a, b, a >>> 8, b >>> 16];
      const wanted = [
        packed(u.map((x) => x & 255)),
        packed(u.map((x) => x & 255)),
        packed(u.map((x) => Math.min(x, 255))),
        packed(u.map((x) => Math.max(-128, Math.min(x | 0, 127)) & 255)),
        ...u8(a),
        ...i8(a).map((x) => x >>> 0),
        dot(u8(a), u8(b)),
        dot(i8(a), i8(b)),
        0x04030201,
      ];
      expect(wordsOf(await bare.call(kernel, words(a, b)))).toEqual(wanted);
    }
  });

  validationIsSilent();
});

test("bodies that declare a name each are translated", async () => {
  for (const name of [...FUNCTIONS, ...TYPES, ...LIBRARY]) {
    await toKernel(
      `fn ${name}(a: u32) -> u32 { return a; } fn on_message(m: Message) { set_reply(0u, ${name}(7u)); }`,
      4,
      "it",
    );
  }
});

test("on_message may have no parameter, a result, and another name for Message", async () => {
  await toKernel("fn on_message() {}", 1, "it");
  await toKernel("@must_use fn on_message(m: Message) -> u32 { return m.bytes; }", 1, "it");
  await toKernel("alias M = Message; fn on_message(m: M) {}", 1, "it");
});
