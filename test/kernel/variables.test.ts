/** Variables of bodies: their memory limits, their zeroing, and one variable for each constant table. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { parseSpirv, translate, validate } from "naga-wasm";
import { GpuDevice } from "../../src/gpu/device.ts";
import { HANG_MS } from "../../src/kernel/backend/arena.ts";
import type { ComputeMemory, Step } from "../../src/kernel/backend/compute.ts";
import { openRings } from "../../src/kernel/backend/gpu.ts";
import { VulkanCompute } from "../../src/kernel/backend/vulkan.ts";
import { HybridLogicalClock } from "../../src/kernel/base/clock.ts";
import { PUSH } from "../../src/kernel/shader/layout.ts";
import { toKernel } from "../../src/kernel/shader/shader.ts";
import { withTables } from "../../src/kernel/spirv/tables.ts";
import { withLoopsOfZeros } from "../../src/kernel/spirv/zeros.ts";
import { failure } from "../channel/support.ts";
import { device, validationIsSilent, vulkan } from "../gpu/support.ts";
import { Bare, words, wordsOf } from "./port.ts";
import { Watched } from "./watched.ts";

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

const TABLE = Array.from({ length: 256 }, (_, i) => Math.imul(i, 2654435761) >>> 0);
const table = (name = "T", length = 256, first = 0) =>
  `const ${name} = array<u32, ${length}>(${Array.from({ length }, (_, i) => `${TABLE[(first + i) % 256]}u`).join(", ")});\n`;

const shader = (body: string, more = "") => `${more}
  @group(0) @binding(0) var<storage, read_write> a: array<u32>;
  @compute @workgroup_size(4, 2) fn main(@builtin(local_invocation_id) id: vec3<u32>) { ${body} }`;

describe("constant tables", () => {
  const privates = (body: string) =>
    textOf(withTables(spirvOf(shader(body, table())))).split(/var<private> \w+: array/).length - 1;
  const locals = (body: string) =>
    textOf(withTables(spirvOf(shader(body, table())))).split(/\bvar \w+: array/).length - 1;

  test("are one variable for any number of lookups", () => {
    const lookups = (count: number) =>
      Array.from({ length: count }, (_, i) => `a[${i}] = T[a[${i}] & 255u];`).join(" ");
    for (const count of [1, 2, 16]) expect([privates(lookups(count)), locals(lookups(count))]).toEqual([1, 0]);
  });

  test("a copy of a table that is written stays a variable of its own", () => {
    for (const change of ["l[id.y] = 5u;", "let p = &l[id.x]; *p = 5u;", "l = array<u32, 256>();"]) {
      expect(privates(`for (var i = 0u; i < 3u; i++) { var l = T; ${change} a[0] = l[id.x]; }`)).toBe(0);
    }
  });

  test("count once each towards the memory limit of an invocation", async () => {
    const body = (count: number, length = 256) =>
      `${table("T", length)}${table("U", length, 1)}fn on_message(message: Message) { var s = 0u;
        ${Array.from({ length: count }, (_, i) => `s ^= T[payload(${i}u) & 255u] ^ U[payload(${i}u)];`).join(" ")} set_reply(0u, s); reply(4u); }`;
    await toKernel(body(16), 1, "often");
    await toKernel(body(1, 1024), 1, "full");
    const error = await failure("SHADER_INVALID", () => toKernel(body(1, 1025), 1, "beyond"));
    expect(error.message).toContain("the variables of an invocation need 8200 bytes of 8192");
  });
});

describe("zeros", () => {
  const NULL_STORES = / = array<[^;]*>\(\);/;

  test("are written by loops for large variables, and by one store for small ones", () => {
    const text = (length: number) => {
      const body = `var l: array<u32, ${length}>; l[id.x] = 1u; w[id.y] = 2u; p[id.x] = 3u; a[0] = l[id.y] + w[id.x] + p[id.y];`;
      const globals = `var<workgroup> w: array<u32, ${length}>; var<private> p: array<u32, ${length}>;`;
      return textOf(withLoopsOfZeros(spirvOf(shader(body, globals))));
    };
    expect(text(64).split("loop {").length - 1).toBe(0);
    expect(text(65).split("loop {").length - 1).toBe(3);
    expect(text(65)).not.toMatch(NULL_STORES);
  });

  test("a phi names the last block of a predecessor that got a loop", () => {
    const body = `var s = 0u;
      for (var i = 0u; i < 3u; i++) { var l: array<u32, 100>; l[id.x] += i; s += select(0u, l[id.y], l[i] > 1u && a[i] > 2u); }
      a[0] = s;`;
    const text = textOf(withLoopsOfZeros(spirvOf(shader(body))));
    expect(text.split("loop {").length - 1).toBe(3); // naga has it zeroed where the function begins, too
  });
});

/** Records the parity of each dispatch, and the timeout of each wait for a submission. */
class Noted extends Watched {
  readonly parities: number[] = [];
  readonly limits: number[] = [];

  override submit(memories: readonly ComputeMemory[], steps: readonly Step[]): number {
    for (const step of steps) if (step.kind === "dispatch") this.parities.push(step.push[PUSH.PARITY] as number);
    return super.submit(memories, steps);
  }

  override wait(value: number, timeoutMs: number): Promise<void> {
    this.limits.push(timeoutMs);
    return super.wait(value, timeoutMs);
  }
}

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

  test("the first launch of a body runs its shader once, without a message", async () => {
    const noted = new Noted(new VulkanCompute(gpu.retain()));
    const clock = new HybridLogicalClock({ nodeId: 5 });
    await using own = Bare.over(await openRings(noted, clock), clock);
    const body = "fn on_message(m: Message) { set_state(0u, state(0u) + 1u); set_reply(0u, state(0u)); reply(4u); }";
    const first = await own.launch(body);
    expect(noted.parities).toHaveLength(1);
    expect([0, 1]).not.toContain(noted.parities[0] as number);
    expect(Math.max(...noted.limits)).toBeGreaterThan(HANG_MS);
    const second = await own.launch(body);
    expect(noted.parities).toHaveLength(1);
    for (const kernel of [first, second]) expect(wordsOf(await own.call(kernel, words(0)))).toEqual([1]);
    expect(own.backend.metrics.dispatches).toBe(2);
  });

  test("lookups give the elements of the table", async () => {
    const kernel = await bare.launch(`${table()}fn twice(i: u32) -> u32 { return T[i] ^ T[i + 1u]; }
      fn on_message(message: Message) {
        var changed = T;
        changed[payload(0u)] = 1u;
        set_reply(0u, T[payload(0u)]); set_reply(1u, twice(payload(0u))); set_reply(2u, changed[payload(0u)]); reply(12u);
      }`);
    for (const at of [0, 7, 254]) {
      const [one, two] = [TABLE[at] as number, TABLE[at + 1] as number];
      expect(wordsOf(await bare.call(kernel, words(at)))).toEqual([one, (one ^ two) >>> 0, 1]);
    }
  });

  for (const threads of [1, 16]) {
    test(`variables of all kinds are 0 at first, with ${threads} invocations`, async () => {
      const dirty = await bare.launch(
        `
        struct Part { a: u32, b: vec3<u32>, c: array<u32, 70> }
        var<workgroup> shared_words: array<atomic<u32>, 1000>;
        var<workgroup> parts: array<Part, 5>;
        var<workgroup> nested: array<array<vec3<u32>, 9>, 11>;
        var<private> own: array<u32, 300>;
        fn local(i: u32) -> u32 {
          var all = 0u;
          for (var k = 0u; k < 2u; k++) {
            var l: array<array<u32, 10>, 20>;
            for (var n = 0u; n < 200u; n++) { all |= l[n / 10u][n % 10u]; l[n / 10u][n % 10u] = i + 1u; }
          }
          return all;
        }
        fn on_message(message: Message) {
          var all = local(7u) | local(9u);
          for (var i = 0u; i < 300u; i++) { all |= own[i]; }
          for (var i = 0u; i < 1000u; i++) { all |= atomicLoad(&shared_words[i]); }
          for (var i = 0u; i < 5u; i++) {
            all |= parts[i].a | parts[i].b.x | parts[i].b.z;
            for (var k = 0u; k < 70u; k++) { all |= parts[i].c[k]; }
          }
          for (var i = 0u; i < 99u; i++) { all |= nested[i / 9u][i % 9u].x | nested[i / 9u][i % 9u].z; }
          workgroupBarrier();
          for (var i = 0u; i < 300u; i++) { own[i] = 5u; }
          for (var i = message.thread; i < 1000u; i += message.threads) { atomicStore(&shared_words[i], 3u); }
          if (message.thread == 0u) {
            for (var i = 0u; i < 5u; i++) { parts[i].b = vec3<u32>(6u); for (var k = 0u; k < 70u; k++) { parts[i].c[k] = 4u; } }
            for (var i = 0u; i < 99u; i++) { nested[i / 9u][i % 9u] = vec3<u32>(8u); }
          }
          set_reply(message.thread, all);
          reply(4u * message.threads);
        }`,
        { workgroupSize: threads },
      );
      for (let i = 0; i < 3; i++) expect(wordsOf(await bare.call(dirty, words(i)))).toEqual(new Array(threads).fill(0));
    });
  }

  test("a workgroup's variables have at least WebGPU's limit, and at most the device's", async () => {
    const body = (bytes: number) => `var<workgroup> x: array<u32, ${bytes / 4}>;
      fn on_message(message: Message) { x[${bytes / 4 - 1}] = payload(0u); set_reply(0u, x[payload(1u)]); reply(4u); }`;
    const least = await bare.launch(body(16_384));
    expect(wordsOf(await bare.call(least, words(5, 4095)))).toEqual([5]);
    const most = gpu.info.workgroupMaxBytes;
    const refused = await failure("SHADER_INVALID", () => bare.launch(body(most)));
    const [, needed, limit] = /workgroup need (\d+) bytes, and .* has (\d+)/.exec(refused.message) ?? [];
    expect(Number(needed)).toBe(most);
    const whole = await bare.launch(body(Number(limit)));
    expect(wordsOf(await bare.call(whole, words(6, Number(limit) / 4 - 1)))).toEqual([6]);
  });
});

validationIsSilent();
