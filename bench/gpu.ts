/**
 * GPU memory: buffers of a gigabyte between two TypeScript processes, and copies, each next to the driver's own calls from
 * C. The GPU is that of LAVA_FLOW_BENCH_DEVICE (an index of `lava-flow doctor`), else the first one in hardware.
 */
import { MemoryAllocator, type Topology } from "../src/index.ts";
import {
  alternate,
  atLeast,
  atMost,
  type Bench,
  baseline,
  type Figures,
  lastLine,
  pair,
  pairOf,
  placedOnBoth,
  type Row,
  row,
  run,
  script,
  take,
} from "./measure.ts";

const REPETITIONS = 3;
/** Repetitions of short rows that vary from run to run. */
const OFTEN = 7;
const MIB = 1 << 20;
const GIB = 1 << 30;
/** Bytes of the rows that allocate and import. */
const ALLOCATED = MIB;

type Gpu = Topology["gpus"][number];

interface Target {
  gpu: Gpu;
  /** Another GPU in hardware. */
  other?: Gpu;
  /** CUDA is there to compare with. */
  cuda: boolean;
  /** Sizes, smaller on a software device: it shares the processors with the measured program. */
  scale(bytes: number): number;
  note?: string;
}

function findTarget(): Target | string {
  using allocator = new MemoryAllocator();
  const { gpus } = allocator.topology;
  const named = process.env.LAVA_FLOW_BENCH_DEVICE;
  const hardware = gpus.filter(({ type }) => type !== "cpu");
  const gpu = named ? gpus.find(({ index }) => index === Number(named)) : hardware[0];
  if (!gpu) {
    const shown = gpus.map(({ index, name }) => `${index} is ${name}`).join(", ") || "Vulkan shows none";
    return named
      ? `as LAVA_FLOW_BENCH_DEVICE is ${named}: ${shown}`
      : `as there is no GPU in hardware: ${shown} (LAVA_FLOW_BENCH_DEVICE names one all the same)`;
  }
  const software = gpu.type === "cpu";
  return {
    gpu,
    other: hardware.find(({ index }) => index !== gpu.index),
    cuda: /nvidia/i.test(`${gpu.name} ${gpu.driver}`),
    scale: (bytes) => (software ? Math.min(bytes, 16 * MIB) : bytes),
    note: software ? `${gpu.name}, a software device, and 16 MiB at most` : undefined,
  };
}

let found: Target | string | undefined;
/** Probed when a selected row needs it. */
export const target = () => (found ??= findTarget());

export function use(): Target {
  const gpu = target();
  if (typeof gpu === "string") throw new Error(`left out, ${gpu}`);
  return gpu;
}

export const notes = (...all: (string | undefined)[]) => all.filter(Boolean).join("; ") || undefined;

async function send(): Promise<Row[]> {
  const { gpu, scale, note } = use();
  const figures = await alternate(
    OFTEN,
    async () => ({ gpu: take(await pair("gpu-send", gpu.index, scale(GIB), 5000), "send") }),
    async () => ({ shm: take(await pair("send", 5000), "send") }),
  );
  const [ours, base] = [take(figures, "gpu"), take(figures, "shm")];
  const bar = atMost(ours.p50, Math.min(100, 1.2 * base.p50), "100 ns and 1.2 ×");
  return [
    row(
      "gpu/send/1GiB",
      "ns",
      ours,
      { name: "shm/send/64B", figure: base },
      { bar, note: notes("p99 is of means of 64", note) },
    ),
  ];
}

async function latency(): Promise<Row[]> {
  const { gpu, scale, note } = use();
  const rounds = 300_000;
  const figures = await alternate(
    OFTEN,
    () => pair("gpu-latency", gpu.index, scale(GIB), rounds),
    () => pair("latency", "copy", 64, rounds),
  );
  const [ours, base] = [take(figures, "latency"), take(figures, "copy")];
  const bar = atMost(ours.p50 / base.p50, 1.2, "1.2 ×");
  return [row("gpu/latency/1GiB", "ns", ours, { name: "shm/latency/64B", figure: base }, { bar, note })];
}

async function allocate(): Promise<Row[]> {
  const { gpu, note } = use();
  const count = 200;
  const figures = await alternate(
    REPETITIONS,
    () => single("gpu-alloc", gpu.index, ALLOCATED, count),
    () => baseline("gpu_alloc", ALLOCATED, count, gpu.deviceUuid),
  );
  const base = { name: "vkAllocateMemory and vkBindBufferMemory in C", figure: take(figures, "bare") };
  const [first, reused] = [take(figures, "first"), take(figures, "reused")];
  return [
    row("gpu/alloc/first", "µs", first, base, { bar: atMost(first.p50 / base.figure.p50, 1.2, "1.2 ×"), note }),
    row("gpu/alloc/reused", "µs", reused, base, { bar: atMost(reused.p50, 5, "5 µs"), note }),
  ];
}

/** The cost of small buffers while many are open: each is a part of a block. */
async function allocateSmall(): Promise<Row[]> {
  const { gpu, note } = use();
  const size = 4096;
  const figures = await alternate(
    REPETITIONS,
    () => single("gpu-alloc", gpu.index, size, 20_000),
    () => baseline("gpu_alloc", size, 200, gpu.deviceUuid),
  );
  const base = { name: "vkAllocateMemory and vkBindBufferMemory in C, of one each", figure: take(figures, "bare") };
  const first = take(figures, "first");
  return [row("gpu/alloc/small", "µs", first, base, { bar: atMost(first.p50, 1, "1 µs"), note })];
}

async function importing(): Promise<Row[]> {
  const { gpu, note } = use();
  const buffers = 64;
  const figures = await alternate(
    REPETITIONS,
    () => pair("gpu-import", gpu.index, ALLOCATED, buffers, 500),
    () => baseline("gpu_alloc", ALLOCATED, buffers, gpu.deviceUuid),
  );
  const base = { name: "the import and vkBindBufferMemory in C", figure: take(figures, "bare-import") };
  const cached = take(figures, "cached");
  return [
    row("gpu/import/first", "µs", take(figures, "first"), base, { note: notes("with the frame that brings it", note) }),
    row("gpu/import/cached", "ns", cached, undefined, {
      bar: atMost(cached.p50, 200, "200 ns"),
      note: notes("tryRecv, frame.buffer and release", note),
    }),
  ];
}

/** A copy next to CUDA's, where CUDA is installed; `plain` copies from and to a JavaScript Uint8Array. */
async function copy(name: string, kind: "upload" | "download" | "copy", size: number, count: number, plain: boolean) {
  const { gpu, cuda, scale, note } = use();
  const bytes = scale(size);
  const kinds = plain ? [kind, `${kind}-plain`] : [kind];
  const figures = await alternate(
    REPETITIONS,
    ...kinds.map((each) => () => single("gpu-copy", each, gpu.index, bytes, count)),
    ...(cuda ? [() => baseline("gpu_cuda", kind, bytes, count, gpu.deviceUuid)] : []),
  );
  const what = kind === "copy" ? "cuMemcpyDtoDAsync in C" : "cuMemcpyAsync with pinned memory in C";
  const base = cuda ? { name: what, figure: take(figures, "cuda") } : undefined;
  const ours = take(figures, kind);
  const bar = base && atLeast(ours.p50 / base.figure.p50, 0.9, "0.9 ×");
  const rest = { bar, note: notes(base ? undefined : "no CUDA here", note) };
  const rows: Row[] = [row(name, "GB/s", ours, base, rest)];
  if (plain) {
    rows.push(
      row(`${name}/plain`, "GB/s", take(figures, `${kind}-plain`), base, { note: notes("from a Uint8Array", note) }),
    );
  }
  return rows;
}

async function peer(): Promise<Row[]> {
  const { gpu, other, cuda, scale, note } = use();
  const bytes = scale(GIB);
  const count = 20;
  let route = "";
  const ours = async (): Promise<Figures> => {
    const { figures, route: reason } = await acrossGpus(gpu, other as Gpu, bytes, count);
    route = reason;
    return figures;
  };
  const figures = await alternate(
    REPETITIONS,
    ours,
    ...(cuda ? [() => baseline("gpu_cuda", "peer", bytes, count, gpu.deviceUuid, (other as Gpu).deviceUuid)] : []),
  );
  const base = cuda ? { name: "cuMemcpyPeerAsync in C", figure: take(figures, "cuda") } : undefined;
  const found = take(figures, "peer");
  const bar = base && atLeast(found.p50 / base.figure.p50, 0.9, "0.9 ×");
  return [row("gpu/peer/1GiB", "GB/s", found, base, { bar, note: notes(route, note) })];
}

async function acrossGpus(from: Gpu, to: Gpu, bytes: number, count: number) {
  const written = await pairOf("gpu-peer", [from.index, bytes, count], [to.index, bytes, count]);
  const { peer, route } = lastLine<{ peer: Figures[string]; route: string }>(written);
  return { figures: { peer }, route };
}

async function submit(): Promise<Row[]> {
  const { gpu, note } = use();
  const count = 5000;
  const figures = await alternate(
    REPETITIONS,
    () => single("gpu-submit", gpu.index, count),
    () => baseline("gpu_submit", count, gpu.deviceUuid),
  );
  const [word, timeline] = [take(figures, "word"), take(figures, "timeline")];
  const faster = word.p50 <= timeline.p50;
  const base = {
    name: `the same in C, looking at ${faster ? "a word in host memory" : "the timeline"}`,
    figure: faster ? word : timeline,
  };
  const ours = take(figures, "visible");
  const bar = atMost(ours.p50 / base.figure.p50, 1.1, "1.1 ×");
  return [
    row("gpu/submit-visible", "µs", ours, base, { bar, note }),
    row("gpu/submit-visible/awaited", "µs", take(figures, "awaited"), base, { note: notes("as a promise", note) }),
  ];
}

/** A program of one process on both processors, because drivers and the shim have threads of their own. */
export async function single(name: string, ...args: (string | number)[]): Promise<Figures> {
  return lastLine<Figures>((await run(placedOnBoth(script(name, ...args))))[0]!);
}

const withoutGpu = () => {
  const gpu = target();
  return typeof gpu === "string" ? gpu : undefined;
};

const withoutTwo = () => {
  const gpu = target();
  if (typeof gpu === "string") return gpu;
  return gpu.other ? undefined : "as there is no second GPU in hardware";
};

/** Rows that need a GPU. */
export const onGpu = (measure: Bench["measure"], ...names: string[]): Bench => ({
  names,
  measure,
  leftOut: withoutGpu,
});
const between = (measure: Bench["measure"], ...names: string[]): Bench => ({
  ...onGpu(measure, ...names),
  needsTwoCpus: true,
});

const [UP, DOWN, COPY] = ["gpu/upload/256MiB", "gpu/download/256MiB", "gpu/copy/1GiB"] as const;

export const gpu: Bench[] = [
  between(send, "gpu/send/1GiB"),
  between(latency, "gpu/latency/1GiB"),
  onGpu(allocate, "gpu/alloc/first", "gpu/alloc/reused"),
  onGpu(allocateSmall, "gpu/alloc/small"),
  between(importing, "gpu/import/first", "gpu/import/cached"),
  onGpu(() => copy(UP, "upload", 256 * MIB, 20, true), UP, `${UP}/plain`),
  onGpu(() => copy(DOWN, "download", 256 * MIB, 20, true), DOWN, `${DOWN}/plain`),
  onGpu(() => copy(COPY, "copy", GIB, 50, false), COPY),
  { ...onGpu(peer, "gpu/peer/1GiB"), leftOut: withoutTwo },
  onGpu(submit, "gpu/submit-visible", "gpu/submit-visible/awaited"),
];
