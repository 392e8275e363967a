/** MPI does all that a transport has to, under each launcher: on one host, and between hosts that share nothing. */
import { describe, expect, test } from "bun:test";
import { LAUNCHERS } from "./launchers.ts";
import { withRanks } from "./orders.ts";
import { everyPair } from "./pairs.ts";
import { LIMIT } from "./ranks.ts";
import { runSuite } from "./suites.ts";

/** Ten are killed in the course of the suite or end by themselves, and the others are enough for what comes then. */
const HELPERS = 11;
const PATIENCE = 300_000;

/** Between hosts a death shows as ten seconds of silence; hosts.test.ts has that, so it is not waited for again here. */
const NO_DEATHS = "^(?!.*(was killed|is killed|by its end))";

for (const { launcher, here } of LAUNCHERS) {
  describe.skipIf(!here)(launcher.name, () => {
    for (const [where, setting] of [
      ["on one host", {}],
      ["between hosts", { hosts: ["one", "other"] as [string, string], tests: NO_DEATHS }],
    ] as const) {
      test(
        where,
        async () => {
          const options = { helpers: HELPERS, patienceMs: PATIENCE, ...setting };
          const passed = await runSuite(launcher, "conformance", options);
          console.log(`conformance, ${launcher.name}, ${where}: ${passed} passed`);
          expect(passed).toBeGreaterThan(0);
        },
        PATIENCE + 10_000,
      );
    }

    test(
      "three ranks on one host and one on another: each pair takes the way that it has",
      () => {
        const groups = [
          { ranks: 3, host: "one" },
          { ranks: 1, host: "other" },
        ];
        return withRanks({ launcher, groups }, ({ coordinator }) =>
          everyPair(coordinator, ["one", "one", "one", "other"]),
        );
      },
      LIMIT,
    );
  });
}
