/** GPU buffers between ranks of one host through MPI, next to each stage alone. */
import { target, use } from "./gpu.ts";
import {
  alternate,
  atLeast,
  atMost,
  type Bench,
  type Figures,
  freshName,
  measuredOnce,
  type Row,
  row,
  script,
  take,
} from "./measure.ts";
import { baseline, FIND, job, KINDS, type Kind, launcher, linesOf } from "./mpi.ts";

const REPETITIONS = 3;
const MIB = 1 << 20;
const SIZE = 256 * MIB;
const COUNT = 10;
const MESSAGE = 4 * MIB;
/** Messages of the C program that are under way at once. */
const WINDOW = 64;

async function measure(kind: Kind): Promise<Row[]> {
  const { gpu, scale, note } = use();
  const bytes = scale(SIZE);
  const pair = async (): Promise<Figures> => {
    const name = freshName();
    // Not pinned to a processor: reading, sending and writing overlap, on threads that include MPI's.
    const sides = ["first", "second"].map((side) => script("mpi-gpu", side, name, gpu.index, bytes, COUNT));
    return Object.assign({}, ...linesOf<Figures>(await job(kind, sides)));
  };
  // As many buffers as here: a single message would stay in the caches.
  const buffers = Math.max(2, Math.floor(bytes / MESSAGE));
  const inC = () => baseline(kind, "mpi_bandwidth", MESSAGE, 2000, "plain", Math.min(buffers, WINDOW));
  const figures = await alternate(REPETITIONS, pair, inC);
  const [stream, link, plain] = [take(figures, "stream"), take(figures, "link"), take(figures, "bandwidth-over-c")];
  const slower =
    link.p50 < plain.p50
      ? { name: "from the GPU to pinned memory", figure: link }
      : { name: `as much host memory, by 4 MiB, from C with ${FIND[kind].name}`, figure: plain };
  const milliseconds = (rate: number) => measuredOnce(bytes / rate / 1e6);
  const stages = [
    { name: "reading from the GPU", figure: take(figures, "download") },
    { name: `as much host memory, by 4 MiB, from C with ${FIND[kind].name}`, figure: milliseconds(plain.p50) },
    { name: "writing to the GPU", figure: take(figures, "upload") },
  ];
  const longest = stages.reduce((one, other) => (other.figure.p50 > one.figure.p50 ? other : one));
  const total = take(figures, "total");
  return [
    row(`mpi/gpu/256MiB/${kind}`, "GB/s", stream, slower, {
      bar: atLeast(stream.p50 / slower.figure.p50, 0.8, "0.8 ×"),
      note,
    }),
    row(`mpi/overlap/gpu-256MiB/${kind}`, "ms", total, longest, {
      bar: atMost(total.p50 / longest.figure.p50, 1.2, "1.2 ×"),
      note,
    }),
  ];
}

export const mpiGpu: Bench[] = KINDS.map((kind) => ({
  names: [`mpi/gpu/256MiB/${kind}`, `mpi/overlap/gpu-256MiB/${kind}`],
  leftOut() {
    const gpu = target();
    if (typeof gpu === "string") return gpu;
    return launcher(kind) ? undefined : `as there is no launcher of ${FIND[kind].name}`;
  },
  measure: () => measure(kind),
}));
