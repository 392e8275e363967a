/** The alternatives to this library, under the same two loads, next to its channels. */
import {
  alternate,
  atMost,
  type Bench,
  type Figures,
  figureOf,
  freshName,
  freshPath,
  lastLine,
  latencyOf,
  pair,
  pinned,
  placedOnBoth,
  type Row,
  row,
  run,
  script,
  take,
} from "./measure.ts";

const BYTES = 1 << 20;
const BLOCKS = 400;
const REPETITIONS = 3;
/** Round trips of a ping-pong in `for await`, about 30 ms: the engine's last compiler is done after a tenth of them. */
const AWAIT_ROUNDS = 100_000;

interface Samples {
  latency: number[];
  single: number[];
  stream: number[];
}

/** Runs the commands together; the samples that one of them wrote. */
async function measure(name: string, ...commands: string[][]): Promise<Figures> {
  const { latency, single, stream } = lastLine<Samples>((await run(...commands)).join(""));
  const figures: Figures = { [`${name}/64B`]: latencyOf(latency, single) };
  if (stream.length > 0) figures[`${name}/1MiB`] = figureOf(stream, "higher");
  return figures;
}

/** The first process starts the second one, as is usual with these. */
function parentAndChild(kind: string, rounds: number): Promise<Figures> {
  const args = [kind, freshPath(), rounds, BLOCKS];
  const second = pinned(1, script("peer", "second", ...args));
  return measure(kind, pinned(0, [...script("peer", "first", ...args), ...second]));
}

function socket(rounds: number): Promise<Figures> {
  const args = ["socket", freshPath(), rounds, 0];
  const second = pinned(1, script("peer", "second", ...args));
  return measure("socket", pinned(0, [...script("peer", "first", ...args), ...second]));
}

function worker(kind: string, rounds: number): Promise<Figures> {
  return measure(kind, placedOnBoth(script("peer", "first", kind, "", rounds, BLOCKS)));
}

function awaiting(rounds: number): Promise<Figures> {
  const args = ["await", freshName(), rounds, 0];
  return measure("await", pinned(0, script("peer", "first", ...args)), pinned(1, script("peer", "second", ...args)));
}

function zeromq(node: string, rounds: number): Promise<Figures> {
  const command = (side: string, path: string) => [
    node,
    `${import.meta.dir}/process/zeromq.mjs`,
    side,
    path,
    String(rounds),
    String(BLOCKS),
  ];
  const path = freshPath();
  return measure("zeromq", pinned(0, command("first", path)), pinned(1, command("second", path)));
}

/** The channel's row for each load: its unit, its name and its measurement. */
const OURS = {
  "64B": { unit: "ns", name: "shm/latency/64B", key: "copy", measure: () => pair("latency", "copy", 64, 200_000) },
  "1MiB": {
    unit: "GB/s",
    name: "shm/throughput/1MiB-send",
    key: "ends",
    measure: () => pair("stream", BYTES, 2000, "ends"),
  },
} as const;

/** Repetitions of an alternative alternate with the channel's. */
function bench(
  peer: string,
  program: () => Promise<Figures>,
  note: string,
  loads: (keyof typeof OURS)[] = ["64B", "1MiB"],
  limit?: number,
): Bench {
  const measure = async (): Promise<Row[]> => {
    const figures = await alternate(REPETITIONS, program, ...loads.map((load) => OURS[load].measure));
    return loads.map((load) => {
      const { unit, name, key } = OURS[load];
      const figure = take(figures, `${peer}/${load}`);
      const base = { name, figure: take(figures, key) };
      const bar = limit === undefined ? undefined : atMost(figure.p50 / base.figure.p50, limit, `${limit} ×`);
      return row(`peers/${peer}/${load}`, unit, figure, base, { note, bar });
    });
  };
  return { names: loads.map((load) => `peers/${peer}/${load}`), needsTwoCpus: true, measure };
}

/** The same next to a Unix socket, alternating. */
const awaitAndSocket: Bench = {
  names: ["peers/await/64B/socket"],
  needsTwoCpus: true,
  async measure() {
    const figures = await alternate(
      REPETITIONS,
      () => awaiting(AWAIT_ROUNDS),
      () => socket(AWAIT_ROUNDS),
    );
    const [ours, theirs] = [take(figures, "await/64B"), take(figures, "socket/64B")];
    const bar = atMost(ours.p50 / theirs.p50, 0.05, "0.05 ×");
    return [row("peers/await/64B/socket", "ns", ours, { name: "a Unix socket", figure: theirs }, { bar })];
  },
};

const node = Bun.which("node");

export const peers: Bench[] = [
  bench("await", () => awaiting(AWAIT_ROUNDS), "lava-flow with both ends in for await", ["64B"], 4),
  awaitAndSocket,
  bench("ipc", () => parentAndChild("ipc", 5000), 'Bun.spawn({ ipc, serialization: "advanced" })'),
  bench("socket", () => parentAndChild("socket", 10_000), "Bun.listen and Bun.connect on a Unix socket"),
  bench("worker-copy", () => worker("worker-copy", 10_000), "postMessage in one process, copied"),
  bench(
    "worker-transfer",
    () => worker("worker-transfer", 10_000),
    "postMessage in one process, not copied: given away and back",
  ),
  ...(node
    ? [bench("zeromq", () => zeromq(node, 5000), "under Node: it does not run in Bun (oven-sh/bun#18546)")]
    : []),
];
