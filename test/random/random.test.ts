/**
 * Random programs over the whole public API, compared with a model, in as many processes as there are processors.
 * LAVA_FLOW_FUZZ: how many; then it is told how far they are. LAVA_FLOW_FUZZ_SEED: the first one's seed, the others follow it.
 * LAVA_FLOW_SEED: the one program of that seed. A failure is told at once, and shortened at the end.
 */
import { expect, test } from "bun:test";
import { availableParallelism } from "node:os";
import { count, seed } from "../channel/support.ts";
import { describeFailure, repeat, runMany, shorten } from "./fleet.ts";

const ONE = process.env.LAVA_FLOW_SEED !== undefined;
const PROGRAMS = ONE ? 1 : count("LAVA_FLOW_FUZZ", 2000);
const MANY = !ONE && process.env.LAVA_FLOW_FUZZ !== undefined;

/** Milliseconds between two lines that tell how far it is. */
const PACE_MS = 10_000;

/** A guard against a hang: a program takes some 20 ms on an idle machine, and a failure up to a minute more to shorten. */
const GUARD_MS = 180_000 + PROGRAMS * 100;

test(
  `${PROGRAMS} random programs do what the model says`,
  async () => {
    const first = process.env.LAVA_FLOW_FUZZ_SEED ? count("LAVA_FLOW_FUZZ_SEED", 0) : seed("random programs");
    const start = performance.now();
    let next = start + PACE_MS;
    let known = 0;
    const tell = (good: number) => {
      const seconds = (performance.now() - start) / 1000;
      const pace = (good / seconds).toFixed(1);
      console.log(`random programs from ${first}: ${good} of ${PROGRAMS}, ${pace}/s in ${seconds.toFixed(0)} s`);
    };
    const { good, failed } = await runMany(first, PROGRAMS, {
      width: availableParallelism(),
      most: 3,
      told(good, failed) {
        for (; known < failed.length; known++) console.log(repeat(failed[known]!));
        if (!MANY || performance.now() < next) return;
        next = performance.now() + PACE_MS;
        tell(good);
      },
    });
    if (!ONE) tell(good);
    const shortened = failed.length > 0 ? [await shorten(failed[0]!), ...failed.slice(1)] : [];
    expect(shortened.map(describeFailure).join("\n\n")).toBe("");
    expect(good).toBe(PROGRAMS);
  },
  GUARD_MS,
);
