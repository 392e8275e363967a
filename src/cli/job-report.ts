/** The report of `doctor` on a job: its ranks, and the transport of a channel between each two. */
import type { TransportName } from "../index.ts";
import { row, table } from "./format.ts";
import type { Machine } from "./machine.ts";

export interface RankReport {
  rank: number;
  /** MPI's own name for the machine. */
  processor: string;
  machine: Machine;
}

export interface JobReport {
  version: string;
  size: number;
  /** By rank. */
  ranks: RankReport[];
  /** `routes[from][to]`; null on the diagonal, and if no transport is viable. */
  routes: (TransportName | null)[][];
  /** Channels of the report itself whose transport differs from the expected one, with the reason. */
  surprises: string[];
}

/** Largest number of ranks in the matrix. In a larger job, hosts with equal rows share one. */
const MATRIX_MAX = 12;
/** Characters of a host id in the table. */
const HOST_ID_SHOWN = 8;
/** Largest number of host names in a row. A row of more hosts has the first, the last and the number. */
const HOSTS_SHOWN = 3;

export function describeJob(report: JobReport): string {
  const { version, size, ranks, routes, surprises } = report;
  const hosts = new Set(ranks.map(hostOf)).size;
  const parts = [
    row("lava-flow", `${version}, a job of ${plural(size, "rank")} on ${plural(hosts, "host")}`),
    "",
    table(["rank", "host", "pid", "host id", "node", "gpu", "mpi"], ranks.map(rankCells)),
    "",
    ...(size <= MATRIX_MAX ? matrix(routes) : byHost(ranks, routes)),
  ];
  for (const surprise of surprises) parts.push(row("note", surprise));
  parts.push("", ...missing(ranks));
  return parts.join("\n");
}

function rankCells({ rank, machine }: RankReport): string[] {
  const { location, gpus, mpi } = machine;
  return [
    String(rank),
    location.hostname,
    String(location.pid ?? "-"),
    location.hostId?.slice(0, HOST_ID_SHOWN) ?? "-",
    location.nodeId ?? "-",
    gpuText(machine, gpus),
    mpi ? `${mpi.implementation} ${mpi.version}` : "-",
  ];
}

/** The GPUs in hardware that can be used, equal ones counted. */
function gpuText(machine: Machine, gpus: Machine["gpus"]): string {
  const own = machine.location.deviceId;
  const usable = gpus.filter(({ type, missing, index }) => !missing && (type !== "cpu" || index === own));
  const counts = Map.groupBy(usable, ({ name }) => name);
  const texts = [...counts].map(([name, { length }]) => (length > 1 ? `${length} × ${name}` : name));
  return texts.join(", ") || "-";
}

/** The host id, or the hostname of a rank without one. */
function hostOf({ machine: { location } }: RankReport): string {
  return location.hostId ?? location.hostname;
}

function matrix(routes: JobReport["routes"]): string[] {
  const names = routes.map((_, rank) => String(rank));
  const rows = routes.map((to, from) => [
    String(from),
    ...to.map((name, rank) => (rank === from ? "·" : (name ?? "none"))),
  ]);
  return [
    "The transport of a channel from the rank of the row to the rank of the column:",
    table(["", ...names], rows),
  ];
}

/** A row for all hosts whose ranks have the same transports: within their host, and to other hosts. */
function byHost(ranks: RankReport[], routes: JobReport["routes"]): string[] {
  const hosts = ranks.map(hostOf);
  const rows = new Map<string, { cells: [string, string]; ranks: number[] }>();
  for (const { rank } of ranks) {
    const paths = (within: boolean) => {
      const others = routes[rank]!.filter((_, to) => to !== rank && (hosts[to] === hosts[rank]) === within);
      return [...new Set(others.map((name) => name ?? "none"))].sort().join(", ") || "-";
    };
    const cells: [string, string] = [paths(true), paths(false)];
    const known = rows.get(cells.join("|"));
    if (known) known.ranks.push(rank);
    else rows.set(cells.join("|"), { cells, ranks: [rank] });
  }
  const lines = [...rows.values()].map(({ cells, ranks: some }) => {
    const names = [...new Set(some.map((rank) => ranks[rank]!.machine.location.hostname))];
    const shown =
      names.length > HOSTS_SHOWN ? `${names[0]} … ${names.at(-1)}, ${names.length} hosts` : names.join(", ");
    return [`${shown} (${rangesOf(some)})`, ...cells];
  });
  return ["The transports of channels:", table(["host (ranks)", "within it", "to other hosts"], lines)];
}

/** Each missing feature once, with the ranks that lack it unless all do. */
function missing(ranks: RankReport[]): string[] {
  const things = new Map<string, { feature: string; reason: string; remedy: string; ranks: number[] }>();
  for (const { rank, machine } of ranks) {
    for (const thing of machine.missing) {
      const key = `${thing.feature}\n${thing.reason}`;
      const known = things.get(key);
      if (known) known.ranks.push(rank);
      else things.set(key, { ...thing, ranks: [rank] });
    }
  }
  if (things.size === 0) return ["Nothing is missing."];
  const rows = [...things.values()].map(({ feature, reason, remedy, ranks: lacking }) => {
    const where = lacking.length < ranks.length ? [`on ${rangesOf(lacking)}`] : [];
    return row(feature, reason, ...(remedy ? [`→ ${remedy}`] : []), ...where);
  });
  return ["Missing:", ...rows];
}

/** [0, 1, 2, 5] → "ranks 0–2, 5". */
export function rangesOf(ranks: readonly number[]): string {
  const ranges: [number, number][] = [];
  for (const rank of ranks) {
    const last = ranges.at(-1);
    if (last && last[1] === rank - 1) last[1] = rank;
    else ranges.push([rank, rank]);
  }
  const texts = ranges.map(([first, last]) => (first === last ? `${first}` : `${first}–${last}`));
  return `${ranks.length === 1 ? "rank" : "ranks"} ${texts.join(", ")}`;
}

function plural(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}
