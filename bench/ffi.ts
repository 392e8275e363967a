/** Calls within one thread: the cost of TypeScript over the shim, without a second process. */
import { alternate, type Bench, baseline, freshName, lastLine, pinned, row, run, script, take } from "./measure.ts";

const note = "p99 is of means of 1,000";

const calls = async (kind: string) => lastLine<never>((await run(pinned(0, script("calls", kind, freshName()))))[0]!);

export const ffi: Bench[] = [
  {
    names: ["ffi/noop"],
    async measure() {
      const figures = await alternate(
        3,
        () => calls("noop"),
        () => baseline("noop", 20_000_000),
      );
      const base = { name: "the call from C", figure: take(figures, "noop-c") };
      return [row("ffi/noop", "ns", take(figures, "noop"), base, { note })];
    },
  },
  {
    names: ["ring/push-pop"],
    async measure() {
      const c = () => baseline("ring", "push-pop", 256, 64, 2_000_000);
      const figures = await alternate(3, () => calls("push-pop"), c);
      const base = { name: "the same from C", figure: take(figures, "push-pop-c") };
      return [row("ring/push-pop", "ns", take(figures, "push-pop"), base, { note })];
    },
  },
];
