/** What is always there resolves at once, and the event loop turns all the same. */
import { describe, expect, test } from "bun:test";
import type { Producer } from "../../src/index.ts";
import { PATIENT, pair, privateDirectory } from "./support.ts";

privateDirectory();

/** How long a loop goes on that the event loop does not interrupt: much longer than any share of its time. */
const STARVED_MS = 5000;
const small = new Uint8Array(16);

/** Calls `step` again and again until the loop has turned `turns` times for a timer; false: it did not. */
async function turnsMeanwhile(step: () => Promise<unknown>, turns = 3): Promise<boolean> {
  let seen = 0;
  const timer = setInterval(() => seen++, 1);
  const limit = performance.now() + STARVED_MS;
  while (seen < turns && performance.now() < limit) await step();
  clearInterval(timer);
  return seen >= turns;
}

/** Keeps the ring non-empty if called after each frame. */
function refill(producer: Producer): void {
  while (producer.stats.queued < 4) if (!producer.trySend(small)) throw new Error("no room");
}

describe("the event loop turns while", () => {
  test("frames are always there for recv", async () => {
    await using both = await pair();
    const step = async () => {
      refill(both.producer);
      (await both.consumer.recv()).release();
    };
    expect(await turnsMeanwhile(step)).toBe(true);
  });

  test("frames are always there for `for await`, whose body is synchronous", async () => {
    await using both = await pair();
    let seen = 0;
    const timer = setInterval(() => seen++, 1);
    const limit = performance.now() + STARVED_MS;
    refill(both.producer);
    for await (const frame of both.consumer) {
      frame.release();
      refill(both.producer);
      if (seen >= 3 || performance.now() > limit) break;
    }
    clearInterval(timer);
    expect(seen).toBeGreaterThanOrEqual(3);
  });

  test("the body of a `for await` awaits what has resolved already", async () => {
    await using both = await pair();
    const frames = both.consumer[Symbol.asyncIterator]();
    const step = async () => {
      refill(both.producer);
      await frames.next();
      for (let i = 0; i < 10; i++) await null;
    };
    expect(await turnsMeanwhile(step)).toBe(true);
  });

  test("the queue is never full for send", async () => {
    await using both = await pair();
    const step = async () => {
      await both.producer.send(small);
      both.consumer.tryRecv()?.release();
    };
    expect(await turnsMeanwhile(step)).toBe(true);
  });

  test("the queue is never full for a loan", async () => {
    await using both = await pair();
    for (const size of [16, 4096]) {
      const step = async () => {
        (await both.producer.loan(size)).commit();
        both.consumer.tryRecv()?.release();
      };
      expect(await turnsMeanwhile(step)).toBe(true);
    }
  });

  test("every flush finds all frames released", async () => {
    await using both = await pair();
    expect(await turnsMeanwhile(() => both.producer.flush())).toBe(true);
  });

  test("thousands of waiting sends succeed in a row", async () => {
    await using both = await pair();
    const payload = new Uint8Array(64 * 1024);
    let seen = 0;
    const all = Array.from({ length: 20_000 }, () => both.producer.send(payload));
    const timer = setInterval(() => seen++, 1);
    let got = 0;
    for await (const frame of both.consumer) {
      frame.release();
      if (++got === all.length) break;
    }
    clearInterval(timer);
    await Promise.all(all);
    expect(seen).toBeGreaterThanOrEqual(3);
  });

  test(
    "many channels are used for a short time each, in both roles",
    async () => {
      const pairs = await Promise.all(Array.from({ length: 8 }, () => pair()));
      const step = () =>
        Promise.all(
          pairs.map(async ({ producer, consumer }) => {
            await producer.send(small);
            (await consumer.recv()).release();
          }),
        );
      expect(await turnsMeanwhile(step)).toBe(true);
      for (const each of pairs) await each[Symbol.asyncDispose]();
    },
    PATIENT,
  );
});

test("two channels that are never empty take turns", async () => {
  await using first = await pair();
  await using second = await pair();
  const counts: [number, number] = [0, 0];
  const receive = async ({ producer, consumer }: typeof first, which: 0 | 1) => {
    refill(producer);
    for await (const frame of consumer) {
      frame.release();
      refill(producer);
      counts[which]++;
      if (counts[0] + counts[1] >= 20_000) break;
    }
  };
  await Promise.all([receive(first, 0), receive(second, 1)]);
  const [a, b] = counts;
  expect(Math.min(a, b)).toBeGreaterThan(Math.max(a, b) / 4);
});
