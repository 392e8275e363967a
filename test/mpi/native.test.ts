/** The C tests of shim/test-mpi: each program under each launcher and with the standard ABI's table. */
import { beforeAll, describe, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { build } from "../../scripts/build.ts";
import { ROOT } from "../../scripts/run.ts";
import { countLines } from "../../scripts/tests.ts";
import { PATIENT } from "../channel/support.ts";
import { requires } from "../requires.ts";
import { LAUNCHERS, type Launcher, OVER_UCX, ucx } from "./launchers.ts";
import { LIMIT, Ranks } from "./ranks.ts";

/** How many ranks a program has. "growth" is right when it is right with either number. */
const sizesOf = (program: string) => (program === "growth" ? [4, 16] : [4]);
/** What differs in the standard ABI is a table: these use all that is in it. */
const OF_THE_TABLE = ["control", "ep_fragments", "host", "job", "library", "shared_mpi"];
/** Those of such names lose ranks. */
const losesRanks = (program: string) => program.startsWith("deaths");
const OUT = join(ROOT, "shim/zig-out");
const PROGRAMS = readdirSync(join(ROOT, "shim/test-mpi"))
  .filter((file) => file.endsWith(".c"))
  .map((file) => file.slice(0, -2))
  .sort();

const built = await build("tests-mpi");
const zig = requires("zig", built.ok, `the C tests of MPI could not be built: ${built.output.trim()}`);
/** MPI 5's standard ABI over MPICH: shim/test/support/mpi_abi.c. */
const adapter = join(OUT, "test-support/libmpi_abi.so");

interface Setting {
  what: string;
  launcher: Launcher;
  here: boolean;
  programs: string[];
  env?: Record<string, string>;
}

/** Each launcher with its own library, and the one whose library has an adapter with that too. */
const SETTINGS: Setting[] = LAUNCHERS.flatMap(({ launcher, here }) => [
  { what: launcher.name, launcher, here, programs: PROGRAMS },
  ...(launcher.name === "openmpi"
    ? [{ what: "openmpi over UCX", launcher, here: here && ucx, programs: ["shared_mpi"], env: OVER_UCX }]
    : []),
  ...(launcher.name === "mpich"
    ? [
        {
          what: "the standard ABI, over mpich",
          launcher,
          here,
          programs: OF_THE_TABLE,
          env: { LAVA_FLOW_MPI: adapter },
        },
      ]
    : []),
]);

for (const { what, launcher, here, programs, env } of SETTINGS) {
  describe.skipIf(!here || !zig)(what, () => {
    beforeAll(async () => {
      const { ok, output } = await build("test-support");
      if (!ok) throw new Error(output);
    }, PATIENT);

    for (const [program, size] of programs.flatMap((name) => sizesOf(name).map((count) => [name, count] as const))) {
      test(
        `${program}, ${size} ranks`,
        async () => {
          const recovery = losesRanks(program);
          await using ranks = new Ranks(launcher, () => ({
            recovery,
            parts: [{ ranks: size, command: [join(OUT, "test-mpi", program)], env }],
          }));
          const status = await ranks.explain(() => ranks.ended);
          const { output } = ranks;
          const { failed, passed, skipped, notes } = countLines(program, { ok: recovery || status === 0, output });
          if (failed > 0) throw new Error(`status ${status}\n${output}`);
          for (const note of new Set(notes)) console.error(note);
          // Where the status says nothing, a rank that ended without a word shows in the number of words.
          if (recovery) expect((passed + skipped) % size).toBe(0);
        },
        LIMIT,
      );
    }
  });
}
