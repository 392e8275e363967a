/** The list of GPUs, the reason where it is empty, and the one shared object for each open GPU. */
import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { GpuDevice, listGpus } from "../../src/gpu/device.ts";
import { MemoryAllocator } from "../../src/index.ts";
import { failureOf } from "../memory/support.ts";
import { device, gpu, inSoftware, newAllocator, validationIsSilent, vulkan } from "./support.ts";

const PEER = join(import.meta.dir, "../process/gpu-peer.ts");

interface Told {
  code?: string;
  message?: string;
  remedy?: string;
  gpus?: unknown[];
  unavailable?: { feature: string; reason: string }[];
}

async function tell(task: string, env: Record<string, string>): Promise<Told> {
  await using child = Bun.spawn([process.execPath, PEER, task], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, ...env },
    timeout: 60_000,
  });
  const told = await child.stdout.text();
  expect(await child.exited).toBe(0);
  return JSON.parse(told);
}

describe("without a GPU", () => {
  const cases: [string, Record<string, string>, RegExp][] = [
    ["LAVA_FLOW_VULKAN=off", { LAVA_FLOW_VULKAN: "off" }, /LAVA_FLOW_VULKAN/],
    ["a library that is not there", { LAVA_FLOW_VULKAN: "/nowhere/libvulkan.so.1" }, /\/nowhere\/libvulkan\.so\.1/],
  ];
  if (vulkan) cases.push(["Vulkan and no driver", { VK_DRIVER_FILES: "/nowhere.json" }, /GPU|driver/i]);

  test.each(cases)(
    "%s: the reason and a remedy, and host memory works",
    async (_name, env, words) => {
      for (const [task, code] of [
        ["gpu", "GPU_DEVICE_NOT_FOUND"],
        ["gpu-0", "GPU_DEVICE_NOT_FOUND"],
        ["devices-0", "GPU_DEVICE_NOT_FOUND"],
        ["pinned", "GPU_PINNING_FAILED"],
      ] as const) {
        const told = await tell(task, env);
        expect(told.code).toBe(code);
        expect(told.message).toMatch(words);
        expect(told.remedy).toContain("mesa-vulkan-drivers");
      }
      const { gpus, unavailable } = await tell("topology", env);
      expect(gpus).toEqual([]);
      expect(unavailable?.find(({ feature }) => feature === "gpu")?.reason).toMatch(words);
      expect((await tell("fallback", env)).message).toMatch(words);
    },
    60_000,
  );
});

describe.skipIf(!vulkan)("a GPU", () => {
  test("is described", () => {
    expect(gpu.name).not.toBe("");
    expect(gpu.driver).not.toBe("");
    expect(gpu.apiVersion).toMatch(/^1\.[2-9]\.\d+$/);
    expect(gpu.deviceUuid).toMatch(/^[0-9a-f]{32}$/);
    expect(gpu.driverUuid).toMatch(/^[0-9a-f]{32}$/);
    expect(gpu.heapBytes).toBeGreaterThan(0);
    expect(gpu.allocationMaxBytes).toBeGreaterThan(2 ** 28);
    expect(listGpus()).toBe(listGpus()); // listed once
    using allocator = newAllocator();
    expect(allocator.topology.gpus).toEqual([gpu]);
    expect(allocator.unavailable.map(({ feature }) => feature)).not.toContain("gpu");
  });

  test("is one object for all its users, until the last release", () => {
    const first = GpuDevice.open(device);
    const second = GpuDevice.open(device);
    expect(second).toBe(first);
    first.release();
    expect(second.handle).toBeGreaterThan(0);
    second.release();
    const { code, remedy } = failureOf(() => first.handle);
    expect(code).toBe("CLOSED");
    expect(remedy).toBe("Keep the allocator open while its GPUs are used");
    const third = GpuDevice.open(device);
    expect(third).not.toBe(first);
    third.release();
  });

  test("closes when its work has ended, unless it is retained before that", async () => {
    const allocator = newAllocator();
    const buffer = allocator.allocate(2 ** 20, { kind: "gpu", device });
    const opened = GpuDevice.open(device);
    const filled = buffer.fill(7);
    buffer.close();
    allocator.close();
    expect(await filled.then(String, ({ code }) => code)).toBe("CLOSED");
    opened.release();
    const again = GpuDevice.open(device);
    await again.queue.idle;
    expect(again.handle).toBeGreaterThan(0);
    again.release();
  });

  // A process can load NVIDIA's driver only a few times.
  test("is opened and closed as often as one likes", async () => {
    for (let i = 0; i < 20; i++) {
      const opened = GpuDevice.open(device);
      opened.release();
      await opened.queue.idle;
    }
    using allocator = newAllocator();
    expect(allocator.topology.gpus).not.toEqual([]);
  });

  test("tells how much of its memory is free, or that it does not know", () => {
    const opened = GpuDevice.open(device);
    const free = opened.availableBytes;
    opened.release();
    if (free === null) return expect(gpu.type).toBe("cpu");
    expect(free).toBeGreaterThan(0);
    expect(free).toBeLessThanOrEqual(gpu.heapBytes);
  });

  test("that is not there is named, with those that are", () => {
    using allocator = newAllocator();
    for (const use of [
      () => new MemoryAllocator({ devices: [device, 99] }),
      () => allocator.allocate(64, { kind: "gpu", device: 99 }),
      () => allocator.allocate(64, { kind: "host", gpuPinned: true, device: 99 }),
      () => allocator.createSemaphore({ device: 99 }),
    ]) {
      const { code, message } = failureOf(use);
      expect(code).toBe("GPU_DEVICE_NOT_FOUND");
      expect(message).toContain("there is no GPU 99");
      expect(message).toContain(gpu.name);
    }
    expect(failureOf(() => GpuDevice.open(99)).code).toBe("GPU_DEVICE_NOT_FOUND");
  });

  test("is not used where GPUs are switched off", () => {
    using allocator = new MemoryAllocator({ devices: "none" });
    expect(allocator.topology.gpus).toEqual([]);
    const error = failureOf(() => allocator.allocate(64, { kind: "gpu", device }));
    expect(error.code).toBe("GPU_DEVICE_NOT_FOUND");
    expect(error.message).toContain('devices: "none"');
  });
});

describe.skipIf(!inSoftware)("a software device", () => {
  test("is used only when it is named", () => {
    using allocator = new MemoryAllocator();
    const error = failureOf(() => allocator.allocate(64, { kind: "gpu" }));
    expect(error.code).toBe("GPU_DEVICE_NOT_FOUND");
    expect(error.message).toContain("no GPU in hardware");
    expect(error.message).toContain(gpu.name);
    expect(allocator.unavailable.find(({ feature }) => feature === "gpu")?.reason).toContain(gpu.name);
    allocator.allocate(64, { kind: "gpu", device }).close();
    using named = newAllocator();
    using buffer = named.allocate(64, { kind: "gpu" });
    expect(buffer.location).toEqual({ kind: "gpu", device });
  });
});

validationIsSilent();
