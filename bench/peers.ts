/** What a user would pick without this library, with the same two loads, beside ours. */
import {
  alternate,
  type Bench,
  type Figures,
  figureOf,
  freshName,
  freshPath,
  lastLine,
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

interface Samples {
  latency: number[];
  stream: number[];
}

/** Runs the commands together; the samples that one of them wrote. */
async function measure(name: string, ...commands: string[][]): Promise<Figures> {
  const { latency, stream } = lastLine<Samples>((await run(...commands)).join(""));
  const figures: Figures = { [`${name}/64B`]: figureOf(latency) };
  if (stream.length > 0) figures[`${name}/1MiB`] = figureOf(stream, "higher");
  return figures;
}

/** The first process starts the second one, as is usual with these. */
function parentAndChild(kind: string, rounds: number): Promise<Figures> {
  const args = [kind, freshPath(), rounds, BLOCKS];
  const second = pinned(1, script("peer", "second", ...args));
  return measure(kind, pinned(0, [...script("peer", "first", ...args), ...second]));
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

/** What of ours stands beside each load: the row's unit and name, and how it is measured. */
const OURS = {
  "64B": { unit: "ns", name: "shm/latency/64B", key: "copy", measure: () => pair("latency", "copy", 64, 200_000) },
  "1MiB": {
    unit: "GB/s",
    name: "shm/throughput/1MiB-send",
    key: "ends",
    measure: () => pair("stream", BYTES, 2000, "ends"),
  },
} as const;

/** The repetitions of one peer take turns with ours. */
function bench(
  peer: string,
  program: () => Promise<Figures>,
  note: string,
  loads: (keyof typeof OURS)[] = ["64B", "1MiB"],
): Bench {
  const measure = async (): Promise<Row[]> => {
    const figures = await alternate(REPETITIONS, program, ...loads.map((load) => OURS[load].measure));
    return loads.map((load) => {
      const { unit, name, key } = OURS[load];
      return row(
        `peers/${peer}/${load}`,
        unit,
        take(figures, `${peer}/${load}`),
        { name, figure: take(figures, key) },
        { note },
      );
    });
  };
  return { names: loads.map((load) => `peers/${peer}/${load}`), needsTwoCpus: true, measure };
}

const node = Bun.which("node");

export const peers: Bench[] = [
  bench("await", () => awaiting(10_000), "lava-flow with both ends in for await, sleeping between messages", ["64B"]),
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
