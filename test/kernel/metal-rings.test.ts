/**
 * The tests of kernels on a GPU and the conformance suite, over Metal's host code and a software Metal: the stand-in
 * runs naga's MSL, as C++. NOTHING HERE HAS RUN ON A MAC: the tests show that host code, layouts and MSL fit together.
 */
import { describe, expect, test } from "bun:test";
import { TEST_LIMIT } from "../../scripts/tests.ts";
import { vulkan } from "../gpu/support.ts";
import { runBun, SOFTWARE_METAL, there } from "./metal-support.ts";

/** All tests but the one of Vulkan's memory limit; metal.test.ts tests Metal's. */
const OTHERS = "^(?!.*releases its memory after a failed launch)";

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

  test("kernels are SHADER_INVALID with the compiler's text where it refuses the MSL", async () => {
    const { out } = await runBun(["test/process/metal-compile.ts"], {
      ...SOFTWARE_METAL,
      FAKE_METAL_COMPILER: "sh -c 'echo no such thing as a mesh; exit 1'",
    });
    expect(JSON.parse(out)).toEqual({ code: "SHADER_INVALID", reason: "kernel: the MSL: no such thing as a mesh\n" });
  });
});
