/**
 * An MPI library that ends the process instead of returning an error. In the job's thread that is the end of MPI and not of
 * the program.
 */
import { afterAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ROOT } from "../../scripts/run.ts";
import { PATIENT } from "../channel/support.ts";
import { onLinux, requires } from "../requires.ts";
import { emptyMpi, libraryOf, zig } from "./empty-mpi.ts";
import { LAUNCHERS } from "./launchers.ts";

/** Elsewhere nothing stands between the library and the end of the process. */
const linux = onLinux();
const hasZig = requires("zig", existsSync(zig), "no zig in node_modules");

const folder = mkdtempSync(join(tmpdir(), "lf-fatal-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** Begins the job, waits for what becomes of it, works on and ends; a process that hangs says less. */
const SCRIPT = `
  import { endWithProcess } from "./src/channel/job/exit.ts";
  import { CONSTANTS } from "./src/native/layout.ts";
  import { native } from "./src/native/load.ts";
  import { check } from "./src/native/status.ts";
  const shim = native();
  endWithProcess(() => null);
  const [until] = process.argv.slice(-1);
  const outcome = async () => {
    try {
      for (;;) {
        const now = check(shim, shim.lf_job_open());
        if (until === "begun") return "begun";
        if (now === 1 && until === "ready") return "ready";
        await Bun.sleep(5);
      }
    } catch ({ code, message }) {
      return code + ": " + message;
    }
  };
  console.log(await outcome());
  await Bun.sleep(50); // An exit() that the job's thread does not keep back ends the process in this time.
  console.log("worked on");
`;

interface Ended {
  lines: string[];
  status: number | null;
  tookMs: number;
}

async function runWith(variables: Record<string, string | undefined>, until = "failed"): Promise<Ended> {
  const none = { OMPI_COMM_WORLD_SIZE: undefined, PMI_SIZE: undefined, PMI_RANK: undefined, PMIX_RANK: undefined };
  const start = performance.now();
  await using child = Bun.spawn([process.execPath, "-e", SCRIPT, until], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...none, ...variables },
    cwd: ROOT,
    timeout: 60_000,
  });
  const [out] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  return { lines: out.trim().split("\n"), status: child.exitCode, tookMs: performance.now() - start };
}

/** What a job of one rank asks of MPI before it is there. */
const ALONE = [
  "#include <stdlib.h>",
  "#include <unistd.h>",
  "int MPI_Init_thread(int *c, char ***v, int asked, int *given) { *given = asked; return 0; }",
  "int MPI_Initialized(int *flag) { *flag = 0; return 0; }",
  "int MPI_Comm_size(int comm, int *size) { *size = 1; return 0; }",
  "int MPI_Allreduce(void *from, void *to, int n, int type, int op, int comm) { memcpy(to, from, n); return 0; }",
];

/** The library's own, in place of one above. */
const but = (line: string) => [...ALONE.filter((each) => !each.startsWith(line.slice(0, line.indexOf("(")))), line];

describe.skipIf(!linux || !hasZig)("a library that ends the process", () => {
  for (const end of ["exit(17)", "_exit(17)", "abort()"]) {
    test(
      `in MPI_Init_thread, by ${end}`,
      async () => {
        const own = but(`int MPI_Init_thread(int *c, char ***v, int asked, int *given) { ${end}; }`);
        const path = libraryOf(folder, `init-${end.length}.so`, emptyMpi("MPICH Version: 4.0.2", ...own));
        const { lines, status, tookMs } = await runWith({ LAVA_FLOW_MPI: path });
        expect(lines[0]).toStartWith("MPI_FAILED: ");
        expect(lines[0]).toContain("MPICH 4.0.2 gave up");
        expect(lines.slice(1)).toEqual(["worked on"]);
        expect(status).toBe(0);
        expect(tookMs).toBeLessThan(20_000); // the end waits 30 s for a thread that does not answer
      },
      PATIENT,
    );
  }

  test(
    "while the job runs",
    async () => {
      const own = but(
        "int MPI_Test(void *request, int *flag, void *status) { static int n; if (++n == 50) exit(17); return 0; }",
      );
      const path = libraryOf(folder, "round.so", emptyMpi("MPICH Version: 4.0.2", ...own));
      const { lines, status, tookMs } = await runWith({ LAVA_FLOW_MPI: path });
      expect(lines[0]).toContain("MPICH 4.0.2 gave up");
      expect(lines.slice(1)).toEqual(["worked on"]);
      expect(status).toBe(0);
      expect(tookMs).toBeLessThan(20_000);
    },
    PATIENT,
  );

  test(
    "in MPI_Finalize: the program's own status counts",
    async () => {
      const path = libraryOf(
        folder,
        "end.so",
        emptyMpi("MPICH Version: 4.0.2", ...but("int MPI_Finalize(void) { exit(17); }")),
      );
      const { lines, status, tookMs } = await runWith({ LAVA_FLOW_MPI: path }, "ready");
      expect(lines).toEqual(["ready", "worked on"]);
      expect(status).toBe(0);
      expect(tookMs).toBeLessThan(20_000);
    },
    PATIENT,
  );
});

test.skipIf(!linux || !hasZig)(
  "a library whose MPI_Init_thread waits for ranks that never come: the end waits for them once",
  async () => {
    const own = but("int MPI_Init_thread(int *c, char ***v, int asked, int *given) { for (;;) pause(); }");
    const path = libraryOf(folder, "never.so", emptyMpi("MPICH Version: 4.0.2", ...own));
    const { lines, status, tookMs } = await runWith({ LAVA_FLOW_MPI: path }, "begun");
    expect(lines).toEqual(["begun", "worked on"]);
    expect(status).toBe(0);
    expect(tookMs).toBeLessThan(55_000); // 30 s, and not once more
  },
  PATIENT,
);

const mpich = LAUNCHERS.some(({ launcher, here }) => here && launcher.name === "mpich");
test.skipIf(!linux || !mpich)(
  "MPICH with what a launcher left behind that is gone",
  async () => {
    const left = { PMI_RANK: "0", PMI_SIZE: "2", PMI_FD: "97" };
    const { lines, status, tookMs } = await runWith({ ...left, LAVA_FLOW_MPI: "libmpich.so.12" });
    expect(lines[0]).toContain("MPI_FAILED");
    expect(lines.slice(1)).toEqual(["worked on"]);
    expect(status).toBe(0);
    expect(tookMs).toBeLessThan(20_000);
  },
  PATIENT,
);
