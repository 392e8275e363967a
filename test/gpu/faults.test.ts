/**
 * Failures of a GPU, from a library without devices to a lost device. Each has its code, text and remedy, and leaves no
 * call waiting. Vulkan is the system's, with injected failures (shim/test/support).
 */
import { describe, expect, test } from "bun:test";
import { PATIENT } from "../cli/cli.ts";
import { fakeCuda } from "../interop/fake.ts";
import type { Outcome } from "../process/faults.ts";
import { requires } from "../requires.ts";
import { faultLibrary, scenario } from "./fault.ts";
import { inSoftware, vulkan } from "./support.ts";

const library = await faultLibrary();
const noLibrary = library.path === null ? library.reason : "";

const usable = vulkan && requires("zig", noLibrary === "", noLibrary);
const GPU = { kind: "gpu", device: 0 };
const PINNED = { kind: "host", gpuPinned: true };

/** A scenario of test/process/faults.ts, with LAVA_FAULT from the start. */
const run = (name: string, args: object, faults?: string, more?: object) =>
  scenario(library.path as string, `faults/${name}`, args, faults, more);

async function allocate(args: object, faults?: string): Promise<Outcome> {
  // CUDA is switched off, because it would pin the memory instead of Vulkan.
  const [outcome] = await run("allocate", args, faults, { LAVA_FLOW_CUDA: "off" });
  return outcome as Outcome;
}

function expectError(outcome: Outcome | undefined, code: string, text: RegExp): void {
  expect(outcome).toMatchObject({ code, remedy: expect.any(String) });
  expect(outcome?.message).toMatch(text);
}

describe.skipIf(!usable)("no GPU", () => {
  const cases: [string, string, RegExp][] = [
    ["the library has no device", "devices=0", /no GPU/],
    ["the library is older than Vulkan 1.2", "api=1.1", /1\.1.*1\.2/],
    ["no driver answers", "vkCreateInstance=-9", /VK_ERROR_INCOMPATIBLE_DRIVER/],
    ["devices can't be listed", "vkEnumeratePhysicalDevices=-1", /VK_ERROR_OUT_OF_HOST_MEMORY/],
    ["there are no timeline semaphores", "no=timeline", /timeline/],
  ];
  for (const [name, faults, text] of cases) {
    test(
      name,
      async () => {
        expectError(await allocate({ location: GPU }, faults), "GPU_DEVICE_NOT_FOUND", text);
        const [seen] = (await run("topology", {}, faults)) as [{ gpus: unknown[]; unavailable: object[] }];
        expect(seen.gpus).toEqual([]);
        expect(seen.unavailable).toContainEqual({ feature: "gpu", reason: expect.stringMatching(text) });
      },
      PATIENT,
    );
  }

  test(
    "an index out of range",
    async () => {
      const outcome = await allocate({ devices: [97], location: { kind: "gpu", device: 97 } });
      expectError(outcome, "GPU_DEVICE_NOT_FOUND", /\b97\b/);
    },
    PATIENT,
  );

  test(
    "a device that can't be made",
    async () => {
      const outcome = await allocate({ location: GPU }, "vkCreateDevice=-3");
      expectError(outcome, "GPU_DEVICE_NOT_FOUND", /VK_ERROR_INITIALIZATION_FAILED/);
      expect(outcome.native).toMatchObject({ api: "vkCreateDevice", status: -3 });
    },
    PATIENT,
  );
});

describe.skipIf(!usable)("what a driver can't do", () => {
  test(
    "no external memory",
    async () => {
      const outcome = await allocate({ location: GPU }, "no=VK_KHR_external_memory_fd");
      expectError(outcome, "GPU_DEVICE_NOT_FOUND", /VK_KHR_external_memory_fd/);
    },
    PATIENT,
  );

  test(
    "an export that fails leaves the buffer as it was",
    async () => {
      const fault = "vkGetMemoryFdKHR=-10";
      const [refused, filled, exported] = (await run("exportHandle", { fault })) as Outcome[];
      expect(refused).toMatchObject({ code: "SYSTEM", native: { api: "vkGetMemoryFdKHR", status: -10 } });
      expect(refused?.message).toContain("VK_ERROR_TOO_MANY_OBJECTS");
      expect(filled).toEqual({ code: "done" });
      expect(exported).toEqual({ code: "done" });
    },
    PATIENT,
  );

  for (const [name, faults] of [
    ["host memory can't be imported at all", "no=VK_EXT_external_memory_host"],
    ["this host memory can't be imported", "vkGetMemoryHostPointerPropertiesEXT=-1000072003"],
  ] as const) {
    test(
      `${name}: no pinning, and the fallback does`,
      async () => {
        const outcome = await allocate({ location: PINNED }, faults);
        expectError(outcome, "GPU_PINNING_FAILED", /VK_EXT_external_memory_host|VK_ERROR_INVALID_EXTERNAL_HANDLE/);
        const fallback = await allocate({ location: PINNED, fallback: { kind: "host" } }, faults);
        expect(fallback).toMatchObject({ code: "done", strategy: "standard" });
      },
      PATIENT,
    );
  }
});

const fakes = usable && inSoftware;
const cuda = fakes ? await fakeCuda() : {};
const pinsByCuda = fakes && requires("zig", typeof cuda !== "string", String(cuda));

test.skipIf(!pinsByCuda)(
  "host memory can't be imported, and CUDA pins it: to the queue it is plain host memory",
  async () => {
    const [outcome, said] = await run("pinnedByCuda", {}, "no=VK_EXT_external_memory_host", cuda as object);
    expect(outcome).toEqual({ code: "done", strategy: "gpu-pinned" });
    expect(said).toMatchObject({ same: true, registered: 2, left: 0 }); // the pages, and the context they are pinned in
    expect((said as { reason: string }).reason).toContain("CUDA has pinned it for GPU 0");
  },
  PATIENT,
);

describe.skipIf(!usable)("out of GPU memory", () => {
  const OUT = { location: GPU, sizeBytes: 12_345_678, fault: "vkAllocateMemory=-2" };

  test(
    "the text has what was asked for and what there is",
    async () => {
      const outcome = await allocate(OUT);
      expectError(outcome, "GPU_OUT_OF_MEMORY", /12345678 bytes.*(\d+ (bytes )?available|does not say)/);
      expect(outcome.native).toMatchObject({ api: "vkAllocateMemory", status: -2 });
    },
    PATIENT,
  );

  test(
    "the fallback does",
    async () => {
      const outcome = await allocate({ ...OUT, fallback: { kind: "host" } });
      expect(outcome).toMatchObject({ code: "done", strategy: "standard" });
    },
    PATIENT,
  );
});

describe.skipIf(!usable)("a lost GPU", () => {
  // A swallowed submission never ends, so only calls that poll for its end can find the loss.
  const polls = ["vkGetSemaphoreCounterValue=-4", "vkWaitSemaphores=-4", "vkWaitForFences=-4", "vkGetFenceStatus=-4"];
  for (const [name, fault] of [
    ["found at a submission", "vkQueueSubmit=-4"],
    ["found by a poll", ["vkQueueSubmit=0", ...polls].join()],
  ] as const) {
    test(
      `${name}: waiting and later calls reject, and close works`,
      async () => {
        const [waiting, later, closed] = (await run("lose", { fault })) as [Outcome[], Outcome[], Outcome[]];
        expect(waiting.length).toBe(5);
        for (const outcome of [...waiting, ...later]) expectError(outcome, "GPU_DEVICE_LOST", /lost/i);
        expect(closed).toEqual([{ code: "done" }, { code: "done" }]);
      },
      PATIENT,
    );
  }

  test(
    "work that was submitted before the loss may have ended",
    async () => {
      const [[first, ...rest]] = (await run("lose", { fault: "vkQueueSubmit=-4@2" })) as [Outcome[]];
      expect(["done", "GPU_DEVICE_LOST"]).toContain(first?.code as string);
      for (const outcome of rest) expectError(outcome, "GPU_DEVICE_LOST", /lost/i);
    },
    PATIENT,
  );

  test(
    "a GPU that hangs does not block close",
    async () => {
      const [filling, closed] = (await run("hang", { fault: "vkQueueSubmit=0" })) as Outcome[];
      expectError(filling, "CLOSED", /under way/);
      expect(closed).toEqual({ code: "done" });
    },
    PATIENT,
  );

  test(
    "a GPU that ends no work rejects only calls without a time limit of their own",
    async () => {
      const [short, plain, again, patient, aborted] = (await run("stuck", { fault: "vkQueueSubmit=0" })) as [
        Outcome,
        Outcome,
        Outcome,
        unknown,
        Outcome,
      ];
      expectError(short, "TIMEOUT", /fill of 4096 bytes did not end within 1 ms/);
      expectError(plain, "TIMEOUT", /ended no work within 30000 ms/);
      expectError(again, "TIMEOUT", /did not end within 1 ms/);
      expect(patient).toBe("goes on");
      expect(aborted).toMatchObject({ code: "ABORTED", message: expect.stringMatching(/fill of 4096 bytes/) });
    },
    PATIENT,
  );

  test(
    "a lost GPU can be opened again",
    async () => {
      const [lost, again] = (await run("reopen", { fault: "vkQueueSubmit=-4" })) as Outcome[];
      expectError(lost, "GPU_DEVICE_LOST", /vkQueueSubmit|VK_ERROR_DEVICE_LOST/);
      expect(again).toEqual({ code: "done" });
    },
    PATIENT,
  );
});
