/** Ring kernels on the GPU that bench/gpu.ts measures. */
import { target, use } from "./gpu.ts";
import {
  alternate,
  atLeast,
  atMost,
  type Bench,
  type Figures,
  lastLine,
  placedOnBoth,
  row,
  run,
  script,
  take,
} from "./measure.ts";

const REPETITIONS = 3;

async function single(name: string, ...args: (string | number)[]): Promise<Figures> {
  return lastLine<Figures>((await run(placedOnBoth(script(name, ...args))))[0] as string);
}

const kernels = (kind: string) => () => single("kernel-gpu", kind, use().gpu.index);

const bench = (measure: Bench["measure"], ...names: string[]): Bench => ({
  names,
  measure,
  leftOut() {
    const gpu = target();
    return typeof gpu === "string" ? gpu : undefined;
  },
});

export const kernelGpu: Bench[] = [
  bench(async () => {
    const { gpu, note } = use();
    const figures = await alternate(REPETITIONS, kernels("call"), () => single("gpu-submit", gpu.index, 5000));
    const [ours, base] = [take(figures, "call"), take(figures, "visible")];
    const bar = atMost(ours.p50 / base.p50, 1.3, "1.3 ×");
    return [row("kernel/call/vulkan", "µs", ours, { name: "gpu/submit-visible", figure: base }, { bar, note })];
  }, "kernel/call/vulkan"),
  bench(async () => {
    const { note } = use();
    const ours = take(await alternate(REPETITIONS, kernels("throughput")), "throughput");
    const bar = atLeast(ours.p50, 5, "5 M/s");
    return [row("kernel/throughput/vulkan", "M/s", ours, undefined, { bar, note })];
  }, "kernel/throughput/vulkan"),
  bench(
    async () => {
      const { note } = use();
      const figures = await alternate(REPETITIONS, kernels("k2k"));
      const text = (what: string) => [what, note].filter(Boolean).join("; ");
      return [
        row("kernel/k2k/vulkan", "M/s", take(figures, "all"), undefined, {
          note: text("hops, a message in each of 1,024"),
        }),
        row("kernel/k2k/vulkan/one", "M/s", take(figures, "one"), undefined, { note: text("hops of one message") }),
      ];
    },
    "kernel/k2k/vulkan",
    "kernel/k2k/vulkan/one",
  ),
];
