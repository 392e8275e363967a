/** Ring kernels on the GPU that bench/gpu.ts measures. */
import { notes, onGpu, single, use } from "./gpu.ts";
import { alternate, atLeast, atMost, type Bench, row, take } from "./measure.ts";

const REPETITIONS = 3;

const kernels = (kind: string) => () => single("kernel-gpu", kind, use().gpu.index);

export const kernelGpu: Bench[] = [
  onGpu(async () => {
    const { gpu, note } = use();
    const figures = await alternate(REPETITIONS, kernels("call"), () => single("gpu-submit", gpu.index, 5000));
    const [ours, base] = [take(figures, "call"), take(figures, "visible")];
    const bar = atMost(ours.p50 / base.p50, 1.3, "1.3 ×");
    return [row("kernel/call/vulkan", "µs", ours, { name: "gpu/submit-visible", figure: base }, { bar, note })];
  }, "kernel/call/vulkan"),
  onGpu(async () => {
    const { note } = use();
    const ours = take(await alternate(REPETITIONS, kernels("throughput")), "throughput");
    const bar = atLeast(ours.p50, 5, "5 M/s");
    return [row("kernel/throughput/vulkan", "M/s", ours, undefined, { bar, note })];
  }, "kernel/throughput/vulkan"),
  onGpu(
    async () => {
      const { note } = use();
      const figures = await alternate(REPETITIONS, kernels("k2k"));
      return [
        row("kernel/k2k/vulkan", "M/s", take(figures, "all"), undefined, {
          note: notes("hops, a message in each of 1,024", note),
        }),
        row("kernel/k2k/vulkan/one", "M/s", take(figures, "one"), undefined, {
          note: notes("hops of one message", note),
        }),
      ];
    },
    "kernel/k2k/vulkan",
    "kernel/k2k/vulkan/one",
  ),
];
