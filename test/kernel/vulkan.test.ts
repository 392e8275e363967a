/** Kernels on a GPU, through the interface of a backend. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { GpuDevice } from "../../src/gpu/device.ts";
import { openRings } from "../../src/kernel/backend/gpu.ts";
import { VulkanCompute } from "../../src/kernel/backend/vulkan.ts";
import { HybridLogicalClock } from "../../src/kernel/base/clock.ts";
import { device, randomBytes, validationIsSilent, vulkan } from "../gpu/support.ts";
import { Bare, words, wordsOf } from "./port.ts";
import { Watched } from "./watched.ts";

/** A software device compiles a body for half a second, and more on a busy machine. */
setDefaultTimeout(60_000);

const ECHO = `fn on_message(message: Message) {
  for (var i = message.thread; i < (message.bytes + 3u) / 4u; i += message.threads) { set_reply(i, payload(i)); }
  if (message.thread == 0u) { reply(message.bytes); }
}`;
const COUNT = `fn on_message(message: Message) { set_state(0u, state(0u) + payload(0u)); set_reply(0u, state(0u)); reply(4u); }`;

let gpu: GpuDevice;
let bare: Bare;
beforeAll(async () => {
  if (!vulkan) return;
  gpu = GpuDevice.open(device);
  bare = await Bare.open(gpu);
});
afterAll(async () => {
  await bare?.[Symbol.asyncDispose]();
  gpu?.release();
});

describe.skipIf(!vulkan)("one kernel", () => {
  test("gets a message with all its fields, and its reply has the correlation id", async () => {
    const told = await bare.launch(`fn on_message(message: Message) {
      set_reply(0u, message.kind); set_reply(1u, message.bytes); set_reply(2u, message.source); set_reply(3u, message.priority);
      set_reply(4u, message.thread); set_reply(5u, message.threads); set_reply(6u, message.correlation.x);
      set_reply(7u, message.correlation.y); set_reply(8u, payload(0u)); set_reply(9u, payload(1u)); set_reply(10u, payload(64u));
      reply(44u);
    }`);
    const payload = Uint8Array.of(1, 2, 3, 4, 5);
    const correlationId = 2 ** 40 + 3;
    const stamp = bare.clock.tick();
    const answer = await bare.call(told, payload, {
      type: 9,
      priority: 3,
      correlationId,
      source: 12,
      timestamp: stamp,
    });
    expect(wordsOf(answer)).toEqual([9, 5, 12, 3, 0, 1, 3, 256, 0x04030201, 5, 0]);
    expect(answer).toMatchObject({ type: 9, priority: 3, correlationId, source: told.spec.number, destination: 0 });
    expect(HybridLogicalClock.compare(stamp, answer.timestamp)).toBe(-1);
    expect(HybridLogicalClock.compare(answer.timestamp, bare.clock.tick())).toBe(-1);
  });

  for (const workgroupSize of [1, 7, 64]) {
    test(`echoes payloads of every size, with ${workgroupSize} invocations`, async () => {
      const echo = await bare.launch(ECHO, { workgroupSize, payloadBytes: 300 });
      for (const size of [0, 1, 2, 3, 4, 5, 63, 64, 65, 255, 256, 299, 300]) {
        const payload = randomBytes(size);
        expect((await bare.call(echo, payload)).payload).toEqual(payload);
      }
    });
  }

  test("has a state that is 0 at first and is kept from message to message", async () => {
    const count = await bare.launch(COUNT);
    for (const sum of [5, 10, 15]) expect(wordsOf(await bare.call(count, words(5)))).toEqual([sum]);
  });

  test("handles all waiting messages in one submission, by priority, then by age", async () => {
    const order = await bare.launch(ECHO);
    const before = bare.backend.metrics.dispatches;
    const priorities = [1, 0, 3, 2, 1, 3, 0, 2] as const;
    for (const [i, priority] of priorities.entries()) expect(bare.send(order, words(i), { priority })).toBe(true);
    expect(order.kernel.pending).toBe(8);
    const came: number[] = [];
    for (const _ of priorities) came.push(...wordsOf(await order.port.receive()));
    expect(came).toEqual([2, 5, 3, 7, 0, 4, 1, 6]);
    expect(bare.backend.metrics.dispatches).toBe(before + 1);
    expect(order.kernel.pending).toBe(0);
    expect(order.port.takenCount).toBe(8);
  });

  test("refuses messages while its input is full", async () => {
    const small = await bare.launch(ECHO, { inputCapacity: 4, outputCapacity: 4, isActive: false });
    for (let i = 0; i < 4; i++) expect(bare.send(small, words(i))).toBe(true);
    expect(bare.send(small, words(4))).toBe(false);
    small.kernel.activate();
    for (let i = 0; i < 4; i++) expect(wordsOf(await small.port.receive())).toEqual([i]);
    expect(wordsOf(await bare.call(small, words(4)))).toEqual([4]);
  });

  test("handles nothing without credits for a reply", async () => {
    const held = await bare.launch(COUNT);
    held.port.capacity = 2;
    for (let i = 0; i < 5; i++) bare.send(held, words(1));
    await held.port.until(() => held.port.messages.length === 2);
    expect(held.kernel.pending).toBe(3);
    await bare.call(await bare.launch(ECHO), words(1)); // another submission
    expect(held.kernel.pending).toBe(3);
    held.port.capacity = 5;
    held.kernel.resume();
    await held.port.until(() => held.port.messages.length === 5);
    expect(held.port.messages.map(wordsOf)).toEqual([[1], [2], [3], [4], [5]]);
  });

  test("reports a message after its deadline, and does not handle it", async () => {
    const count = await bare.launch(COUNT);
    const { physicalMicros } = bare.clock.tick();
    bare.send(count, words(1), { deadlineMicros: physicalMicros - 1, correlationId: 4, source: 3, id: 77 });
    bare.send(count, words(2), { deadlineMicros: physicalMicros + 60_000_000 });
    expect(wordsOf(await count.port.receive())).toEqual([2]);
    expect(count.port.drops).toEqual([{ id: 77, correlationId: 4, source: 3, reason: "deadline" }]);
  });

  test("keeps messages while it is deactivated", async () => {
    const count = await bare.launch(COUNT);
    await bare.call(count, words(1));
    await count.kernel.deactivate();
    bare.send(count, words(1));
    await bare.call(await bare.launch(ECHO), words(1));
    expect(count.kernel.pending).toBe(1);
    count.kernel.activate();
    expect(wordsOf(await count.port.receive())).toEqual([2]);
  });

  test("returns the number of unhandled messages from close(), and its memory is reused", async () => {
    const idle = await bare.launch(COUNT, { isActive: false, payloadBytes: 4096, inputCapacity: 128 });
    for (let i = 0; i < 3; i++) bare.send(idle, words(9));
    expect(await idle.kernel.close()).toBe(3);
    const next = await bare.launch(COUNT, { payloadBytes: 4096, inputCapacity: 128 });
    expect(wordsOf(await bare.call(next, words(1)))).toEqual([1]);
    expect(idle.port.messages).toEqual([]);
  });

  test("releases its memory after a failed launch", async () => {
    const beyond = 2 ** Math.ceil(Math.log2(gpu.info.storageMaxBytes / 256 + 1));
    const attempts: [string, RegExp, Parameters<Bare["launch"]>[1], string?][] = [
      ["GPU_OUT_OF_MEMORY", /shaders reach/, { inputCapacity: beyond }],
      ["INVALID_ARGUMENT", /workgroups of 10000/, { workgroupSize: 10_000 }],
      ["INVALID_ARGUMENT", /payloadBytes/, { payloadBytes: 2 ** 28 }],
      ["SHADER_INVALID", /wgsl:1:/, {}, "fn on_message(message: Message) { x(); }"],
      ["INVALID_ARGUMENT", /no WGSL/, { body: { handler: () => undefined } }],
    ];
    for (const [code, text, more, wgsl = ECHO] of attempts) {
      const error = await bare.launch(wgsl, more).catch((caught) => caught);
      expect(error).toMatchObject({ code });
      expect(error.message).toMatch(text);
    }
    expect(wordsOf(await bare.call(await bare.launch(ECHO), words(6)))).toEqual([6]);
  });

  test("refuses too large payloads and unknown routes before it writes", async () => {
    const small = await bare.launch(ECHO, { stateBytes: 0, payloadBytes: 4, routeCount: 1, isActive: false });
    expect(() => bare.send(small, new Uint8Array(5))).toThrow(/INVALID_ARGUMENT.* 5.*at most 4/);
    for (const route of [-1, 1, 0.5]) expect(() => small.kernel.setRoute(route, 1)).toThrow(/INVALID_ARGUMENT.*route/);
    expect(small.kernel.pending).toBe(0);
  });

  test("may have no state, no payload and no routes", async () => {
    const none = await bare.launch(
      "fn on_message(message: Message) { if (send_to(0u, 0u)) { return; } reply(state(0u)); }",
      {
        ...{ stateBytes: 0, payloadBytes: 0, routeCount: 0, inputCapacity: 1, outputCapacity: 1 },
      },
    );
    for (let i = 0; i < 3; i++) expect((await bare.call(none, new Uint8Array())).payload.length).toBe(0);
  });

  test("handles messages that are sent while the memory grows", async () => {
    const count = await bare.launch(COUNT, { inputCapacity: 1024, outputCapacity: 1024, isActive: false });
    let sent = 0;
    for (let i = 0; i < 3; i++) {
      let isLaunched = false;
      const launching = bare.launch(ECHO, { inputCapacity: 4096, payloadBytes: 1024 }).finally(() => {
        isLaunched = true;
      });
      while (!isLaunched) {
        if (bare.send(count, words(1))) sent++;
        await new Promise(setImmediate);
      }
      await (await launching).kernel.close();
    }
    count.kernel.activate();
    await count.port.until(() => count.port.messages.length === sent);
    expect(wordsOf(count.port.messages.at(-1)!)).toEqual([sent]);
  });

  test("shares a submission with many kernels of several bodies while the memory grows", async () => {
    const all = [];
    for (let i = 0; i < 60; i++) {
      const wgsl = `fn on_message(message: Message) { set_reply(0u, payload(0u) * ${1 + (i % 3)}u); reply(4u); }`;
      all.push(await bare.launch(wgsl, { payloadBytes: 2048 }));
    }
    const before = bare.backend.metrics.dispatches;
    for (const [i, each] of all.entries()) bare.send(each, words(i));
    for (const [i, each] of all.entries()) expect(wordsOf(await each.port.receive())).toEqual([i * (1 + (i % 3))]);
    expect(bare.backend.metrics.dispatches).toBe(before + 1);
    for (const { kernel } of all) expect(await kernel.close()).toBe(0);
  });
});

describe.skipIf(!vulkan)("several backends", () => {
  test("on one GPU are independent, and close independently", async () => {
    const second = await Bare.open(gpu);
    const [one, other] = [await bare.launch(COUNT), await second.launch(COUNT)];
    for (let i = 1; i <= 20; i++) {
      const [a, b] = await Promise.all([bare.call(one, words(1)), second.call(other, words(2))]);
      expect([wordsOf(a), wordsOf(b)]).toEqual([[i], [2 * i]]);
    }
    bare.send(one, words(1));
    second.send(other, words(2));
    await second[Symbol.asyncDispose]();
    expect(wordsOf(await one.port.receive())).toEqual([21]);
    // Kernels of the closed backend do nothing, and can be closed.
    expect(second.send(other, words(2))).toBe(false);
    await other.kernel.deactivate();
    expect(await other.kernel.close()).toBeLessThanOrEqual(1);
    expect(other.port.failures).toEqual([]);
    expect(await second.launch(COUNT).catch(({ code }) => code)).toBe("CLOSED");
  });

  test("kernels with the same body share a pipeline, which stays for later launches", async () => {
    const watched = new Watched(new VulkanCompute(gpu.retain()));
    const clock = new HybridLogicalClock({ nodeId: 9 });
    await using own = Bare.over(await openRings(watched, clock), clock);
    const first = await Promise.all([COUNT, COUNT, ECHO].map((body) => own.launch(body)));
    expect(watched.counts.pipelines).toBe(2);
    await own.launch(ECHO, { workgroupSize: 4 });
    expect(watched.counts.pipelines).toBe(3);
    for (const { kernel } of first) await kernel.close();
    const again = await own.launch(COUNT);
    expect(wordsOf(await own.call(again, words(5)))).toEqual([5]);
    expect(watched.counts.pipelines).toBe(3);
  });

  test("close() ends kernels that message each other", async () => {
    const second = await Bare.open(gpu);
    const body = "fn on_message(message: Message) { _ = send_to(0u, 0u); }";
    const ring = [await second.launch(body), await second.launch(body)];
    for (const [i, { kernel }] of ring.entries()) kernel.setRoute(0, ring[1 - i]!.spec.number);
    second.send(ring[0]!, new Uint8Array());
    while (ring.reduce((sum, { port }) => sum + port.handledCount, 0) < 100) await new Promise(setImmediate);
    await second[Symbol.asyncDispose]();
    expect(ring.flatMap(({ port }) => port.failures)).toEqual([]);
  });
});

validationIsSilent();
