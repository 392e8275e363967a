/** A kernel over a simulated backend, for events that a device can cause and the CPU can't. */
import { describe, expect, test } from "bun:test";
import { LavaFlowError } from "../../src/index.ts";
import type { BackendKernel } from "../../src/kernel/backend/backend.ts";
import { Calls } from "../../src/kernel/base/calls.ts";
import type { Message } from "../../src/kernel/base/message.ts";
import { HybridLogicalClock } from "../../src/kernel/index.ts";
import type { KernelOwner } from "../../src/kernel/kernel-owner.ts";
import { RingKernel } from "../../src/kernel/ring-kernel.ts";
import { eventually, failure } from "../channel/support.ts";
import { word, words } from "./support.ts";

const clock = new HybridLogicalClock({ nodeId: 1 });

class Stage {
  /** Messages that the backend accepted. */
  readonly sent: Message[] = [];
  /** Messages that the backend accepts before it is full. */
  capacity = Number.POSITIVE_INFINITY;
  readonly said: string[] = [];
  readonly carried: (Message & { from: string })[] = [];
  ended = 0;
  closing: Promise<number> | null = null;
  resting: Promise<void> = Promise.resolve();
  readonly kernel: RingKernel;
  #ids = 0;

  constructor({ outputCapacity = 4 } = {}) {
    const plan = { payloadBytes: 16, outputCapacity, request: null, reply: null } as never;
    const owner: KernelOwner = {
      clock,
      calls: new Calls(),
      nextId: () => ++this.#ids,
      carry: (message, from) => this.carried.push({ ...message, from }),
      handled: () => {},
      counted: () => {},
      activated: () => this.said.push("activated"),
      ended: () => this.ended++,
    };
    this.kernel = new RingKernel("k", 1, plan, owner, {});
  }

  readonly backend: BackendKernel = {
    trySend: (message) => {
      if (this.sent.length >= this.capacity) return false;
      this.sent.push({ ...message, payload: message.payload.slice() });
      return true;
    },
    pending: 0,
    activate: () => void this.said.push("activate"),
    deactivate: () => {
      this.said.push("deactivate");
      return this.resting;
    },
    resume: () => void this.said.push("resume"),
    setRoute: (route, destination) => void this.said.push(`route ${route} ${destination}`),
    close: async () => {
      this.said.push("close");
      return this.closing ?? 0;
    },
  };

  async start(): Promise<this> {
    this.kernel.launched(this.backend);
    await this.kernel.activate();
    return this;
  }

  reply(to: Pick<Message, "correlationId">, payload = words(1), destination = 0): void {
    const { correlationId } = to;
    const timestamp = clock.tick();
    const rest = { id: 0, type: 0, priority: 1, deadlineMicros: 0, source: 1 } as const;
    this.kernel.port.deliver({ ...rest, correlationId, payload, timestamp, destination });
  }
}

const lost = new LavaFlowError("GPU_DEVICE_LOST", "it is gone");

describe("events of messages", () => {
  test("a wrong checksum rejects the call with CORRUPT_SEGMENT", async () => {
    const { kernel, sent } = await new Stage().start();
    const call = failure("CORRUPT_SEGMENT", () => kernel.call({ payload: words(1) }));
    kernel.port.dropped(sent[0]!, "checksum");
    await call;
    await kernel.send({ payload: words(2) });
    kernel.port.dropped(sent[1]!, "checksum");
    expect(kernel.metrics).toMatchObject({ corrupt: 2, expired: 0 });
  });

  test("a passed deadline rejects the call before its timeout", async () => {
    const { kernel, sent } = await new Stage().start();
    const call = failure("TIMEOUT", () => kernel.call({ payload: words(1), deadlineMs: 60_000 }));
    kernel.port.dropped(sent[0]!, "deadline");
    expect((await call).message).toContain("deadline");
    expect(kernel.metrics.expired).toBe(1);
  });

  test("a reply to a call that is over is dropped; with a user's correlation id, receive() gets it", async () => {
    const stage = await new Stage().start();
    const { kernel, sent } = stage;
    await failure("TIMEOUT", () => kernel.call({ payload: words(1) }, { timeoutMs: 1 }));
    await failure("TIMEOUT", () => kernel.call({ payload: words(1), correlationId: 7 }, { timeoutMs: 1 }));
    stage.reply(sent[0]!, words(10));
    stage.reply(sent[1]!, words(20));
    expect(word(kernel.tryReceive()!.payload)).toBe(20);
    expect(kernel.tryReceive()).toBeNull();
  });

  test("a message for another kernel is carried on without credits for replies", async () => {
    const stage = await new Stage().start();
    const receive = stage.kernel.receive();
    stage.reply({ correlationId: 0 }, words(5), 9);
    stage.reply({ correlationId: 0 }, words(6));
    expect(word((await receive).payload)).toBe(6);
    expect(stage.carried.map(({ destination, from }) => [destination, from])).toEqual([[9, "k"]]);
    await stage.kernel.terminate();
    stage.reply({ correlationId: 0 }, words(5), 9);
    expect(stage.carried.length).toBe(1);
  });

  test("credits decrease with waiting replies, and the backend is resumed when they grow", async () => {
    const stage = await new Stage({ outputCapacity: 2 }).start();
    const { kernel, said } = stage;
    for (let i = 0; i < 2; i++) stage.reply({ correlationId: 0 }, words(i));
    expect(kernel.port.credits).toBe(0);
    said.length = 0;
    for (let i = 0; i < 2; i++) expect(word(kernel.tryReceive()!.payload)).toBe(i);
    expect(said).toEqual(["resume"]);
    expect(kernel.port.credits).toBe(2);
  });

  test("capacity in the input lets waiting messages in, in order", async () => {
    const stage = await new Stage().start();
    const { kernel, sent } = stage;
    stage.capacity = 0;
    const waiting = [
      kernel.send({ payload: words(1) }),
      kernel.call({ payload: words(2) }),
      kernel.send({ payload: words(3) }),
    ];
    stage.capacity = 2;
    kernel.port.taken(1);
    await waiting[0];
    expect(sent.map(({ payload }) => word(payload))).toEqual([1, 2]);
    stage.reply(sent[1]!, words(4));
    expect(word(((await waiting[1]) as { payload: Uint8Array }).payload)).toBe(4);
    stage.capacity = 3;
    kernel.port.taken(1);
    await waiting[2];
  });
});

describe("a device that fails", () => {
  test("waiting calls reject with the error, and the backend is only closed", async () => {
    const stage = await new Stage().start();
    const { kernel, said } = stage;
    stage.capacity = 1;
    const waiting = [kernel.call({ payload: words(1) }), kernel.send({ payload: words(2) }), kernel.receive()].map(
      (each) => failure("GPU_DEVICE_LOST", () => each),
    );
    kernel.port.failed(lost);
    kernel.port.failed(new Error("again") as never);
    for (const error of await Promise.all(waiting)) expect(error).toBe(lost);
    expect(kernel.state).toBe("terminated");
    expect(stage.ended).toBe(1);
    expect((await failure("INVALID_TRANSITION", () => kernel.terminate())).cause).toBe(lost);
    expect((await failure("KERNEL_NOT_ACTIVE", () => kernel.trySend({ payload: words(1) }))).cause).toBe(lost);
    kernel.setRoute(0, 5);
    await kernel[Symbol.asyncDispose]();
    expect(said).toEqual(["activate", "activated", "close"]);
  });

  test("a failure before the launch has resolved rejects the launch", async () => {
    const stage = new Stage();
    stage.kernel.port.failed(lost);
    expect(stage.kernel.state).toBe("created");
    expect(() => stage.kernel.launched(stage.backend)).toThrow(lost);
    expect(stage.kernel.state).toBe("terminated");
    expect(stage.said).toEqual(["close"]);
  });

  test("a failure while the kernel is deactivated or drains ends it", async () => {
    const resting = Promise.withResolvers<void>();
    const stage = await new Stage().start();
    stage.resting = resting.promise;
    const rest = stage.kernel.deactivate();
    const again = failure("KERNEL_NOT_ACTIVE", () => stage.kernel.activate());
    await eventually(() => stage.said.includes("deactivate"), "it is asked to rest");
    stage.kernel.port.failed(lost);
    resting.resolve();
    await rest;
    await again;
    const draining = await new Stage().start();
    draining.capacity = 0;
    const waiting = failure("GPU_DEVICE_LOST", () => draining.kernel.send({ payload: words(1) }));
    const ended = draining.kernel.terminate({ drainMs: 60_000 });
    await eventually(() => draining.kernel.state === "terminating", "it drains");
    draining.kernel.port.failed(lost);
    await waiting;
    expect(draining.kernel.state).toBe("terminated");
    expect(await ended).toEqual({ drained: 0, rejected: 1 });
  });
});
