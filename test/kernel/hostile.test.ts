/** Invalid values in memory that host and GPU share: the kernel fails, and other kernels go on. */

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { GpuDevice } from "../../src/gpu/device.ts";
import { openRings } from "../../src/kernel/backend/gpu.ts";
import { VulkanCompute } from "../../src/kernel/backend/vulkan.ts";
import { HybridLogicalClock } from "../../src/kernel/base/clock.ts";
import { HEADER, MAGIC_LOW } from "../../src/kernel/base/header.ts";
import { CONTROL, REPORT } from "../../src/kernel/shader/layout.ts";
import { device, vulkan } from "../gpu/support.ts";
import { Bare, type Launched, words, wordsOf } from "./port.ts";
import { Watched } from "./watched.ts";

setDefaultTimeout(60_000);

const ECHO = "fn on_message(message: Message) { set_reply(0u, payload(0u)); reply(4u); }";
const PATTERN = 0x5ca1ab1e;

describe.skipIf(!vulkan)("shared memory", () => {
  let gpu: GpuDevice;
  let watched: Watched;
  let bare: Bare;
  let bystander: Launched;
  beforeAll(async () => {
    gpu = GpuDevice.open(device);
    watched = new Watched(new VulkanCompute(gpu.retain()));
    const clock = new HybridLogicalClock({ nodeId: 7 });
    bare = Bare.over(await openRings(watched, clock), clock);
    bystander = await bare.launch(ECHO);
  });
  afterAll(async () => {
    await bare[Symbol.asyncDispose]();
    gpu.release();
  });

  test("a message that changes after its send is dropped and reported", async () => {
    const kernel = await bare.launch(ECHO);
    bare.send(kernel, words(PATTERN), { correlationId: 6, source: 8, id: 70 });
    const upload = watched.words("upload");
    upload[upload.indexOf(PATTERN)] = PATTERN ^ 1;
    await kernel.port.until(() => kernel.port.drops.length > 0);
    expect(kernel.port.drops).toEqual([{ id: 70, correlationId: 6, source: 8, reason: "checksum" }]);
    expect(wordsOf(await bare.call(kernel, words(3)))).toEqual([3]);
    await kernel.kernel.close();
  });

  test("a reply that changes before it is read is dropped and reported", async () => {
    const kernel = await bare.launch(ECHO);
    watched.onEnd = () => {
      const readback = watched.words("readback");
      readback[readback.indexOf(PATTERN + 1)] = 0;
    };
    bare.send(kernel, words(PATTERN + 1), { correlationId: 9 });
    await kernel.port.until(() => kernel.port.drops.length > 0);
    watched.onEnd = () => {};
    expect(kernel.port.drops).toMatchObject([{ correlationId: 9, source: kernel.spec.number, reason: "checksum" }]);
    expect(wordsOf(await bare.call(kernel, words(3)))).toEqual([3]);
    await kernel.kernel.close();
  });

  /** The offset of a kernel's report, from its control block. */
  function reportOf({ spec }: Launched): number {
    const upload = watched.words("upload");
    const at = upload.findIndex((word, i) => word === spec.number && i % 64 === CONTROL.NUMBER);
    return upload[at - CONTROL.NUMBER + CONTROL.REPORT] as number;
  }

  const wrong: [string, (readback: Uint32Array, report: number) => void, RegExp][] = [
    ["it took more than it was given", (all, at) => void (all[at + REPORT.TAKEN] = 2), /took 2 messages of 1/],
    ["it put out more than it may", (all, at) => void (all[at + REPORT.OUT_HEAD] = 2 ** 30), /put out 1073741824/],
    ["it put out less than nothing", (all, at) => void (all[at + REPORT.OUT_HEAD] = 0xffffffff), /put out 4294967295/],
    ["it did not run", (all, at) => void (all[at + REPORT.SERIAL] = 0), /wrote no report/],
    [
      "an output is no message",
      (all, at) => void (all[all.indexOf(MAGIC_LOW, at)] = 0),
      /begins with .*, which is not RINGKERN/,
    ],
    [
      "an output is too large",
      (all, at) => void (all[all.indexOf(MAGIC_LOW, at) + HEADER.SIZE] = 257),
      /a payload of 257 bytes, where 256 are the most/,
    ],
    [
      "an output is of another kernel",
      (all, at) => void (all[all.indexOf(MAGIC_LOW, at) + HEADER.SOURCE] = 1),
      /a message of kernel 1 from kernel/,
    ],
    [
      "an output has a timestamp of the future",
      (all, at) => void (all[all.indexOf(MAGIC_LOW, at) + HEADER.STAMP + 1] = 0xfffff),
      /an invalid timestamp: CLOCK_DRIFT/,
    ],
  ];
  for (const [name, tamper, text] of wrong) {
    test(`${name}: the kernel fails with the reason, and others go on`, async () => {
      const kernel = await bare.launch(ECHO);
      const report = reportOf(kernel);
      watched.onEnd = () => tamper(watched.words("readback"), report);
      bare.send(kernel, words(1));
      await kernel.port.until(() => kernel.port.failures.length > 0);
      watched.onEnd = () => {};
      expect(kernel.port.failures).toMatchObject([{ code: "BACKEND_UNAVAILABLE", remedy: expect.any(String) }]);
      expect(kernel.port.failures[0]?.message).toMatch(text);
      expect(kernel.port.messages).toEqual([]);
      expect(wordsOf(await bare.call(bystander, words(4)))).toEqual([4]);
      await kernel.kernel.close();
    });
  }
});
