/** Full queues: no message is lost without an error for its sender. */
import { describe, expect, test } from "bun:test";
import { settled } from "../../channel/conformance/sending.ts";
import { failure, random } from "../../channel/support.ts";
import { type Setting, start } from "../conformance.ts";
import { block, word, words } from "../support.ts";

export function queues(setting: Setting): void {
  const { create } = setting;

  describe("full queues", () => {
    test("messages wait in the input while replies are full, and then for the input", async () => {
      await using runtime = await create();
      const kernel = await start(setting, runtime, "echo", { inputCapacity: 4, outputCapacity: 1 });
      await block(kernel);
      for (let i = 1; i <= 4; i++) expect(kernel.trySend({ payload: words(i) })).toBe(true);
      for (let i = 0; i < 3; i++) expect(kernel.trySend({ payload: words(99) })).toBe(false);
      expect(kernel.metrics.pending).toBe(4);
      const sends = [kernel.send({ payload: words(5) }), kernel.send({ payload: words(6) })];
      const call = kernel.call({ payload: words(7) });
      expect(await settled(Promise.race(sends))).toBe(false);
      const got = [];
      for (let i = 0; i <= 6; i++) got.push(word((await kernel.receive()).payload));
      expect(got).toEqual([0, 1, 2, 3, 4, 5, 6]);
      await Promise.all(sends);
      expect(word((await call).payload)).toBe(7);
      expect(kernel.metrics).toMatchObject({ pending: 0, replies: 0 });
    });

    test("a send does not overtake waiting sends", async () => {
      await using runtime = await create();
      const kernel = await start(setting, runtime, "echo", { inputCapacity: 1, outputCapacity: 1 });
      await block(kernel);
      expect(kernel.trySend({ payload: words(1) })).toBe(true);
      const sends = [2, 3, 4].map((value) => kernel.send({ payload: words(value) }));
      expect(kernel.trySend({ payload: words(99) })).toBe(false);
      for (let i = 0; i <= 4; i++) expect(word((await kernel.receive()).payload)).toBe(i);
      await Promise.all(sends);
    });

    test("a send or a call with TIMEOUT for a full input was not sent", async () => {
      await using runtime = await create();
      const kernel = await start(setting, runtime, "echo", { inputCapacity: 1, outputCapacity: 1 });
      await block(kernel);
      await kernel.send({ payload: words(1) });
      const error = await failure("TIMEOUT", () => kernel.send({ payload: words(2), deadlineMs: 5 }));
      expect(error.message).toContain("no free slot");
      const late = await failure("TIMEOUT", () => kernel.call({ payload: words(3) }, { timeoutMs: 5 }));
      expect(late.message).toContain("receive()");
      await kernel.receive();
      expect(word((await kernel.receive()).payload)).toBe(1);
      expect(word((await kernel.call({ payload: words(4) })).payload)).toBe(4);
      expect(kernel.tryReceive()).toBeNull();
    });

    test("more concurrent calls than the queues' capacity are all answered", async () => {
      await using runtime = await create();
      const kernel = await start(setting, runtime, "echo", { inputCapacity: 8, outputCapacity: 8 });
      const calls = Array.from({ length: 500 }, (_, i) => kernel.call({ payload: words(i) }));
      const replies = await Promise.all(calls);
      expect(replies.map(({ payload }) => word(payload))).toEqual(replies.map((_, i) => i));
    });

    test("many concurrent calls get their own replies in order, at all capacities", async () => {
      await using runtime = await create();
      const kernel = await start(setting, runtime, "echo", { inputCapacity: 8, outputCapacity: 4 });
      const payloads = Array.from({ length: 100 }, (_, i) => words(...Array(i % 7).fill(i)));
      const sending = kernel.sendMany(payloads, { type: 5 });
      const ids = new Set<number>();
      for (const payload of payloads) {
        const reply = await kernel.receive();
        expect(reply.payload).toEqual(payload);
        ids.add(reply.id);
      }
      await sending;
      expect(ids.size).toBe(100);
      await kernel.sendMany([]);
      const wrong = [words(1), new Uint8Array(300)];
      await failure("INVALID_ARGUMENT", () => kernel.sendMany(wrong));
      await failure("INVALID_ARGUMENT", () => kernel.sendMany(words(1) as never));
      await failure("INVALID_ARGUMENT", () => kernel.sendMany([words(1)], { priority: 7 as never }));
      expect(word((await kernel.call({ payload: words(2) })).payload)).toBe(2);
      expect(kernel.tryReceive()).toBeNull();
    });

    test("concurrent calls, sends and receives: each message is answered once", async () => {
      await using runtime = await create();
      const next = random(17);
      const kernels = await Promise.all(
        [1, 2, 4, 8].map((capacity) =>
          start(setting, runtime, "echo", { id: `echo${capacity}`, inputCapacity: capacity, outputCapacity: capacity }),
        ),
      );
      await Promise.all(
        kernels.map(async (kernel) => {
          const sent: number[] = [];
          const got: number[] = [];
          const calls: Promise<void>[] = [];
          const sending = (async () => {
            for (let i = 1; i <= 200; i++) {
              const payload = words(i);
              const how = next();
              if (how < 0.5) {
                calls.push(kernel.call({ payload }).then((reply) => expect(word(reply.payload)).toBe(i)));
              } else if (how < 0.75 && kernel.trySend({ payload })) {
                sent.push(i);
              } else {
                sent.push(i);
                await kernel.send({ payload });
              }
            }
            await kernel.send({ payload: words(0) });
          })();
          for (let value = -1; value !== 0; got.push(value)) value = word((await kernel.receive()).payload);
          await Promise.all([sending, ...calls]);
          expect(got).toEqual([...sent, 0]);
          expect(kernel.metrics).toMatchObject({ pending: 0, replies: 0 });
        }),
      );
    });

    test("a sender that is faster than the receiver loses no message", async () => {
      await using runtime = await create();
      const kernel = await start(setting, runtime, "echo", { inputCapacity: 4, outputCapacity: 2 });
      const count = 300;
      const sending = (async () => {
        for (let i = 0; i < count; i++) await kernel.send({ payload: words(i) });
      })();
      for (let i = 0; i < count; i++) {
        expect(word((await kernel.receive()).payload)).toBe(i);
        if (i % 50 === 0) await new Promise(setImmediate);
      }
      await sending;
    });
  });
}
