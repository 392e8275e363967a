/** Messages between kernels: from bodies, and through the host's broker. */
import { describe, expect, test } from "bun:test";
import { settled } from "../../channel/conformance/sending.ts";
import { eventually, failure } from "../../channel/support.ts";
import { type Setting, start } from "../conformance.ts";
import { block, word, words } from "../support.ts";

export function k2k(setting: Setting): void {
  const { create, source } = setting;

  describe("kernel to kernel", () => {
    test("a body sends to another kernel, which replies to the host", async () => {
      await using runtime = await create();
      const forward = await start(setting, runtime, "forward");
      const target = await start(setting, runtime, "echo", { id: "target" });
      for (let i = 0; i < 20; i++)
        await forward.send({ payload: words(i, i * i), type: i, priority: 3, correlationId: 9 });
      for (let i = 0; i < 20; i++) {
        const reply = await target.receive();
        expect(reply).toMatchObject({ source: "target", destination: "host", payload: words(i, i * i) });
        // A body's message has the type and the correlation id of the message that it handles, and its own id.
        expect(reply).toMatchObject({ type: i, priority: 1, correlationId: 9 });
      }
      expect(forward.tryReceive()).toBeNull();
    });

    test("the destination of a route is the kernel that has the id now", async () => {
      await using runtime = await create();
      const forward = await start(setting, runtime, "forward");
      for (let round = 0; round < 2; round++) {
        const target = await start(setting, runtime, "counter", { id: "target" });
        await forward.send({ payload: words(4) });
        expect(word((await target.receive()).payload)).toBe(4);
        await target.terminate();
        // Without a destination, the sending kernel goes on.
        const handled = runtime.metrics.messagesProcessed;
        await forward.send({ payload: words(5) });
        await eventually(
          () => runtime.metrics.messagesProcessed > handled,
          "the message without a destination is handled",
        );
      }
      expect(forward.state).toBe("active");
    });

    test("kernels that send to each other at the same time lose no message", async () => {
      await using runtime = await create();
      const count = 100;
      const target = await start(setting, runtime, "counter", {
        id: "target",
        inputCapacity: 1024,
        outputCapacity: 1024,
      });
      const senders = await Promise.all(
        [0, 1, 2, 3].map((i) => start(setting, runtime, "forward", { id: `forward${i}`, inputCapacity: 128 })),
      );
      await Promise.all(
        senders.map(async (each) => {
          for (let i = 0; i < count; i++) await each.send({ payload: words(1) });
        }),
      );
      let last = 0;
      for (let i = 0; i < count * senders.length; i++) last = word((await target.receive()).payload);
      expect(last).toBe(count * senders.length);
    });
  });

  describe("the broker", () => {
    const payload = words(6);

    test("exists unless k2k is false", async () => {
      await using without = await create({ k2k: false });
      expect(without.k2k).toBeNull();
      const options = { source: source("forward"), routes: ["target"] };
      await failure("INVALID_ARGUMENT", () => without.launch("k", options));
      await using runtime = await create();
      expect(runtime.k2k!.metrics).toEqual({ delivered: 0, pending: 0, rejected: 0 });
    });

    test("reports delivered, queue-full and not-found", async () => {
      await using runtime = await create({ k2k: { deliveryTimeoutMs: 20 } });
      const broker = runtime.k2k!;
      const target = await start(setting, runtime, "echo", { inputCapacity: 2, outputCapacity: 1 });
      await block(target);
      for (const _ of [1, 2]) expect(await broker.send("host", "echo", payload)).toBe("delivered");
      expect(await broker.send("host", "echo", payload)).toBe("queue-full");
      expect(await broker.send("echo", "absent", payload)).toBe("not-found");
      await target.receive();
      const reply = await target.receive();
      expect(reply).toMatchObject({ payload, correlationId: 0 });
      expect(broker.metrics).toEqual({ delivered: 2, pending: 0, rejected: 2 });
    });

    test("a message waits for its kernel, and is delivered when it is active", async () => {
      await using runtime = await create({ k2k: { deliveryTimeoutMs: 60_000 } });
      const broker = runtime.k2k!;
      const sends = [1, 2, 3].map((value) => broker.send("host", "counter", words(value)));
      expect(await settled(Promise.race(sends))).toBe(false);
      expect(broker.metrics.pending).toBe(3);
      const kernel = await runtime.launch("counter", { source: source("counter") });
      expect(await settled(Promise.race(sends))).toBe(false);
      await kernel.activate();
      expect(await Promise.all(sends)).toEqual(["delivered", "delivered", "delivered"]);
      for (const sum of [1, 3, 6]) expect(word((await kernel.receive()).payload)).toBe(sum);
      expect(broker.metrics).toEqual({ delivered: 3, pending: 0, rejected: 0 });
    });

    test("a kernel that is not active in time is timeout", async () => {
      await using runtime = await create({ k2k: { deliveryTimeoutMs: 10 } });
      await runtime.launch("idle", { source: source("echo") });
      expect(await runtime.k2k!.send("host", "idle", payload)).toBe("timeout");
      expect(runtime.k2k!.metrics).toEqual({ delivered: 0, pending: 0, rejected: 1 });
    });

    test("at most maxPending messages wait", async () => {
      await using runtime = await create({ k2k: { maxPending: 2, deliveryTimeoutMs: 60_000 } });
      const broker = runtime.k2k!;
      const sends = [broker.send("host", "echo", payload), broker.send("host", "echo", payload)];
      expect(await broker.send("host", "echo", payload)).toBe("queue-full");
      await start(setting, runtime, "echo");
      expect(await Promise.all(sends)).toEqual(["delivered", "delivered"]);
    });

    test("routes lead to another kernel; a ring of routes is refused", async () => {
      await using runtime = await create({ k2k: { maxHops: 3, deliveryTimeoutMs: 10 } });
      const broker = runtime.k2k!;
      const kernel = await start(setting, runtime, "echo");
      broker.addRoute("a", "b");
      broker.addRoute("b", "c");
      broker.addRoute("c", "echo");
      expect(await broker.send("host", "a", payload)).toBe("delivered");
      expect((await kernel.receive()).payload).toEqual(payload);
      broker.addRoute("far", "a");
      expect(await broker.send("host", "far", payload)).toBe("max-hops-exceeded");
      broker.addRoute("ring", "gnir");
      broker.addRoute("gnir", "ring");
      expect(await broker.send("host", "ring", payload)).toBe("max-hops-exceeded");
      broker.addRoute("lost", "nowhere");
      expect(await broker.send("host", "lost", payload)).toBe("not-found");
    });

    test("messages have the given priority and type", async () => {
      await using runtime = await create();
      const kernel = await start(setting, runtime, "echo", { outputCapacity: 1 });
      await block(kernel);
      for (const priority of [0, 2, 3, 1] as const) {
        expect(await runtime.k2k!.send("host", "echo", words(priority), { priority, type: 7 })).toBe("delivered");
      }
      await kernel.receive();
      for (const priority of [3, 2, 1, 0] as const) {
        expect(await kernel.receive()).toMatchObject({ payload: words(priority), priority, type: 7 });
      }
    });

    test("invalid arguments are refused", async () => {
      await using runtime = await create();
      const broker = runtime.k2k!;
      await start(setting, runtime, "echo");
      await failure("KERNEL_NOT_ACTIVE", () => broker.send("absent", "echo", payload));
      await failure("INVALID_ARGUMENT", () => broker.send("host", "a/b/c", payload));
      await failure("INVALID_ARGUMENT", () => broker.send("host", "host", payload));
      await failure("INVALID_ARGUMENT", () => broker.send("host", undefined as never, payload));
      await failure("INVALID_ARGUMENT", () => broker.send("host", "echo", "text" as never));
      await failure("INVALID_ARGUMENT", () => broker.send("host", "echo", payload, { priority: 4 as never }));
      await failure("INVALID_ARGUMENT", () => broker.send("host", "echo", payload, { type: -1 }));
      const large = await failure("INVALID_ARGUMENT", () => broker.send("host", "echo", new Uint8Array(300)));
      expect(large.message).toContain("300");
      await failure("INVALID_ARGUMENT", () => broker.addRoute("", "b"));
      await failure("INVALID_ARGUMENT", () => broker.addRoute("a", "host"));
      for (const k2k of [{ maxPending: -1 }, { maxHops: 0.5 }, { deliveryTimeoutMs: Number.NaN }, 5, null]) {
        await failure("INVALID_ARGUMENT", () => create({ k2k: k2k as never }));
      }
      await runtime.shutdown();
      await failure("CLOSED", () => broker.send("host", "echo", payload));
    });

    test("a shutdown rejects messages that wait for a kernel", async () => {
      const runtime = await create({ k2k: { deliveryTimeoutMs: 60_000 } });
      const waiting = failure("CLOSED", () => runtime.k2k!.send("host", "absent", payload));
      await runtime.shutdown();
      await waiting;
    });
  });
}
