/** Atomic operations on words of the state, by one invocation and by several at once. */
import { describe, expect, test } from "bun:test";
import type { Kernel } from "../../../src/kernel/index.ts";
import { random } from "../../channel/support.ts";
import { type Setting, start } from "../conformance.ts";
import { words } from "../support.ts";
import { NAMES, operations } from "./operations.ts";

const INVOCATIONS = 8;
const STATE_WORDS = 16;
const options = { workgroupSize: INVOCATIONS, stateBytes: 4 * STATE_WORDS };

async function operate(kernel: Kernel, name: string, index: number, value: number, of = 1, expected = 0) {
  const message = { payload: words(index, value, of, expected), type: NAMES.indexOf(name) };
  const { payload } = await kernel.call(message);
  return new Uint32Array(payload.slice().buffer);
}

export function atomics(setting: Setting): void {
  const { create } = setting;

  describe("atomic operations on the state", () => {
    test("concurrent additions give the exact sum, message after message", async () => {
      await using runtime = await create();
      const kernel = await start(setting, runtime, "atomics", options);
      for (let message = 1; message <= 100; message++) {
        const [, sum] = await operate(kernel, "add", 0, 5, INVOCATIONS);
        expect(sum).toBe(message * (5 * INVOCATIONS + 28)); // 0 to 7 more each
      }
    });

    test("each operation returns the old word and stores the new one", async () => {
      await using runtime = await create();
      const kernel = await start(setting, runtime, "atomics", options);
      const next = random(12);
      const number = () =>
        [0, 1, 0x7fffffff, 0x80000000, 0xffffffff, Math.floor(next() * 2 ** 32)][Math.floor(next() * 6)]!;
      const state = new Uint32Array(STATE_WORDS);
      for (let i = 0; i < 10 * NAMES.length; i++) {
        const name = NAMES[i % NAMES.length]!;
        const index = Math.floor(next() * STATE_WORDS);
        const before = state[index]!;
        const [value, expected] = [number(), next() < 0.7 ? before : number()];
        state[index] = operations[name]!(before, value, expected);
        const given = await operate(kernel, name, index, value, 1, expected);
        expect([name, given[0], given[1]]).toEqual([name, name.startsWith("store") ? 0 : before, state[index]]);
      }
    });

    test("operations of several invocations give a result that does not depend on their order", async () => {
      await using runtime = await create();
      const kernel = await start(setting, runtime, "atomics", options);
      for (const name of ["add", "sub", "max", "min", "and", "or", "xor", "max_i32", "min_i32", "add_i32", "sub_i32"]) {
        for (const [word, value] of [
          [7, 0],
          [0x12345678, 0xfffffffc],
          [0xfffffff0, 0x7ffffffe],
        ] as const) {
          await operate(kernel, "store", 3, word);
          const expected = new Uint32Array([word]);
          for (let i = 0; i < INVOCATIONS; i++) expected[0] = operations[name]!(expected[0]!, (value + i) >>> 0, 0);
          const [, after] = await operate(kernel, name, 3, value, INVOCATIONS);
          expect([name, after]).toEqual([name, expected[0]]);
        }
      }
    });

    test("operations beyond the state return 0 and change nothing", async () => {
      await using runtime = await create();
      const kernel = await start(setting, runtime, "atomics", options);
      const neighbour = await start(setting, runtime, "atomics", { ...options, id: "neighbour" });
      for (let i = 0; i < STATE_WORDS; i++) {
        await operate(kernel, "store", i, 100 + i);
        await operate(neighbour, "store", i, 200 + i);
      }
      for (const name of NAMES) {
        for (const index of [STATE_WORDS, STATE_WORDS + 1, 4 * STATE_WORDS, 0x7fffffff, 0xffffffff])
          expect([name, ...(await operate(kernel, name, index, 5, INVOCATIONS))]).toEqual([name, 0, 0]);
      }
      for (let i = 0; i < STATE_WORDS; i++) {
        expect((await operate(kernel, "load", i, 0))[1]).toBe(100 + i);
        expect((await operate(neighbour, "load", i, 0))[1]).toBe(200 + i);
      }
    });
  });
}
