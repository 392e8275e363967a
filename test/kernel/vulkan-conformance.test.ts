/** The conformance suite on Vulkan, and messages to and from kernels of other runtimes. */
import { describe, expect, test } from "bun:test";
import { KernelRuntime, type RuntimeOptions } from "../../src/kernel/index.ts";
import { PATIENT, privateDirectory } from "../channel/support.ts";
import { device, validationIsSilent, vulkan } from "../gpu/support.ts";
import { handlers, wgsl } from "./conformance/bodies.ts";
import { conformance, type Setting, start } from "./conformance.ts";
import { words } from "./support.ts";

privateDirectory();

const setting: Setting = {
  name: "WGSL on Vulkan",
  create: (options: RuntimeOptions = {}) => KernelRuntime.create({ ...options, backend: "vulkan", device }),
  source: (body) => ({ wgsl: wgsl[body] }),
};

describe.skipIf(!vulkan)("vulkan", () => {
  conformance(setting);

  test(
    "a body sends to a kernel of another runtime by its route",
    async () => {
      await using a = await setting.create({ name: "a" });
      await using b = await KernelRuntime.create({ backend: "cpu", name: "b" });
      await Promise.all([a.k2k!.connect("b"), b.k2k!.connect("a")]);
      const sources: string[] = [];
      const sink = await b.launch("sink", {
        source: {
          handler: ({ source, payload }) => {
            sources.push(source);
            return payload;
          },
        },
      });
      await sink.activate();
      const forward = await start(setting, a, "forward", { routes: ["b/sink"] });
      for (let i = 0; i < 10; i++) await forward.send({ payload: words(i, i) });
      for (let i = 0; i < 10; i++) expect((await sink.receive()).payload).toEqual(words(i, i));
      expect(new Set(sources)).toEqual(new Set(["a/forward"]));
    },
    PATIENT,
  );

  test("a kernel on the GPU is reached from another runtime", async () => {
    await using a = await setting.create({ name: "a" });
    await using b = await KernelRuntime.create({ backend: "cpu", name: "b" });
    await Promise.all([a.k2k!.connect("b"), b.k2k!.connect("a")]);
    const echo = await start(setting, a, "echo");
    const from = await b.launch("from", { source: { handler: handlers.silent } });
    await from.activate();
    expect(await b.k2k!.send("from", "a/echo", words(4))).toBe("delivered");
    expect((await echo.receive()).payload).toEqual(words(4));
  });

  validationIsSilent();
});
