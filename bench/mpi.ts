/** Channels between two ranks of one MPI job, each row next to the same MPI library called from C in an equal job. */
import { readFileSync } from "node:fs";
import {
  alternate,
  atLeast,
  atMost,
  type Bench,
  CPUS,
  execute,
  type Figure,
  type Figures,
  figureOf,
  freshName,
  freshPath,
  lastLine,
  measuredOnce,
  pinned,
  type Row,
  row,
  script,
  take,
} from "./measure.ts";

const REPETITIONS = 7;
const KIB = 1 << 10;
const MIB = 1 << 20;
const ROUNDS = 200_000;

export type Kind = "openmpi" | "mpich";

interface Launcher {
  kind: Kind;
  /** The launcher with the options of every job. */
  command: string[];
  /** Options for more ranks than processors. */
  crowded: string[];
}

export const FIND = {
  openmpi: { name: "Open MPI", programs: ["mpirun.openmpi", "mpirun", "mpiexec"], says: /open ?mpi|open-mpi/i },
  mpich: { name: "MPICH", programs: ["mpirun.mpich", "mpiexec.hydra", "mpirun", "mpiexec"], says: /hydra/i },
} as const;

const found = new Map<Kind, Launcher | null>();

/** Probed when a selected row needs it. */
export function launcher(kind: Kind): Launcher | null {
  const known = found.get(kind);
  if (known !== undefined) return known;
  const { programs, says } = FIND[kind];
  const path = programs.map((program) => Bun.which(program)).find((one) => one !== null && says.test(versionOf(one)));
  // Processes are pinned here, not by the launcher.
  const unbound = kind === "openmpi" ? ["--bind-to", "none"] : ["-bind-to", "none"];
  const crowded = kind === "openmpi" ? ["--oversubscribe"] : [];
  const result = path ? { kind, command: [path, ...unbound], crowded } : null;
  found.set(kind, result);
  return result;
}

function versionOf(program: string): string {
  const { stdout, stderr } = Bun.spawnSync([program, "--version"]);
  return `${stdout}${stderr}`;
}

/** Open MPI needs two confirmations to run as root. */
const AS_ROOT = { OMPI_ALLOW_RUN_AS_ROOT: "1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: "1" };

/** Runs a job whose ranks run the commands in order; returns all output. `crowded`: more ranks than processors. */
export async function job(
  kind: Kind,
  commands: string[][],
  { crowded = false, extra = {} }: { crowded?: boolean; extra?: Record<string, string> } = {},
): Promise<string> {
  const { command, crowded: more } = launcher(kind) as Launcher;
  const ranks = commands.flatMap((each, i) => [...(i > 0 ? [":"] : []), "-n", "1", ...each]);
  const [result] = await execute([[...command, ...(crowded ? more : []), ...ranks]], { ...AS_ROOT, ...extra });
  return result!.out;
}

/** The commands of a script as ranks "first" and "second" of a job, each on its processor. */
async function pair(kind: Kind, name: string, ...args: (string | number)[]): Promise<Figures> {
  const meeting = freshName();
  const sides = (["first", "second"] as const).map((side, i) =>
    pinned(i as 0 | 1, script(name, side, meeting, ...args)),
  );
  return lastLine<Figures>(await job(kind, sides));
}

/** Runs shim/bench/<name>.c as two ranks. */
export async function baseline(kind: Kind, name: string, ...args: (string | number)[]): Promise<Figures> {
  const program = [`${import.meta.dir}/../shim/zig-out/bench/${name}`, ...CPUS, ...args.map(String)];
  return lastLine<Figures>(await job(kind, [program, program]));
}

/** The JSON in every line that a rank wrote. */
export function linesOf<T>(text: string): T[] {
  return text
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as T);
}

async function latency(kind: Kind, bytes: number, label: string): Promise<Row[]> {
  const figures = await alternate(
    REPETITIONS,
    () => pair(kind, "latency", "copy", bytes, ROUNDS, "mpi"),
    () => baseline(kind, "mpi_latency", bytes, ROUNDS, "single"),
    () => baseline(kind, "mpi_latency", bytes, ROUNDS, "threads"),
  );
  const ours = take(figures, "copy");
  const inC = `ping-pong in C with ${FIND[kind].name}`;
  const base = { name: inC, figure: take(figures, "latency-c") };
  const threads = { name: `${inC}, initialised for threads as by us`, figure: take(figures, "latency-threads-c") };
  const bar = atMost(ours.p50 / base.figure.p50, 1.25, "1.25 ×");
  return [
    row(`mpi/latency/${label}/${kind}`, "ns", ours, base, { bar }),
    row(`mpi/latency/${label}-threads/${kind}`, "ns", ours, threads),
  ];
}

async function bandwidth(kind: Kind): Promise<Row[]> {
  const bytes = 4 * MIB;
  const count = 2000;
  const figures = await alternate(
    REPETITIONS,
    () => pair(kind, "mpi-bandwidth", bytes, count, "send"),
    () => baseline(kind, "mpi_bandwidth", bytes, count, "plain"),
    () => pair(kind, "mpi-bandwidth", bytes, count, "loan"),
    () => baseline(kind, "mpi_bandwidth", bytes, count, "huge"),
  );
  const inC = `windows of MPI_Isend and MPI_Irecv in C with ${FIND[kind].name}`;
  const plain = { name: inC, figure: take(figures, "bandwidth-c") };
  const huge = { name: `${inC}, in huge pages`, figure: take(figures, "bandwidth-huge-c") };
  const [sent, loaned] = [take(figures, "send"), take(figures, "loan")];
  const bar = atLeast(sent.p50 / plain.figure.p50, 0.95, "0.95 ×");
  return [
    row(`mpi/bandwidth/4MiB/${kind}`, "GB/s", sent, plain, { bar }),
    row(`mpi/bandwidth/4MiB-loan/${kind}`, "GB/s", loaned, huge),
  ];
}

async function messages(kind: Kind): Promise<Row[]> {
  const count = 2_000_000;
  const figures = await alternate(
    REPETITIONS,
    () => pair(kind, "stream", 64, count, "ends", "mpi"),
    () => baseline(kind, "mpi_messages", 64, count),
  );
  const ours = take(figures, "ends");
  const base = {
    name: `windows of MPI_Isend and MPI_Irecv in C with ${FIND[kind].name}`,
    figure: take(figures, "messages-c"),
  };
  const bar = atLeast(ours.p50 / base.figure.p50, 0.7, "0.7 ×");
  return [row(`mpi/messages/64B/${kind}`, "M msg/s", ours, base, { bar })];
}

/** Two ranks of one host on the transport that they choose, next to MPI between the same ranks. */
async function routes(kind: Kind): Promise<Row[]> {
  const renamed = async (suffix: string, figures: Promise<Figures>): Promise<Figures> =>
    Object.fromEntries(Object.entries(await figures).map(([name, figure]) => [`${name}-${suffix}`, figure]));
  const figures = await alternate(
    REPETITIONS,
    ...["auto", "mpi"].flatMap((route) => {
      const pin = route === "auto" ? [] : [route];
      return [
        () => renamed(route, pair(kind, "latency", "copy", 64, ROUNDS, ...pin)),
        () => renamed(route, pair(kind, "stream", 4 * MIB, 1000, "ends", ...pin)),
      ];
    }),
  );
  const base = (name: string) => ({ name: 'the same with transport "mpi"', figure: take(figures, `${name}-mpi`) });
  const [quick, stream] = [take(figures, "copy-auto"), take(figures, "ends-auto")];
  const [slow, narrow] = [base("copy"), base("ends")];
  return [
    row(`mpi/auto/latency/64B/${kind}`, "ns", quick, slow, {
      bar: { text: "< 1 ×", met: quick.p50 < slow.figure.p50 },
    }),
    row(`mpi/auto/bandwidth/4MiB/${kind}`, "GB/s", stream, narrow, {
      bar: { text: "> 1 ×", met: stream.p50 > narrow.figure.p50 },
    }),
  ];
}

/** Processor time of two ranks with an idle channel: a producer, and a consumer that awaits. */
async function idle(kind: Kind): Promise<Row[]> {
  const seconds = 5;
  const percents = async (...sides: string[]) => {
    const name = freshName();
    const written = await job(
      kind,
      sides.map((side) => script("idle", side, name, seconds, "mpi")),
    );
    return new Map(linesOf<{ side: string; percent: number }>(written).map(({ side, percent }) => [side, percent]));
  };
  const open = await percents("first", "second");
  const none = (await percents("none", "none")).get("none") as number;
  const base = { name: "the same program without a channel", figure: measuredOnce(none) };
  return [
    ["no-wait", "first"],
    ["awaiting", "second"],
  ].map(([what, side]) => {
    const over = measuredOnce(Math.max(0, (open.get(side as string) as number) - none));
    return {
      ...row(`mpi/idle/${what}/${kind}`, "% of a core", over, base, { note: "over its baseline" }),
      ratio: null,
    };
  });
}

interface Grown {
  openMs: number;
  openCpuMs: number;
  openBytes: number;
  idlePercent: number;
}

const [FEW, MANY] = [4, 16];
const GROWTH_S = 3;

/** The cost of four channels for their rank, in a small and in a large job. All ranks share two processors here. */
async function growth(kind: Kind): Promise<Row[]> {
  const [few, many] = [await grow(kind, FEW), await grow(kind, MANY)];
  const rows: [name: string, unit: string, field: keyof Grown][] = [
    ["open", "ms", "openMs"],
    ["open-cpu", "ms of a core", "openCpuMs"],
    ["memory", "bytes", "openBytes"],
    ["idle", "% of a core", "idlePercent"],
  ];
  return rows.map(([name, unit, field]) => {
    const of = (ranks: Grown[]) => figureOf(ranks.map((rank) => rank[field]));
    return grown(`mpi/growth/${name}/${kind}`, unit, of(few), of(many));
  });
}

function grown(name: string, unit: string, few: Figure, many: Figure): Row {
  return row(name, unit, many, { name: `${FEW} ranks`, figure: few }, { note: `a rank of ${MANY}, with 4 channels` });
}

async function grow(kind: Kind, size: number, extra: Record<string, string> = {}): Promise<Grown[]> {
  const command = script("mpi-growth", freshName(), size, GROWTH_S);
  const commands = Array.from({ length: size }, () => command);
  return linesOf<Grown>(await job(kind, commands, { crowded: true, extra }));
}

/** Open MPI writes the counts of all messages of a rank into one file a rank. */
async function sentMessages(): Promise<Row[]> {
  const count = async (size: number) => {
    const path = freshPath();
    const counting = { enable: "2", enable_output: "3", filename: path };
    const variables = Object.entries(counting).map(([name, value]) => [`OMPI_MCA_pml_monitoring_${name}`, value]);
    await grow("openmpi", size, Object.fromEntries(variables));
    const totals = Array.from({ length: size }, (_, rank) => {
      const lines = readFileSync(`${path}.${rank}.prof`, "utf8").matchAll(/^E\t.*\t(\d+) msgs sent/gm);
      return [...lines].reduce((sum, [, sent]) => sum + Number(sent), 0);
    });
    return figureOf(totals);
  };
  const [few, many] = [await count(FEW), await count(MANY)];
  return [grown("mpi/growth/messages/openmpi", "messages", few, many)];
}

const ENDINGS = 10;

/** The time from the end of the last rank's work to the end of the launcher. */
async function ending(kind: Kind): Promise<Row[]> {
  const end = async (size: number, command: string[]): Promise<Figures> => {
    const commands = Array.from({ length: size }, () => command);
    const reports = linesOf<{ doneAt: number }>(await job(kind, commands, { crowded: true }));
    const now = performance.timeOrigin + performance.now();
    if (reports.length !== size)
      throw new Error(`${reports.length} of ${size} ranks said when they had done their work`);
    return { [command.join(" ")]: measuredOnce(now - Math.max(...reports.map(({ doneAt }) => doneAt))) };
  };
  const inC = [`${import.meta.dir}/../shim/zig-out/bench/mpi_ending`];
  const empty = script("mpi-ending");
  const rows: Row[] = [];
  for (const size of [2, 4]) {
    const ours: number[] = [];
    const figures = await alternate(
      ENDINGS,
      async () => {
        const ended = Object.values(await end(size, script("mpi-ending", freshName(), size)))[0]!;
        ours.push(ended.p50);
        return {};
      },
      () => end(size, inC),
      () => end(size, empty),
    );
    const base = { name: `MPI_Finalize in C with ${FIND[kind].name}`, figure: take(figures, inC.join(" ")) };
    const note = `without MPI, a Bun program takes ${take(figures, empty.join(" ")).p50.toFixed(1)} ms`;
    rows.push(row(`mpi/ending/${size}-ranks/${kind}`, "ms", figureOf(ours), base, { note }));
  }
  return rows;
}

export const KINDS: readonly Kind[] = ["openmpi", "mpich"];

function bench(measure: (kind: Kind) => Promise<Row[]>, needsTwoCpus: boolean, ...names: string[]): Bench[] {
  return KINDS.map((kind) => of(kind, () => measure(kind), needsTwoCpus, ...names));
}

function of(kind: Kind, measure: Bench["measure"], needsTwoCpus: boolean, ...names: string[]): Bench {
  return {
    names: names.map((name) => `${name}/${kind}`),
    needsTwoCpus,
    leftOut: () => (launcher(kind) ? undefined : `as there is no launcher of ${FIND[kind].name}`),
    measure,
  };
}

export const mpi: Bench[] = [
  ...bench((kind) => latency(kind, 8, "8B"), true, "mpi/latency/8B", "mpi/latency/8B-threads"),
  ...bench((kind) => latency(kind, KIB, "1KiB"), true, "mpi/latency/1KiB", "mpi/latency/1KiB-threads"),
  ...bench(bandwidth, true, "mpi/bandwidth/4MiB", "mpi/bandwidth/4MiB-loan"),
  ...bench(messages, true, "mpi/messages/64B"),
  ...bench(routes, true, "mpi/auto/latency/64B", "mpi/auto/bandwidth/4MiB"),
  ...bench(idle, false, "mpi/idle/no-wait", "mpi/idle/awaiting"),
  ...bench(growth, false, ...["open", "open-cpu", "memory", "idle"].map((name) => `mpi/growth/${name}`)),
  ...bench(ending, false, "mpi/ending/2-ranks", "mpi/ending/4-ranks"),
  of("openmpi", sentMessages, false, "mpi/growth/messages"),
];
