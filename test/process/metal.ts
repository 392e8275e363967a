/**
 * Metal's host code over the stand-in for Apple's libraries (LAVA_FLOW_METAL), one situation after the other: what was said,
 * what was written down, what was left. Nothing here runs on a Mac, and no shader runs. Prints one JSON object.
 */
import { CString, dlopen, FFIType as T } from "bun:ffi";
import { LavaFlowError } from "../../src/errors.ts";
import type { ComputeMemory, ComputePipeline, Step } from "../../src/kernel/backend/compute.ts";
import { MetalDevice, metalUnavailable } from "../../src/kernel/backend/metal.ts";
import { toSpirv } from "../../src/kernel/shader/shader.ts";
import { STEP } from "../../src/native/layout.ts";
import { native } from "../../src/native/load.ts";
import { lastError } from "../../src/native/status.ts";

const fake = dlopen(process.env.LAVA_FLOW_METAL as string, {
  fake_fail: { args: [T.ptr, T.ptr, T.i32], returns: T.void },
  fake_hold: { args: [T.i32], returns: T.void },
  fake_end: { args: [T.i32], returns: T.i32 },
  fake_record: { args: [], returns: T.ptr },
  fake_forget: { args: [], returns: T.void },
  fake_alive: { args: [], returns: T.i32 },
  fake_wrong: { args: [], returns: T.i32 },
}).symbols;

export interface Outcome {
  /** What the situation gave. */
  value: unknown;
  error: { code: string; api: string; status: number; reason: string } | null;
  record: string[];
  /** Objects of Metal's and pools that were not there before. */
  left: number;
}
export interface Told {
  outcomes: Record<string, Outcome>;
  /** What Apple's documentation forbids and was done all the same. */
  wrong: number;
}

const shim = native();
const text = (words: string) => Buffer.from(`${words}\0`);
const outcomes: Record<string, Outcome> = {};

async function situation(name: string, run: () => unknown, fault?: string): Promise<void> {
  const before = fake.fake_alive();
  fake.fake_forget();
  fake.fake_fail(text(fault ?? ""), text(`words about ${fault}`), 0);
  const outcome: Outcome = { value: null, error: null, record: [], left: 0 };
  try {
    outcome.value = (await run()) ?? null;
  } catch (thrown) {
    if (!(thrown instanceof LavaFlowError)) throw thrown;
    const { code, native: call, reason } = thrown;
    outcome.error = { code, api: call?.api ?? "", status: call?.status ?? 0, reason };
  }
  fake.fake_fail(text(""), text(""), 0);
  outcome.record = new CString(fake.fake_record()!).toString().trim().split("\n").filter(Boolean);
  outcome.left = fake.fake_alive() - before;
  outcomes[name] = outcome;
}

const WGSL = `
  struct Words { x: u32, y: u32 }
  var<immediate> words: Words;
  var<workgroup> row: array<u32, 64>;
  @group(0) @binding(1) var<storage, read> second: array<u32>;
  @group(0) @binding(0) var<storage, read_write> first: array<u32>;
  @compute @workgroup_size(64) fn main(@builtin(local_invocation_index) i: u32) {
    row[i] = second[i % arrayLength(&second)];
    workgroupBarrier();
    first[i % arrayLength(&first)] = row[63u - i] + words.x * words.y;
  }`;
const module = {
  name: "the test's shader",
  spirv: (await toSpirv(WGSL, "the test's shader")) as Uint32Array<ArrayBuffer>,
  workgroupSize: 64,
  buffers: 2,
  pushWords: 2,
};

/** One with a third buffer where the other has its push constants. */
const larger = {
  ...module,
  spirv: (await toSpirv(
    `@group(0) @binding(0) var<storage, read_write> a: array<u32>;
    @group(0) @binding(1) var<storage, read_write> b: array<u32>;
    @group(0) @binding(2) var<storage, read_write> c: array<u32>;
    @compute @workgroup_size(1) fn main() { a[0] = b[0] + c[arrayLength(&c) - 1u]; }`,
    "the larger shader",
  )) as Uint32Array<ArrayBuffer>,
  workgroupSize: 1,
  buffers: 3,
  pushWords: 0,
};

/** A device with two memories and a pipeline, closed at the end. */
async function rig(
  run: (device: MetalDevice, memories: ComputeMemory[], pipeline: ComputePipeline) => unknown,
): Promise<unknown> {
  const device = new MetalDevice();
  const made: { close(): void }[] = [];
  const keep = <Kept extends { close(): void }>(one: Kept) => {
    made.push(one);
    return one;
  };
  try {
    const pipeline = keep(await device.pipeline(module));
    const memories = [keep(await device.allocate("upload", 4096)), keep(await device.allocate("device", 1024))];
    return await run(device, memories, pipeline);
  } finally {
    for (const one of made) one.close();
    device.close();
  }
}

const push = Uint32Array.of(7, 8);
const dispatch = (pipeline: ComputePipeline, groups = 1): Step => ({ kind: "dispatch", pipeline, groups, push });

await situation("viable", () => metalUnavailable());
await situation("no device at all", () => metalUnavailable(), "MTLCreateSystemDefaultDevice");
await situation("rig", () => rig((device) => [device.name, device.memoryMaxBytes]));
await situation("shared memory", () =>
  rig(async (device) => {
    const memory = await device.allocate("readback", 64);
    const { bytes } = memory;
    bytes!.fill(5);
    memory.close();
    memory.close();
    return [bytes!.length, memory.sizeBytes];
  }),
);
await situation("steps", () =>
  rig(async (device, memories, pipeline) => {
    const value = device.submit(memories, [
      dispatch(pipeline),
      { ...dispatch(pipeline, 3), noBarrier: true },
      { kind: "indirect", pipeline, memory: 1, offset: 16, push: Uint32Array.of(9, 10) },
      { kind: "zero", memory: 0, offset: 8, size: 24 },
      { kind: "copy", from: 1, fromOffset: 0, to: 0, toOffset: 128, size: 512 },
      dispatch(pipeline, 0),
      dispatch(pipeline, 2),
    ]);
    await device.wait(value, 1000);
    return value;
  }),
);
await situation("two pipelines", () =>
  rig(async (device, memories, pipeline) => {
    const third = await device.allocate("device", 64);
    const other = await device.pipeline(larger);
    device.submit([...memories, third], [dispatch(pipeline), dispatch(other)]);
    other.close();
    third.close();
  }),
);
await situation("copied", () =>
  rig(async (device, [shared, own]) => {
    const seen = await device.allocate("readback", 4096);
    shared!.bytes!.fill(3);
    device.submit(
      [shared!, own!, seen],
      [
        { kind: "copy", from: 0, fromOffset: 0, to: 1, toOffset: 0, size: 1024 },
        { kind: "zero", memory: 1, offset: 4, size: 4 },
        { kind: "copy", from: 1, fromOffset: 0, to: 2, toOffset: 4, size: 12 },
      ],
    );
    const got = [...seen.bytes!.subarray(0, 18)];
    seen.close();
    return got;
  }),
);
await situation("under way", () =>
  rig(async (device, memories, pipeline) => {
    fake.fake_hold(1);
    const first = device.submit(memories, [dispatch(pipeline)]);
    const second = device.submit(memories, [dispatch(pipeline)]);
    const seen = [[device.reached(first, 5), device.reached(second, 0)]];
    const waits = device.wait(second, 60_000);
    fake.fake_end(0);
    seen.push([device.reached(first, 0), device.reached(second, 0)]);
    fake.fake_end(0);
    await waits;
    fake.fake_hold(0);
    return [...seen, [device.reached(first, 0), device.reached(second, 0)]];
  }),
);
await situation("never ends", () =>
  rig(async (device, memories, pipeline) => {
    fake.fake_hold(1);
    const value = device.submit(memories, [dispatch(pipeline)]);
    try {
      await device.wait(value, 5);
    } finally {
      fake.fake_hold(0);
      fake.fake_end(0);
    }
  }),
);
await situation("full", () =>
  rig(async (device, memories, pipeline) => {
    fake.fake_hold(1);
    const values = Array.from({ length: 65 }, () => device.submit(memories, [dispatch(pipeline)]));
    const capacity = device.waitCapacity(60_000);
    fake.fake_end(0);
    await capacity;
    const after = device.submit(memories, [dispatch(pipeline)]);
    fake.fake_hold(0);
    while (fake.fake_end(0) > 0);
    return [values[63], values[64], after];
  }),
);
await situation("closed while the GPU works", async () => {
  fake.fake_hold(1);
  await rig((device, memories, pipeline) => void device.submit(memories, [dispatch(pipeline)]));
  fake.fake_hold(0);
  const kept = fake.fake_alive();
  fake.fake_end(0);
  return kept > fake.fake_alive();
});
await situation(
  "the GPU fails",
  () =>
    rig(async (device, memories, pipeline) => {
      const value = device.submit(memories, [dispatch(pipeline)]);
      const again = [];
      for (const later of [() => device.reached(value, 0), () => device.submit(memories, [dispatch(pipeline)])]) {
        try {
          again.push(later());
        } catch (error) {
          again.push((error as LavaFlowError).code);
        }
      }
      await device.wait(value, 1000).catch((error) => again.push(error.code));
      if (again.join() !== Array(3).fill("GPU_DEVICE_LOST").join()) return again;
      device.reached(value, 0);
    }),
  "commit",
);
await situation("an older submission fails", () =>
  rig(async (device, memories, pipeline) => {
    fake.fake_hold(1);
    device.submit(memories, [dispatch(pipeline)]);
    const second = device.submit(memories, [dispatch(pipeline)]);
    fake.fake_hold(0);
    fake.fake_fail(text(""), text("an old failure"), 0);
    fake.fake_end(1);
    fake.fake_end(0);
    device.reached(second, 0);
  }),
);
for (const [fault, run] of [
  ["MTLCreateSystemDefaultDevice", () => rig(() => {})],
  ["newCommandQueueWithMaxCommandBufferCount:", () => rig(() => {})],
  ["newSharedEvent", () => rig(() => {})],
  ["newBufferWithLength:options:", () => rig(() => {})],
  ["contents", () => rig(() => {})],
  ["MTLCompileOptions", () => rig(() => {})],
  ["NSString", () => rig(() => {})],
  ["alloc", () => rig(() => {})],
  ["initWithBytes:length:encoding:", () => rig(() => {})],
  ["newLibraryWithSource:options:error:", () => rig(() => {})],
  ["newFunctionWithName:", () => rig(() => {})],
  ["newComputePipelineStateWithFunction:error:", () => rig(() => {})],
  ["commandBuffer", () => rig((device, memories, pipeline) => device.submit(memories, [dispatch(pipeline)]))],
  [
    "computeCommandEncoderWithDispatchType:",
    () => rig((device, memories, pipeline) => device.submit(memories, [dispatch(pipeline)])),
  ],
  [
    "blitCommandEncoder",
    () =>
      rig((device, memories, pipeline) =>
        device.submit(memories, [dispatch(pipeline), { kind: "zero", memory: 0, offset: 0, size: 4 }]),
      ),
  ],
] as const) {
  await situation(`fault ${fault}`, run, fault);
}

const step = (fields: Partial<Record<keyof typeof STEP, number>>) => {
  const bytes = new DataView(new ArrayBuffer(STEP.sizeof));
  for (const [name, value] of Object.entries(fields)) bytes.setUint32(STEP[name as keyof typeof STEP], value, true);
  return new Uint8Array(bytes.buffer);
};
const value = new Float64Array(new ArrayBuffer(8));
const address = new BigUint64Array(new ArrayBuffer(8));
const must = (result: number) => {
  if (result < 0) throw lastError(shim);
  return result;
};
await situation("bad arguments", async () => {
  const device = must(shim.lf_metal_open());
  const memory = must(shim.lf_metal_memory_create(device, 1024, 1, address));
  const msl = new TextEncoder().encode("kernel void main_(");
  const none = new Uint8Array(new ArrayBuffer(1));
  const pipeline = must(shim.lf_metal_pipeline_create(device, msl, msl.length, 64, 1, 0, none, 1));
  const memories = Int32Array.of(memory, memory, 0);
  const submit = (count: number, one: Uint8Array | null, steps = 1) =>
    shim.lf_metal_steps(device, memories, count, one, steps, value);
  const right = step({ kind: 0, pipeline, groups: 1 });
  const results: Record<string, number> = {
    right: submit(1, right),
    "no memory": submit(0, right),
    "a closed memory": submit(3, right),
    "too many memories": submit(17, right),
    "no steps": submit(1, right, 0),
    nothing: submit(1, null),
    "no place for the value": shim.lf_metal_steps(device, memories, 1, right, 1, null),
    "an unknown kind": submit(1, step({ kind: 4, pipeline })),
    "no pipeline": submit(1, step({ kind: 0, groups: 1 })),
    "groups at the edge": submit(1, step({ kind: 1, pipeline, offset: 1012 })),
    "groups beyond": submit(1, step({ kind: 1, pipeline, offset: 1016 })),
    "groups nowhere": submit(1, step({ kind: 1, pipeline, memory: 1 })),
    "zero beyond": submit(1, step({ kind: 2, offset: 4, bytes: 1024 })),
    "half a word": submit(1, step({ kind: 2, offset: 0, bytes: 6 })),
    "from half a word": submit(1, step({ kind: 2, offset: 2, bytes: 4 })),
    "zero far beyond": submit(1, step({ kind: 2, offset: 0xfffffffc, bytes: 0xfffffffc })),
    "zero nothing": submit(1, step({ kind: 2 })),
    "a copy beyond": submit(2, step({ kind: 3, to: 1, to_offset: 1020, bytes: 8 })),
    "a copy onto itself": submit(1, step({ kind: 3, to_offset: 12, bytes: 16 })),
    "a copy within one": submit(1, step({ kind: 3, to_offset: 16, bytes: 16 })),
    "no size": shim.lf_metal_memory_create(device, 0, 1, address),
    "half a byte": shim.lf_metal_memory_create(device, 1.5, 1, address),
    "not a number": shim.lf_metal_memory_create(device, Number.NaN, 1, address),
    "no place for the address": shim.lf_metal_memory_create(device, 4, 1, null),
    "no device": shim.lf_metal_memory_create(memory, 4, 1, address),
    "no MSL": shim.lf_metal_pipeline_create(device, null, 4, 1, 1, 0, none, 0),
    "no threads": shim.lf_metal_pipeline_create(device, msl, msl.length, 0, 1, 0, none, 0),
    "many buffers": shim.lf_metal_pipeline_create(device, msl, msl.length, 1, 17, 0, none, 0),
    "many words": shim.lf_metal_pipeline_create(device, msl, msl.length, 1, 1, 8, none, 0),
    "sizes of no buffer": shim.lf_metal_pipeline_create(device, msl, msl.length, 1, 1, 0, Uint8Array.of(1), 1),
    "a value of the future": shim.lf_metal_reached(device, 99, 0),
    "a long spin": shim.lf_metal_reached(device, 1, 1e9),
    "no place": shim.lf_metal_describe(device, null),
    "another kind of handle": shim.lf_metal_close(memory),
  };
  for (const close of [
    shim.lf_metal_pipeline_close(pipeline),
    shim.lf_metal_memory_close(memory),
    shim.lf_metal_close(device),
  ])
    must(close);
  results["closed twice"] = shim.lf_metal_close(device);
  return results;
});
await situation("too much memory", () => {
  const device = must(shim.lf_metal_open());
  try {
    must(shim.lf_metal_memory_create(device, 2 ** 32 + 4, 0, address));
  } finally {
    must(shim.lf_metal_close(device));
  }
});
await situation("too many threads", () =>
  rig(async (device) => (await device.pipeline({ ...module, workgroupSize: 1025 })).close()),
);
await situation("a workgroup's memory", () =>
  rig(async (device) => {
    const whole = async (bytes: number) => {
      const source = `var<workgroup> all: array<u32, ${bytes / 4}>;
        @group(0) @binding(0) var<storage, read_write> a: array<u32>;
        @compute @workgroup_size(1) fn main() { all[a[0]] = 1u; workgroupBarrier(); a[1] = all[a[2]]; }`;
      const spirv = (await toSpirv(source, "the test's shader")) as Uint32Array<ArrayBuffer>;
      (await device.pipeline({ name: "whole", spirv, workgroupSize: 1, buffers: 1, pushWords: 0 })).close();
    };
    await whole(40_960);
    await whole(40_964);
  }),
);
await situation("another device's", () =>
  rig((first, memories, pipeline) =>
    rig((second, others, own) => {
      const codes = [];
      for (const [of, with_] of [
        [memories, own],
        [others, pipeline],
      ] as const) {
        try {
          second.submit(of, [dispatch(with_)]);
        } catch (error) {
          codes.push((error as LavaFlowError).code);
        }
      }
      return first === second ? null : codes;
    }),
  ),
);

const result: Told = { outcomes, wrong: fake.fake_wrong() };
console.log(JSON.stringify(result));
