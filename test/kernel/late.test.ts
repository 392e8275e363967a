/** A submission that takes too long: the kernel that it waits for fails, and the others go on. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { LavaFlowError } from "../../src/errors.ts";
import { GpuDevice } from "../../src/gpu/device.ts";
import { openRings } from "../../src/kernel/backend/gpu.ts";
import { VulkanCompute } from "../../src/kernel/backend/vulkan.ts";
import { HybridLogicalClock } from "../../src/kernel/base/clock.ts";
import { device, validationIsSilent, vulkan } from "../gpu/support.ts";
import { Bare, type Launched, words, wordsOf } from "./port.ts";
import { Watched } from "./watched.ts";

setDefaultTimeout(60_000);

const COUNT =
  "fn on_message(m: Message) { set_state(0u, state(0u) + 1u); set_reply(0u, state(0u)); set_reply(1u, payload(0u)); reply(8u); }";

/** A device that reports a TIMEOUT of the next submission without waiting 10 s, and then delays its end. */
class Slow extends Watched {
  /** Resolves when the backend waits for the late submission. */
  waited = Promise.withResolvers<void>();
  #delay: Promise<void> | null = null;
  #isReported = false;
  #end = () => {};

  delayNext(): void {
    this.waited = Promise.withResolvers();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#isReported = false;
    this.#delay = promise;
    this.#end = resolve;
  }

  finish(): void {
    this.#delay = null;
    this.#end();
  }

  override reached(value: number, spinUs: number): boolean {
    return this.#delay === null && super.reached(value, spinUs);
  }

  override async wait(value: number, timeoutMs: number): Promise<void> {
    if (this.#delay && !this.#isReported) {
      await super.wait(value, timeoutMs);
      this.#isReported = true;
      throw new LavaFlowError("TIMEOUT", `kernels did not end within ${timeoutMs} ms`);
    }
    this.waited.resolve();
    await this.#delay;
    await super.wait(value, timeoutMs);
  }
}

describe.skipIf(!vulkan)("a late submission", () => {
  let gpu: GpuDevice;
  let slow: Slow;
  let bare: Bare;
  beforeAll(async () => {
    gpu = GpuDevice.open(device);
    slow = new Slow(new VulkanCompute(gpu.retain()));
    const clock = new HybridLogicalClock({ nodeId: 5 });
    bare = Bare.over(await openRings(slow, clock), clock);
  });
  afterAll(async () => {
    await bare[Symbol.asyncDispose]();
    gpu.release();
  });

  const codes = ({ port }: Launched) => port.failures.map(({ code }) => code);

  test("fails its only kernel; other kernels go on and keep their states", async () => {
    const [culprit, other] = [await bare.launch(COUNT), await bare.launch(COUNT)];
    expect(wordsOf(await bare.call(other, words(1)))).toEqual([1, 1]);
    // Its report becomes visible only at the end, as on some devices.
    const { reported } = hide(culprit);
    slow.delayNext();
    bare.send(culprit, words(2));
    await culprit.port.until(() => culprit.port.failures.length > 0);
    await slow.waited.promise;
    expect(codes(culprit)).toEqual(["BACKEND_UNAVAILABLE"]);
    expect(codes(other)).toEqual([]);
    expect(bare.send(culprit, words(3))).toBe(false);
    expect(bare.send(other, words(4))).toBe(true);
    await expect(bare.launch(COUNT)).rejects.toThrow("still busy");
    await culprit.kernel.close();
    reported();
    slow.finish();
    expect(wordsOf(await other.port.receive())).toEqual([2, 4]);
    // The reply of the failed kernel is dropped.
    expect(culprit.port.messages).toEqual([]);
    const next = await bare.launch(COUNT);
    expect(wordsOf(await bare.call(next, words(5)))).toEqual([1, 5]);
  });

  test("of several kernels fails none of them; they then run one by one, and the next late submission fails one", async () => {
    const kernels = await Promise.all([1, 2, 3].map(() => bare.launch(COUNT)));
    const shown = kernels.map((kernel) => hide(kernel));
    slow.delayNext();
    for (const kernel of kernels) bare.send(kernel, words(7));
    await slow.waited.promise;
    for (const { reported } of shown) reported();
    slow.finish();
    for (const kernel of kernels) expect(wordsOf(await kernel.port.receive())).toEqual([1, 7]);
    const before = bare.backend.metrics.dispatches;
    for (const kernel of kernels) bare.send(kernel, words(8));
    for (const kernel of kernels) expect(wordsOf(await kernel.port.receive())).toEqual([2, 8]);
    expect(bare.backend.metrics.dispatches - before).toBe(3);
    const again = kernels.map((kernel) => hide(kernel));
    slow.delayNext();
    for (const kernel of kernels) bare.send(kernel, words(9));
    await slow.waited.promise;
    for (const { reported } of again) reported();
    slow.finish();
    for (const kernel of kernels.slice(1)) expect(wordsOf(await kernel.port.receive())).toEqual([3, 9]);
    expect(kernels.map(codes)).toEqual([["BACKEND_UNAVAILABLE"], [], []]);
  });
});

/** Hides a kernel's reports, until `reported` is called. */
function hide({ kernel }: Launched): { reported(): void } {
  const hidden = kernel as unknown as { reported?: (serial: number) => boolean };
  hidden.reported = () => false;
  return {
    reported() {
      delete hidden.reported;
    },
  };
}

validationIsSilent();
