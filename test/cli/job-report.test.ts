import { describe, expect, test } from "bun:test";
import { describeJob, type JobReport, type RankReport, rangesOf } from "../../src/cli/job-report.ts";
import type { Gpu, Machine } from "../../src/cli/machine.ts";

const GPU = { index: 0, name: "GPU X", type: "discrete", missing: "" } as Gpu;
const MPI = { implementation: "Open MPI", version: "4.1.4", library: "libmpi.so.40" };
const NUMA = { feature: "numa", reason: "no libnuma", remedy: "Install libnuma" };

function rankOn(hostname: string, rank: number, rest: Partial<Machine> = {}): RankReport {
  const location = { hostname, hostId: `${hostname}-0123456789`, pid: 1000 + rank, mpiRank: rank };
  const machine = { location, gpus: [], mpi: MPI, missing: [], ...rest } as unknown as Machine;
  return { rank, processor: hostname, machine };
}

/** Ranks of one host take "shm", others "mpi". */
function jobOf(ranks: RankReport[], rest: Partial<JobReport> = {}): JobReport {
  const host = (rank: number) => ranks[rank]?.machine.location.hostname;
  const routes = ranks.map((_, from) =>
    ranks.map((_, to) => (from === to ? null : host(from) === host(to) ? ("shm" as const) : ("mpi" as const))),
  );
  return { version: "1.2.3", size: ranks.length, ranks, routes, surprises: [], ...rest };
}

describe("the report of a job", () => {
  test("a small job has a row per rank and a matrix", () => {
    const ranks = [rankOn("alpha", 0), rankOn("alpha", 1, { gpus: [GPU, GPU] }), rankOn("beta", 2)];
    expect(describeJob(jobOf(ranks))).toBe(`lava-flow   1.2.3, a job of 3 ranks on 2 hosts

rank  host    pid  host id   node  gpu        mpi
   0  alpha  1000  alpha-01  -     -          Open MPI 4.1.4
   1  alpha  1001  alpha-01  -     2 × GPU X  Open MPI 4.1.4
   2  beta   1002  beta-012  -     -          Open MPI 4.1.4

The transport of a channel from the rank of the row to the rank of the column:
   0    1    2
0  ·    shm  mpi
1  shm  ·    mpi
2  mpi  mpi  ·

Nothing is missing.`);
  });

  test("a missing transport and an unexpected one are shown", () => {
    const ranks = [rankOn("alpha", 0), rankOn("alpha", 1)];
    const routes = [
      [null, null],
      ["mpi" as const, null],
    ];
    const text = describeJob(jobOf(ranks, { routes, surprises: ["rank 1 to rank 0 took mpi"] }));
    expect(text).toMatch(/^0 {2}· {4}none$/m);
    expect(text).toMatch(/^1 {2}mpi {2}·$/m);
    expect(text).toMatch(/^note {8}rank 1 to rank 0 took mpi$/m);
  });

  test("in a job of hundreds of ranks equal hosts share one row", () => {
    const hosts = Array.from({ length: 32 }, (_, i) => `node${String(i).padStart(2, "0")}`);
    const ranks = hosts.flatMap((host, i) => Array.from({ length: 8 }, (_, j) => rankOn(host, i * 8 + j)));
    const report = jobOf(ranks);
    // One rank of the last host can't share memory with its neighbours.
    for (let other = 248; other < 255; other++) report.routes[255]![other] = report.routes[other]![255] = "mpi";
    const text = describeJob(report);
    expect(text).toContain("a job of 256 ranks on 32 hosts");
    expect(text.split("\n").filter((line) => line.includes("Open MPI"))).toHaveLength(256);
    expect(text.slice(text.indexOf("host (ranks)")).split("\n").slice(0, 4)).toEqual([
      "host (ranks)                             within it  to other hosts",
      "node00 … node30, 31 hosts (ranks 0–247)  shm        mpi",
      "node31 (ranks 248–254)                   mpi, shm   mpi",
      "node31 (rank 255)                        mpi        mpi",
    ]);
  });

  test("a missing feature is shown once, with the ranks that lack it", () => {
    const lacking = { missing: [NUMA] };
    const some = describeJob(jobOf([rankOn("a", 0), rankOn("a", 1, lacking), rankOn("a", 2, lacking)]));
    expect(some).toEndWith("numa        no libnuma\n            → Install libnuma\n            on ranks 1–2");
    const all = describeJob(jobOf([rankOn("a", 0, lacking)]));
    expect(all).toEndWith("numa        no libnuma\n            → Install libnuma");
  });

  test("ranks are shown as ranges", () => {
    expect(rangesOf([3])).toBe("rank 3");
    expect(rangesOf([0, 1, 2, 5, 7, 8])).toBe("ranks 0–2, 5, 7–8");
  });
});
