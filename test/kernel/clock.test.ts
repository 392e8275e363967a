/** Hybrid logical clocks: compared with the paper's algorithm in plain code, at their limits, and shared by threads. */
import { describe, expect, test } from "bun:test";
import { type HlcTimestamp, HybridLogicalClock } from "../../src/kernel/index.ts";
import { failure, random } from "../channel/support.ts";

const { compare } = HybridLogicalClock;

/** The algorithm of the paper: separate l and c; a full c carries over into l. */
class Plain {
  l = 0;
  c = 0;

  tick(pt: number): [number, number] {
    return this.#event(pt, -1, 0);
  }

  update(pt: number, lm: number, cm: number): [number, number] {
    return this.#event(pt, lm, cm);
  }

  #event(pt: number, lm: number, cm: number): [number, number] {
    const l = Math.max(this.l, lm, pt);
    if (l === this.l && l === lm) this.c = Math.max(this.c, cm) + 1;
    else if (l === this.l) this.c++;
    else if (l === lm) this.c = cm + 1;
    else this.c = 0;
    this.l = l;
    if (this.c > 4095) {
      this.l++;
      this.c = 0;
    }
    return [this.l, this.c];
  }
}

describe("one clock", () => {
  test("ticks increase and follow the time of day", () => {
    const clock = new HybridLogicalClock({ nodeId: 7 });
    const before = Date.now() * 1000;
    let last = clock.tick();
    expect(last.physicalMicros).toBeGreaterThanOrEqual(before - 1000);
    expect(last.nodeId).toBe(7);
    for (let i = 0; i < 100_000; i++) {
      const next = clock.tick();
      if (compare(last, next) !== -1) throw new Error(`${JSON.stringify(next)} after ${JSON.stringify(last)}`);
      last = next;
    }
    expect(last.physicalMicros).toBeLessThanOrEqual((Date.now() + 1) * 1000);
  });

  test("each event gives the timestamp of the algorithm in the paper", () => {
    for (let seed = 0; seed < 20; seed++) {
      const next = random(seed);
      const below = (limit: number) => Math.floor(next() * limit);
      let now = 1_000_000;
      const clock = new HybridLogicalClock({ nodeId: 1, wallClockMicros: () => now, maxDriftMs: 1 });
      const plain = new Plain();
      for (let i = 0; i < 5000; i++) {
        now += below(4) - 1; // The time of day may stand still, and go back.
        const remote = { physicalMicros: now + below(9) - 4, logical: below(4096), nodeId: 2 };
        const [got, expected] =
          below(2) === 0
            ? [clock.tick(), plain.tick(now)]
            : [clock.update(remote), plain.update(now, remote.physicalMicros, remote.logical)];
        expect([got.physicalMicros, got.logical]).toEqual(expected);
      }
    }
  });

  test("a realtime clock that goes back does not set the clock back", () => {
    let now = 5_000_000;
    const clock = new HybridLogicalClock({ nodeId: 0, wallClockMicros: () => now });
    const first = clock.tick();
    now = 1_000_000;
    for (let i = 1; i <= 10; i++) expect(clock.tick()).toEqual({ ...first, logical: i });
    now = 5_000_001;
    expect(clock.tick()).toEqual({ physicalMicros: 5_000_001, logical: 0, nodeId: 0 });
  });

  test("a full logical counter carries over into the next microsecond", () => {
    const clock = new HybridLogicalClock({ nodeId: 0, wallClockMicros: () => 9 });
    for (let i = 0; i < 4096; i++) expect(clock.tick().logical).toBe(i);
    expect(clock.tick()).toEqual({ physicalMicros: 10, logical: 0, nodeId: 0 });
  });
});

describe("the greatest timestamp", () => {
  const LAST = { physicalMicros: 2 ** 52 - 1, logical: 4095 };

  test("tick rejects after the greatest timestamp", async () => {
    const clock = new HybridLogicalClock({ nodeId: 1, wallClockMicros: () => LAST.physicalMicros });
    for (let i = 0; i < 4095; i++) clock.tick();
    expect(clock.tick()).toEqual({ ...LAST, nodeId: 1 });
    for (let i = 0; i < 2; i++) await failure("CLOCK_DRIFT", () => clock.tick());
    await failure("CLOCK_DRIFT", () => clock.update({ physicalMicros: 5, logical: 0, nodeId: 2 }));
  });

  test("a rejected remote timestamp leaves the clock unchanged", async () => {
    const clock = new HybridLogicalClock({ nodeId: 1, maxDriftMs: Number.POSITIVE_INFINITY, wallClockMicros: () => 7 });
    await failure("CLOCK_DRIFT", () => clock.update({ ...LAST, nodeId: 2 }));
    expect(clock.tick()).toEqual({ physicalMicros: 7, logical: 0, nodeId: 1 });
    clock.update({ ...LAST, logical: 4094, nodeId: 2 });
    await failure("CLOCK_DRIFT", () => clock.tick());
  });
});

describe("a remote timestamp", () => {
  const at = (physicalMicros: number, logical = 0): HlcTimestamp => ({ physicalMicros, logical, nodeId: 9 });

  test("may be ahead by maxDriftMs, and no further", async () => {
    const clock = new HybridLogicalClock({ nodeId: 0, maxDriftMs: 2, wallClockMicros: () => 10_000 });
    expect(clock.update(at(12_000, 5))).toEqual({ physicalMicros: 12_000, logical: 6, nodeId: 0 });
    const error = await failure("CLOCK_DRIFT", () => clock.update(at(12_001)));
    expect(error.message).toMatch(/node 9.*2001 us ahead.*2000/);
    expect(clock.tick()).toEqual({ physicalMicros: 12_000, logical: 7, nodeId: 0 });
  });

  test("may be a minute ahead by default", async () => {
    const clock = new HybridLogicalClock({ nodeId: 0, wallClockMicros: () => 0 });
    clock.update(at(60_000_000));
    await failure("CLOCK_DRIFT", () => clock.update(at(60_000_001)));
  });

  test("is rejected where a field is out of range", async () => {
    const clock = new HybridLogicalClock({ nodeId: 0, maxDriftMs: Number.POSITIVE_INFINITY });
    const before = clock.tick();
    const fractions = [at(1e15 + 0.75), at(1, 0.5)];
    const outside = [at(-1), at(Number.NaN), at(2 ** 53), at(1, -1), at(1, 4096), at(1, Number.NaN)];
    for (const wrong of [...fractions, ...outside]) {
      await failure("INVALID_ARGUMENT", () => clock.update(wrong));
    }
    const after = clock.tick();
    expect(compare(before, after)).toBe(-1);
    expect(after.physicalMicros - before.physicalMicros).toBeLessThan(60_000_000);
  });
});

test("compare orders by time, counter and node", () => {
  const a = { physicalMicros: 5, logical: 5, nodeId: 5 };
  const greater = [
    { ...a, physicalMicros: 6, logical: 0, nodeId: 0 },
    { ...a, logical: 6, nodeId: 0 },
    { ...a, nodeId: 6 },
  ];
  expect(compare(a, { ...a })).toBe(0);
  for (const b of greater) expect([compare(a, b), compare(b, a)]).toEqual([-1, 1]);
});

test("invalid options are rejected", async () => {
  const wrong = [
    { nodeId: -1 },
    { nodeId: 0.5 },
    { nodeId: 0, maxDriftMs: Number.NaN },
    { nodeId: 0, maxDriftMs: -1 },
    { nodeId: 0, wallClockMicros: 5 as never },
    { nodeId: 0, memory: new SharedArrayBuffer(4) },
    { nodeId: 0, memory: new ArrayBuffer(8) as never },
    { nodeId: 0, memory: Object.defineProperty(new SharedArrayBuffer(4), "byteLength", { value: 8 }) },
  ];
  for (const options of wrong) await failure("INVALID_ARGUMENT", () => new HybridLogicalClock(options));
  for (const value of [-1, Number.NaN, Number.POSITIVE_INFINITY, "soon" as never]) {
    const clock = new HybridLogicalClock({ nodeId: 0, wallClockMicros: () => value });
    await failure("INVALID_ARGUMENT", () => clock.tick());
  }
});

test("four threads with one clock get distinct, increasing timestamps", async () => {
  const EACH = 50_000;
  const { memory } = new HybridLogicalClock({ nodeId: 3 });
  const workers = Array.from({ length: 4 }, () => new Worker(new URL("../process/clock-worker.ts", import.meta.url)));
  try {
    const lists = await Promise.all(
      workers.map((worker) => {
        const { promise, resolve, reject } = Promise.withResolvers<Float64Array>();
        worker.onmessage = ({ data }) => resolve(data);
        worker.onerror = reject;
        worker.postMessage({ memory, count: EACH });
        return promise;
      }),
    );
    const all = new Set<string>();
    for (const list of lists) {
      expect(list.length).toBe(2 * EACH);
      let last: HlcTimestamp = { physicalMicros: 0, logical: 0, nodeId: 3 };
      for (let i = 0; i < list.length; i += 2) {
        const next = { physicalMicros: list[i] as number, logical: list[i + 1] as number, nodeId: 3 };
        if (compare(last, next) !== -1) throw new Error(`${JSON.stringify(next)} after ${JSON.stringify(last)}`);
        all.add(`${next.physicalMicros} ${next.logical}`);
        last = next;
      }
    }
    expect(all.size).toBe(4 * EACH);
  } finally {
    for (const worker of workers) worker.terminate();
  }
}, 60_000);
