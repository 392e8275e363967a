/** The conformance suite on the CPU, on this thread and in Workers; and handlers that fail. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { type Handler, type Kernel, KernelRuntime } from "../../src/kernel/index.ts";
import { eventually, failure, PATIENT } from "../channel/support.ts";
import { lying } from "../lying.ts";
import { handlers } from "./conformance/bodies.ts";
import { conformance } from "./conformance.ts";
import { word, words } from "./support.ts";

// A Worker takes some hundred milliseconds to start where the processors are busy, and one test starts sixty.
setDefaultTimeout(2 * PATIENT);

const create = (options = {}) => KernelRuntime.create({ ...options, backend: "cpu" });

conformance({ name: "handlers", create, source: (body) => ({ handler: handlers[body] }) });
conformance({
  name: "modules in Workers",
  create,
  source: (body) => ({ module: new URL(`../process/kernel/${body}.ts`, import.meta.url) }),
});

async function active(runtime: KernelRuntime, id: string, handler: Handler, options = {}): Promise<Kernel> {
  const kernel = await runtime.launch(id, { source: { handler }, ...options });
  await kernel.activate();
  return kernel;
}

test.each(lying(64).filter(([, view]) => view instanceof Uint8Array))(
  "%s with overridden properties is sent and replied by its real bytes",
  async (_, view) => {
    await using runtime = await create();
    const got: number[][] = [];
    const kernel = await active(runtime, "k", ({ payload }) => {
      got.push([...payload]);
      return view as Uint8Array;
    });
    const expected = Array.from({ length: 64 }, (_, i) => i + 1);
    expect([...(await kernel.call({ payload: view as Uint8Array })).payload]).toEqual(expected);
    expect(got).toEqual([expected]);
  },
);

describe("a handler that fails", () => {
  test("by throwing rejects the call with its error, and the next message is handled", async () => {
    await using runtime = await create();
    const kernel = await active(runtime, "k", ({ payload }) => {
      if (word(payload) === 13) throw new RangeError("thirteen");
      return payload;
    });
    const [bad, good] = [kernel.call({ payload: words(13) }), kernel.call({ payload: words(14) })];
    const error = await failure("HANDLER_FAILED", () => bad);
    expect(error.cause).toBeInstanceOf(RangeError);
    expect(error.message).toContain("thirteen");
    expect(word((await good).payload)).toBe(14);
    // A message without a call is only counted.
    await kernel.send({ payload: words(13) });
    await kernel.call({ payload: words(1) });
    expect(kernel.metrics).toMatchObject({ errors: 2, lastError: { code: "HANDLER_FAILED" } });
    expect(kernel.state).toBe("active");
  });

  for (const [name, returned] of Object.entries({
    "a promise": Promise.resolve(),
    null: null,
    text: "reply",
    "a payload that is too large": new Uint8Array(257),
    "a list": [1, 2, 3, 4],
  })) {
    test(`by returning ${name}`, async () => {
      await using runtime = await create();
      const kernel = await active(runtime, "k", () => returned as never);
      const error = await failure("HANDLER_FAILED", () => kernel.call({ payload: words(1) }));
      expect(error.cause).toMatchObject({ code: "INVALID_ARGUMENT" });
    });
  }

  test("by being async rejects the call, and the promise's rejection is handled", async () => {
    await using runtime = await create();
    const unhandled: unknown[] = [];
    const note = (error: unknown) => unhandled.push(error);
    process.on("unhandledRejection", note);
    try {
      const kernel = await active(runtime, "k", (async ({ payload }: Parameters<Handler>[0]) => {
        if (word(payload) === 13) throw new RangeError("thirteen");
      }) as never);
      for (const value of [13, 14]) {
        const error = await failure("HANDLER_FAILED", () => kernel.call({ payload: words(value) }));
        expect(error.cause).toMatchObject({ code: "INVALID_ARGUMENT" });
      }
      for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
      expect(unhandled).toEqual([]);
      expect([kernel.state, kernel.metrics.errors]).toEqual(["active", 2]);
    } finally {
      process.off("unhandledRejection", note);
    }
  });

  test("by an invalid sendTo throws in the handler", async () => {
    await using runtime = await create();
    const target = await active(runtime, "target", handlers.echo, { inputCapacity: 1, outputCapacity: 1 });
    const codes: unknown[] = [];
    const attempt = (action: () => void) => {
      try {
        action();
        codes.push("sent");
      } catch (error) {
        codes.push((error as { code: string }).code);
      }
    };
    const kernel = await active(runtime, "k", ({ payload }, { sendTo }) => {
      attempt(() => sendTo("absent", payload));
      attempt(() => sendTo("a/b/c", payload));
      attempt(() => sendTo("target", "text" as never));
      attempt(() => sendTo("target", new Uint8Array(300)));
      attempt(() => sendTo("target", payload, { priority: 9 as never }));
      attempt(() => sendTo("target", payload, { type: 0.5 }));
      for (let i = 0; i < 2; i++) attempt(() => sendTo("target", payload));
      return payload;
    });
    await kernel.send({ payload: words(1) });
    await kernel.receive();
    const invalid = Array(5).fill("INVALID_ARGUMENT");
    expect(codes).toEqual(["KERNEL_NOT_ACTIVE", ...invalid, "sent", "QUEUE_FULL"]);
    expect(word((await target.receive()).payload)).toBe(1);
    await using alone = await create({ k2k: false });
    const lonely = await active(alone, "k", ({ payload }, { sendTo }) => sendTo("k", payload));
    const error = await failure("HANDLER_FAILED", () => lonely.call({ payload: words(1) }));
    expect(error.message).toContain("k2k");
  });
});

describe("the event loop", () => {
  /** Sends itself each message that it gets. */
  const restless: Handler = ({ payload }, { sendTo }) => sendTo("restless", payload);

  test("turns while a kernel sends to itself without end, and other kernels are served", async () => {
    await using runtime = await create();
    const kernel = await active(runtime, "restless", restless);
    const echo = await active(runtime, "echo", handlers.echo);
    await kernel.send({ payload: words(1) });
    for (let round = 0; round < 50; round++) {
      await new Promise((resolve) => setTimeout(resolve, 0));
      expect(word((await echo.call({ payload: words(round) })).payload)).toBe(round);
    }
    expect(runtime.metrics.messagesProcessed).toBeGreaterThan(1000);
    expect(await kernel.terminate()).toEqual({ drained: 0, rejected: 1 });
  });

  test("turns while a caller calls again after each answer", async () => {
    await using runtime = await create();
    const echo = await active(runtime, "echo", handlers.echo);
    let over = false;
    setTimeout(() => {
      over = true;
    }, 1);
    let calls = 0;
    for (; !over; calls++) await echo.call({ payload: words(calls) });
    expect(calls).toBeGreaterThan(0);
  });

  test("a shutdown ends kernels that always have messages", async () => {
    const runtime = await create();
    const kernel = await active(runtime, "restless", restless);
    await kernel.send({ payload: words(1) });
    expect((await runtime.shutdown({ drainMs: 20 })).rejected).toBe(1);
  });

  test("a handler may deactivate and terminate its own kernel", async () => {
    await using runtime = await create();
    let ended: Promise<unknown> | undefined;
    const kernel: Kernel = await active(runtime, "k", ({ payload }) => {
      ended ??= kernel.terminate();
      return payload;
    });
    expect(word((await kernel.call({ payload: words(1) })).payload)).toBe(1);
    await ended;
    expect(kernel.state).toBe("terminated");
  });
});

test("ended kernels, ended calls and undelivered messages leave no memory", async () => {
  await using runtime = await create({ k2k: { deliveryTimeoutMs: 0 } });
  const gone: WeakRef<object>[] = [];
  const silent = await active(runtime, "silent", handlers.silent);
  for (let i = 0; i < 300; i++) {
    const kernel = await active(runtime, `k${i % 7}`, handlers.echo);
    const call = kernel.call({ payload: words(i) });
    const late = failure("NO_REPLY", () => silent.call({ payload: words(i) }));
    const lost = runtime.k2k!.send("host", `absent${i}`, words(i));
    gone.push(new WeakRef(kernel), new WeakRef(call), new WeakRef(late), new WeakRef(lost));
    await Promise.all([call, late, lost]);
    await kernel.terminate();
  }
  await eventually(() => {
    Bun.gc(true);
    return gone.filter((each) => each.deref()).length < 20;
  }, "what is over is given back");
  expect(runtime.k2k!.metrics).toEqual({ delivered: 0, pending: 0, rejected: 300 });
});
