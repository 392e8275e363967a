/** Ring kernels, and the clock that they stamp their messages with. */
import { alternate, atMost, type Bench, freshName, lastLine, pinned, row, run, script, take } from "./measure.ts";

const NOTE = "p99 is of means of 1,000";

const calls = async (kind: string) => lastLine<never>((await run(pinned(0, script("calls", kind, freshName()))))[0]!);

export const kernel: Bench[] = [
  {
    names: ["hlc/tick"],
    async measure() {
      const ours = take(await alternate(3, () => calls("tick")), "tick");
      return [row("hlc/tick", "ns", ours, undefined, { bar: atMost(ours.p50, 30, "30 ns"), note: NOTE })];
    },
  },
  {
    names: ["kernel/call/cpu"],
    async measure() {
      const ns = take(await alternate(3, () => calls("kernel")), "kernel");
      const ours = { p50: ns.p50 / 1000, p99: ns.p99! / 1000 };
      return [row("kernel/call/cpu", "µs", ours, undefined, { bar: atMost(ours.p50, 2, "2 µs"), note: NOTE })];
    },
  },
];
