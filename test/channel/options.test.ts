/** An option that no call reads is refused by its name, in every public call that takes options. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Channel, type LavaFlowError, MemoryAllocator } from "../../src/index.ts";
import {
  HaloExchange,
  type HaloGrid,
  HybridLogicalClock,
  KernelRuntime,
  neighbours2d,
  neighbours3d,
} from "../../src/kernel/index.ts";
import { checkNames } from "../../src/native/options.ts";
import { failure, pair, privateDirectory } from "./support.ts";

let ends: Awaited<ReturnType<typeof pair>>;
// Before the hooks of the private directory, which check it afterwards.
afterAll(async () => {
  await Promise.all([ends.producer.close(), ends.consumer.close(), runtime.shutdown()]);
  memory.close();
});
privateDirectory();
beforeAll(async () => {
  ends = await pair({});
});
const memory = new MemoryAllocator({ devices: "none" });
const runtime = await KernelRuntime.create({ backend: "cpu" });
const kernel = await runtime.launch("echo", { source: { handler: ({ payload }) => payload } });
await kernel.activate();

const payload = Uint8Array.of(1, 2, 3, 4);
const handler = () => payload;
const tiles: HaloGrid = { grid: [1, 1], tile: [4, 4], halo: 1 };
// biome-ignore lint/suspicious/noExplicitAny: what the compiler would refuse
type Wrong = any;

/** A call with one more option; what it is to be taken for, null where nothing is like it. */
const calls: [string, (more: Wrong) => unknown, string, string | null][] = [
  ["Channel.open", (o) => Channel.open("x", { role: "producer", timeoutMs: 1, ...o }), "timeout", "timeoutMs"],
  ["send", (o) => ends.producer.send(payload, o), "timeout", "timeoutMs"],
  ["loan", (o) => ends.producer.loan(4, o), "Signal", "signal"],
  ["flush", (o) => ends.producer.flush(o), "timeoutMS", "timeoutMs"],
  ["recv", (o) => ends.consumer.recv({ timeoutMs: 1, ...o }), "ms", null],
  ["recvSync", (o) => ends.consumer.recvSync({ timeoutMs: 1, ...o }), "spinUS", "spinUs"],
  ["MemoryAllocator", (o) => new MemoryAllocator(o), "device", "devices"],
  ["allocate", (o) => memory.allocate(4, { kind: "host" }, o), "fallBack", "fallback"],
  ["a host location", (o) => memory.allocate(4, { kind: "host", ...o }), "hugePages", "hugepages"],
  ["a fallback", (o) => memory.allocate(4, { kind: "host" }, { fallback: { kind: "host", ...o } }), "numa", "numaNode"],
  ["a GPU location", (o) => memory.allocate(4, { kind: "gpu", ...o }), "shared", null],
  ["createSemaphore", (o) => memory.createSemaphore(o), "type", null],
  ["copyTo", (o) => copy(o), "offset", null],
  ["KernelRuntime.create", (o) => KernelRuntime.create({ backend: "cpu", ...o }), "backends", "backend"],
  ["k2k", (o) => KernelRuntime.create({ backend: "cpu", k2k: o }), "maxHop", "maxHops"],
  ["k2k.connect", (o) => runtime.k2k?.connect("other", o), "timeout", "timeoutMs"],
  ["k2k.send", (o) => runtime.k2k?.send("host", "echo", payload, o), "prio", "priority"],
  ["launch", (o) => runtime.launch("k", { source: { handler }, ...o }), "stateByte", "stateBytes"],
  ["a source", (o) => runtime.launch("k", { source: { handler, ...o } }), "WGSL", "wgsl"],
  ["kernel.send", (o) => kernel.send({ payload, ...o }), "deadline", "deadlineMs"],
  ["kernel.trySend", (o) => kernel.trySend({ payload, ...o }), "typ", "type"],
  ["sendMany", (o) => kernel.sendMany([payload], o), "priorities", "priority"],
  ["kernel.call", (o) => kernel.call({ payload }, o), "timeout", "timeoutMs"],
  ["kernel.receive", (o) => kernel.receive({ timeoutMs: 1, ...o }), "timout", "timeoutMs"],
  ["terminate", (o) => kernel.terminate(o), "drain", "drainMs"],
  ["shutdown", (o) => runtime.shutdown(o), "drainMS", "drainMs"],
  ["a clock", (o) => new HybridLogicalClock({ nodeId: 1, ...o }), "drift", null],
  ["a grid", (o) => HaloExchange.create(runtime, { ...tiles, ...o }), "halos", "halo"],
  ["HaloExchange.create", (o) => HaloExchange.create(runtime, tiles, o), "ranks", "rank"],
  ["stencil", (o) => stencil(o), "parameter", "parameters"],
  ["neighbours2d", (o) => neighbours2d([0, 0], [1, 1], String, o), "period", "periodic"],
  ["neighbours3d", (o) => neighbours3d([0, 0, 0], [1, 1, 1], String, o), "wrap", null],
];

async function copy(options: Wrong): Promise<void> {
  using buffer = memory.allocate(8);
  await buffer.copyTo(buffer, options);
}

async function stencil(options: Wrong): Promise<void> {
  await using exchange = await HaloExchange.create(runtime, tiles);
  await exchange.stencil({ handler: () => {}, ...options });
}

describe("an unknown option", () => {
  test.each(calls)("of %s is refused by its name", async (_, call, name, meant) => {
    const error = await failure("INVALID_ARGUMENT", () => call({ [name]: 5 }));
    expect(error.reason).toContain(JSON.stringify(name));
    expect(error.remedy?.match(/Did you mean (\w+)\?/)?.[1] ?? null).toBe(meant);
  });

  test("that is undefined is ignored", () => {
    expect(() => new MemoryAllocator({ device: undefined } as Wrong).close()).not.toThrow();
  });
});

test("options that are a number or null are refused", async () => {
  for (const call of [
    () => ends.producer.send(payload, 5 as Wrong),
    () => ends.consumer.recv(5 as Wrong),
    () => ends.consumer.recvSync(5 as Wrong),
    () => ends.producer.loan(4, null as Wrong),
    () => kernel.call({ payload }, 5 as Wrong),
  ]) {
    const error: LavaFlowError = await failure("INVALID_ARGUMENT", call);
    expect(error.remedy).toContain("timeoutMs");
  }
});

test("a reply may be sent unchanged", async () => {
  const reply = await kernel.call({ payload });
  expect([...(await kernel.call({ ...reply, correlationId: 0 })).payload]).toEqual([...payload]);
});

test("an instance of a class is accepted as options", () => {
  class Settings {
    timeoutMs = 5;
    describe(): string {
      return `${this.timeoutMs}`;
    }
  }
  expect(() => checkNames("recv", new Settings(), { timeoutMs: true })).not.toThrow();
});
