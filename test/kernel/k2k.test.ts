/** Messages between runtimes: statuses, peers that die, and hostile peers. */
import { afterEach, describe, expect, test } from "bun:test";
import { Channel, type Consumer, type Producer } from "../../src/index.ts";
import { Addresses } from "../../src/kernel/base/addresses.ts";
import { Calls } from "../../src/kernel/base/calls.ts";
import { pack } from "../../src/kernel/base/envelope.ts";
import {
  type Handler,
  HybridLogicalClock,
  type Kernel,
  KernelRuntime,
  type RuntimeOptions,
} from "../../src/kernel/index.ts";
import { Broker } from "../../src/kernel/k2k/broker.ts";
import { checkK2k } from "../../src/kernel/k2k/config.ts";
import { Peer } from "../../src/kernel/k2k/peer.ts";
import { inProcess, type OtherProcess } from "../channel/peers.ts";
import { eventually, failure, PATIENT, privateDirectory, random, seed } from "../channel/support.ts";
import type { Order } from "../process/kernel-peer.ts";
import { handlers } from "./conformance/bodies.ts";
import { block, word, words } from "./support.ts";

privateDirectory();

const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const each of open.splice(0)) await each[Symbol.asyncDispose]();
});

async function runtime(name: string, k2k: RuntimeOptions["k2k"] = true): Promise<KernelRuntime> {
  const made = await KernelRuntime.create({ backend: "cpu", name, k2k });
  open.push(made);
  return made;
}

/** Two connected runtimes of this process. */
async function pair(k2k: RuntimeOptions["k2k"] = true): Promise<[KernelRuntime, KernelRuntime]> {
  const [a, b] = [await runtime("a", k2k), await runtime("b", k2k)];
  await Promise.all([a.k2k!.connect("b"), b.k2k!.connect("a")]);
  return [a, b];
}

async function active(of: KernelRuntime, id: string, handler: Handler, options = {}): Promise<Kernel> {
  const kernel = await of.launch(id, { source: { handler }, ...options });
  await kernel.activate();
  return kernel;
}

/** A runtime in a process of its own. */
function other(options: RuntimeOptions): OtherProcess & { asked(order: Order): ReturnType<OtherProcess["heard"]> } {
  const peer = inProcess("kernel-peer/serve", options);
  open.push(peer);
  return Object.assign(peer, {
    asked: (order: Order) => {
      peer.tell(order);
      return peer.heard();
    },
  });
}

describe("two runtimes of one process", () => {
  test("a call, and a source with the name of its runtime", async () => {
    const [a, b] = await pair();
    const sources: string[] = [];
    const sink = await active(b, "sink", ({ source, payload }) => {
      sources.push(source);
      return payload;
    });
    await active(a, "from", handlers.silent);
    expect(a.k2k!.connected).toEqual(["b"]);
    expect(await a.k2k!.send("from", "b/sink", words(7))).toBe("delivered");
    expect(await a.k2k!.send("host", "b/sink", words(8))).toBe("delivered");
    expect(word((await sink.receive()).payload)).toBe(7);
    expect(word((await sink.receive()).payload)).toBe(8);
    expect(sources).toEqual(["a/from", "a/host"]);
    // A reply to the source's address; addresses may name the own runtime.
    expect(await b.k2k!.send("sink", "a/from", words(9))).toBe("delivered");
    expect(await a.k2k!.send("host", "a/from", words(9))).toBe("delivered");
    expect(a.k2k!.metrics).toEqual({ delivered: 4, pending: 0, rejected: 0 });
    expect(b.k2k!.metrics).toEqual({ delivered: 3, pending: 0, rejected: 0 });
  });

  test("a handler sends to the other runtime, and sendTo throws where it can't", async () => {
    const [a, b] = await pair();
    const seen: unknown[] = [];
    const tries = await active(a, "tries", ({ payload }, { sendTo }) => {
      for (const to of ["b/sink", "c/sink", "absent"]) {
        try {
          sendTo(to, payload, { priority: 3 });
          seen.push("sent");
        } catch (error) {
          seen.push((error as { code: string }).code);
        }
      }
      return payload;
    });
    const sink = await active(b, "sink", handlers.echo);
    await tries.send({ payload: words(3) });
    await tries.receive();
    expect(seen).toEqual(["sent", "KERNEL_NOT_ACTIVE", "KERNEL_NOT_ACTIVE"]);
    expect(await sink.receive()).toMatchObject({ payload: words(3), priority: 3 });
  });

  test("sendTo throws for routes without a kernel, and for kernels that are not active", async () => {
    const a = await runtime("a", { maxHops: 2 });
    a.k2k!.addRoute("ring", "gnir");
    a.k2k!.addRoute("gnir", "ring");
    const seen: unknown[] = [];
    const tries = await active(a, "tries", ({ payload }, { sendTo }) => {
      for (const to of ["ring", "soon"]) {
        try {
          sendTo(to, payload);
        } catch (error) {
          seen.push((error as { code: string }).code);
        }
      }
      return payload;
    });
    const module = new URL("../process/kernel/echo.ts", import.meta.url);
    const launching = a.launch("soon", { source: { module } });
    await tries.call({ payload: words(1) });
    expect(seen).toEqual(["MAX_HOPS_EXCEEDED", "KERNEL_NOT_ACTIVE"]);
    await launching;
  });

  test("a message of a device to an unknown number counts as rejected", () => {
    const addresses = new Addresses();
    const clock = new HybridLogicalClock({ nodeId: 1 });
    const broker = new Broker(checkK2k(true)!, {
      ...{ name: "a", clock, addresses, calls: new Calls(), kernel: () => null },
    });
    const timestamp = clock.tick();
    const rest = { id: 1, type: 0, priority: 1, correlationId: 0, payload: words(1), deadlineMicros: 0 } as const;
    broker.carry({ ...rest, timestamp, source: 5, destination: 77 }, "k");
    // The number of a removed kernel is unknown.
    broker.carry({ ...rest, timestamp, source: 5, destination: addresses.add("b/sink") }, "k");
    expect(broker.metrics).toEqual({ delivered: 0, pending: 0, rejected: 2 });
  });

  test("causally later messages have later timestamps, with clocks that differ", async () => {
    const [a, b] = await pair();
    const stamps: number[] = [];
    await active(b, "sink", ({ timestamp }, { clock }) => {
      stamps.push(timestamp.physicalMicros, clock.tick().physicalMicros);
    });
    a.clock.update({ physicalMicros: Date.now() * 1000 + 30_000_000, logical: 0, nodeId: 99 });
    expect(await a.k2k!.send("host", "b/sink", words(1))).toBe("delivered");
    await eventually(() => stamps.length === 2, "it was handled");
    expect(stamps[0]).toBeLessThanOrEqual(stamps[1]!);
    expect(b.clock.tick().physicalMicros).toBeGreaterThan(Date.now() * 1000 + 20_000_000);
  });

  test("statuses of the other runtime: full, absent, not active, too large", async () => {
    const [a, b] = await pair({ deliveryTimeoutMs: 300 });
    const sink = await active(b, "sink", handlers.echo, { inputCapacity: 1, outputCapacity: 1 });
    await block(sink);
    const send = (to: string, payload = words(1)) => a.k2k!.send("host", to, payload);
    expect(await send("b/sink")).toBe("delivered");
    expect(await send("b/sink")).toBe("queue-full");
    expect(await send("b/absent")).toBe("not-found");
    await b.launch("idle", { source: { handler: handlers.echo } });
    expect(await send("b/idle")).toBe("timeout");
    await failure("INVALID_ARGUMENT", () => send("b/sink", new Uint8Array(1000)));
    expect(a.k2k!.metrics).toEqual({ delivered: 1, pending: 0, rejected: 4 });
    for (const value of [0, 1]) expect(word((await sink.receive()).payload)).toBe(value);
  });

  test("a kernel of the other runtime that is launched in time gets the message", async () => {
    const [a, b] = await pair({ deliveryTimeoutMs: 30_000 });
    const sent = a.k2k!.send("host", "b/late", words(5));
    await eventually(() => b.k2k!.metrics.pending === 1, "it waits over there");
    const late = await active(b, "late", handlers.echo);
    expect(await sent).toBe("delivered");
    expect(word((await late.receive()).payload)).toBe(5);
  });

  test("a runtime that is connected in time gets the message", async () => {
    const [a, b] = [await runtime("a", { deliveryTimeoutMs: 30_000 }), await runtime("b")];
    await active(b, "sink", handlers.silent);
    const sent = a.k2k!.send("host", "b/sink", words(5));
    await Promise.all([a.k2k!.connect("b"), b.k2k!.connect("a")]);
    expect(await sent).toBe("delivered");
  });

  test("more messages than the window: each is delivered or refused", async () => {
    const [a, b] = await pair({ maxPending: 5000 });
    let handled = 0;
    await active(b, "sink", () => void handled++, { inputCapacity: 8192 });
    const statuses = await Promise.all(Array.from({ length: 3000 }, (_, i) => a.k2k!.send("host", "b/sink", words(i))));
    const delivered = statuses.filter((status) => status === "delivered").length;
    expect(new Set(statuses)).toEqual(new Set(["delivered", "queue-full"]));
    expect(delivered).toBeGreaterThan(100);
    await eventually(() => handled === delivered, "all that was delivered is handled");
    // The window is free again.
    expect(await a.k2k!.send("host", "b/sink", words(1))).toBe("delivered");
  });

  test("invalid connections are refused", async () => {
    const [a, b] = await pair();
    await failure("NAME_IN_USE", () => a.k2k!.connect("b"));
    for (const name of ["a", "", "x/y", "x".repeat(29), 5]) {
      await failure("INVALID_ARGUMENT", () => a.k2k!.connect(name as string));
    }
    await failure("TIMEOUT", () => a.k2k!.connect("absent", { timeoutMs: 20 }));
    const abort = new AbortController();
    const aborted = failure("ABORTED", () => a.k2k!.connect("absent", { signal: abort.signal }));
    abort.abort();
    await aborted;
    const waiting = failure("ABORTED", () => a.k2k!.connect("absent"));
    await a.shutdown();
    await waiting;
    await failure("CLOSED", () => a.k2k!.connect("b"));
    await eventually(() => b.k2k!.connected.length === 0, "b has heard of it");
  });

  test("messages in flight to a runtime that shuts down reject, and later ones are not-found", async () => {
    const [a, b] = await pair({ deliveryTimeoutMs: 200 });
    const waiting = a.k2k!.send("host", "b/absent", words(1));
    await eventually(() => b.k2k!.metrics.pending === 1, "it waits over there");
    const told = failure("CHANNEL_CLOSED", () => waiting);
    await b.shutdown();
    await told;
    expect(await a.k2k!.send("host", "b/absent", words(1))).toBe("not-found");
    // Another runtime with the same name can connect.
    const next = await runtime("b");
    await active(next, "sink", handlers.silent);
    await Promise.all([a.k2k!.connect("b"), next.k2k!.connect("a")]);
    expect(await a.k2k!.send("host", "b/sink", words(1))).toBe("delivered");
  });
});

describe("routes across runtimes", () => {
  async function chain(): Promise<KernelRuntime[]> {
    const all = [await runtime("a"), await runtime("b"), await runtime("c")];
    const [a, b, c] = all as [KernelRuntime, KernelRuntime, KernelRuntime];
    await Promise.all([a.k2k!.connect("b"), b.k2k!.connect("a"), b.k2k!.connect("c"), c.k2k!.connect("b")]);
    return all;
  }

  test("lead through a third runtime, for one kernel and for all of a runtime", async () => {
    const [a, b, c] = (await chain()) as [KernelRuntime, KernelRuntime, KernelRuntime];
    const sources: string[] = [];
    await active(c, "sink", ({ source }) => void sources.push(source));
    a.k2k!.addRoute("c", "b");
    expect(await a.k2k!.send("host", "c/sink", words(1))).toBe("delivered");
    a.k2k!.addRoute("elsewhere", "c/sink");
    expect(await a.k2k!.send("host", "elsewhere", words(1))).toBe("delivered");
    b.k2k!.addRoute("alias", "c/sink");
    expect(await a.k2k!.send("host", "b/alias", words(1))).toBe("delivered");
    await eventually(() => sources.length === 3, "all were handled");
    expect(new Set(sources)).toEqual(new Set(["a/host"]));
  });

  test("in a ring are max-hops-exceeded", async () => {
    const [a, b] = (await chain()) as [KernelRuntime, KernelRuntime, KernelRuntime];
    a.k2k!.addRoute("d", "b");
    b.k2k!.addRoute("d", "a");
    expect(await a.k2k!.send("host", "d/sink", words(1))).toBe("max-hops-exceeded");
    expect(a.k2k!.metrics.pending + b.k2k!.metrics.pending).toBe(0);
  });
});

describe("a runtime in another process", () => {
  test(
    "messages in both directions arrive in order",
    async () => {
      const b = other({ name: "b" });
      const a = await runtime("a");
      b.tell({ connect: "a" } satisfies Order);
      await a.k2k!.connect("b", { timeoutMs: 30_000 });
      expect(await b.heard()).toEqual(["a"]);
      await b.asked({ start: "echo", id: "echo", inputCapacity: 4096, outputCapacity: 4096 });
      const got: number[] = [];
      await active(a, "sink", ({ payload }) => void got.push(word(payload)), { inputCapacity: 4096 });
      b.tell({ send: ["echo", "a/sink", 0], times: 1000 } satisfies Order);
      for (let i = 0; i < 1000; i++) {
        expect(await a.k2k!.send("host", "b/echo", words(i))).toBe("delivered");
      }
      expect(await b.heard()).toBe("delivered");
      expect(got).toEqual(Array.from({ length: 1000 }, (_, i) => i));
      for (let i = 0; i < 1000; i += 1) {
        expect(await b.asked({ receive: "echo" })).toEqual({ value: i, source: "echo" });
      }
      expect(await b.asked({ metrics: true })).toEqual({ delivered: 2000, pending: 0, rejected: 0 });
    },
    PATIENT,
  );

  test(
    "that dies: unanswered messages get PEER_DIED, and another one with its name can connect",
    async () => {
      const a = await runtime("a", { deliveryTimeoutMs: 60_000 });
      for (let round = 0; round < 2; round++) {
        const b = other({ name: "b", k2k: { deliveryTimeoutMs: 60_000 } });
        b.tell({ connect: "a" } satisfies Order);
        await a.k2k!.connect("b", { timeoutMs: 30_000 });
        const waiting = [1, 2, 3].map((i) => failure("PEER_DIED", () => a.k2k!.send("host", "b/absent", words(i))));
        await b.kill();
        await Promise.all(waiting);
        expect(a.k2k!.connected).toEqual([]);
        expect(a.k2k!.metrics.pending).toBe(0);
      }
    },
    PATIENT,
  );

  test(
    "that is stopped: a send resolves with pending in time",
    async () => {
      const a = await runtime("a", { deliveryTimeoutMs: 100 });
      const b = other({ name: "b" });
      b.tell({ connect: "a" } satisfies Order);
      await a.k2k!.connect("b", { timeoutMs: 30_000 });
      await b.heard();
      await b.asked({ start: "echo", id: "echo" });
      b.signal("SIGSTOP");
      expect(await a.k2k!.send("host", "b/echo", words(1))).toBe("pending");
      b.signal("SIGCONT");
      expect(await b.asked({ receive: "echo" })).toEqual({ value: 1, source: "echo" });
      expect(await a.k2k!.send("host", "b/echo", words(2))).toBe("delivered");
    },
    PATIENT,
  );
});

/** A runtime "a", and the two channels of a simulated peer "b". */
async function liar(deliveryTimeoutMs = 60_000): Promise<{ a: KernelRuntime; to: Producer; from: Consumer }> {
  const a = await runtime("a", { deliveryTimeoutMs });
  const [to, from] = await Promise.all([
    Channel.open("k2k b>a", { role: "producer" }),
    Channel.open("k2k a>b", { role: "consumer" }),
    a.k2k!.connect("b"),
  ]);
  open.push(to, from);
  return { a, to, from };
}

const envelope = pack({
  id: 1,
  type: 0,
  priority: 1,
  correlationId: 0,
  payload: words(1),
  timestamp: { physicalMicros: 1, logical: 0, nodeId: 5 },
  deadlineMicros: 0,
  source: 0,
  destination: 0,
});

/** A frame in the format of peer.ts. */
function frame(fields: { payload?: number; from?: string; to?: string; number?: number; stretch?: number } = {}) {
  const { payload = 4, from = "b/x", to = "sink", number = 0, stretch = 0 } = fields;
  const head = Uint32Array.of(1, number, 1, 1000, payload, from.length, to.length + stretch);
  return Buffer.concat([new Uint8Array(head.buffer), envelope, Buffer.from(from), Buffer.from(to)]);
}

describe("a peer that leaves", () => {
  const delivered = Uint32Array.of(2, 1, 0, 0);

  test("messages before its end are delivered, also where no report can be sent", async () => {
    const { a, to, from } = await liar();
    let handled = 0;
    await active(a, "sink", () => void handled++);
    const sent = a.k2k!.send("host", "b/x", words(1));
    // All frames arrive before this runtime reads them: its first report finds the closed channel.
    for (let number = 0; number < 20; number++) expect(to.trySend(frame({ number }))).toBe(true);
    expect(to.trySend(delivered)).toBe(true);
    await Promise.all([to.close(), from.close()]);
    expect(await sent).toBe("delivered");
    await eventually(() => a.k2k!.connected.length === 0, "the connection has ended");
    expect(a.k2k!.metrics).toEqual({ delivered: 21, pending: 0, rejected: 0 });
    await eventually(() => handled === 20, "all that came is handled");
  });

  test("reports before its end count, where a send finds the closed channel", async () => {
    const { a, to, from } = await liar(300);
    const [first, other] = [a.k2k!.send("host", "b/x", words(1)), a.k2k!.send("host", "b/x", words(2))];
    expect(to.trySend(delivered)).toBe(true);
    const closed = Promise.all([to.close(), from.close()]);
    const late = a.k2k!.send("host", "b/x", words(3));
    expect(await first).toBe("delivered");
    await failure("CHANNEL_CLOSED", () => other);
    expect(await late).toBe("not-found");
    await closed;
  });

  test("a peer that closed only one channel is disconnected", async () => {
    const { a, from } = await liar();
    const sent = failure("CHANNEL_CLOSED", () => a.k2k!.send("host", "b/x", words(1)));
    await from.close();
    void a.k2k!.send("host", "b/x", words(2)).catch(() => {});
    await sent;
    expect(a.k2k!.connected).toEqual([]);
  });

  test("reports and answers are sent before this side closes", async () => {
    const [to, from, theirTo, theirFrom] = await Promise.all([
      Channel.open("k2k a>b", { role: "producer" }),
      Channel.open("k2k b>a", { role: "consumer" }),
      Channel.open("k2k b>a", { role: "producer" }),
      Channel.open("k2k a>b", { role: "consumer" }),
    ]);
    open.push(to, from, theirTo, theirFrom);
    const closed = Promise.withResolvers<void>();
    const peer: Peer = new Peer("a", "b", to, from, {
      arrived({ report, answer }) {
        report("delivered");
        answer?.(null, 1);
        closed.resolve(peer.close());
      },
      answered() {},
      callFailed() {},
      ended() {},
    });
    const call = frame({ number: 7 });
    call[0] = 3;
    await theirTo.send(call);
    const heads: number[][] = [];
    for await (const { bytes } of theirFrom) heads.push([...new Uint32Array(bytes.slice(0, 12).buffer)]);
    // An answer without a reply, and one report: number 7 was delivered.
    expect(heads).toEqual([
      [4, 7, 1],
      [2, 1, 7],
    ]);
    await closed.promise;
  });
});

describe("a hostile peer", () => {
  const spoilt = frame();
  spoilt[28 + 256]! ^= 1;

  for (const [name, bytes] of Object.entries({
    "an empty frame": new Uint8Array(),
    "a frame of no kind": new Uint8Array(8),
    "a message without its head": Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0),
    "a payload of another size": frame({ payload: 5 }),
    "a payload of absurd size": frame({ payload: 0xffffffff }),
    "an address that is cut off": frame({ stretch: 10 }),
    "an invalid address": frame({ to: "a/b/c" }),
    "an address that is no text": Buffer.from(frame({ to: "sinx" }).map((byte) => (byte === 0x78 ? 0xff : byte))),
    "a source without a name": frame({ from: "" }),
    "a payload that is not what was sent": spoilt,
    "words of another length": new Uint8Array(Uint32Array.of(2, 5, 1, 1).buffer),
    "a word about nothing": new Uint8Array(Uint32Array.of(2, 1, 77, 0).buffer),
    "more reports than the frame has": new Uint8Array(Uint32Array.of(2, 0xffffffff).buffer),
  })) {
    test(`${name} ends the connection only`, async () => {
      const { a, to } = await liar();
      const kernel = await active(a, "sink", handlers.echo);
      const sent = failure("CORRUPT_SEGMENT", () => a.k2k!.send("host", "b/x", words(1)));
      await to.send(bytes);
      await sent;
      expect(a.k2k!.connected).toEqual([]);
      expect(word((await kernel.call({ payload: words(5) })).payload)).toBe(5);
    });
  }

  for (const [name, word_, code] of [
    ["refuses a stamp", 7, "CLOCK_DRIFT"],
    ["tells of a death further on", 8, "PEER_DIED"],
    ["is none", 11, "CORRUPT_SEGMENT"],
  ] as const) {
    test(`a report that ${name}`, async () => {
      const { a, to } = await liar();
      const sent = failure(code, () => a.k2k!.send("host", "b/x", words(1)));
      await to.send(Uint32Array.of(2, 1, 0, word_));
      await sent;
    });
  }

  test(
    "randomly changed frames are a message, a refusal or the end of the connection",
    async () => {
      const next = random(seed("changed frames"));
      const below = (limit: number) => Math.floor(next() * limit);
      const a = await runtime("a", { deliveryTimeoutMs: 0 });
      let handled = 0;
      const kernel = await active(a, "sink", () => void handled++);
      let ended = 0;
      for (let round = 0; round < 40; round++) {
        const [to, from] = await Promise.all([
          Channel.open("k2k b>a", { role: "producer" }),
          Channel.open("k2k a>b", { role: "consumer" }),
          a.k2k!.connect("b"),
        ]);
        for (let i = 0; i < 20 && a.k2k!.connected.length > 0; i++) {
          const bytes = Uint8Array.from(frame({ number: i }));
          for (let changes = below(3); changes > 0; changes--) bytes[below(bytes.length)]! ^= 1 << below(8);
          await to.send(bytes.subarray(0, next() < 0.9 ? bytes.length : below(bytes.length))).catch(() => {});
          await new Promise(setImmediate);
        }
        if (a.k2k!.connected.length === 0) ended++;
        await Promise.all([to.close(), from.close()]);
        await eventually(() => a.k2k!.connected.length === 0, "the connection has ended");
      }
      expect(ended).toBeGreaterThan(10);
      expect(handled).toBeGreaterThan(10);
      expect(a.k2k!.metrics.pending).toBe(0);
      expect(kernel.state).toBe("active");
    },
    PATIENT,
  );

  test("more messages than a window without reading reports end the connection", async () => {
    const { a, to } = await liar();
    const sending = (async () => {
      for (let i = 0; i < 5000; i++) await to.send(frame({ number: i, to: "absent" }));
    })().catch(() => {});
    await eventually(() => a.k2k!.connected.length === 0, "the connection has ended");
    await sending;
    expect(a.k2k!.metrics.pending).toBeLessThanOrEqual(1025);
  });

  test("a timestamp of the future is refused, and the clock is unchanged", async () => {
    const { a, to, from } = await liar();
    await active(a, "sink", handlers.silent);
    const bytes = frame();
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    view.setBigUint64(28 + 80, BigInt(Date.now() + 3_600_000) * 1000n, true);
    await to.send(bytes);
    using word_ = await from.recv();
    // Outcome 7: CLOCK_DRIFT.
    expect([...new Uint32Array(word_.bytes.slice().buffer)]).toEqual([2, 1, 0, 7]);
    expect(a.clock.tick().physicalMicros).toBeLessThan((Date.now() + 60_000) * 1000);
    expect(a.k2k!.connected).toEqual(["b"]);
  });
});
