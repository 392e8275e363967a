/** States of kernels and of their runtime. */
import { describe, expect, test } from "bun:test";
import { failure, random } from "../../channel/support.ts";
import { type Setting, start } from "../conformance.ts";
import { word, words } from "../support.ts";

export function lifecycle(setting: Setting): void {
  const { create, source } = setting;

  describe("lifecycle", () => {
    test("a runtime lists its kernels, and `closed` resolves at a kernel's end", async () => {
      await using runtime = await create();
      expect([runtime.kernels(), runtime.kernel("echo")]).toEqual([[], null]);
      const launching = runtime.launch("echo", { source: source("echo") });
      expect(runtime.kernel("echo")).toBeNull(); // not there yet
      const echo = await launching;
      const counter = await start(setting, runtime, "counter");
      expect(runtime.kernels().map(({ id }) => id)).toEqual(["echo", "counter"]);
      expect(runtime.kernel("echo")).toBe(echo);
      expect(runtime.kernel("counter")).toBe(counter);
      let ended: unknown = "not yet";
      const closed = echo.closed.then((reason) => (ended = reason));
      await counter.call({ payload: words(1) });
      expect(ended).toBe("not yet");
      await echo.terminate();
      expect(await closed).toBeNull();
      expect(await echo.closed).toBeNull();
      expect([runtime.kernel("echo"), runtime.kernels()]).toEqual([null, [counter]]);
      await runtime.shutdown();
      expect(await counter.closed).toBeNull();
    });

    test("a kernel passes all states, and its id is free again", async () => {
      await using runtime = await create();
      for (let round = 0; round < 2; round++) {
        const kernel = await runtime.launch("k", { source: source("counter") });
        expect(kernel.id).toBe("k");
        expect(kernel.state).toBe("launched");
        await kernel.activate();
        expect(kernel.state).toBe("active");
        expect(word((await kernel.call({ payload: words(5) })).payload)).toBe(5);
        await kernel.deactivate();
        expect(kernel.state).toBe("deactivated");
        await kernel.activate();
        // The kernel's state is kept; the state of the next kernel with this id is zeroed.
        expect(word((await kernel.call({ payload: words(2) })).payload)).toBe(7);
        expect(runtime.metrics).toMatchObject({ launched: 1, active: 1 });
        const ended = kernel.terminate();
        expect(kernel.state).toBe("terminating");
        expect(await ended).toEqual({ drained: 0, rejected: 0 });
        expect(kernel.state).toBe("terminated");
        expect(runtime.metrics).toMatchObject({ launched: 0, active: 0 });
      }
      expect(runtime.metrics.messagesProcessed).toBe(4);
      expect(runtime.metrics.dispatches).toBeGreaterThanOrEqual(1);
      expect(runtime.metrics.uptimeMs).toBeGreaterThan(0);
    });

    test("an invalid change of state is refused and has no effect", async () => {
      await using runtime = await create();
      const kernel = await runtime.launch("k", { source: source("echo") });
      const refused = async (state: string, ...changes: ("activate" | "deactivate" | "terminate")[]) => {
        const asked = changes.map((change) => failure("INVALID_TRANSITION", () => kernel[change]()));
        expect(kernel.state).toBe(state as never);
        for (const error of await Promise.all(asked)) expect(error.message).toContain(state);
      };
      await refused("launched", "deactivate");
      await kernel.activate();
      await refused("active", "activate");
      await kernel.deactivate();
      await refused("deactivated", "deactivate");
      const ended = kernel.terminate();
      await refused("terminating", "activate", "deactivate", "terminate");
      await ended;
      await refused("terminated", "activate", "deactivate", "terminate");
    });

    test("changes of state are carried out in the order of their requests", async () => {
      await using runtime = await create();
      const kernel = await runtime.launch("k", { source: source("echo") });
      const changes = [kernel.activate(), kernel.deactivate(), kernel.activate()];
      expect(kernel.state).toBe("active");
      const reply = kernel.call({ payload: words(1) });
      await Promise.all(changes);
      expect(word((await reply).payload)).toBe(1);
      const [first, second] = [kernel.terminate(), kernel.terminate()];
      await failure("INVALID_TRANSITION", () => second);
      await first;
      expect(kernel.state).toBe("terminated");
    });

    test("random changes of state are all carried out or refused, by the states", async () => {
      const changes = ["activate", "deactivate", "terminate"] as const;
      const allowed = { activate: ["launched", "deactivated"], deactivate: ["active"] };
      for (let seed = 1; seed <= 20; seed++) {
        const next = random(seed);
        await using runtime = await create();
        const kernel = await runtime.launch("k", { source: source("echo") });
        const results: Promise<unknown>[] = [];
        let state = "launched";
        for (let i = 0; i < 30; i++) {
          const change = changes[next() < 0.06 ? 2 : Math.floor(next() * 2)]!;
          const legal = change === "terminate" ? !state.startsWith("terminat") : allowed[change].includes(state);
          const asked = kernel[change]();
          results.push(legal ? asked : failure("INVALID_TRANSITION", () => asked));
          if (legal) state = { activate: "active", deactivate: "deactivated", terminate: "terminating" }[change];
          expect(kernel.state).toBe(state as never);
          if (next() < 0.2) {
            await Promise.all(results);
            if (state === "terminating") state = "terminated";
          }
        }
        await Promise.all(results);
        if (kernel.state === "active") expect(word((await kernel.call({ payload: words(seed) })).payload)).toBe(seed);
      }
    });

    test("messages wait in a deactivated kernel", async () => {
      await using runtime = await create();
      const kernel = await start(setting, runtime, "echo", { outputCapacity: 1 });
      for (let i = 0; i < 3; i++) await kernel.send({ payload: words(i) });
      await kernel.deactivate();
      // Some may be handled before the deactivation; none is lost, and none is handled after it.
      const { pending, replies } = kernel.metrics;
      expect(pending + replies).toBe(3);
      await failure("KERNEL_NOT_ACTIVE", () => kernel.trySend({ payload: words(3) }));
      await kernel.activate();
      for (let i = 0; i < 3; i++) expect(word((await kernel.receive()).payload)).toBe(i);
    });

    test("sends to a kernel that is not active are refused", async () => {
      await using runtime = await create();
      const kernel = await runtime.launch("k", { source: source("echo") });
      const refused = async (...words: string[]) => {
        for (const action of [
          () => kernel.send({ payload: new Uint8Array(4) }),
          () => kernel.trySend({ payload: new Uint8Array(4) }),
          () => kernel.call({ payload: new Uint8Array(4) }),
        ]) {
          const { message } = await failure("KERNEL_NOT_ACTIVE", action);
          for (const each of ['"k"', ...words]) expect(message).toContain(each);
        }
      };
      await refused("launched", "Activate it");
      await kernel.activate();
      await kernel.deactivate();
      await refused("deactivated", "Activate it");
      await kernel.terminate();
      await refused("terminated", "Launch it again");
      await failure("KERNEL_NOT_ACTIVE", () => kernel.receive());
    });

    test("of two launches with one id at the same time, one is refused", async () => {
      await using runtime = await create();
      const both = await Promise.allSettled([
        runtime.launch("k", { source: source("echo") }),
        runtime.launch("k", { source: source("echo") }),
      ]);
      expect(both.map(({ status }) => status)).toEqual(["fulfilled", "rejected"]);
      await failure("KERNEL_EXISTS", () => runtime.launch("k", { source: source("echo") }));
      expect(runtime.metrics.launched).toBe(1);
    });

    test("many kernels are launched and terminated", async () => {
      await using runtime = await create();
      for (let round = 0; round < 3; round++) {
        const kernels = await Promise.all(
          Array.from({ length: 20 }, (_, i) => start(setting, runtime, "counter", { id: `k${i}` })),
        );
        const sums = await Promise.all(kernels.map((kernel, i) => kernel.call({ payload: words(i) })));
        expect(sums.map(({ payload }) => word(payload))).toEqual(kernels.map((_, i) => i));
        expect(sums.map(({ source }) => source)).toEqual(kernels.map(({ id }) => id));
        await Promise.all(kernels.map((kernel) => kernel.terminate()));
      }
      expect(runtime.metrics).toMatchObject({ launched: 0, messagesProcessed: 60 });
    });

    for (const [name, options] of Object.entries({
      stateBytes: [-4, 2, 1.5, Number.NaN, 2 ** 40, "4"],
      inputCapacity: [0, 3, -1, 2 ** 21, 1.5],
      outputCapacity: [0, 100, Number.POSITIVE_INFINITY],
      payloadBytes: [0, 6, -4, 2 ** 40],
      workgroupSize: [0, -1, 2.5, 2048],
      routes: ["target", ["a/b/c"], [5], ["host"]],
      source: [undefined, null, {}, { wgsl: 5 }, { handler: 5 }, { module: 5 }, { module: "./relative.ts" }],
    })) {
      test(`a launch with a wrong ${name} is refused, and leaves the id free`, async () => {
        await using runtime = await create();
        for (const value of options) {
          const wrong = { source: source("echo"), [name]: value } as never;
          const error = await failure("INVALID_ARGUMENT", () => runtime.launch("k", wrong));
          expect(error.message).toContain(name === "routes" ? "route" : name);
        }
        await runtime.launch("k", { source: source("echo") });
      });
    }

    test("invalid ids are refused", async () => {
      await using runtime = await create();
      for (const id of ["", "host", "a/b", "#1", "a b", "x".repeat(65), 5, undefined]) {
        await failure("INVALID_ARGUMENT", () => runtime.launch(id as string, { source: source("echo") }));
      }
      await failure("INVALID_ARGUMENT", () => runtime.launch("k", undefined as never));
    });
  });
}
