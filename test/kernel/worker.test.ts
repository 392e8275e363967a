/** Kernels in Workers: failures in a Worker reject the waiting calls, and no call waits without end. */
import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Kernel, KernelRuntime } from "../../src/kernel/index.ts";
import { shimPath } from "../../src/native/load.ts";
import { eventually, failure, PATIENT } from "../channel/support.ts";
import { handlers } from "./conformance/bodies.ts";
import { words } from "./support.ts";

// Workers start late where the processors are busy.
setDefaultTimeout(2 * PATIENT);

const runtime = await KernelRuntime.create({ backend: "cpu" });
afterAll(() => runtime.shutdown());

const module = (name: string) => new URL(`../process/kernel/${name}.ts`, import.meta.url);
const text = (of: string) => ({ payload: new TextEncoder().encode(of) });

let made = 0;
async function wayward(): Promise<Kernel> {
  const kernel = await runtime.launch(`k${made++}`, { source: { module: module("wayward") } });
  await kernel.activate();
  return kernel;
}

test("a handler that throws rejects the call with its error, and the next message is handled", async () => {
  await using kernel = await wayward();
  const error = await failure("HANDLER_FAILED", () => kernel.call(text("throw")));
  expect(error.message).toContain("as the message said");
  await failure("NO_REPLY", () => kernel.call(text("ok")));
  expect(kernel.metrics.errors).toBe(1);
  expect(kernel.state).toBe("active");
});

for (const [deed, words_] of [
  ["exit", /Worker/],
  ["crash", /later/],
] as const) {
  test(`a Worker that ended (${deed}): waiting calls reject, and the kernel has ended`, async () => {
    const kernel = await wayward();
    await kernel.send(text(deed));
    const waiting = [kernel.receive(), kernel.receive()].map((each) => failure("BACKEND_UNAVAILABLE", () => each));
    for (const error of await Promise.all(waiting)) expect(error.message).toMatch(words_);
    expect(kernel.state).toBe("terminated");
    expect(await kernel.closed).toMatchObject({ code: "BACKEND_UNAVAILABLE" });
    expect(runtime.metrics.launched).toBe(0);
    const { cause } = await failure("KERNEL_NOT_ACTIVE", () => kernel.send(text("ok")));
    expect(cause).toMatchObject({ code: "BACKEND_UNAVAILABLE" });
    await failure("INVALID_TRANSITION", () => kernel.terminate());
  });
}

test("a module by its path", async () => {
  const kernel = await runtime.launch("path", { source: { module: Bun.fileURLToPath(module("echo")) } });
  await kernel.activate();
  expect((await kernel.call({ payload: words(5) })).payload).toEqual(words(5));
  await kernel.terminate();
});

test("a handler that never returns ends with its kernel", async () => {
  const kernel = await wayward();
  const waiting = failure("KERNEL_NOT_ACTIVE", () => kernel.call(text("spin")));
  expect(kernel.metrics.pending).toBe(1); // the Worker has it
  expect(await kernel.terminate()).toEqual({ drained: 0, rejected: 1 });
  await waiting;
});

describe("a Worker that posts an invalid message", () => {
  for (const deed of [
    "no report",
    "null",
    "an invalid result",
    "no result",
    "a message without destination",
    "a message without payload",
    "a reply that is no envelope",
  ]) {
    test(deed, async () => {
      const kernel = await wayward();
      await failure("CORRUPT_SEGMENT", () => kernel.call(text(deed)));
      expect(kernel.state).toBe("terminated");
    });
  }
});

test("a Worker that posts two results for one message fails", async () => {
  const kernel = await wayward();
  await failure("CORRUPT_SEGMENT", async () => {
    await kernel.send(text("two results"));
    return kernel.receive();
  });
  expect(kernel.metrics.lastError).toBeNull();
  expect(kernel.state).toBe("terminated");
});

describe("a module that can't be used", () => {
  for (const [name, words_] of [
    ["missing", /missing/],
    ["throws", /not today/],
    ["empty", /default export/],
  ] as const) {
    test(name, async () => {
      const launch = () => runtime.launch("unusable", { source: { module: module(name) } });
      expect((await failure("INVALID_ARGUMENT", launch)).message).toMatch(words_);
      expect(runtime.metrics.launched).toBe(0);
    });
  }
});

test("messages to other kernels are delivered, or count as rejected", async () => {
  const echo = await runtime.launch("echo", { source: { handler: handlers.echo } });
  await echo.activate();
  await using kernel = await wayward();
  const before = runtime.k2k!.metrics;
  await kernel.send(text("send"));
  expect([...(await echo.receive()).payload]).toEqual([7]);
  await eventually(() => runtime.k2k!.metrics.rejected === before.rejected + 2, "two could not be delivered");
  expect(runtime.k2k!.metrics.delivered).toBe(before.delivered + 1);
  await echo.terminate();
});

test("a handler gets the sender's name and the runtime's clock", async () => {
  await using kernel = await wayward();
  expect(new TextDecoder().decode((await kernel.call(text("source"))).payload)).toBe("host");
  const before = runtime.clock.tick();
  const { payload, timestamp } = await kernel.call(text("stamp"));
  const [stamped = 0] = new Float64Array(payload.buffer);
  expect(stamped).toBeGreaterThanOrEqual(before.physicalMicros);
  expect(timestamp.physicalMicros).toBeGreaterThanOrEqual(stamped);
  expect(timestamp.nodeId).toBe(runtime.clock.nodeId);
});

test("messages are handled by priority, and not after their deadline", async () => {
  const slow = await runtime.launch("slow", { source: { module: module("slow") } });
  await slow.activate();
  const order: string[] = [];
  const call = (name: string, options: object) =>
    slow.call({ payload: words(20), ...options }).then(
      () => order.push(name),
      ({ code }) => order.push(`${name} ${code}`),
    );
  const calls = [
    call("first", {}),
    call("late", { deadlineMs: 0 }),
    call("low", { priority: 0 }),
    call("high", { priority: 3 }),
  ];
  await Promise.all(calls);
  expect(order.filter((name) => name !== "late TIMEOUT")).toEqual(["first", "high", "low"]);
  expect(order).toContain("late TIMEOUT");
  expect(slow.metrics.expired).toBe(1);
  await slow.terminate();
});

test("a deactivated kernel finishes its current message and keeps the others", async () => {
  const slow = await runtime.launch("slow", { source: { module: module("slow") } });
  await slow.activate();
  const calls = [1, 2, 3].map((ms) => slow.call({ payload: words(20 + ms) }));
  await slow.deactivate();
  expect(slow.metrics.pending).toBe(2);
  await calls[0];
  await slow.activate();
  await Promise.all(calls);
  await slow.terminate();
});

test(
  "a bundle: handlers run, and modules are refused with the reason",
  async () => {
    const folder = mkdtempSync(join(tmpdir(), "lava-flow-bundle-"));
    try {
      const bundle = await Bun.build({
        entrypoints: [Bun.fileURLToPath(module("bundled"))],
        outdir: folder,
        target: "bun",
      });
      expect(bundle.logs.filter(({ level }) => level === "error")).toEqual([]);
      const { stdout, stderr } = Bun.spawnSync([process.execPath, join(folder, "bundled.js")], {
        env: { ...process.env, LAVA_FLOW_SHIM: shimPath() },
      });
      expect(`${stdout}${stderr}`).toBe(`${JSON.stringify({ echoed: 5, refused: "BACKEND_UNAVAILABLE" })}\n`);
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
  PATIENT,
);
