/** Kernels on a GPU whose driver fails: the system's Vulkan, with failures on demand (shim/test/support). */
import { describe, expect, test } from "bun:test";
import { PATIENT } from "../cli/cli.ts";
import { faultLibrary, scenario } from "../gpu/fault.ts";
import { vulkan } from "../gpu/support.ts";
import type { Outcome } from "../process/faults.ts";
import { requires } from "../requires.ts";

const library = await faultLibrary();
const noLibrary = library.path === null ? library.reason : "";
const usable = vulkan && requires("zig", noLibrary === "", noLibrary);

/** A scenario of test/process/kernel-faults.ts. */
const run = (name: string, args: object) => scenario(library.path as string, `kernel-faults/${name}`, args);

interface After {
  sent: boolean;
  launched: Outcome;
  unhandled: number;
  deactivated: Outcome;
  closed: Outcome;
}

describe.skipIf(!usable)("kernels on a GPU that fails", () => {
  // The submission is swallowed and never ends: the query and the wait for its end report the loss.
  const lost = "vkQueueSubmit=0,vkGetSemaphoreCounterValue=-4,vkWaitSemaphores=-4";
  for (const [name, fault, text, again] of [
    ["lost at a submission", "vkQueueSubmit=-4", /vkQueueSubmit|lost/i, 0],
    ["lost while it is waited for", lost, /lost/i, 0],
    ["lost at the trigger of an armed submission", "vkSignalSemaphore=-4", /vkSignalSemaphore|lost/i, 6],
    ["lost when the next submission is armed", "vkQueueSubmit=-4", /vkQueueSubmit|lost/i, 6],
    ["lost while the next one waits", "vkGetSemaphoreCounterValue=-4,vkWaitSemaphores=-4", /lost/i, 6],
  ] as const) {
    test(
      `${name}: every kernel fails with the reason, and closing works`,
      async () => {
        const [before, one, other, after] = (await run("fails", { fault, again })) as [
          unknown,
          Outcome[],
          Outcome[],
          After,
        ];
        expect(before).toEqual([[1], [2]]);
        for (const failures of [one, other]) {
          expect(failures).toEqual([
            { code: "BACKEND_UNAVAILABLE", message: expect.stringMatching(text), remedy: expect.any(String) },
          ]);
        }
        expect(after).toMatchObject({
          sent: false,
          unhandled: 1,
          deactivated: { code: "done" },
          closed: { code: "done" },
        });
        expect(after.launched.code).toBe("BACKEND_UNAVAILABLE");
      },
      PATIENT,
    );
  }

  test(
    "that ends no submission for 10 s: its kernel fails, and deactivating and closing do not wait",
    async () => {
      const [before, one, other, after] = (await run("away", {})) as [unknown, Outcome[], Outcome[], unknown];
      expect(before).toEqual([[1], [2]]);
      const message = expect.stringMatching(/kernels did not end.*10000 ms/);
      expect(one).toEqual([{ code: "BACKEND_UNAVAILABLE", message, remedy: expect.any(String) }]);
      expect(other).toEqual([]);
      expect(after).toMatchObject({
        sent: false,
        others: true,
        launched: { code: "BACKEND_UNAVAILABLE", message: expect.stringContaining("still busy") },
        unhandled: 1,
        deactivated: { code: "done" },
        closed: { code: "done" },
      });
    },
    PATIENT,
  );

  test(
    "without free memory: a launch and a create reject, and launched kernels go on",
    async () => {
      const [opened, launched, answer] = (await run("short", { fault: "vkAllocateMemory=-2" })) as [
        Outcome,
        Outcome,
        unknown,
      ];
      expect(opened.code).toBe("GPU_OUT_OF_MEMORY");
      expect(launched.code).toBe("GPU_OUT_OF_MEMORY");
      expect(answer).toEqual([5]);
    },
    PATIENT,
  );
});
