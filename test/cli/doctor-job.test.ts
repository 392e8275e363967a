/** `lava-flow doctor` as ranks of a job: one report for all of them. */
import { describe, expect, test } from "bun:test";
import { hostname } from "node:os";
import { resolve } from "node:path";
import { version } from "../../package.json";
import type { JobReport } from "../../src/cli/job-report.ts";
import { LAUNCHERS, type Launcher, type Part } from "../mpi/launchers.ts";
import { LIMIT, Ranks } from "../mpi/ranks.ts";

const MAIN = resolve(import.meta.dir, "../../src/cli/main.ts");
const ENDS = { timeout: LIMIT };

async function run(launcher: Launcher, args: string[], ...environments: Record<string, string>[]) {
  await using job = new Ranks(launcher, (directory) => ({
    parts: environments.map((given): Part => {
      const env: Record<string, string> = { LAVA_FLOW_VULKAN: "off", ...given };
      // Hosts of their own have runtime directories of their own.
      if (given.LAVA_FLOW_HOST_ID) env.LAVA_FLOW_RUNTIME_DIR ??= `${directory}/${given.LAVA_FLOW_HOST_ID}`;
      return { ranks: 1, command: [process.execPath, MAIN, "doctor", ...args], env };
    }),
  }));
  return await job.explain(async () => ({ code: await job.ended, output: job.output }));
}

/** The one object that was printed; MPI libraries may have said something before and after. */
function reportIn(output: string): JobReport {
  return JSON.parse(output.slice(output.indexOf("{\n"), output.lastIndexOf("\n}") + 2)) as JobReport;
}

for (const { launcher, here } of LAUNCHERS) {
  describe.skipIf(!here)(`doctor under ${launcher.name}`, () => {
    const library = launcher.name === "openmpi" ? "Open MPI" : "MPICH";

    test(
      "--json prints one object with every rank and the transports between them",
      async () => {
        const [alpha, beta] = [{ LAVA_FLOW_HOST_ID: "alpha" }, { LAVA_FLOW_HOST_ID: "beta", SLURMD_NODENAME: "n7" }];
        const { code, output } = await run(launcher, ["--json"], alpha, alpha, beta);
        expect(code).toBe(0);
        const report = reportIn(output);
        expect(report).toMatchObject({ version, size: 3, surprises: [] });
        expect(report.routes).toEqual([
          [null, "shm", "mpi"],
          ["shm", null, "mpi"],
          ["mpi", "mpi", null],
        ]);
        expect(report.ranks.map(({ rank }) => rank)).toEqual([0, 1, 2]);
        for (const { rank, machine, processor } of report.ranks) {
          expect(processor).not.toBe("");
          expect(machine.location).toMatchObject({ hostname: hostname(), mpiRank: rank });
          expect(machine.mpi?.implementation).toBe(library);
          expect(machine.runtimeDirectory.usable).toBe(true);
        }
        const pids = report.ranks.map(({ machine }) => machine.location.pid);
        expect(new Set(pids).size).toBe(3);
        expect(report.ranks.map(({ machine }) => machine.location.nodeId)).toEqual([undefined, undefined, "n7"]);
      },
      ENDS,
    );

    test(
      "without --json rank 0 prints one table",
      async () => {
        const { code, output } = await run(launcher, [], {}, {});
        expect(code).toBe(0);
        expect(output).toContain(`lava-flow   ${version}, a job of 2 ranks on 1 host`);
        for (const rank of [0, 1]) {
          expect(output).toMatch(new RegExp(`^ +${rank} +${hostname()} +\\d+ +\\S+ +- +- +${library} \\d`, "m"));
        }
        expect(output).toMatch(/^0 {2}· {4}shm\n1 {2}shm {2}·$/m);
        expect(output.match(/Missing:/g)).toHaveLength(1);
      },
      ENDS,
    );

    test(
      "ranks of one host without a common runtime directory are shown to use mpi",
      async () => {
        const here = { LAVA_FLOW_HOST_ID: "same" };
        const nowhere = { ...here, LAVA_FLOW_RUNTIME_DIR: "/nowhere/lava-flow" };
        const { code, output } = await run(launcher, ["--json"], here, here, nowhere);
        expect(code).toBe(0);
        const report = reportIn(output);
        expect(report.routes).toEqual([
          [null, "shm", "mpi"],
          ["shm", null, "mpi"],
          ["mpi", "mpi", null],
        ]);
        const lacking = report.ranks[2]?.machine.missing.map(({ feature }) => feature);
        expect(lacking).toContain("runtime directory");
      },
      ENDS,
    );

    test(
      "with MPI off each rank prints the report of its machine",
      async () => {
        const { code, output } = await run(launcher, [], { LAVA_FLOW_MPI: "off" });
        expect(code).toBe(0);
        expect(output).toContain("platform    ");
        expect(output).not.toContain("a job of");
      },
      ENDS,
    );

    test(
      "an unusable library ends every rank with the reason",
      async () => {
        const wrong = { LAVA_FLOW_MPI: "/nowhere/libmpi.so" };
        const { code, output } = await run(launcher, [], wrong, wrong);
        expect(code).not.toBe(0);
        expect(output).toContain("lava-flow: MPI_UNAVAILABLE: ");
        expect(output).toContain("/nowhere/libmpi.so");
      },
      ENDS,
    );
  });
}
