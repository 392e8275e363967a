/**
 * A shader that the driver compiles for seconds: the event loop turns, other kernels answer, launches can be aborted.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { GpuDevice } from "../../src/gpu/device.ts";
import { VulkanCompute } from "../../src/kernel/backend/vulkan.ts";
import { KernelRuntime } from "../../src/kernel/index.ts";
import { toKernel } from "../../src/kernel/shader/shader.ts";
import { device, inSoftware, vulkan } from "../gpu/support.ts";
import { heavyBody } from "../process/compiling.ts";
import { word, words } from "./support.ts";

setDefaultTimeout(120_000);

describe.skipIf(!vulkan || !inSoftware)("while the driver compiles a large body", () => {
  let runtime: KernelRuntime;
  beforeAll(async () => {
    runtime = await KernelRuntime.create({ backend: "vulkan", device });
  });
  afterAll(async () => {
    await runtime?.shutdown();
  });

  test("the event loop turns", async () => {
    const gpu = GpuDevice.open(device);
    const compute = new VulkanCompute(gpu);
    const module = await toKernel(heavyBody(1), 1, "heavy");
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    const pipeline = await compute.pipeline(module);
    clearInterval(timer);
    pipeline.close();
    compute.close();
    expect(turns).toBeGreaterThan(10);
  });

  test("other kernels answer, and an aborted launch leaves its id free", async () => {
    const wgsl = "fn on_message(m: Message) { set_reply(0u, payload(0u)); reply(4u); }";
    const echo = await runtime.launch("echo", { source: { wgsl } });
    await echo.activate();
    const end = new AbortController();
    const launch = runtime.launch("heavy", { source: { wgsl: heavyBody(2) }, signal: end.signal });
    for (let i = 0; i < 10; i++) expect(word((await echo.call({ payload: words(i) })).payload)).toBe(i);
    end.abort();
    await expect(launch).rejects.toMatchObject({ code: "ABORTED" });
    expect(runtime.kernels().map(({ id }) => id)).toEqual(["echo"]);
    const again = await runtime.launch("heavy", { source: { wgsl } });
    await again.terminate();
  });

  test("two launches at once both resolve", async () => {
    const source = { wgsl: heavyBody(3) };
    const [one, two] = await Promise.all([runtime.launch("one", { source }), runtime.launch("two", { source })]);
    await Promise.all([one.activate(), two.activate()]);
    const answers = await Promise.all([one, two].map((each) => each.call({ payload: words(4) })));
    expect(word(answers[0]!.payload)).toBe(word(answers[1]!.payload));
  });

  for (const how of ["exit", "throw", "terminate"]) {
    test(`the process can end: ${how}`, async () => {
      const file = join(import.meta.dir, "../process/compiling.ts");
      const process_ = Bun.spawn([process.execPath, file, how], { stdout: "pipe", stderr: "pipe" });
      expect(await process_.stdout.text()).toBe("compiling\n");
      await process_.exited;
      expect(process_.signalCode).toBeNull();
      expect(process_.exitCode).toBe(how === "throw" ? 1 : 0);
    });
  }
});
