/** Parts of the rings without a GPU: arenas, and the priority queue. */
import { describe, expect, test } from "bun:test";
import { Arena, type Range } from "../../src/kernel/backend/arena.ts";
import type { ComputeDevice, ComputeMemory } from "../../src/kernel/backend/compute.ts";
import { PriorityQueue } from "../../src/kernel/backend/priority.ts";
import { PLAIN } from "../../src/kernel/wgsl/extensions.ts";

/** A device that only allocates and copies memory. */
function memoryOnly(memoryMaxBytes: number): { device: ComputeDevice; open: Set<ComputeMemory> } {
  const open = new Set<ComputeMemory>();
  const device: ComputeDevice = {
    name: "a device of the test",
    memoryMaxBytes,
    loopRoundsMax: Number.POSITIVE_INFINITY,
    target: PLAIN,
    async allocate(_, sizeBytes) {
      const memory: ComputeMemory = {
        sizeBytes,
        bytes: new Uint8Array(sizeBytes),
        close: () => expect(open.delete(memory)).toBe(true),
      };
      open.add(memory);
      return memory;
    },
    submit(memories, steps) {
      for (const step of steps) {
        if (step.kind !== "copy") throw new Error(step.kind);
        const { from, fromOffset, to, toOffset, size } = step;
        memories[to]!.bytes!.set(memories[from]!.bytes!.subarray(fromOffset, fromOffset + size), toOffset);
      }
      return 1;
    },
    pipeline: () => Promise.reject(new Error("no pipelines")),
    arm: () => 0,
    isArmed: () => false,
    trigger() {},
    reached: () => true,
    wait: async () => {},
    waitCapacity: async () => {},
    close() {},
  };
  return { device, open };
}

describe("an arena", () => {
  test("has disjoint ranges, which keep their content when it grows, and are reused", async () => {
    const { device, open } = memoryOnly(2 ** 24);
    const arena = await Arena.open(device, "upload");
    const taken = new Map<Range, number>();
    let seed = 1;
    const random = (below: number) => (seed = (seed * 48271) % 0x7fffffff) % below;
    for (let i = 0; i < 2000; i++) {
      if (taken.size > 0 && random(5) < 2) {
        const [range, tag] = [...taken][random(taken.size)] as [Range, number];
        for (const at of [range.at, range.at + range.size - 1]) expect(arena.words[at]).toBe(tag);
        arena.release(range);
        taken.delete(range);
      } else {
        const range = await arena.acquire(1 + random(3000));
        expect(range.at % 64).toBe(0);
        arena.words.fill(i, range.at, range.at + range.size);
        taken.set(range, i);
      }
    }
    for (const [range, tag] of taken) {
      for (let at = range.at; at < range.at + range.size; at++) if (arena.words[at] !== tag) throw new Error(`${at}`);
      arena.release(range);
    }
    // The whole arena is one free range again.
    const size = arena.memory.sizeBytes / 4;
    expect(await arena.acquire(size)).toEqual({ at: 0, size });
    expect(open.size).toBe(1);
    arena.close();
    expect(open.size).toBe(0);
  });

  test("keeps writes during its growth", async () => {
    const { device } = memoryOnly(2 ** 24);
    const arena = await Arena.open(device, "upload");
    const range = await arena.acquire(64);
    arena.words[range.at] = 1;
    const growing = arena.acquire(2 ** 17);
    await null; // it has the new memory, and waits for the copy
    await null;
    arena.words[range.at + 1] = 2;
    arena.wrote(range.at + 1, 1);
    const { size } = await growing;
    expect(size).toBe(2 ** 17);
    expect(arena.memory.sizeBytes).toBeGreaterThan(2 ** 19);
    expect([...arena.words.subarray(range.at, range.at + 3)]).toEqual([1, 2, 0]);
  });

  test("does not grow beyond the device's limit, and is unchanged after the error", async () => {
    const arena = await Arena.open(memoryOnly(2 ** 20).device, "upload");
    const first = await arena.acquire(2 ** 15);
    arena.words[first.at] = 7;
    const error = await arena.acquire(2 ** 18).catch((caught) => caught);
    expect(error).toMatchObject({ code: "GPU_OUT_OF_MEMORY", remedy: expect.any(String) });
    expect(error.message).toContain("1048576");
    expect(arena.words[first.at]).toBe(7);
    expect((await arena.acquire(2 ** 17)).size).toBe(2 ** 17);
  });

  test("is unchanged after a failed allocation", async () => {
    const { device, open } = memoryOnly(2 ** 24);
    const arena = await Arena.open(device, "upload");
    const { submit } = device;
    device.submit = () => {
      throw new Error("lost");
    };
    await expect(arena.acquire(2 ** 17)).rejects.toThrow("lost");
    expect(open.size).toBe(1);
    device.submit = submit;
    expect(await arena.acquire(2 ** 16)).toEqual({ at: 0, size: 2 ** 16 });
  });
});

test("a priority queue gives messages by priority, then by age, in parts of any size", () => {
  const queue = new PriorityQueue(16);
  const orders = new Uint32Array(16);
  const slots = new Map<number, { priority: number; age: number }>();
  const came: { priority: number; age: number }[] = [];
  let age = 0;
  let seed = 7;
  const random = (below: number) => (seed = (seed * 48271) % 0x7fffffff) % below;
  for (let round = 0; round < 500; round++) {
    for (let i = random(20); i > 0; i--) {
      const priority = random(4) as 0 | 1 | 2 | 3;
      const slot = queue.add(priority);
      expect(slot === -1).toBe(slots.size === 16);
      if (slot < 0) break;
      expect(slots.has(slot)).toBe(false);
      slots.set(slot, { priority, age: age++ });
    }
    expect(queue.size).toBe(slots.size);
    const first = queue.first;
    const count = queue.order(orders, 0);
    expect(count).toBe(slots.size);
    if (count > 0) expect(orders[0]).toBe(first);
    const inOrder = Array.from(orders.subarray(0, count), (slot) => slots.get(slot)!);
    const sorted = inOrder.toSorted((a, b) => b.priority - a.priority || a.age - b.age);
    expect(inOrder).toEqual(sorted);
    // Messages that are added after `order` are not taken.
    const late = queue.add(3);
    if (late >= 0) slots.set(late, { priority: 3, age: age++ });
    const taken = random(count + 1);
    queue.take(taken);
    for (const slot of orders.subarray(0, taken)) {
      came.push(slots.get(slot)!);
      slots.delete(slot);
    }
  }
  expect(came.length).toBeGreaterThan(1000);
});
