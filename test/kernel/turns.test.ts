/** Kernels that answer at once, and callers that call again at once, do not block the event loop. */
import { afterEach, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KernelRuntime } from "../../src/kernel/index.ts";
import { turnDue } from "../../src/native/turn.ts";
import { device, newAllocator, vulkan } from "../gpu/support.ts";
import { words } from "./support.ts";

/** Milliseconds of a loop that never yields to the event loop: much more than the time between two turns. */
const STARVED_MS = 5000;

const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const each of open.splice(0)) await each[Symbol.asyncDispose]();
});

/** A kernel that replies, and one that does not. */
async function kernels() {
  const runtime = await KernelRuntime.create({ backend: "cpu", k2k: true });
  open.push(runtime);
  const echo = await runtime.launch("echo", { source: { handler: ({ payload }) => payload } });
  const sink = await runtime.launch("sink", { source: { handler: () => {} } });
  await Promise.all([echo.activate(), sink.activate()]);
  return { runtime, echo, sink };
}

async function turnsMeanwhile(step: () => Promise<unknown>): Promise<boolean> {
  let seen = 0;
  const timer = setInterval(() => seen++, 1);
  for (const limit = performance.now() + STARVED_MS; seen < 3 && performance.now() < limit; ) await step();
  clearInterval(timer);
  return seen >= 3;
}

describe("the event loop turns while", () => {
  test("a caller that works between its calls is answered at once", async () => {
    const { echo } = await kernels();
    const call = async () => {
      await echo.call({ payload: words(1) });
      for (const end = performance.now() + 0.02; performance.now() < end; );
    };
    expect(await turnsMeanwhile(call)).toBe(true);
  });

  test("sends never wait, and replies always do", async () => {
    const { echo, sink } = await kernels();
    expect(await turnsMeanwhile(() => sink.send({ payload: words(1) }))).toBe(true);
    const step = async () => {
      await echo.sendMany([words(1), words(2)]);
      await echo.receive();
      await echo.receive();
    };
    expect(await turnsMeanwhile(step)).toBe(true);
  });

  test("kernels are sent to through the broker", async () => {
    const { runtime } = await kernels();
    expect(await turnsMeanwhile(() => runtime.k2k!.send("host", "sink", words(1)))).toBe(true);
  });
});

describe.skipIf(!vulkan)("the event loop turns while a GPU", () => {
  test("answers during the busy-poll", async () => {
    const runtime = await KernelRuntime.create({ backend: "vulkan", device });
    open.push(runtime);
    const wgsl = "fn on_message(message: Message) { set_reply(0u, payload(0u)); reply(4u); }";
    const echo = await runtime.launch("echo", { source: { wgsl } });
    await echo.activate();
    expect(await turnsMeanwhile(() => echo.call({ payload: words(1) }))).toBe(true);
  }, 60_000);

  test("ends its submissions during the busy-poll", async () => {
    using allocator = newAllocator();
    using buffer = allocator.allocate(4096, { kind: "gpu", device });
    expect(await turnsMeanwhile(() => buffer.fill(1, 0, 4))).toBe(true);
  });
});

/** Whether a call that could resolve at once waits for a turn of the event loop that is due. */
async function turnsWhenDue(step: () => Promise<unknown>): Promise<boolean> {
  await new Promise(setImmediate);
  let turned = false;
  setImmediate(() => (turned = true));
  while (!turnDue());
  await step();
  return turned;
}

describe("a turn that is due comes before", () => {
  test("a send resolves that did not wait", async () => {
    const { sink } = await kernels();
    expect(await turnsWhenDue(() => sink.send({ payload: words(1) }))).toBe(true);
  });

  test("several sends resolve that did not wait", async () => {
    const { sink } = await kernels();
    expect(await turnsWhenDue(() => sink.sendMany([words(1)]))).toBe(true);
  });

  test("a waiting reply is received", async () => {
    const { runtime, echo } = await kernels();
    await echo.send({ payload: words(1) });
    while (runtime.metrics.messagesProcessed < 1) await new Promise(setImmediate);
    expect(await turnsWhenDue(() => echo.receive())).toBe(true);
  });

  test("the next of many payloads is sent", async () => {
    const { runtime } = await kernels();
    const wide = await runtime.launch("wide", { source: { handler: () => {} }, inputCapacity: 65_536 });
    await wide.activate();
    let seen = 0;
    const timer = setInterval(() => seen++, 1);
    await wide.sendMany(Array.from({ length: 65_000 }, () => words(1)));
    clearInterval(timer);
    expect(seen).toBeGreaterThan(2);
  });
});

test("a Worker's reply that arrives while the thread is busy beyond the timeout is no TIMEOUT", async () => {
  const { runtime } = await kernels();
  const module = new URL("../process/kernel/touch.ts", import.meta.url);
  const touch = await runtime.launch("far", { source: { module } });
  await touch.activate();
  const folder = mkdtempSync(join(tmpdir(), "lava-flow-test-"));
  try {
    for (let round = 0; round < 20; round++) {
      const path = join(folder, `${round}`);
      const payload = new TextEncoder().encode(path);
      const reply = touch.call({ payload }, { timeoutMs: 1 });
      await new Promise(setImmediate); // the message is on its way, and the limit is set
      for (const limit = performance.now() + 20_000; !existsSync(path); ) expect(performance.now()).toBeLessThan(limit);
      // The Worker posts the reply after that, while this thread is still busy.
      for (const end = performance.now() + 10; performance.now() < end; );
      expect((await reply).payload).toEqual(payload);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("a reply that arrives while the thread is busy beyond the timeout is no TIMEOUT", async () => {
  const { echo } = await kernels();
  const reply = echo.call({ payload: words(5) }, { timeoutMs: 1 });
  for (const end = performance.now() + 20; performance.now() < end; );
  expect((await reply).payload).toEqual(words(5));
});
