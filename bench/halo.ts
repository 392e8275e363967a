/** Halos and stencils: on one GPU next to plain copies, and over processes next to processes without channels. */
import { notes, onGpu, single, use } from "./gpu.ts";
import {
  alternate,
  atLeast,
  atMost,
  type Bench,
  freshName,
  lastLine,
  measuredOnce,
  placedOnBoth,
  type Row,
  row,
  run,
  script,
  take,
} from "./measure.ts";

const REPETITIONS = 3;
const RANKS = 4;

/** The note of figures of a smaller grid. */
const noteOf = ({ name, type }: { name: string; type: string }) =>
  type === "cpu" ? `${name}, a software device, and a smaller grid` : undefined;

/** `tile` cells along each side of 8 x 8 tiles; smaller where the GPU is software. */
async function exchange(name: string, halo: number): Promise<Row[]> {
  const { gpu } = use();
  const [tile, width, batches] = gpu.type === "cpu" ? [128, Math.min(halo, 8), 2] : [1024, halo, 20];
  const figures = await alternate(REPETITIONS, () => single("halo-exchange", gpu.index, 8, tile, width, batches));
  const [ours, copies] = [take(figures, "exchange"), take(figures, "copy")];
  const base = { name: "copyTo of as many bytes", figure: copies };
  return [row(name, "GB/s", ours, base, { bar: atLeast(ours.p50 / copies.p50, 0.6, "0.6 ×"), note: noteOf(gpu) })];
}

async function stencil(kind: "jacobi2d" | "wave3d", side: number, softwareSide: number): Promise<Row[]> {
  const { gpu } = use();
  const [cells, steps] = gpu.type === "cpu" ? [softwareSide, 5] : [side, 50];
  const figures = await alternate(REPETITIONS, () => single("stencil", kind, gpu.index, cells, steps));
  const [ours, copies] = [take(figures, "step"), take(figures, "copy")];
  const base = { name: "copyTo on the same GPU", figure: copies };
  return [
    row(`stencil/${kind}`, "GB/s", ours, base, {
      bar: atLeast(ours.p50 / copies.p50, 0.6, "0.6 ×"),
      note: noteOf(gpu),
    }),
  ];
}

interface Cost {
  cpuMs: number;
  ms: number;
}

/** The cost of a step for all ranks: processor time where processors compute, else time. */
async function cost(backend: string, device: number, hardware: boolean, size: number, steps: number, how: string) {
  const name = freshName();
  const ranks = how === "one" ? 1 : RANKS;
  const commands = Array.from({ length: ranks }, (_, rank) =>
    placedOnBoth(
      script("wave", name, rank, ranks, backend, device, size, steps, how === "alone" ? "alone" : "together"),
    ),
  );
  const costs = (await run(...commands)).map((text) => lastLine<Cost>(text));
  const all = hardware ? Math.max(...costs.map(({ ms }) => ms)) : costs.reduce((sum, { cpuMs }) => sum + cpuMs, 0);
  return measuredOnce(all / steps);
}

async function wave(backend: "cpu" | "vulkan"): Promise<Row[]> {
  const gpu = backend === "vulkan" ? use().gpu : undefined;
  const hardware = gpu !== undefined && gpu.type !== "cpu";
  const [size, steps] = hardware ? [16_384, 200] : [8192, gpu ? 8 : 20];
  const of = async (how: string) => ({ [how]: await cost(backend, gpu?.index ?? 0, hardware, size, steps, how) });
  // Processes without channels do not use the GPU at the same time.
  const kinds = hardware ? ["together", "one"] : ["together", "alone", "one"];
  const figures = await alternate(REPETITIONS, ...kinds.map((how) => () => of(how)));
  const [together, one] = [take(figures, "together"), take(figures, "one")];
  if (hardware) {
    // They take turns on the GPU, and each waits for the halos of the others.
    const bar = atMost(together.p50 / one.p50, 1.5, "1.5 ×");
    const base = { name: "one process that has all", figure: one };
    return [row(`wave/${backend}`, "ms", together, base, { bar, note: gpu.name })];
  }
  const alone = take(figures, "alone");
  const base = { name: `${RANKS} processes that do not talk`, figure: alone };
  const against = `processor time of all a step; ${(together.p50 / one.p50).toFixed(2)} × of one process`;
  return [
    row(`wave/${backend}`, "ms", together, base, {
      bar: atMost(together.p50 / alone.p50, 1.1, "1.1 ×"),
      note: notes(against, gpu?.name),
    }),
  ];
}

const [NARROW, WIDE] = ["halo/exchange/vulkan", "halo/exchange/vulkan/wide"] as const;

export const halo: Bench[] = [
  onGpu(() => exchange(NARROW, 1), NARROW),
  onGpu(() => exchange(WIDE, 64), WIDE),
  onGpu(() => stencil("jacobi2d", 32_768, 1024), "stencil/jacobi2d"),
  onGpu(() => stencil("wave3d", 512, 96), "stencil/wave3d"),
  { names: ["wave/cpu"], measure: () => wave("cpu") },
  onGpu(() => wave("vulkan"), "wave/vulkan"),
];
