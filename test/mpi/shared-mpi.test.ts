/** Other users of MPI in the process: their communicators and the channels do not disturb each other. */
import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { ROOT } from "../../scripts/run.ts";
import { LAUNCHERS, OVER_UCX, ucx } from "./launchers.ts";
import { LIMIT, Ranks } from "./ranks.ts";

const PROGRAM = join(ROOT, "test/process/shared-mpi.ts");
const RANKS = 4;

const SETTINGS = LAUNCHERS.flatMap(({ launcher, here }) => [
  { what: launcher.name as string, launcher, here, env: {} },
  ...(launcher.name === "openmpi" ? [{ what: "openmpi over UCX", launcher, here: here && ucx, env: OVER_UCX }] : []),
]);

for (const { what, launcher, here, env } of SETTINGS) {
  describe.skipIf(!here)(what, () => {
    const orders = [
      ["first", "before lava-flow"],
      ["second", "after lava-flow"],
    ] as const;
    for (const [order, who] of orders) {
      test(
        `a library that comes to MPI ${who} exchanges on a communicator of its own, in TypeScript`,
        async () => {
          const command = [process.execPath, PROGRAM, launcher.name, launcher.library, order];
          await using ranks = new Ranks(launcher, () => ({ parts: [{ ranks: RANKS, command, env }] }));
          const status = await ranks.explain(() => ranks.ended);
          expect(status, ranks.output).toBe(0);
          expect(ranks.output.match(/all is right/g)).toHaveLength(RANKS);
        },
        LIMIT,
      );
    }
  });
}
