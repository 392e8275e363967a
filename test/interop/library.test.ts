/** The choice of the libraries: none, a missing one, a wrong one, and a CUDA driver that fails on demand. */
import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { TEST_LIMIT } from "../../scripts/tests.ts";
import { interopViability } from "../../src/interop/index.ts";
import { inSoftware } from "../gpu/support.ts";
import type { Outcome, Told } from "../process/cuda-faults.ts";
import { requires } from "../requires.ts";
import { fakeCuda, fakeOpenCl } from "./fake.ts";

type Variables = Record<string, string>;

/** Runs a command to its end. */
async function run(
  command: string[],
  variables: Variables,
): Promise<{ code: number | null; out: string; err: string }> {
  await using child = Bun.spawn([process.execPath, ...command], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...variables },
    cwd: join(import.meta.dir, "../.."),
    timeout: 120_000,
  });
  const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  return { code: child.exitCode, out, err };
}

async function viabilityWith(variables: Variables): Promise<ReturnType<typeof interopViability>> {
  const script = 'console.log(JSON.stringify((await import("./src/interop/index.ts")).interopViability()))';
  const { code, out, err } = await run(["-e", script], variables);
  if (code !== 0) throw new Error(err || out);
  return JSON.parse(out);
}

describe("interopViability", () => {
  test("lists each API with a reason, and the same at each call", () => {
    const told = interopViability();
    expect(told.map(({ api }) => api)).toEqual(["cuda", "opencl", "opengl"]);
    for (const { viable, reason } of told) expect({ viable, empty: reason === "" }).toEqual({ viable, empty: false });
    expect(interopViability()).toEqual(told);
  });

  const VARIABLES = ["LAVA_FLOW_CUDA", "LAVA_FLOW_OPENCL", "LAVA_FLOW_EGL"];
  const all = (value: string) => Object.fromEntries(VARIABLES.map((name) => [name, value]));

  test("an API that the environment switches off is not viable", async () => {
    const told = await viabilityWith(all("off"));
    expect(told.map(({ viable }) => viable)).toEqual([false, false, false]);
    for (const [index, { reason }] of told.entries()) expect(reason).toBe(`${VARIABLES[index]} is "off"`);
  });

  test("an API whose library is missing, or is another library, is not viable", async () => {
    for (const { viable, reason } of await viabilityWith(all("/nowhere/library.so"))) {
      expect({ viable, reason }).toEqual({ viable: false, reason: expect.stringContaining("/nowhere/library.so") });
    }
    if (process.platform !== "linux") return;
    const [cuda, opencl, opengl] = await viabilityWith(all("libm.so.6"));
    expect(cuda?.reason).toContain("no cuInit");
    expect(opencl?.reason).toContain("no clGetPlatformIDs");
    expect(opengl?.reason).toContain("no eglGetProcAddress");
  });
});

// The fake driver reads the memory of Mesa's software Vulkan, which is a file. On hardware these tests use the real driver.
const fake = inSoftware ? await fakeCuda() : "";
const there = inSoftware && requires("zig", typeof fake !== "string", String(fake));

describe.skipIf(!there)("a CUDA driver without a GPU", () => {
  const variables = fake as Variables;

  test("passes the tests of CUDA by bytes, both ways", async () => {
    const { code, err } = await run(["test", TEST_LIMIT, "./test/interop/cuda.test.ts"], {
      ...variables,
      LAVA_FLOW_REQUIRE: "vulkan,cuda",
    });
    expect(code === 0 ? "" : err).toBe("");
    expect(Number(/(\d+) pass/.exec(err)?.[1])).toBeGreaterThan(15);
  }, 120_000);

  let told: Promise<Told> | undefined;
  const faults = () =>
    (told ??= run(["test/process/cuda-faults.ts"], variables).then(({ code, out, err }) => {
      if (code !== 0) throw new Error(err || out);
      return JSON.parse(out) as Told;
    }));
  const outcome = async (name: string) => (await faults()).outcomes[name] as Outcome;

  test("the context is pushed, popped and given back around an import, and the descriptor is CUDA's", async () => {
    const { error, order } = await outcome("import");
    expect(error).toBeNull();
    expect(order.split(" ").filter((name) => !/^cu(Init|Driver|DeviceGet)/.test(name))).toEqual([
      ...["cuDevicePrimaryCtxRetain", "cuCtxPushCurrent_v2", "cuImportExternalMemory"],
      ...["cuExternalMemoryGetMappedBuffer", "cuCtxPopCurrent_v2"],
      ...["cuCtxPushCurrent_v2", "cuMemFree_v2", "cuDestroyExternalMemory", "cuCtxPopCurrent_v2"],
      "cuDevicePrimaryCtxRelease_v2",
    ]);
  });

  test("each failure has its code, the call and CUDA's text", async () => {
    const wanted: [name: string, code: string, api: string, status: number][] = [
      ["cuImportExternalMemory 999", "EXTERNAL_MEMORY_UNSUPPORTED", "cuImportExternalMemory", 999],
      ["cuImportExternalMemory 2", "GPU_OUT_OF_MEMORY", "cuImportExternalMemory", 2],
      ["cuImportExternalMemory 719", "GPU_DEVICE_LOST", "cuImportExternalMemory", 719],
      ["cuExternalMemoryGetMappedBuffer 999", "EXTERNAL_MEMORY_UNSUPPORTED", "cuExternalMemoryGetMappedBuffer", 999],
      ["cuDevicePrimaryCtxRetain 999", "SYSTEM", "cuDevicePrimaryCtxRetain", 999],
      ["cuCtxPushCurrent_v2 999", "SYSTEM", "cuCtxPushCurrent", 999],
      ["cuDeviceGetUuid 999", "SYSTEM", "cuDeviceGetUuid", 999],
      ["peer cuStreamCreate", "SYSTEM", "cuStreamCreate", 999],
      ["peer cuEventCreate", "SYSTEM", "cuEventCreate", 999],
      ["peer cuMemcpyPeerAsync", "SYSTEM", "cuMemcpyPeerAsync", 999],
      ["peer cuEventRecord", "SYSTEM", "cuEventRecord", 999],
      ["cuMemRelease 999", "SYSTEM", "cuMemRelease", 999],
      ["copy cuMemcpyDtoDAsync_v2 999", "SYSTEM", "cuMemcpyDtoDAsync", 999],
    ];
    for (const [name, code, api, status] of wanted) {
      const { error } = await outcome(name);
      expect({ name, ...error }).toMatchObject({ name, code, api, status });
      expect(error?.text).toContain(status === 2 ? "CUDA_ERROR_OUT_OF_MEMORY" : "CUDA_ERROR_OF_THE_TEST");
    }
  });

  test("no failure leaves an object, a context or a descriptor open", async () => {
    const { outcomes, open } = await faults();
    expect(Object.keys(outcomes).length).toBeGreaterThan(20);
    for (const [name, { left }] of Object.entries(outcomes)) {
      // An object whose release fails stays open in CUDA.
      const objects = name === "cuMemRelease 999" ? 1 : 0;
      expect({ name, ...left }).toEqual({ name, objects, descriptors: 0 });
    }
    expect(open).toBe(1);
  });

  test("memory of another GPU is copied here without blocking, and direct access is no condition", async () => {
    const { asked, copied, viable } = await faults();
    expect((await outcome("peer")).error).toBeNull();
    expect(asked).toBe(3);
    expect(copied).toEqual([7, 0, 0, 0]);
    expect((await outcome("peer cuCtxEnablePeerAccess")).error).toBeNull();
    expect(viable).toEqual([1, 1, 0]);
  });

  test("memory of a GPU that CUDA does not see, and more than was allocated, are refused", async () => {
    expect((await outcome("foreign of no GPU here")).error).toMatchObject({ code: "EXTERNAL_HANDLE_MISMATCH" });
    expect((await outcome("foreign too large")).error).toMatchObject({ code: "INVALID_ARGUMENT" });
  });

  test("an import that succeeds without an alias is detected, and the memory is copied", async () => {
    expect((await outcome("alias")).error).toBeNull();
    expect((await outcome("wrong alias")).error?.text).toContain("one side does not read what the other writes");
    expect((await outcome("cuMemExportToShareableHandle 999")).error?.text).toContain("made for export");
  });
});

const fakeCl = inSoftware ? await fakeOpenCl() : "";

describe.skipIf(!(inSoftware && requires("zig", typeof fakeCl !== "string", String(fakeCl))))(
  "an OpenCL driver without a GPU",
  () => {
    test("passes the tests of OpenCL by bytes, both ways", async () => {
      const { code, err } = await run(["test", TEST_LIMIT, "./test/interop/opencl.test.ts"], {
        ...(fakeCl as Variables),
        LAVA_FLOW_REQUIRE: "vulkan,opencl",
      });
      expect(code === 0 ? "" : err).toBe("");
      expect(Number(/(\d+) pass/.exec(err)?.[1])).toBeGreaterThan(12);
    }, 120_000);
  },
);
