/** Messages and replies. */
import { describe, expect, test } from "bun:test";
import { HybridLogicalClock } from "../../../src/kernel/index.ts";
import { eventually, failure, random } from "../../channel/support.ts";
import { gone } from "../../gone.ts";
import { type Setting, start } from "../conformance.ts";
import { block, word, words } from "../support.ts";

export function messages(setting: Setting): void {
  const { create } = setting;

  describe("messages", () => {
    test("payloads of all sizes come back unchanged", async () => {
      await using runtime = await create();
      const kernel = await start(setting, runtime, "echo", { payloadBytes: 1024 });
      const next = random(3);
      for (const size of [0, 1, 2, 3, 4, 5, 63, 64, 65, 255, 256, 1000, 1023, 1024]) {
        const payload = Uint8Array.from({ length: size }, () => next() * 256);
        const { payload: reply } = await kernel.call({ payload });
        expect(reply).toEqual(payload);
      }
    });

    test("a reply has the kernel's id and the correlation id", async () => {
      await using runtime = await create();
      const kernel = await start(setting, runtime, "echo");
      const before = runtime.clock.tick();
      const sent = { payload: words(1), type: 4_000_000_000, priority: 2, correlationId: 77 } as const;
      await kernel.send(sent);
      const reply = await kernel.receive();
      const { payload: _, ...same } = sent;
      expect(reply).toMatchObject({ source: "echo", destination: "host", ...same });
      expect(reply.deadlineMs).toBe(Number.POSITIVE_INFINITY);
      expect(HybridLogicalClock.compare(before, reply.timestamp)).toBe(-1);
      await kernel.send(sent);
      const next = await kernel.receive();
      expect(next.id).not.toBe(reply.id);
      expect(HybridLogicalClock.compare(reply.timestamp, next.timestamp)).toBe(-1);
    });

    test("sender and receiver may reuse their memory at once", async () => {
      await using runtime = await create();
      const kernel = await start(setting, runtime, "echo");
      const payload = words(1);
      const replies = [];
      for (let i = 0; i < 10; i++) {
        payload[0] = i;
        expect(kernel.trySend({ payload })).toBe(true);
      }
      for (let i = 0; i < 10; i++) replies.push(await kernel.receive());
      expect(replies.map((reply) => reply.payload[0])).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
      replies[0]!.payload.fill(99);
      expect(replies[1]!.payload[0]).toBe(1);
    });

    test("of a view, only its own bytes are sent", async () => {
      await using runtime = await create();
      const kernel = await start(setting, runtime, "echo");
      const memory = Uint8Array.from({ length: 64 }, (_, i) => i);
      const { payload } = await kernel.call({ payload: memory.subarray(13, 22) });
      expect([...payload]).toEqual([13, 14, 15, 16, 17, 18, 19, 20, 21]);
    });

    test("views of all types and whole buffers are sent as bytes", async () => {
      await using runtime = await create();
      const kernel = await start(setting, runtime, "echo");
      const bytes = Uint8Array.from({ length: 64 }, (_, i) => 200 + i);
      const shared = new SharedArrayBuffer(64);
      new Uint8Array(shared).set(bytes);
      for (const [payload, from, size] of [
        [bytes.buffer, 0, 64],
        [shared, 0, 64],
        [new DataView(bytes.buffer, 3, 5), 3, 5],
        [new Uint16Array(bytes.buffer, 2, 3), 2, 6],
        [new Float32Array(bytes.buffer, 8, 2), 8, 8],
        [new BigInt64Array(bytes.buffer, 16, 1), 16, 8],
        [new Int8Array(bytes.buffer, 1, 1), 1, 1],
        [new Float64Array(0), 0, 0],
      ] as const) {
        expect((await kernel.call({ payload })).payload).toEqual(bytes.slice(from, from + size));
      }
      await kernel.sendMany([new Float32Array(bytes.buffer, 0, 1), new DataView(bytes.buffer, 4, 4)]);
      for (const at of [0, 4]) expect((await kernel.receive()).payload).toEqual(bytes.slice(at, at + 4));
      expect(await runtime.k2k!.send("host", "echo", new Uint16Array(bytes.buffer, 0, 1))).toBe("delivered");
      expect((await kernel.receive()).payload).toEqual(bytes.slice(0, 2));
    });

    test("messages are handled one at a time, in order", async () => {
      await using runtime = await create();
      const kernel = await start(setting, runtime, "counter");
      const sums = await Promise.all(Array.from({ length: 200 }, (_, i) => kernel.call({ payload: words(i) })));
      let sum = 0;
      expect(sums.map(({ payload }) => word(payload))).toEqual(sums.map((_, i) => (sum += i)));
    });

    test("messages are handled by priority, then by age", async () => {
      await using runtime = await create();
      const kernel = await start(setting, runtime, "echo", { outputCapacity: 1 });
      await block(kernel);
      const sent = [1, 3, 0, 2, 3, 1, 2, 0, 0, 3].map((priority, i) => ({ priority, value: 100 * priority + i }));
      for (const { priority, value } of sent) {
        expect(kernel.trySend({ payload: words(value), priority: priority as 0 })).toBe(true);
      }
      expect(word((await kernel.receive()).payload)).toBe(0);
      const expected = sent.toSorted((a, b) => b.priority - a.priority).map(({ value }) => value);
      const got = [];
      for (const _ of sent) got.push(word((await kernel.receive()).payload));
      expect(got).toEqual(expected);
    });

    test("a message past its deadline is not handled", async () => {
      await using runtime = await create();
      const kernel = await start(setting, runtime, "counter", { outputCapacity: 1 });
      await block(kernel);
      expect(kernel.trySend({ payload: words(1000), deadlineMs: 2 })).toBe(true);
      const late = failure("TIMEOUT", () => kernel.call({ payload: words(2000), deadlineMs: 2 }));
      expect(kernel.trySend({ payload: words(1), deadlineMs: 100_000 })).toBe(true);
      const before = performance.now();
      await late;
      await eventually(() => performance.now() > before + 5, "the deadline is over");
      await kernel.receive();
      expect(word((await kernel.receive()).payload)).toBe(1);
      expect(kernel.metrics).toMatchObject({ expired: 2, errors: 0, corrupt: 0 });
    });
  });

  describe("call and receive", () => {
    test("a call takes only its own reply", async () => {
      await using runtime = await create();
      const kernel = await start(setting, runtime, "echo");
      await kernel.send({ payload: words(1) });
      await kernel.send({ payload: words(2), correlationId: 5 });
      const calls = [kernel.call({ payload: words(3) }), kernel.call({ payload: words(4), correlationId: 6 })];
      await kernel.send({ payload: words(5) });
      const replies = await Promise.all(calls);
      expect(replies.map(({ payload }) => word(payload))).toEqual([3, 4]);
      expect(replies[1]!.correlationId).toBe(6);
      const rest = [await kernel.receive(), await kernel.receive(), await kernel.receive()];
      expect(rest.map(({ payload, correlationId }) => [word(payload), correlationId])).toEqual([
        [1, 0],
        [2, 5],
        [5, 0],
      ]);
      expect(kernel.tryReceive()).toBeNull();
    });

    test("receivers are served in order", async () => {
      await using runtime = await create();
      const kernel = await start(setting, runtime, "echo");
      const receives = [kernel.receive(), kernel.receive(), kernel.receive()];
      for (let i = 0; i < 3; i++) await kernel.send({ payload: words(i) });
      expect((await Promise.all(receives)).map(({ payload }) => word(payload))).toEqual([0, 1, 2]);
    });

    test("receive and call without a reply end with TIMEOUT, and the next ones work", async () => {
      await using runtime = await create();
      const silent = await start(setting, runtime, "silent");
      await failure("TIMEOUT", () => silent.receive({ timeoutMs: 5 }));
      await failure("TIMEOUT", () => silent.receive({ timeoutMs: 0 }));
      const echo = await start(setting, runtime, "echo", { outputCapacity: 1 });
      await block(echo);
      await failure("TIMEOUT", () => echo.call({ payload: words(1) }, { timeoutMs: 5 }));
      const error = await failure("TIMEOUT", () =>
        echo.call({ payload: words(1), correlationId: 9 }, { timeoutMs: 5 }),
      );
      expect(error.message).toContain("5 ms");
      await echo.receive();
      expect(await echo.receive()).toMatchObject({ correlationId: 9 }); // late, and of no call any more
      await failure("TIMEOUT", () => echo.receive({ timeoutMs: 5 }));
      expect(word((await echo.call({ payload: words(3), correlationId: 9 })).payload)).toBe(3);
    });

    test("a correlation id that a call waits for is refused", async () => {
      await using runtime = await create();
      const kernel = await start(setting, runtime, "echo");
      const call = kernel.call({ payload: words(1), correlationId: 8 });
      const refused = [
        failure("INVALID_ARGUMENT", () => kernel.call({ payload: words(2), correlationId: 8 })),
        failure("INVALID_ARGUMENT", () => kernel.send({ payload: words(2), correlationId: 8 })),
      ];
      await Promise.all(refused);
      expect(word((await call).payload)).toBe(1);
      expect(word((await kernel.call({ payload: words(3), correlationId: 8 })).payload)).toBe(3);
    });
  });

  describe("wrong messages", () => {
    const payload = new Uint8Array(4);
    for (const [name, init] of Object.entries({
      "no message": undefined,
      "no payload": {},
      "a payload of another type": { payload: [1, 2, 3, 4] },
      "a payload that is a Proxy": { payload: new Proxy(payload, {}) },
      ...Object.fromEntries(
        gone(Uint8Array).map(([what, payload]) => [`a payload whose ArrayBuffer was ${what}`, { payload }]),
      ),
      "a payload that is too large": { payload: new Uint8Array(257) },
      "a type below 0": { payload, type: -1 },
      "a type that is no whole number": { payload, type: 0.5 },
      "a type above 32 bits": { payload, type: 2 ** 32 },
      "a priority of 4": { payload, priority: 4 },
      "a priority of -1": { payload, priority: -1 },
      "a priority that is no number": { payload, priority: "3" },
      "a correlation id below 0": { payload, correlationId: -1 },
      "a correlation id that the library uses itself": { payload, correlationId: 2 ** 52 },
      "a deadline below 0": { payload, deadlineMs: -1 },
      "a deadline that is no number": { payload, deadlineMs: Number.NaN },
    })) {
      test(name, async () => {
        await using runtime = await create();
        const kernel = await start(setting, runtime, "echo");
        for (const action of ["send", "trySend", "call"] as const) {
          const error = await failure("INVALID_ARGUMENT", () => kernel[action](init as never));
          expect(error.remedy).toBeString();
        }
        expect((await kernel.call({ payload })).payload).toEqual(payload);
      });
    }

    test("a payload that shrinks during its wait is refused", async () => {
      await using runtime = await create();
      const kernel = await start(setting, runtime, "echo", { inputCapacity: 2 });
      const buffer = new ArrayBuffer(8, { maxByteLength: 8 });
      const before: Promise<unknown>[] = [];
      while (kernel.trySend({ payload })) before.push(kernel.receive());
      const sending = failure("INVALID_ARGUMENT", () => kernel.send({ payload: new Uint8Array(buffer) }));
      const calling = failure("INVALID_ARGUMENT", () => kernel.call({ payload: new Uint8Array(buffer) }));
      buffer.resize(4);
      for (const refused of await Promise.all([sending, calling])) expect(refused.reason).toContain("had 8 bytes");
      await Promise.all(before);
      expect((await kernel.call({ payload })).payload).toEqual(payload);
    });

    test("invalid limits are refused", async () => {
      await using runtime = await create();
      const kernel = await start(setting, runtime, "echo");
      for (const timeoutMs of [-1, Number.NaN, "5" as never]) {
        await failure("INVALID_ARGUMENT", () => kernel.receive({ timeoutMs }));
        await failure("INVALID_ARGUMENT", () => kernel.call({ payload }, { timeoutMs }));
      }
      expect((await kernel.call({ payload }, { timeoutMs: Number.POSITIVE_INFINITY })).payload).toEqual(payload);
    });
  });
}
