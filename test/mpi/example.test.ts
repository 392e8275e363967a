/** The program of docs/cluster.md and the README, as it stands there: on a laptop, and as a job. */
import { describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { LAUNCHERS } from "./launchers.ts";
import { LIMIT, Ranks } from "./ranks.ts";

const ROOT = join(import.meta.dir, "../..");
const PROGRAM = join(ROOT, "docs/examples/cluster.ts");
const COMMAND = [process.execPath, PROGRAM];
/** What rank 0 says of rank 1: 1 + 2 + … + 100, of 131,072 numbers each. */
const SUM = `: ${131_072 * 5050}`;

describe("docs/examples/cluster.ts", () => {
  test("is what the documents show", () => {
    const [, ...lines] = readFileSync(PROGRAM, "utf8").trim().split("\n");
    for (const document of ["README.md", "docs/cluster.md"]) {
      expect(readFileSync(join(ROOT, document), "utf8")).toContain(lines.join("\n"));
    }
  });

  test(
    "two processes without MPI",
    async () => {
      const launched = /^(OMPI_|PMI|SLURM_)/;
      const inherited = Object.entries(process.env).filter(([name]) => !launched.test(name));
      const directory = mkdtempSync(join(tmpdir(), "lava-flow-example-"));
      const env = { ...Object.fromEntries(inherited), LAVA_FLOW_RUNTIME_DIR: directory };
      const start = (rank: string) => Bun.spawn([...COMMAND, rank, "2"], { env, stdio: ["ignore", "pipe", "inherit"] });
      await using first = start("0");
      await using second = start("1");
      const [out, ...codes] = await Promise.all([first.stdout.text(), first.exited, second.exited]);
      expect({ out, codes }).toEqual({ out: `rank 1 on ${hostname()}, by shm${SUM}\n`, codes: [0, 0] });
      rmSync(directory, { recursive: true });
    },
    LIMIT,
  );

  for (const { launcher, here } of LAUNCHERS) {
    test.skipIf(!here)(
      `two hosts under ${launcher.name}, one with two ranks`,
      async () => {
        await using job = new Ranks(launcher, (directory) => ({
          parts: ["alpha", "beta"].map((host, i) => ({
            ranks: 2 - i,
            command: COMMAND,
            env: { LAVA_FLOW_HOST_ID: host, LAVA_FLOW_RUNTIME_DIR: join(directory, host) },
          })),
        }));
        const code = await job.explain(() => job.ended);
        expect(code).toBe(0);
        expect(job.output).toContain(`rank 1 on ${hostname()}, by shm${SUM}`);
        expect(job.output).toContain(`rank 2 on ${hostname()}, by mpi: ${2 * 131_072 * 5050}`);
      },
      LIMIT,
    );
  }
});
