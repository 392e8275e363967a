/**
 * The tests of kernels on a GPU, and those of every backend, over Metal's host code and a software Metal: the stand-in runs
 * the MSL that naga wrote, as C++. NOTHING HERE HAS RUN ON A MAC: what is shown is that host code, layouts and MSL fit.
 */
import { describe, expect, test } from "bun:test";
import { TEST_LIMIT } from "../../scripts/tests.ts";
import { vulkan } from "../gpu/support.ts";
import { runBun, SOFTWARE_METAL, there } from "./metal-support.ts";

/** All tests but the one that asks for more than Vulkan's device has; metal.test.ts asks Metal's for more than it has. */
const OTHERS = "^(?!.*what can't be launched is refused)";

describe.skipIf(!(there && vulkan))("over a software Metal", () => {
  test.each(["./test/kernel/vulkan.test.ts", "./test/kernel/metal.suite.ts", "./test/kernel/extensions.test.ts"])(
    "%s passes",
    async (suite) => {
      const { err } = await runBun(["test", TEST_LIMIT, suite, "-t", OTHERS], SOFTWARE_METAL);
      expect(Number(/(\d+) pass/.exec(err)?.[1])).toBeGreaterThan(10);
      expect(err).toContain(" 0 fail");
      expect(err).not.toContain("stand-in for Metal:");
    },
    300_000,
  );

  test("which is no other's: where its compiler refuses the MSL, kernels are SHADER_INVALID with its words", async () => {
    const { out } = await runBun(["test/process/metal-compile.ts"], {
      ...SOFTWARE_METAL,
      FAKE_METAL_COMPILER: "sh -c 'echo no such thing as a mesh; exit 1'",
    });
    expect(JSON.parse(out)).toEqual({ code: "SHADER_INVALID", reason: "kernel: the MSL: no such thing as a mesh\n" });
  });
});
