/** The MSL of a shader: each resource has its binding, in any order of the declarations. */
import { describe, expect, test } from "bun:test";
import { toMsl } from "../../src/kernel/shader/msl.ts";
import { toKernel, toSpirv } from "../../src/kernel/shader/shader.ts";
import { expectGolden } from "./golden.ts";

/** Buffers out of order, one without a runtime array, one that no code uses, push constants, memory of the workgroup. */
const WGSL = `
struct Words { first: u32, second: u32 }
struct Counted { count: atomic<u32>, list: array<u32> }
var<workgroup> row: array<u32, 64>;
@group(0) @binding(2) var<storage, read> table: array<u32>;
var<immediate> words: Words;
@group(0) @binding(0) var<storage, read_write> result: array<u32>;
@group(0) @binding(4) var<storage, read_write> counted: Counted;
@group(0) @binding(3) var<storage, read_write> unused: array<u32>;
var<workgroup> total: atomic<u32>;
@group(0) @binding(1) var<storage, read_write> single: u32;

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) thread: u32, @builtin(workgroup_id) group: vec3<u32>) {
  row[thread] = table[thread % arrayLength(&table)];
  atomicAdd(&total, thread);
  workgroupBarrier();
  let at = group.x * 64u + thread;
  if (at < arrayLength(&result)) { result[at] = row[63u - thread] + words.first * words.second + atomicLoad(&total); }
  if (thread == 0u) { single = atomicAdd(&counted.count, 1u) + arrayLength(&counted.list); }
}
`;

const module = async (wgsl: string, buffers: number, pushWords: number) => ({
  name: "the test's",
  spirv: (await toSpirv(wgsl, "the test's")) as Uint32Array<ArrayBuffer>,
  workgroupSize: 64,
  buffers,
  pushWords,
});

describe("MSL", () => {
  test("a buffer's index is its binding; push constants come next, then the sizes", async () => {
    const { source, sized } = await toMsl(await module(WGSL, 5, 2));
    const parameters = /main_\(\n([\s\S]*?)\n\) \{/.exec(source)?.[1]?.split("\n") ?? [];
    const bindings = parameters.map((line) => /\[\[(\w+(?:\(\d+\))?)\]\]/.exec(line)?.[1]);
    expect(bindings.sort()).toEqual([
      ...["buffer(0)", "buffer(1)", "buffer(2)", "buffer(4)", "buffer(5)", "buffer(6)"],
      ...["thread_index_in_threadgroup", "threadgroup_position_in_grid"],
    ]);
    expect(source).toMatch(/constant type_\d+& global_\d+ \[\[buffer\(5\)\]\]/);
    expect(source).toContain("constant _mslBufferSizes& _buffer_sizes [[buffer(6)]]");
    // The order of naga's struct of sizes: that of the declarations, unused ones included.
    expect(sized).toEqual([2, 0, 4, 3]);
    await expectGolden("bindings.metal", source);
  });

  test("memory of the workgroup is a variable of the function", async () => {
    const { source } = await toMsl(await module(WGSL, 5, 2));
    expect(/main_\(\n[\s\S]*?\n\) \{/.exec(source)?.[0]).not.toContain("threadgroup type");
    expect(source).toMatch(/\{\n {4}threadgroup type_\d+ global;\n {4}threadgroup metal::atomic_uint global_\d+;\n/);
  });

  test("names in the source do not change the MSL", async () => {
    const renamed = WGSL.replaceAll("result", "global_7").replaceAll("table", "global").replaceAll("single", "main_");
    expect(await toMsl(await module(renamed, 5, 2))).toEqual(await toMsl(await module(WGSL, 5, 2)));
  });

  test("without push constants and runtime arrays there are only buffers", async () => {
    const wgsl = `@group(0) @binding(0) var<storage, read_write> one: u32;
      @compute @workgroup_size(1) fn main() { one = one + 1u; }`;
    const { source, sized } = await toMsl(await module(wgsl, 1, 0));
    expect(sized).toEqual([]);
    expect(source).toContain("[[buffer(0)]]");
    expect(source).not.toContain("_buffer_sizes");
  });

  test("invalid SPIR-V, and a resource that is no storage buffer, are SHADER_INVALID", async () => {
    const none = { ...(await module(WGSL, 5, 2)), spirv: Uint32Array.of(1, 2, 3) };
    await expect(toMsl(none)).rejects.toMatchObject({ code: "SHADER_INVALID" });
    const uniform = `@group(0) @binding(0) var<uniform> one: vec4<u32>;
      @group(0) @binding(1) var<storage, read_write> two: u32;
      @compute @workgroup_size(1) fn main() { two = one.x; }`;
    await expect(toMsl(await module(uniform, 2, 0))).rejects.toMatchObject({
      code: "SHADER_INVALID",
      message: expect.stringContaining("an argument"),
    });
  });
});

describe("the MSL of a kernel", () => {
  test("is the text of its golden file", async () => {
    const body = `fn on_message(message: Message) {
  set_state(0u, state(0u) + payload(0u));
  set_reply(0u, state(0u));
  if (message.thread == 0u) {
    reply(4u);
    send_to(0u, 4u);
  }
}`;
    const { source, sized } = await toMsl(await toKernel(body, 32, "the test's"));
    expect([...sized].sort()).toEqual([0, 1, 2, 3]);
    expect(source).toContain("[[max_total_threads_per_threadgroup(32)]] kernel void main_(");
    await expectGolden("kernel.metal", source);
  });

  test("has atomic operations on the memory of the state, without a further buffer", async () => {
    const body = "fn on_message(message: Message) { set_reply(0u, state_atomic_add(payload(0u), 3u)); }";
    const parameters = (source: string) =>
      /main_\(\n[\s\S]*?\n\) \{/
        .exec(source)?.[0]
        .match(/\[\[buffer\(\d\)\]\]/g)
        ?.sort();
    const plain = await toMsl(await toKernel("fn on_message(message: Message) {}", 32, "the test's"));
    const atomic = await toMsl(await toKernel(body, 32, "the test's"));
    expect(parameters(atomic.source)).toEqual(parameters(plain.source) as never);
    expect([...atomic.sized].sort()).toEqual([0, 1, 2, 3]);
    const store = /device (\w+)& (\w+) \[\[buffer\(2\)\]\]/.exec(atomic.source);
    expect(atomic.source).toMatch(new RegExp(`atomic_fetch_add_explicit\\(&${store?.[2]}\\.member\\[`));
    expect(plain.source).not.toMatch(new RegExp(`atomic_\\w+_explicit\\(&${store?.[2]}\\.member\\[`));
  });
});
