/** Pre-submission: an armed submission is used, or does nothing, also when other work comes between. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { GpuDevice } from "../../src/gpu/device.ts";
import { openRings } from "../../src/kernel/backend/gpu.ts";
import { VulkanCompute } from "../../src/kernel/backend/vulkan.ts";
import { HybridLogicalClock } from "../../src/kernel/base/clock.ts";
import { allocateGpu } from "../../src/memory/gpu.ts";
import { device, validationIsSilent, vulkan } from "../gpu/support.ts";
import { Bare, type Launched, words, wordsOf } from "./port.ts";
import { Watched } from "./watched.ts";

setDefaultTimeout(60_000);

/**
 * Replies with its number of calls and with its payload: a message that is handled twice or never changes the first.
 */
const COUNT = `fn on_message(message: Message) {
  set_state(0u, state(0u) + 1u);
  set_reply(0u, state(0u)); set_reply(1u, payload(0u)); reply(8u);
}`;

describe.skipIf(!vulkan)("an armed submission", () => {
  let gpu: GpuDevice;
  let watched: Watched;
  let bare: Bare;
  const called = new Map<Launched, number>();

  async function open(): Promise<{ watched: Watched; bare: Bare }> {
    const over = new Watched(new VulkanCompute(gpu.retain()));
    const clock = new HybridLogicalClock({ nodeId: 5 });
    return { watched: over, bare: Bare.over(await openRings(over, clock), clock) };
  }
  beforeAll(async () => {
    gpu = GpuDevice.open(device);
    ({ watched, bare } = await open());
  });
  afterAll(async () => {
    await bare[Symbol.asyncDispose]();
    gpu.release();
  });

  async function call(kernel: Launched, value: number, by = bare): Promise<void> {
    const count = (called.get(kernel) ?? 0) + 1;
    called.set(kernel, count);
    expect(wordsOf(await by.call(kernel, words(value)))).toEqual([count, value]);
  }

  /** Counts the calls of `work` that an armed submission served. */
  async function found(work: () => Promise<void>): Promise<number> {
    const before = watched.counts.found;
    await work();
    return watched.counts.found - before;
  }

  test("serves the next call, from the fourth identical call on", async () => {
    const kernel = await bare.launch(COUNT);
    const used = await found(async () => {
      for (let i = 0; i < 50; i++) await call(kernel, i);
    });
    expect(used).toBe(50 - 3);
    expect(watched.counts.submitted).toBeGreaterThan(0);
    await kernel.kernel.close();
  });

  test("does nothing when another kernel is called", async () => {
    const kernels = await Promise.all(Array.from({ length: 3 }, () => bare.launch(COUNT)));
    for (let i = 0; i < 300; i++) await call(kernels[Math.floor(i / 5) % 3]!, i);
    for (let i = 0; i < 100; i++) {
      await call(kernels[0]!, i);
      if (i % 7 === 0) await Promise.all(kernels.map((kernel) => call(kernel, i)));
    }
    for (const each of kernels) await each.kernel.close();
  });

  test("is made less often after mispredictions", async () => {
    const fresh = await open();
    const kernels = await Promise.all([fresh.bare.launch(COUNT), fresh.bare.launch(COUNT)]);
    for (let round = 0; round < 40; round++) {
      for (let i = 0; i < 4; i++) await call(kernels[round & 1]!, i, fresh.bare);
    }
    // Armed after the third and the fourth call of the first round; then four calls in a row are too few.
    expect(fresh.watched.counts.armed).toBe(2);
    await fresh.bare[Symbol.asyncDispose]();
  });

  test("does nothing when the device is used for something else", async () => {
    const kernel = await bare.launch(COUNT);
    const other = allocateGpu(gpu, 4096, false, null);
    for (let i = 0; i < 200; i++) {
      await call(kernel, i);
      if (i % 3 === 0) await gpu.queue.fill(other.handle, 0, 4096, i & 0xff);
      if (i % 50 === 0) called.delete(await launchedAndClosed());
    }
    other.close();
    await kernel.kernel.close();
  });

  /** Between calls: the memory of kernels changes. */
  async function launchedAndClosed(): Promise<Launched> {
    const kernel = await bare.launch(COUNT, { payloadBytes: 40_000 });
    await call(kernel, 1);
    await kernel.kernel.close();
    return kernel;
  }

  test("does nothing when another runtime of the device is called", async () => {
    const second = await open();
    const [one, two] = [await bare.launch(COUNT), await second.bare.launch(COUNT)];
    for (let i = 0; i < 200; i++) {
      await call(one, i);
      if (i % 10 > 5) await call(two, i, second.bare);
    }
    await Promise.all(Array.from({ length: 20 }, (_, i) => Promise.all([call(one, i), call(two, i, second.bare)])));
    await second.bare[Symbol.asyncDispose]();
    await call(one, 7);
    await one.kernel.close();
  });

  test("is disarmed when no call follows", async () => {
    const kernel = await bare.launch(COUNT);
    for (let i = 0; i < 8; i++) await call(kernel, i);
    const memory = allocateGpu(gpu, 4096, false, null);
    // The fill resolves only if the armed submission before it runs: the timeline passes its value first.
    await gpu.queue.fill(memory.handle, 0, 4096, 1);
    for (let i = 0; i < 8; i++) await call(kernel, i);
    const armed = watched.last;
    expect(watched.isArmed(armed)).toBe(true);
    while (watched.isArmed(armed)) await Bun.sleep(5);
    for (let i = 0; i < 8; i++) await call(kernel, i);
    memory.close();
    await kernel.kernel.close();
  });

  test("is never made where the environment switches pre-submission off", async () => {
    process.env.LAVA_FLOW_PRE_SUBMISSION = "off";
    const off = await open().finally(() => delete process.env.LAVA_FLOW_PRE_SUBMISSION);
    const kernel = await off.bare.launch(COUNT);
    for (let i = 0; i < 8; i++) await call(kernel, i, off.bare);
    expect(off.watched.counts).toMatchObject({ armed: 0, found: 0 });
    await off.bare[Symbol.asyncDispose]();
  });

  test("runs before its runtime closes", async () => {
    const third = await open();
    const kernel = await third.bare.launch(COUNT);
    for (let i = 0; i < 8; i++) await call(kernel, i, third.bare);
    await third.bare[Symbol.asyncDispose]();
    expect(third.watched.isArmed(third.watched.last)).toBe(false);
  });
});

validationIsSilent();
