/** Allocation from TypeScript, next to the bare system calls. */
import { alternate, atMost, type Bench, baseline, lastLine, pinned, row, run, script, take } from "./measure.ts";

const SIZES = [
  { label: "64KiB", bytes: 64 << 10, count: 2000 },
  { label: "16MiB", bytes: 16 << 20, count: 25 },
];

function bench(kind: string, { label, bytes, count }: (typeof SIZES)[number]): Bench {
  const name = `alloc/${kind}/${label}`;
  return {
    names: [name],
    async measure() {
      const ours = async () => lastLine<never>((await run(pinned(0, script("alloc", kind, bytes, count))))[0]!);
      const figures = await alternate(3, ours, () => baseline("alloc", kind, bytes, count));
      const [figure, bare] = [take(figures, "ours"), take(figures, "bare")];
      const bar = atMost(figure.p50 / bare.p50, 2, "2 ×");
      return [row(name, "µs", figure, { name: "bare system calls in C", figure: bare }, { bar })];
    },
  };
}

export const alloc: Bench[] = ["standard", "numa", "hugepages", "shared"].flatMap((kind) =>
  SIZES.map((size) => bench(kind, size)),
);
