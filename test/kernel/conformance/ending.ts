/** Waiting calls, sends and messages at the end of a kernel or of the runtime. */
import { describe, expect, test } from "bun:test";
import { failure } from "../../channel/support.ts";
import { type Setting, start } from "../conformance.ts";
import { block, word, words } from "../support.ts";

export function ending(setting: Setting): void {
  const { create, source } = setting;

  describe("the end", () => {
    test("of a kernel rejects waiting calls and counts unhandled messages", async () => {
      await using runtime = await create();
      const kernel = await start(setting, runtime, "echo", { inputCapacity: 2, outputCapacity: 1 });
      await block(kernel);
      const waiting = [
        kernel.call({ payload: words(1) }),
        kernel.call({ payload: words(2) }),
        kernel.call({ payload: words(3) }),
        kernel.send({ payload: words(4) }),
      ].map((each) => failure("KERNEL_NOT_ACTIVE", () => each));
      expect(await kernel.terminate()).toEqual({ drained: 0, rejected: 4 });
      await Promise.all(waiting);
      // Its replies can still be received.
      expect(word((await kernel.receive()).payload)).toBe(0);
      await failure("KERNEL_NOT_ACTIVE", () => kernel.receive());
      await failure("KERNEL_NOT_ACTIVE", () => kernel.tryReceive());
    });

    test("of a kernel rejects its receivers", async () => {
      await using runtime = await create();
      const kernel = await start(setting, runtime, "silent");
      const waiting = [kernel.receive(), kernel.receive()].map((each) => failure("KERNEL_NOT_ACTIVE", () => each));
      await kernel.terminate();
      for (const error of await Promise.all(waiting)) expect(error.message).toContain("terminated");
    });

    test("of a kernel with drainMs handles its messages first", async () => {
      await using runtime = await create();
      const kernel = await start(setting, runtime, "echo");
      const calls = Array.from({ length: 50 }, (_, i) => kernel.call({ payload: words(i) }));
      const ended = kernel.terminate({ drainMs: 30_000 });
      await failure("KERNEL_NOT_ACTIVE", () => kernel.send({ payload: words(1) }));
      for (const [i, call] of calls.entries()) expect(word((await call).payload)).toBe(i);
      expect(await ended).toMatchObject({ rejected: 0 });
    });

    test("of the runtime drains or rejects messages, and reports their numbers", async () => {
      const runtime = await create();
      const willing = await start(setting, runtime, "echo", { id: "willing" });
      const blocked = await start(setting, runtime, "echo", { id: "blocked", outputCapacity: 1 });
      const idle = await runtime.launch("idle", { source: source("echo") });
      await block(blocked);
      for (let i = 1; i <= 3; i++) await blocked.send({ payload: words(i) });
      const calls = Array.from({ length: 20 }, (_, i) => willing.call({ payload: words(i) }));
      const lost = failure("KERNEL_NOT_ACTIVE", () => blocked.call({ payload: words(4) }));
      const ending = runtime.shutdown({ drainMs: 1000 });
      const again = runtime.shutdown();
      await failure("CLOSED", () => runtime.launch("late", { source: source("echo") }));
      for (const [i, call] of calls.entries()) expect(word((await call).payload)).toBe(i);
      await lost;
      const report = await ending;
      expect(report.rejected).toBe(4);
      expect(report.kernels.map(({ id, rejected }) => [id, rejected])).toEqual([
        ["willing", 0],
        ["blocked", 4],
        ["idle", 0],
      ]);
      expect(report.drained).toBe(report.kernels[0]!.drained);
      expect(await again).toEqual(report);
      await failure("INVALID_ARGUMENT", () => runtime.shutdown({ drainMs: -1 }));
      for (const kernel of [willing, blocked, idle]) expect(kernel.state).toBe("terminated");
    });

    test("of a runtime without kernels, and with kernels in launch and termination", async () => {
      const empty = await create();
      expect(await empty.shutdown()).toEqual({ drained: 0, rejected: 0, kernels: [] });
      const runtime = await create();
      const kernel = await start(setting, runtime, "echo");
      const launching = runtime.launch("other", { source: source("echo") });
      const terminating = kernel.terminate();
      await runtime.shutdown();
      expect((await launching).state).toBe("terminated");
      expect(await terminating).toEqual({ drained: 0, rejected: 0 });
    });

    test("of a scope disposes of its kernel", async () => {
      await using runtime = await create();
      {
        await using kernel = await start(setting, runtime, "echo");
        expect(kernel.state).toBe("active");
      }
      expect(runtime.metrics.launched).toBe(0);
    });
  });
}
