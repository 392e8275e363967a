/** The delay of other work on an event loop with a busy channel. */
import {
  alternate,
  atMost,
  type Bench,
  type Figures,
  freshName,
  lastLine,
  pinned,
  row,
  run,
  script,
  take,
} from "./measure.ts";

const REPETITIONS = 3;
const SECONDS = 2;

function named(figures: Figures, suffix: string): Figures {
  return Object.fromEntries(Object.entries(figures).map(([name, figure]) => [`${name}/${suffix}`, figure]));
}

async function flooded(): Promise<Figures> {
  const name = freshName();
  const written = await run(
    pinned(0, script("loop-delay", "first", name, SECONDS)),
    pinned(1, script("loop-delay", "second", name, SECONDS)),
  );
  return named(lastLine<Figures>(written.join("")), "flooded");
}

async function alone(): Promise<Figures> {
  const [written] = await run(pinned(1, script("loop-delay", "none", freshName(), SECONDS)));
  return named(lastLine<Figures>(written as string), "alone");
}

export const loop: Bench[] = [
  {
    names: ["loop/delay/timer", "loop/delay/http"],
    needsTwoCpus: true,
    async measure() {
      const figures = await alternate(REPETITIONS, flooded, alone);
      return (
        [
          ["loop/delay/timer", "timer", "how late a timer of 1 ms is"],
          ["loop/delay/http", "request", "a request over loopback HTTP, client and server in the consumer's process"],
        ] as const
      ).map(([name, key, note]) => {
        const [ours, without] = [take(figures, `${key}/flooded`), take(figures, `${key}/alone`)];
        // The bar is for the tail.
        const bar = atMost(ours.p99! - without.p99!, 2, "p99 + 2 ms");
        const base = { name: `the same without the channel (p99 ${without.p99!.toFixed(2)} ms)`, figure: without };
        return row(name, "ms", ours, base, { bar, note });
      });
    },
  },
];
