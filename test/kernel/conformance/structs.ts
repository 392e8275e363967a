/** Messages of structs: objects on the host and in handlers, structs of the same layout in WGSL. */
import { describe, expect, test } from "bun:test";
import type { KernelRuntime } from "../../../src/kernel/index.ts";
import { failure } from "../../channel/support.ts";
import type { Setting } from "../conformance.ts";
import { Motion, Moved } from "./bodies.ts";

const motion = {
  id: 4_000_000_000,
  kick: { force: [1, -2, 0.5] as [number, number, number], seconds: 4 },
  trace: Int32Array.of(-1, -2_000_000_000, 3),
  weights: [
    [1, 2],
    [3, 4],
  ] as [number, number][],
};
const moved = { motion, at: [4, -8, 2], steps: -2_000_000_007 };

export function structs({ create, source }: Setting): void {
  async function mover(runtime: KernelRuntime) {
    const kernel = await runtime.launch("mover", { source: source("move") as never, request: Motion, reply: Moved });
    await kernel.activate();
    return kernel;
  }

  describe("messages of structs", () => {
    test("send and call take values, and receive and call give values", async () => {
      await using runtime = await create();
      const kernel = await mover(runtime);
      const { payload } = await kernel.call({ payload: motion });
      expect(payload).toEqual(moved as never);
      expect(payload.motion.trace[1]! + payload.at[0] + payload.motion.kick.seconds).toBe(-1_999_999_992);
      await kernel.send({ payload: motion });
      await kernel.sendMany([motion, { ...motion, id: 2 }]);
      expect((await kernel.receive()).payload.motion.id).toBe(motion.id);
      expect((await kernel.receive()).payload.steps).toBe(moved.steps);
      expect((await kernel.receive()).payload.motion.id).toBe(2);
      expect(kernel.trySend({ payload: motion })).toBe(true);
      const waiting = await kernel.receive();
      expect(waiting.payload).toEqual(moved as never);
    });

    test("bytes are sent unchanged, also from another kernel", async () => {
      await using runtime = await create();
      const kernel = await mover(runtime);
      expect((await kernel.call({ payload: Motion.pack(motion) })).payload).toEqual(moved as never);
      expect(await runtime.k2k!.send("host", "mover", Motion.pack(motion))).toBe("delivered");
      expect((await kernel.receive()).payload).toEqual(moved as never);
    });

    test("an invalid value is refused with the member's name, and the kernel goes on", async () => {
      await using runtime = await create();
      const kernel = await mover(runtime);
      for (const [wrong, named] of [
        [{ ...motion, id: -1 }, "Motion.id"],
        [{ ...motion, kick: { force: [1, 2], seconds: 1 } }, "Motion.kick.force"],
        [{ ...motion, trace: [1, 2, 0.5] }, "Motion.trace[2]"],
        [{ ...motion, weights: undefined }, "Motion.weights"],
        [{ ...motion, mass: 1 }, "mass"],
        [
          {
            ...motion,
            weights: [
              [1, "2"],
              [3, 4],
            ],
          },
          "Motion.weights[0][1]",
        ],
        [5, "payload"],
        [null, "payload"],
      ] as const) {
        for (const action of ["send", "trySend", "call"] as const) {
          const error = await failure("INVALID_ARGUMENT", () => kernel[action]({ payload: wrong as never }));
          expect(error.message).toContain(named === "payload" ? "Motion" : named);
        }
      }
      expect((await kernel.call({ payload: motion })).payload).toEqual(moved as never);
    });

    test("a reply that is too short for its struct rejects the call", async () => {
      await using runtime = await create();
      const kernel = await runtime.launch("echo", { source: source("echo") as never, request: Motion, reply: Moved });
      // The echo replies with the bytes of a Motion, which are too few for a Moved.
      await kernel.activate();
      const failed = kernel.call({ payload: motion });
      const error = await failed.then(
        () => null,
        (thrown) => thrown,
      );
      expect(["INVALID_ARGUMENT", "HANDLER_FAILED"]).toContain(error.code);
      expect(error.message).toContain("Moved");
    });

    test("launch makes payloads as large as the structs, and refuses other values than structs", async () => {
      await using runtime = await create();
      const options = { source: source("move") as never, request: Motion, reply: Moved };
      await failure("INVALID_ARGUMENT", () => runtime.launch("k", { ...options, payloadBytes: Moved.size - 4 }));
      await failure("INVALID_ARGUMENT", () => runtime.launch("k", { ...options, request: { id: "u32" } as never }));
      await failure("INVALID_ARGUMENT", () => runtime.launch("k", { ...options, structs: [null] as never }));
    });
  });
}
