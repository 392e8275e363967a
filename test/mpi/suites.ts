/** Test files that are a rank of a job themselves, with the other ranks as the other sides of their tests. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { summary, TEST_LIMIT } from "../../scripts/tests.ts";
import { Coordinator } from "./coordinator.ts";
import type { Launcher } from "./launchers.ts";
import { onHost } from "./orders.ts";
import { RANK, Ranks } from "./ranks.ts";

/** The launcher's own exit status is that of the ranks that were killed. */
const SCRIPT = '"$@" >"$0" 2>&1; echo "exit $?" >>"$0"';

interface SuiteOptions {
  /** How many other ranks. */
  helpers: number;
  patienceMs: number;
  /** The host of rank 0, and that of the others; all on one where none are named. */
  hosts?: [string, string];
  /** A pattern of the names of the tests that are to run; default: all. */
  tests?: string;
}

/** Runs `suite/NAME.suite.ts` at rank 0: how many tests passed. */
export async function runSuite(
  launcher: Launcher,
  name: string,
  { helpers, patienceMs, hosts, tests = "" }: SuiteOptions,
): Promise<number> {
  let log = "";
  await using ranks = new Ranks(launcher, (directory) => {
    log = join(directory, "suite");
    const [mine, others] = (hosts ?? []).map((host) => onHost(directory, host));
    const told = { LAVA_TEST_DIRECTORY: directory, LAVA_TEST_HELPERS: `${helpers}` };
    const test = [process.execPath, "test", TEST_LIMIT, "-t", tests, `./test/mpi/suite/${name}.suite.ts`];
    return {
      recovery: true,
      parts: [
        { ranks: 1, command: ["sh", "-c", SCRIPT, log, ...test], env: { ...told, ...mine } },
        { ranks: helpers, command: [process.execPath, RANK, Coordinator.socket(directory)], env: others },
      ],
    };
  });
  const output = () => (existsSync(log) ? readFileSync(log, "utf8") : "");
  return await ranks.explain(
    async () => {
      await ranks.ended;
      const result = summary({ ok: /^exit 0$/m.test(output()), output: output() });
      if (result.failed > 0) throw new Error("the suite failed");
      return result.passed;
    },
    patienceMs,
    output,
  );
}
