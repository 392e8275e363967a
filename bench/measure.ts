/** Shared by all benches: percentiles, processes on their own processors, and the C programs to compare with. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";

/**
 * The median and the tail: 99 of 100 samples are at least as good as `p99` (for a rate it is the low end). Null for one
 * measurement, which has no tail.
 */
export interface Figure {
  p50: number;
  p99: number | null;
}
export type Figures = Record<string, Figure>;

export interface Row extends Figure {
  name: string;
  unit: string;
  baseline: number | null;
  baselineName: string;
  /** This row's median divided by its baseline's. */
  ratio: number | null;
  /** The required bar, where there is one. */
  bar?: { text: string; met: boolean };
  note?: string;
}

/** Rows that are measured together, alternating with a common baseline. */
export interface Bench {
  names: readonly string[];
  /** Both ends of a pair spin: without a processor each, the figures would measure the scheduler. */
  needsTwoCpus?: boolean;
  /** Why this machine can't run it, "as …"; undefined where it can. */
  leftOut?(): string | undefined;
  measure(): Promise<Row[]>;
}

/** Seconds that the measured program runs. */
const LIMIT_S = 60;

// ───────────── figures ─────────────

/** Nearest rank. `share` 0.99: 99 % of the samples are not above it. */
export function percentile(samples: ArrayLike<number>, share: number): number {
  const sorted = Float64Array.from(samples).sort();
  const rank = Math.ceil(share * sorted.length);
  return sorted[Math.max(0, rank - 1)] ?? Number.NaN;
}

export function figureOf(samples: ArrayLike<number>, better: "lower" | "higher" = "lower"): Figure {
  return { p50: percentile(samples, 0.5), p99: percentile(samples, better === "lower" ? 0.99 : 0.01) };
}

/** A latency: the median of means over many round trips, and the tail of single round trips. */
export function latencyOf(means: ArrayLike<number>, singles: ArrayLike<number>): Figure {
  return { p50: percentile(means, 0.5), p99: percentile(singles, 0.99) };
}

export function measuredOnce(value: number): Figure {
  return { p50: value, p99: null };
}

/** Runs the programs in turn, `repetitions` times; each named figure is the median of its repetitions. */
export async function alternate(repetitions: number, ...programs: (() => Promise<Figures>)[]): Promise<Figures> {
  const all = new Map<string, Figure[]>();
  for (let repetition = 0; repetition < repetitions; repetition++) {
    for (const program of programs) {
      for (const [name, figure] of Object.entries(await program())) {
        const known = all.get(name);
        if (known) known.push(figure);
        else all.set(name, [figure]);
      }
    }
  }
  const medians: Figures = {};
  for (const [name, figures] of all) {
    const median = (values: number[]) => percentile(values, 0.5);
    const tails = figures.flatMap(({ p99 }) => p99 ?? []);
    medians[name] = { p50: median(figures.map(({ p50 }) => p50)), p99: tails.length > 0 ? median(tails) : null };
  }
  return medians;
}

/** The figure of this name; a program that did not report it is an error of the bench. */
export function take(figures: Figures, name: string): Figure {
  const figure = figures[name];
  if (!figure || !Number.isFinite(figure.p50)) throw new Error(`no figure "${name}" in ${JSON.stringify(figures)}`);
  return figure;
}

export function row(
  name: string,
  unit: string,
  figure: Figure,
  baseline?: { name: string; figure: Figure },
  rest: Pick<Row, "bar" | "note"> = {},
): Row {
  return {
    name,
    unit,
    ...figure,
    baseline: baseline?.figure.p50 ?? null,
    baselineName: baseline?.name ?? "",
    ratio: baseline ? figure.p50 / baseline.figure.p50 : null,
    ...rest,
  };
}

export function atMost(value: number, limit: number, text: string): Row["bar"] {
  return { text: `≤ ${text}`, met: value <= limit };
}

export function atLeast(value: number, limit: number, text: string): Row["bar"] {
  return { text: `≥ ${text}`, met: value >= limit };
}

// ───────────── processes ─────────────

/** The processors this process may use. */
function allowedCpus(): number[] {
  if (process.platform !== "linux") return [];
  const list = /Cpus_allowed_list:\s*(\S+)/.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "";
  return list.split(",").flatMap((range) => {
    const [first = 0, last = first] = range.split("-").map(Number);
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
}

const taskset = Bun.which("taskset");
const cpus = taskset ? allowedCpus() : [];

/** The processors of the first and the second process; "-" where nothing is pinned. */
export const CPUS: readonly [string, string] =
  cpus.length > 0 ? [String(cpus[0]), String(cpus[1] ?? cpus[0])] : ["-", "-"];
export const cpuCount = cpus.length > 0 ? cpus.length : navigator.hardwareConcurrency;

/** Describes the processors of both processes. */
export function placement(): string {
  if (CPUS[0] === "-") return `not pinned (${taskset ? process.platform : "no taskset"}), ${cpuCount} processors`;
  if (CPUS[0] === CPUS[1]) return `one processor only (CPU ${CPUS[0]}): rows whose two ends spin are left out`;
  const file = `/sys/devices/system/cpu/cpu${CPUS[0]}/topology/thread_siblings_list`;
  let siblings = "";
  try {
    siblings = readFileSync(file, "utf8").trim();
  } catch {
    // The machine does not list which processors share a core.
  }
  const shared = siblings.split(/[,-]/).includes(CPUS[1]) ? ", which share a core" : "";
  return `first process on CPU ${CPUS[0]}, second on CPU ${CPUS[1]}${shared}`;
}

/** The command that runs `command` on the first (0) or the second (1) processor. */
export function pinned(cpu: 0 | 1, command: string[]): string[] {
  return taskset && CPUS[cpu] !== "-" ? [taskset, "-c", CPUS[cpu], ...command] : command;
}

/** A private runtime directory: a bench neither meets nor disturbs other channels of this user. */
const runtime = mkdtempSync(`${tmpdir()}/lava-flow-bench-`);
process.on("exit", () => rmSync(runtime, { recursive: true, force: true }));

/** A command that may use both processors: for two threads of one process. */
export function placedOnBoth(command: string[]): string[] {
  return taskset && CPUS[0] !== "-" ? [taskset, "-c", CPUS.join(","), ...command] : command;
}

let names = 0;
/** A name for a channel or a socket that no other run uses. */
export function freshName(): string {
  return `bench-${process.pid}-${names++}`;
}

/** A path for a socket that no other run uses. */
export function freshPath(): string {
  return `${runtime}/${freshName()}.socket`;
}

/** Runs the commands at the same time. Resolves with their outputs when all have succeeded. */
export async function run(...commands: string[][]): Promise<string[]> {
  return (await execute(commands)).map(({ out }) => out);
}

export async function execute(
  commands: string[][],
  extra: Record<string, string> = {},
): Promise<{ out: string; err: string }[]> {
  const env = { ...process.env, LAVA_FLOW_RUNTIME_DIR: runtime, ...extra };
  const children = commands.map((command) =>
    Bun.spawn(command, { env, stdin: "ignore", stdout: "pipe", stderr: "pipe" }),
  );
  const stop = () => {
    for (const child of children) child.kill("SIGKILL");
  };
  const limit = setTimeout(stop, LIMIT_S * 1000);
  try {
    return await Promise.all(
      children.map(async (child, i) => {
        const [out, err, status] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
        if (status === 0) return { out, err };
        throw new Error(`${commands[i]!.join(" ")} ended with ${child.signalCode ?? status} after ${out}${err}`);
      }),
    );
  } finally {
    clearTimeout(limit);
    stop();
  }
}

/** The JSON in the last line that a program wrote. */
export function lastLine<T>(text: string): T {
  return JSON.parse(text.trimEnd().split("\n").at(-1) ?? "") as T;
}

/** bench/process/<name>.ts as a command. */
export function script(name: string, ...args: (string | number)[]): string[] {
  return [process.execPath, `${import.meta.dir}/process/${name}.ts`, ...args.map(String)];
}

/** Runs a script as "first" and as "second", each on its processor. Returns the figures that one of them writes. */
export async function pair(name: string, ...args: (string | number)[]): Promise<Figures> {
  return lastLine<Figures>(await pairOf(name, args, args));
}

/** As `pair`, with arguments for each process; returns both outputs. */
export async function pairOf(name: string, first: (string | number)[], second: (string | number)[]): Promise<string> {
  const meeting = freshName();
  const written = await run(
    pinned(0, script(name, "first", meeting, ...first)),
    pinned(1, script(name, "second", meeting, ...second)),
  );
  return written.join("");
}

/** Runs shim/bench/<name>.c; it pins its processes itself. */
export async function baseline(name: string, ...args: (string | number)[]): Promise<Figures> {
  const program = `${import.meta.dir}/../shim/zig-out/bench/${name}`;
  const [out] = await run([program, ...CPUS, ...args.map(String)]);
  return lastLine<Figures>(out!);
}
