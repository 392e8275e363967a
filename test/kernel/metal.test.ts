/**
 * The host code of Metal against a stand-in for Apple's libraries that writes down every message. NOTHING HERE HAS RUN
 * ON A MAC: these tests say that Metal is asked for the right things in the right order, that what it refuses becomes
 * the right error, and that every object is released. They do not show the effect on Apple's GPUs.
 */
import { describe, expect, test } from "bun:test";
import { MetalDevice, metalUnavailable } from "../../src/kernel/backend/metal.ts";
import { failureOf } from "../memory/support.ts";
import type { Outcome, Told } from "../process/metal.ts";
import { requires } from "../requires.ts";
import { library, linux, runBun, there } from "./metal-support.ts";

const reasonWith = (value: string) =>
  runBun(["-e", 'console.log((await import("./src/kernel/backend/metal.ts")).metalUnavailable())'], {
    LAVA_FLOW_METAL: value,
  }).then(({ out }) => out.trim());

describe.skipIf(!requires("no-metal", process.platform !== "darwin", "this system has Metal"))(
  "where there is no Metal",
  () => {
    test("metalUnavailable gives the reason, and opening rejects with it", () => {
      expect(metalUnavailable()).toContain("Metal is a part of macOS");
      expect(failureOf(() => new MetalDevice())).toMatchObject({
        code: "BACKEND_UNAVAILABLE",
        message: expect.stringContaining("Metal is a part of macOS"),
      });
    });

    test("a library that is switched off, missing or of another kind is the reason", async () => {
      expect(await reasonWith("off")).toBe('LAVA_FLOW_METAL is "off"');
      expect(await reasonWith("/nowhere/metal.so")).toContain("/nowhere/metal.so");
      if (linux) expect(await reasonWith("libm.so.6")).toBe("the library for Metal has no objc_getClass");
    });
  },
);

describe.skipIf(!there)("Metal's host code, over the stand-in", () => {
  let told: Promise<Told> | undefined;
  const all = () =>
    (told ??= runBun(["test/process/metal.ts"], { LAVA_FLOW_METAL: library }).then(
      ({ out }) => JSON.parse(out) as Told,
    ));
  const outcome = async (name: string): Promise<Outcome> => {
    const found = (await all()).outcomes[name];
    if (!found) throw new Error(`there is no situation ${name}`);
    return found;
  };
  /** The recorded messages between two positions, without the objects' numbers. */
  const between = (record: string[], from: string, to: string) => {
    const plain = record.map((line) => line.replace(/\b([A-Za-z]+)\d+(?= |$)/g, "$1"));
    return plain.slice(
      plain.findIndex((line) => line.includes(from)),
      plain.findIndex((line) => line.includes(to)) + 1,
    );
  };

  test("no call that Apple's documentation forbids was made, and every object was released, after each failure", async () => {
    const { outcomes, wrong } = await all();
    const notes = Object.values(outcomes).flatMap(({ record }) => record.filter((line) => line.startsWith("WRONG")));
    expect({ wrong, notes }).toEqual({ wrong: 0, notes: [] });
    const left = Object.entries(outcomes).filter(([, each]) => each.left !== 0);
    expect(left.map(([name]) => name)).toEqual([]);
    expect(Object.keys(outcomes).length).toBeGreaterThan(25);
  });

  test("Metal is viable with a device; a missing device is the reason", async () => {
    expect((await outcome("viable")).value).toBeNull();
    expect((await outcome("no device at all")).value).toBe("Metal has no device here");
  });

  test("each object of a device, a pipeline and a memory is made once and released once", async () => {
    const { value, record } = await outcome("rig");
    expect(value).toEqual(["Stand-in GPU", 2 ** 32 - 4]);
    expect(record.map((line) => line.replace(/\d+(?= |$)/g, ""))).toEqual([
      "MTLCreateSystemDefaultDevice -> device",
      "device newCommandQueueWithMaxCommandBufferCount: -> queue",
      "device newSharedEvent -> event",
      "MTLCompileOptions init",
      "MTLCompileOptions setFastMathEnabled:NO",
      "NSString initWithBytes:length: encoding:",
      "device newLibraryWithSource: bytes options:MTLCompileOptions error: -> library",
      "NSString release",
      "MTLCompileOptions release",
      "NSString initWithBytes:length: encoding:",
      "library newFunctionWithName:main_ -> function",
      "NSString release",
      "library release",
      "device newComputePipelineStateWithFunction:function error: -> pipeline",
      "function release",
      "device newBufferWithLength: options: -> buffer",
      "device newBufferWithLength: options: -> buffer",
      ...["pipeline release", "buffer release", "buffer release", "event release", "queue release", "device release"],
    ]);
    expect(record).toContainEqual(expect.stringContaining("newCommandQueueWithMaxCommandBufferCount:64 "));
    // Storage modes: shared (0) for mapped memory, private (2 << 4) for the others. The encoding UTF-8 is 4.
    expect(record).toContainEqual(expect.stringContaining("newBufferWithLength:4096 options:0 "));
    expect(record).toContainEqual(expect.stringContaining("newBufferWithLength:1024 options:32 "));
    expect(record).toContainEqual(expect.stringContaining("initWithBytes:length:5 encoding:4"));
  });

  test("the bytes of shared memory are Metal's own until close", async () => {
    expect((await outcome("shared memory")).value).toEqual([0, 64]);
    expect((await outcome("copied")).value).toEqual([0, 0, 0, 0, 3, 3, 3, 3, 0, 0, 0, 0, 3, 3, 3, 3, 0, 0]);
  });

  test("steps are encoded in order, with a barrier before each step without noBarrier", async () => {
    const { record } = await outcome("steps");
    const BOUND = [
      "compute setComputePipelineState:pipeline",
      "compute setBuffer:buffer offset:0 atIndex:0",
      "compute setBuffer:buffer offset:0 atIndex:1",
      "compute setBytes:1024,4096 length:8 atIndex:3",
    ];
    expect(between(record, "commandBuffer", "commit")).toEqual([
      "queue commandBuffer -> commands",
      "commands computeCommandEncoderWithDispatchType:1 -> compute",
      ...BOUND,
      "compute setBytes:7,8 length:8 atIndex:2",
      "compute dispatchThreadgroups:1x1x1 threadsPerThreadgroup:64x1x1",
      "compute setBytes:7,8 length:8 atIndex:2",
      "compute dispatchThreadgroups:3x1x1 threadsPerThreadgroup:64x1x1",
      "compute memoryBarrierWithScope:1",
      "compute setBytes:9,10 length:8 atIndex:2",
      "compute dispatchThreadgroupsWithIndirectBuffer:buffer indirectBufferOffset:16 threadsPerThreadgroup:64x1x1",
      "compute endEncoding",
      "commands blitCommandEncoder -> blit",
      "blit fillBuffer:buffer range:{8, 24} value:0",
      "blit copyFromBuffer:buffer sourceOffset:0 toBuffer:buffer destinationOffset:128 size:512",
      "blit endEncoding",
      "commands computeCommandEncoderWithDispatchType:1 -> compute",
      // A dispatch of no workgroups is left out; its barrier stays.
      "compute memoryBarrierWithScope:1",
      ...BOUND,
      "compute setBytes:7,8 length:8 atIndex:2",
      "compute dispatchThreadgroups:2x1x1 threadsPerThreadgroup:64x1x1",
      "compute endEncoding",
      "commands encodeSignalEvent:event value:1",
      "commands commit",
    ]);
  });

  test("a pipeline gets its own bindings behind another pipeline", async () => {
    const { record } = await outcome("two pipelines");
    expect(between(record, "setComputePipelineState", "endEncoding")).toEqual([
      "compute setComputePipelineState:pipeline",
      ...[0, 1].map((index) => `compute setBuffer:buffer offset:0 atIndex:${index}`),
      "compute setBytes:1024,4096 length:8 atIndex:3",
      "compute setBytes:7,8 length:8 atIndex:2",
      "compute dispatchThreadgroups:1x1x1 threadsPerThreadgroup:64x1x1",
      "compute memoryBarrierWithScope:1",
      "compute setComputePipelineState:pipeline",
      ...[0, 1, 2].map((index) => `compute setBuffer:buffer offset:0 atIndex:${index}`),
      "compute setBytes:4096,1024,64 length:12 atIndex:3",
      "compute dispatchThreadgroups:1x1x1 threadsPerThreadgroup:1x1x1",
      "compute endEncoding",
    ]);
  });

  test("the event reaches the values of submissions in order", async () => {
    expect((await outcome("under way")).value).toEqual([
      [false, false],
      [true, false],
      [true, true],
    ]);
    expect((await outcome("never ends")).error).toMatchObject({
      code: "TIMEOUT",
      reason: "work did not end on Stand-in GPU within 5 ms",
    });
  });

  test("the queue is full with all its command buffers in flight, until one has ended", async () => {
    expect((await outcome("full")).value).toEqual([64, 0, 65]);
  });

  test("an object that is closed during a submission stays until its end", async () => {
    expect((await outcome("closed while the GPU works")).value).toBe(true);
  });

  test("a failed submission is GPU_DEVICE_LOST with Metal's text, and so are all later calls", async () => {
    expect((await outcome("the GPU fails")).error).toEqual({
      ...{ code: "GPU_DEVICE_LOST", api: "MTLCommandBuffer", status: 9 },
      reason: "Stand-in GPU: words about commit",
    });
    expect((await outcome("an older submission fails")).error).toMatchObject({
      code: "GPU_DEVICE_LOST",
      reason: "Stand-in GPU: an old failure",
    });
  });

  test.each([
    ["MTLCreateSystemDefaultDevice", "BACKEND_UNAVAILABLE", "Metal has no device here"],
    ["newCommandQueueWithMaxCommandBufferCount:", "BACKEND_UNAVAILABLE", "gives no command queue"],
    ["newSharedEvent", "BACKEND_UNAVAILABLE", "gives no shared event"],
    ["newBufferWithLength:options:", "GPU_OUT_OF_MEMORY", "less than 4096 bytes"],
    ["contents", "NOT_HOST_VISIBLE", "does not map memory"],
    ["MTLCompileOptions", "BACKEND_UNAVAILABLE", "Metal has no class MTLCompileOptions"],
    ["NSString", "BACKEND_UNAVAILABLE", "Metal has no class NSString"],
    ["alloc", "HOST_OUT_OF_MEMORY", "options to compile with"],
    ["initWithBytes:length:encoding:", "SHADER_INVALID", "no UTF-8"],
    ["newLibraryWithSource:options:error:", "SHADER_INVALID", "words about newLibraryWithSource"],
    ["newFunctionWithName:", "SHADER_INVALID", "no function main_"],
    ["newComputePipelineStateWithFunction:error:", "SHADER_INVALID", "words about newComputePipelineState"],
    ["commandBuffer", "HOST_OUT_OF_MEMORY", "makes no command buffer or encoder"],
    ["computeCommandEncoderWithDispatchType:", "HOST_OUT_OF_MEMORY", "makes no command buffer or encoder"],
    ["blitCommandEncoder", "HOST_OUT_OF_MEMORY", "makes no command buffer or encoder"],
  ])("where %s fails, there is %s", async (name, code, reason) => {
    const { error } = await outcome(`fault ${name}`);
    expect(error).toMatchObject({ code, reason: expect.stringContaining(reason) });
  });

  test("the error has Metal's number of the failure", async () => {
    expect((await outcome("fault newLibraryWithSource:options:error:")).error).toMatchObject({
      api: "newLibraryWithSource:options:error:",
      status: 3,
    });
  });

  test("requests above the device's limits are refused with the limits", async () => {
    expect((await outcome("too much memory")).error).toMatchObject({
      code: "GPU_OUT_OF_MEMORY",
      reason: "a buffer of Stand-in GPU has at most 4294967296 bytes, not 4294967300",
    });
    expect((await outcome("too many threads")).error).toMatchObject({
      code: "INVALID_ARGUMENT",
      reason: expect.stringContaining("at most 1024 threads of a workgroup on Stand-in GPU, not 1025"),
    });
    expect((await outcome("a workgroup's memory")).error).toMatchObject({
      code: "SHADER_INVALID",
      reason: expect.stringContaining("need 40964 bytes, and Stand-in GPU has 40960"),
    });
    expect((await outcome("another device's")).value).toEqual(["INVALID_ARGUMENT", "INVALID_ARGUMENT"]);
  });

  test("invalid arguments do not reach Metal", async () => {
    const { value, record } = await outcome("bad arguments");
    const CLOSED = ["a closed memory", "no pipeline", "no device", "another kind of handle", "closed twice"];
    const RIGHT = ["right", "groups at the edge"];
    for (const [name, result] of Object.entries(value as Record<string, number>)) {
      const wanted = RIGHT.includes(name) ? 1 : CLOSED.includes(name) ? -2 : -1;
      expect({ name, result }).toEqual({ name, result: wanted });
    }
    expect(record.filter((line) => / commit$/.test(line))).toHaveLength(RIGHT.length);
  });
});
