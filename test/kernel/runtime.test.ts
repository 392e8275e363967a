/** The options of a runtime, and the errors for invalid ones. */
import { describe, expect, test } from "bun:test";
import { listGpus } from "../../src/gpu/device.ts";
import { metalUnavailable } from "../../src/kernel/backend/metal.ts";
import { type Backend, KernelRuntime, neighbours2d, neighbours3d } from "../../src/kernel/index.ts";
import { failure } from "../channel/support.ts";
import { requires } from "../requires.ts";

describe("create", () => {
  test("auto takes the first backend that works, and gives the reasons of those before it", async () => {
    await using runtime = await KernelRuntime.create();
    const passed = ["metal", "vulkan", "cpu"].slice(0, ["metal", "vulkan", "cpu"].indexOf(runtime.backend));
    expect(runtime.rejected.map(({ backend }) => backend)).toEqual(passed as never[]);
    for (const { reason } of runtime.rejected) expect(reason.length).toBeGreaterThan(10);
    expect(KernelRuntime.device(runtime)?.info.type).not.toBe("cpu");

    if (runtime.backend !== "cpu") return;
    // WGSL does not run on the cpu: the error says why auto chose the cpu.
    const error = await failure("INVALID_ARGUMENT", () => runtime.launch("k", { source: { wgsl: "…" } }));
    for (const { reason } of runtime.rejected) expect(error.message).toContain(reason);
  });

  test("a named backend that does not work here is refused with the reason", async () => {
    const cuda = await failure("BACKEND_UNAVAILABLE", () => KernelRuntime.create({ backend: "cuda" as Backend }));
    expect(cuda.message).toContain("not written yet");
    const device = listGpus().length;
    const vulkan = await failure("BACKEND_UNAVAILABLE", () => KernelRuntime.create({ backend: "vulkan", device }));
    expect(vulkan.message).toContain(device === 0 ? "vulkan" : `GPU ${device}`);
  });

  test.skipIf(!requires("no-metal", metalUnavailable() !== null, "this system has Metal"))(
    "Metal is refused with the reason on systems without it",
    async () => {
      const error = await failure("BACKEND_UNAVAILABLE", () => KernelRuntime.create({ backend: "metal" }));
      expect(error.message).toMatch(process.platform === "darwin" ? /Metal/ : /macOS/);
    },
  );

  test("invalid arguments are refused", async () => {
    for (const wrong of [
      null,
      5,
      { backend: "opencl" },
      { device: -1 },
      { device: 0.5 },
      { backend: "metal", device: 0 },
      { backend: "cpu", name: "" },
      { backend: "cpu", name: "a/b" },
      { backend: "cpu", name: "x".repeat(29) },
      { backend: "cpu", name: 5 },
    ]) {
      await failure("INVALID_ARGUMENT", () => KernelRuntime.create(wrong as never));
    }
  });

  test("runtimes have names and clocks of their own", async () => {
    await using a = await KernelRuntime.create({ backend: "cpu" });
    await using b = await KernelRuntime.create({ backend: "cpu" });
    expect(a.name).not.toBe(b.name);
    expect(a.clock.nodeId).not.toBe(b.clock.nodeId);
  });
});

describe("neighbours", () => {
  const name = (...at: number[]) => at.join(",");

  test("in 2D: west, east, south, north", () => {
    expect(neighbours2d([1, 1], [3, 3], name)).toEqual(["0,1", "2,1", "1,0", "1,2"]);
    expect(neighbours2d([0, 2], [3, 3], name)).toEqual(["", "1,2", "0,1", ""]);
    expect(neighbours2d([0, 2], [3, 3], name, { periodic: true })).toEqual(["2,2", "1,2", "0,1", "0,0"]);
  });

  test("in 3D: also below and above", () => {
    expect(neighbours3d([1, 1, 1], [3, 3, 3], name)).toEqual(["0,1,1", "2,1,1", "1,0,1", "1,2,1", "1,1,0", "1,1,2"]);
    expect(neighbours3d([0, 0, 0], [1, 1, 2], name, { periodic: true })).toEqual([
      ...["0,0,0", "0,0,0", "0,0,0", "0,0,0"],
      ...["0,0,1", "0,0,1"],
    ]);
  });

  test("of a cell outside of the grid are refused", async () => {
    await failure("INVALID_ARGUMENT", () => neighbours2d([3, 0], [3, 3], name));
    await failure("INVALID_ARGUMENT", () => neighbours2d([0, -1], [3, 3], name));
    await failure("INVALID_ARGUMENT", () => neighbours2d([0, 0.5], [3, 3], name));
    await failure("INVALID_ARGUMENT", () => neighbours3d([0, 0, 0], [3, 3, 0], name));
  });
});
