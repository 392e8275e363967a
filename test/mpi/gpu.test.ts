/** Buffers on a GPU from rank to rank, under each launcher. */
import { expect, test } from "bun:test";
import { vulkan } from "../gpu/support.ts";
import { LAUNCHERS } from "./launchers.ts";
import { runSuite } from "./suites.ts";

/** One is killed in the course of the suite. */
const HELPERS = 2;
const PATIENCE = 120_000;

for (const { launcher, here } of LAUNCHERS) {
  test.skipIf(!here || !vulkan)(
    `buffers on a GPU, ${launcher.name}`,
    async () => {
      const passed = await runSuite(launcher, "gpu", { helpers: HELPERS, patienceMs: PATIENCE });
      expect(passed).toBeGreaterThan(0);
    },
    PATIENCE + 10_000,
  );
}
