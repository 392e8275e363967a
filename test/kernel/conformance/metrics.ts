/** Metrics: the same messages give the same counts on all backends. */
import { describe, expect, test } from "bun:test";
import type { Kernel, KernelRuntime } from "../../../src/kernel/index.ts";
import { eventually, failure, PATIENT } from "../../channel/support.ts";
import { type Setting, start } from "../conformance.ts";
import { block, words } from "../support.ts";

const NONE = { pending: 0, replies: 0, handled: 0, expired: 0, corrupt: 0, errors: 0, lastError: null };
const K2K = { delivered: 0, pending: 0, rejected: 0 };

export function counts(setting: Setting): void {
  const { create } = setting;
  /** A software device compiles the bodies of some of these for seconds. */
  const it = (name: string, run: () => Promise<void>) => test(name, run, PATIENT);

  /** Resolves when a kernel has handled `count` messages. */
  const handled = (kernel: Kernel, count: number) =>
    eventually(() => kernel.metrics.handled >= count, `${kernel.id} has handled ${count}`);

  /** Expects the runtime's count to be the sum of its kernels' counts. */
  const expectSum = (runtime: KernelRuntime, ...kernels: Kernel[]) =>
    expect(runtime.metrics.messagesProcessed).toBe(kernels.reduce((sum, { metrics }) => sum + metrics.handled, 0));

  describe("metrics", () => {
    it("of sends, calls and replies", async () => {
      await using runtime = await create();
      const launching = runtime.launch("echo", { source: setting.source("echo") });
      expect(runtime.metrics).toMatchObject({ launched: 0, active: 0, messagesProcessed: 0 });
      const echo = await launching;
      expect(runtime.metrics).toMatchObject({ launched: 1, active: 0 });
      await echo.activate();
      const silent = await start(setting, runtime, "silent");
      for (let i = 0; i < 5; i++) await echo.send({ payload: words(i) });
      await Promise.all([1, 2, 3].map((i) => echo.call({ payload: words(i) })));
      await echo.sendMany([words(1), words(2)]);
      for (let i = 0; i < 4; i++) await silent.send({ payload: words(i) });
      await failure("NO_REPLY", () => silent.call({ payload: words(1) }));
      await handled(echo, 10);
      expect(echo.metrics).toEqual({ ...NONE, handled: 10, replies: 7 });
      expect(silent.metrics).toEqual({ ...NONE, handled: 5 });
      expect(runtime.metrics).toMatchObject({ launched: 2, active: 2, messagesProcessed: 15 });
      await silent.terminate();
      expect(runtime.metrics).toMatchObject({ launched: 1, active: 1, messagesProcessed: 15 });
      expect(silent.metrics).toEqual({ ...NONE, handled: 5 });
      expect(runtime.k2k!.metrics).toEqual(K2K);
    });

    it("of waiting messages, and of messages that a full queue refuses", async () => {
      await using runtime = await create();
      const echo = await start(setting, runtime, "echo", { inputCapacity: 4, outputCapacity: 1 });
      await block(echo);
      for (let i = 1; i <= 4; i++) expect(echo.trySend({ payload: words(i) })).toBe(true);
      expect(echo.trySend({ payload: words(9) })).toBe(false);
      const late = failure("TIMEOUT", () => echo.send({ payload: words(9), deadlineMs: 1 }));
      const waiting = [echo.send({ payload: words(5) }), echo.call({ payload: words(6) })];
      expect(echo.metrics).toEqual({ ...NONE, pending: 7, replies: 1, handled: 1 });
      await late;
      expect(echo.metrics).toEqual({ ...NONE, pending: 6, replies: 1, handled: 1 });
      for (let i = 0; i <= 5; i++) await echo.receive();
      await Promise.all(waiting);
      expect(echo.metrics).toEqual({ ...NONE, handled: 7 });
      expectSum(runtime, echo);
    });

    it("of deadlines that have passed", async () => {
      await using runtime = await create();
      const echo = await start(setting, runtime, "echo", { outputCapacity: 1 });
      await block(echo);
      for (let i = 0; i < 3; i++) await echo.send({ payload: words(i), deadlineMs: 0 });
      await failure("TIMEOUT", () => echo.call({ payload: words(3), deadlineMs: 0 }));
      await echo.send({ payload: words(4), deadlineMs: 600_000 });
      expect(await runtime.k2k!.send("host", "echo", words(5), { deadlineMs: 0 })).toBe("delivered");
      expect(echo.metrics).toEqual({ ...NONE, pending: 6, replies: 1, handled: 1 });
      await echo.receive();
      await handled(echo, 2);
      await echo.receive();
      await eventually(() => echo.metrics.pending === 0, "nothing waits");
      expect(echo.metrics).toEqual({ ...NONE, handled: 2, expired: 5 });
      // A clock ahead of the time of day does not advance with it: a deadline of 0 ms passes all the same.
      const { physicalMicros, ...stamp } = runtime.clock.tick();
      runtime.clock.update({ ...stamp, physicalMicros: physicalMicros + 30e6 });
      await echo.send({ payload: words(6), deadlineMs: 0 });
      await eventually(() => echo.metrics.pending === 0, "nothing waits");
      expect(echo.metrics).toEqual({ ...NONE, handled: 2, expired: 6 });
      expectSum(runtime, echo);
    });

    it("of bodies that fail", async () => {
      await using runtime = await create();
      const fails = await start(setting, runtime, "fails");
      const throws = !(setting.name.startsWith("WGSL") || setting.name === "metal");
      await failure(throws ? "HANDLER_FAILED" : "NO_REPLY", () => fails.call({ payload: words(1), type: 13 }));
      await fails.send({ payload: words(2), type: 13 });
      await fails.call({ payload: words(3) });
      expect(fails.metrics).toMatchObject({ pending: 0, replies: 0, handled: 3, expired: 0, corrupt: 0 });
      expect(fails.metrics.errors).toBe(throws ? 2 : 0);
      expect(fails.metrics.lastError?.code).toBe(throws ? "HANDLER_FAILED" : undefined);
      expectSum(runtime, fails);
    });

    it("of messages from kernel to kernel", async () => {
      await using runtime = await create();
      const forward = await start(setting, runtime, "forward");
      const target = await start(setting, runtime, "counter", { id: "target" });
      for (let i = 0; i < 20; i++) await forward.send({ payload: words(1) });
      await handled(target, 20);
      expect(forward.metrics).toEqual({ ...NONE, handled: 20 });
      expect(target.metrics).toEqual({ ...NONE, handled: 20, replies: 20 });
      expect(runtime.k2k!.metrics).toEqual({ ...K2K, delivered: 20 });
      expectSum(runtime, forward, target);
      // The call passes two kernels, and the second one replies.
      const pass = await start(setting, runtime, "pass", { routes: ["first", "second"] });
      const first = await start(setting, runtime, "echo", { id: "first" });
      expect((await pass.call({ payload: words(7), type: 1 })).source).toBe("first");
      await handled(pass, 1); // in Workers, the one that was called may be heard of last
      for (const { metrics } of [pass, first]) expect(metrics).toEqual({ ...NONE, handled: 1 });
      expect(runtime.k2k!.metrics).toEqual({ ...K2K, delivered: 21 });
    });

    it("of messages to a full, a deactivated and an absent kernel", async () => {
      await using runtime = await create();
      const relay = await start(setting, runtime, "relay");
      const target = await start(setting, runtime, "echo", { id: "target", inputCapacity: 2, outputCapacity: 1 });
      await block(target);
      for (let i = 1; i <= 5; i++) await relay.send({ payload: words(i) });
      await handled(relay, 5);
      await eventually(() => runtime.k2k!.metrics.rejected === 3, "three are refused");
      expect(relay.metrics).toEqual({ ...NONE, handled: 5 });
      expect(target.metrics).toEqual({ ...NONE, pending: 2, replies: 1, handled: 1 });
      expect(runtime.k2k!.metrics).toEqual({ ...K2K, delivered: 2, rejected: 3 });
      for (let i = 0; i <= 2; i++) await target.receive();
      expect(target.metrics).toEqual({ ...NONE, handled: 3 });
      await target.deactivate();
      await relay.send({ payload: words(6) });
      await eventually(() => runtime.k2k!.metrics.delivered === 3, "one waits for it to be active");
      expect(target.metrics).toEqual({ ...NONE, pending: 1, handled: 3 });
      await relay.send({ payload: new Uint8Array(4) });
      await eventually(() => runtime.k2k!.metrics.delivered === 4, "and another one");
      expect(await target.terminate()).toEqual({ drained: 0, rejected: 2 });
      expect(target.metrics).toEqual({ ...NONE, handled: 3 });
      await relay.send({ payload: words(7) });
      await eventually(() => runtime.k2k!.metrics.rejected === 4, "there is no target");
      expect(runtime.k2k!.metrics).toEqual({ delivered: 4, pending: 0, rejected: 4 });
      expect(relay.metrics).toEqual({ ...NONE, handled: 8 });
    });

    it("terminate with drainMs handles messages of other kernels", async () => {
      await using runtime = await create();
      const relay = await start(setting, runtime, "relay");
      const target = await start(setting, runtime, "echo", { id: "target", inputCapacity: 4, outputCapacity: 1 });
      await block(target);
      for (let i = 1; i <= 3; i++) await relay.send({ payload: words(i) });
      await eventually(() => target.metrics.pending === 3, "three wait");
      const ended = target.terminate({ drainMs: PATIENT });
      for (let i = 0; i <= 3; i++) expect((await target.receive()).payload).toEqual(words(i));
      expect(await ended).toEqual({ drained: 3, rejected: 0 });
      expect(target.metrics).toEqual({ ...NONE, handled: 4 });
    });

    it("of messages that are too large for their kernel", async () => {
      await using runtime = await create();
      const relay = await start(setting, runtime, "relay");
      const target = await start(setting, runtime, "echo", { id: "target", payloadBytes: 8 });
      await relay.send({ payload: words(1, 2, 3) });
      await relay.send({ payload: words(1, 2) });
      await target.receive();
      await eventually(() => runtime.k2k!.metrics.rejected === 1, "one is too large");
      expect(runtime.k2k!.metrics).toEqual({ ...K2K, delivered: 1, rejected: 1 });
      expect(target.metrics).toEqual({ ...NONE, handled: 1 });
    });

    it("a shutdown handles messages between kernels, and counts them", async () => {
      const runtime = await create();
      const relay = await start(setting, runtime, "relay");
      const target = await start(setting, runtime, "counter", { id: "target" });
      for (let i = 0; i < 50; i++) await relay.send({ payload: words(1) });
      const report = await runtime.shutdown({ drainMs: 60_000 });
      expect(report.rejected).toBe(0);
      expect([relay.metrics.handled, target.metrics.handled]).toEqual([50, 50]);
      expect(runtime.metrics.messagesProcessed).toBe(100);
    });
  });
}
