/** Answers to calls: by the called kernel, by a kernel that the call is passed on to, or NO_REPLY. */
import { describe, expect, test } from "bun:test";
import type { KernelRuntime } from "../../../src/kernel/index.ts";
import { failure } from "../../channel/support.ts";
import { type Setting, start } from "../conformance.ts";
import { word, words } from "../support.ts";

export function answers(setting: Setting): void {
  const { create } = setting;

  /** A kernel "pass" and the kernels of its two routes. */
  async function passing(runtime: KernelRuntime, firstBody: "echo" | "silent" | "nature") {
    const second = await start(setting, runtime, "echo", { id: "second" });
    const first = await start(setting, runtime, firstBody, { id: "first" });
    const pass = await start(setting, runtime, "pass", { routes: ["first", "second"] });
    return { pass, first, second };
  }

  describe("answers", () => {
    test("a call that no kernel replies to is NO_REPLY at once", async () => {
      await using runtime = await create();
      const silent = await start(setting, runtime, "silent");
      const endless = { timeoutMs: Number.POSITIVE_INFINITY };
      await failure("NO_REPLY", () => silent.call({ payload: words(1) }, endless));
      await failure("NO_REPLY", () => silent.call({ payload: words(1), correlationId: 9 }, endless));
      await silent.send({ payload: words(1), correlationId: 10 });
      await failure("NO_REPLY", () => silent.call({ payload: words(1) }, endless));
      expect(silent.tryReceive()).toBeNull();
      expect(silent.metrics).toMatchObject({ errors: 0, replies: 0 });
    });

    test("a call that is passed on is answered by the kernel that replies", async () => {
      await using runtime = await create();
      const { pass, first, second } = await passing(runtime, "echo");
      const calls = Array.from({ length: 20 }, (_, i) => pass.call({ payload: words(i), type: 1 }));
      for (const [i, call] of calls.entries()) {
        const reply = await call;
        expect([word(reply.payload), reply.source, reply.destination]).toEqual([i, "first", "host"]);
      }
      const own = await pass.call({ payload: words(5), type: 1, correlationId: 77 });
      expect([word(own.payload), own.correlationId]).toEqual([5, 77]);
      for (const kernel of [pass, first, second]) expect(kernel.tryReceive()).toBeNull();
    });

    test("a sent message with a correlation id gets a reply of the kernel that it is passed on to", async () => {
      await using runtime = await create();
      const { pass, first } = await passing(runtime, "echo");
      await pass.send({ payload: words(6), type: 1, correlationId: 1001 });
      expect(await first.receive()).toMatchObject({ correlationId: 1001, payload: words(6) });
    });

    test("a message that is passed on has the type, the priority and the deadline of sendTo", async () => {
      await using runtime = await create();
      const { pass } = await passing(runtime, "nature");
      const reply = await pass.call({ payload: words(6), type: 1, priority: 0 });
      expect(reply).toMatchObject({ payload: words(9, 2), type: 9, priority: 2 });
    });

    test("the first reply counts where there are several", async () => {
      await using runtime = await create();
      const { pass, first } = await passing(runtime, "echo");
      const reply = await pass.call({ payload: words(6), type: 2 });
      expect(word(reply.payload)).toBe(6);
      expect(["pass", "first"]).toContain(reply.source); // in Workers, either may be heard first
      await first.call({ payload: words(7) }); // behind the one that was passed on
      expect(first.tryReceive()).toBeNull();
    });

    test("NO_REPLY comes after the last kernel on the way has handled the call", async () => {
      await using runtime = await create();
      const { pass } = await passing(runtime, "silent");
      for (let i = 0; i < 10; i++) {
        const endless = { timeoutMs: Number.POSITIVE_INFINITY };
        await failure("NO_REPLY", () => pass.call({ payload: words(i), type: 1 }, endless));
        // The first of the two does not reply, the second does.
        const reply = await pass.call({ payload: words(i), type: 3 }, endless);
        expect([word(reply.payload), reply.source]).toEqual([i, "second"]);
      }
    });

    test("calls are answered across runtimes", async () => {
      await using here = await create({ name: "here" });
      await using there = await create({ name: "there" });
      await Promise.all([here.k2k!.connect("there"), there.k2k!.connect("here")]);
      const far = await start(setting, there, "counter", { id: "far" });
      await start(setting, there, "silent", { id: "mute" });
      here.k2k!.addRoute("first", "there/far");
      const pass = await start(setting, here, "pass", { routes: ["there/far", "there/mute"] });
      if (setting.name.startsWith("WGSL") || setting.name === "metal") {
        for (const sum of [1, 3, 6]) {
          const reply = await pass.call({ payload: words(sum === 6 ? 3 : sum - (sum >> 1)), type: 1 });
          expect([word(reply.payload), reply.source]).toEqual([sum, "there/far"]);
        }
        const mute = await start(setting, here, "pass", { id: "to-mute", routes: ["there/mute", "there/mute"] });
        await failure("NO_REPLY", () => mute.call({ payload: words(1), type: 1 }));
        await failure("NO_REPLY", () => mute.call({ payload: words(1), type: 3 }));
      } else {
        for (const [value, sum] of [
          [1, 1],
          [2, 3],
        ] as const) {
          const reply = await pass.call({ payload: words(value), type: 1 });
          expect([word(reply.payload), reply.source]).toEqual([sum, "there/far"]);
        }
        here.k2k!.addRoute("first", "there/mute");
        await failure("NO_REPLY", () => pass.call({ payload: words(1), type: 1 }));
      }
      expect(far.tryReceive()).toBeNull();
    });
  });
}
