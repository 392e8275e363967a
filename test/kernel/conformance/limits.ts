/** Each wait takes a timeout and a signal. Work that has begun is completed or withdrawn, and no message is lost. */
import { describe, expect, test } from "bun:test";
import type { Kernel } from "../../../src/kernel/index.ts";
import { eventually, failure } from "../../channel/support.ts";
import { type Setting, start } from "../conformance.ts";
import { block, word, words } from "../support.ts";

type Waiting = (limits: { timeoutMs?: number; signal?: AbortSignal }) => Promise<unknown>;

/** Aborts a waiting call, and expects ABORTED. */
async function aborted(call: Waiting): Promise<void> {
  const caller = new AbortController();
  const reason = new Error("the caller has another plan");
  const waiting = call({ signal: caller.signal });
  caller.abort(reason);
  expect((await failure("ABORTED", () => waiting)).cause).toBe(reason);
}

/** Expects ABORTED, without effects, from a call with an aborted signal. */
const notBegun = (call: Waiting) => failure("ABORTED", () => call({ signal: AbortSignal.abort() }));

const outOfTime = (call: Waiting) => failure("TIMEOUT", () => call({ timeoutMs: 1 }));

export function limits(setting: Setting): void {
  const { create, source } = setting;

  /** An echo that is blocked by its reply, word 0, with message 1 in its full input. */
  async function blockedEcho(runtime: Awaited<ReturnType<Setting["create"]>>): Promise<Kernel> {
    const kernel = await start(setting, runtime, "echo", { inputCapacity: 1, outputCapacity: 1 });
    await block(kernel);
    expect(kernel.trySend({ payload: words(1) })).toBe(true);
    return kernel;
  }

  /** Expects these replies, and no others. */
  async function expectReplies(kernel: Kernel, ...values: number[]): Promise<void> {
    for (const value of values) expect(word((await kernel.receive()).payload)).toBe(value);
    expect(word((await kernel.call({ payload: words(99) })).payload)).toBe(99);
    expect(kernel.tryReceive()).toBeNull();
    expect(kernel.metrics).toMatchObject({ pending: 0, replies: 0 });
  }

  describe("limits", () => {
    test("a message of an aborted send is not handled", async () => {
      await using runtime = await create();
      const kernel = await blockedEcho(runtime);
      const send: Waiting = (limits) => kernel.send({ payload: words(2) }, limits);
      await notBegun(send);
      await aborted(send);
      await outOfTime(send);
      const patient = kernel.send({ payload: words(3) }, { timeoutMs: Number.POSITIVE_INFINITY });
      await expectReplies(kernel, 0, 1, 3);
      await patient;
    });

    test("of an aborted sendMany, only the payloads before the abort are handled", async () => {
      await using runtime = await create();
      const kernel = await start(setting, runtime, "echo", { inputCapacity: 2, outputCapacity: 1 });
      await block(kernel);
      const caller = new AbortController();
      const payloads = [1, 2, 3, 4].map((value) => words(value));
      const sending = kernel.sendMany(payloads, { type: 7, signal: caller.signal });
      await eventually(() => kernel.metrics.pending === 3, "two messages in the input, and one that waits for room");
      caller.abort();
      await failure("ABORTED", () => sending);
      await outOfTime((limits) => kernel.sendMany([words(5)], limits));
      await notBegun((limits) => kernel.sendMany([words(6)], limits));
      await notBegun((limits) => kernel.sendMany([], limits));
      await failure("INVALID_ARGUMENT", () => kernel.sendMany([], { timeoutMs: -1 }));
      await expectReplies(kernel, 0, 1, 2);
    });

    test("a call that is aborted before its message is in the input does not send it", async () => {
      await using runtime = await create();
      const kernel = await blockedEcho(runtime);
      const call: Waiting = (limits) => kernel.call({ payload: words(2) }, limits);
      await notBegun(call);
      await aborted(call);
      await outOfTime(call);
      await expectReplies(kernel, 0, 1);
      expect(kernel.metrics.handled).toBe(3);
    });

    test("a call that is aborted after that is handled, and its reply is dropped", async () => {
      await using runtime = await create();
      const kernel = await start(setting, runtime, "echo", { outputCapacity: 1 });
      await block(kernel);
      await aborted((limits) => kernel.call({ payload: words(1) }, limits));
      await outOfTime((limits) => kernel.call({ payload: words(2) }, limits));
      await aborted((limits) => kernel.call({ payload: words(3), correlationId: 5 }, limits));
      expect(kernel.metrics.pending).toBe(3);
      expect(word((await kernel.receive()).payload)).toBe(0);
      // With a correlation id of the caller's own, the reply goes to receive().
      expect(await kernel.receive()).toMatchObject({ payload: words(3), correlationId: 5 });
      await expectReplies(kernel);
      expect(kernel.metrics.handled).toBe(5);
    });

    test("an aborted receive takes no reply", async () => {
      await using runtime = await create();
      const kernel = await start(setting, runtime, "echo");
      const receive: Waiting = (limits) => kernel.receive(limits);
      await aborted(receive);
      await outOfTime(receive);
      await kernel.send({ payload: words(1) });
      await eventually(() => kernel.metrics.replies === 1, "a reply");
      await notBegun(receive);
      await expectReplies(kernel, 1);
    });

    test("a signal that aborts later has no effect on ended calls", async () => {
      await using runtime = await create();
      const kernel = await start(setting, runtime, "echo");
      const caller = new AbortController();
      const { signal } = caller;
      await kernel.send({ payload: words(1) }, { signal });
      expect(word((await kernel.receive({ signal })).payload)).toBe(1);
      expect(word((await kernel.call({ payload: words(2) }, { signal })).payload)).toBe(2);
      await kernel.deactivate({ signal });
      await kernel.activate({ signal });
      caller.abort();
      await expectReplies(kernel);
    });

    test("an aborted change of state goes on", async () => {
      await using runtime = await create();
      const kernel = await runtime.launch("k", { source: source("echo") });
      await notBegun((limits) => kernel.activate(limits));
      expect(kernel.state).toBe("launched");
      await aborted((limits) => kernel.activate(limits));
      expect(kernel.state).toBe("active");
      await expectReplies(kernel);
      await notBegun((limits) => kernel.deactivate(limits));
      expect(kernel.state).toBe("active");
      await aborted((limits) => kernel.deactivate(limits));
      expect(kernel.state).toBe("deactivated");
      await kernel.activate();
      await expectReplies(kernel);
    });

    test("an aborted terminate drains and ends the kernel", async () => {
      await using runtime = await create();
      const kernel = await blockedEcho(runtime);
      await notBegun((limits) => kernel.terminate(limits));
      expect(kernel.state).toBe("active");
      await outOfTime((limits) => kernel.terminate({ drainMs: Number.POSITIVE_INFINITY, ...limits }));
      expect(kernel.state).toBe("terminating");
      // The kernel still handles its messages.
      for (const value of [0, 1]) expect(word((await kernel.receive()).payload)).toBe(value);
      expect(await kernel.closed).toBeNull();
      expect(runtime.kernel("echo")).toBeNull();
    });

    test("an aborted launch leaves the id free, and no kernel", async () => {
      await using runtime = await create();
      await notBegun((limits) => runtime.launch("k", { source: source("counter"), ...limits }));
      const caller = new AbortController();
      const launching = runtime.launch("k", { source: source("counter"), signal: caller.signal });
      caller.abort();
      if (setting.name === "handlers") {
        await (await launching).terminate(); // a handler is there at once
      } else {
        await failure("ABORTED", () => launching);
      }
      expect([runtime.kernels(), runtime.metrics.launched]).toEqual([[], 0]);
      const kernel = await start(setting, runtime, "counter", { id: "k" });
      expect(word((await kernel.call({ payload: words(5) })).payload)).toBe(5);
      await failure("INVALID_ARGUMENT", () => runtime.launch("other", { source: source("echo"), timeoutMs: -1 }));
    });

    test("an aborted shutdown goes on, and the next caller gets its report", async () => {
      const runtime = await create();
      const kernel = await blockedEcho(runtime);
      await notBegun((limits) => runtime.shutdown(limits));
      expect(kernel.state).toBe("active");
      await outOfTime((limits) => runtime.shutdown({ drainMs: Number.POSITIVE_INFINITY, ...limits }));
      await aborted((limits) => runtime.shutdown(limits));
      await failure("CLOSED", () => runtime.launch("late", { source: source("echo") }));
      for (const value of [0, 1]) expect(word((await kernel.receive()).payload)).toBe(value);
      expect(await runtime.shutdown()).toEqual({
        drained: 1,
        rejected: 0,
        kernels: [{ id: "echo", drained: 1, rejected: 0 }],
      });
    });

    test("a message between kernels that waits here is not delivered after an abort", async () => {
      await using runtime = await create();
      const k2k = runtime.k2k!;
      const send: Waiting = (limits) => k2k.send("host", "k", words(1), limits);
      await notBegun(send);
      expect(k2k.metrics).toEqual({ delivered: 0, pending: 0, rejected: 0 });
      await aborted(send);
      await outOfTime(send);
      expect(k2k.metrics).toEqual({ delivered: 0, pending: 0, rejected: 2 });
      const kernel = await start(setting, runtime, "echo", { id: "k" });
      expect(await k2k.send("host", "k", words(2), { timeoutMs: 60_000 })).toBe("delivered");
      await expectReplies(kernel, 2);
      await failure("INVALID_ARGUMENT", () => k2k.send("host", "k", words(2), { timeoutMs: -1 }));
    });

    test("a message between kernels is not delivered by a route that is added right after the abort", async () => {
      await using runtime = await create();
      const k2k = runtime.k2k!;
      const kernel = await start(setting, runtime, "echo", { id: "k" });
      await aborted((limits) => {
        const sending = k2k.send("host", "elsewhere", words(1), limits);
        limits.signal?.addEventListener("abort", () => k2k.addRoute("elsewhere", "k"));
        return sending;
      });
      expect(k2k.metrics).toEqual({ delivered: 0, pending: 0, rejected: 1 });
      await expectReplies(kernel);
    });

    test("a message that another runtime took is delivered there", async () => {
      await using here = await create({ name: "here" });
      await using there = await create({ name: "there", k2k: { deliveryTimeoutMs: 60_000 } });
      await Promise.all([here.k2k!.connect("there"), there.k2k!.connect("here")]);
      await aborted((limits) => here.k2k!.send("host", "there/k", words(1), limits));
      expect(here.k2k!.metrics).toEqual({ delivered: 0, pending: 1, rejected: 0 });
      await eventually(() => there.k2k!.metrics.pending === 1, "the message");
      const kernel = await start(setting, there, "echo", { id: "k" });
      await eventually(() => here.k2k!.metrics.delivered === 1, "the report");
      expect(here.k2k!.metrics).toEqual({ delivered: 1, pending: 0, rejected: 0 });
      await expectReplies(kernel, 1);
    });
  });
}
