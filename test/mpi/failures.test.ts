/** What bad luck and bad input come to, under each launcher: a code, words that say who and where, and what to do. */
import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { build } from "../../scripts/build.ts";
import { ROOT } from "../../scripts/run.ts";
import type { ErrorCode } from "../../src/index.ts";
import { inProcess, type Peer } from "../channel/peers.ts";
import { PATIENT } from "../channel/support.ts";
import { requires } from "../requires.ts";
import { LAUNCHERS } from "./launchers.ts";
import { type Group, type Started, withRanks } from "./orders.ts";
import { LIMIT } from "./ranks.ts";

const MPI = { transport: "mpi" } as const;

const support = await build("test-support");
const zig = requires("zig", support.ok, `the shim of another version could not be built: ${support.output.trim()}`);
const SUPPORT = join(ROOT, "shim/zig-out/test-support");

/** What a side says after "taken" and "open": an error with this code, these words in its message, and a remedy. */
async function expectError(peer: Peer, code: ErrorCode, ...words: (string | RegExp)[]): Promise<void> {
  let said = await peer.heard();
  while (typeof said === "string") said = await peer.heard();
  expect(said).toMatchObject({ code, remedy: expect.stringMatching(/./) });
  for (const each of words) expect(said.message).toMatch(each);
}

for (const { launcher, here } of LAUNCHERS) {
  describe.skipIf(!here)(launcher.name, () => {
    /** A test with ranks in these groups, all on one host where none is named. */
    function withJob(
      what: string,
      groups: Group[],
      work: (started: Started) => Promise<void>,
      { recovery = true, when = true } = {},
    ): void {
      test.skipIf(!when)(what, () => withRanks({ launcher, groups, recovery }, work), LIMIT);
    }

    describe("without MPI", () => {
      for (const [what, path, words] of [
        ["turned off", "off", "LAVA_FLOW_MPI"],
        ["a path to nothing", "/nowhere/libmpi.so", "/nowhere/libmpi.so"],
        ["a library that is something else", join(SUPPORT, "libfake_cuda.so"), "libfake_cuda.so"],
      ] as const) {
        withJob(
          `${what}: a channel of MPI says so, and ranks of one host do without`,
          [{ ranks: 2, env: { LAVA_FLOW_MPI: path } }],
          async ({ coordinator }) => {
            const pinned = coordinator.start("opening/attempt", { name: "pinned", role: "producer", ...MPI }, 0);
            await expectError(pinned, "MPI_UNAVAILABLE", words);
            await pinned.done;
            const roles = ["producer", "consumer"] as const;
            const peers = roles.map((role, rank) =>
              coordinator.start("opening/attempt", { name: "local", role }, rank),
            );
            for (const peer of peers) {
              expect(await peer.heard()).toBe("taken");
              expect(await peer.heard()).toEqual({ open: "shm" });
            }
          },
        );
      }
    });

    withJob("a rank that the job does not have", [{ ranks: 2 }], async ({ coordinator }) => {
      const peer = coordinator.start("opening/attempt", { name: "one", role: "producer", peer: { mpiRank: 7 } }, 0);
      await expectError(peer, "INVALID_ARGUMENT", "peer.mpiRank is 7", "from 0 to 1");
    });

    withJob(
      "two producers of one name, on two hosts",
      [
        { ranks: 1, host: "alpha" },
        { ranks: 1, host: "beta" },
      ],
      async ({ coordinator }) => {
        const first = coordinator.start("opening/attempt", { name: "one", role: "producer" }, 0);
        // Opened only when the first one's role is known to the job.
        const consumer = coordinator.start("opening/attempt", { name: "one", role: "consumer" }, 1);
        for (const peer of [first, consumer]) {
          expect(await peer.heard()).toBe("taken");
          expect(await peer.heard()).toEqual({ open: "mpi" });
        }
        consumer.tell("enough");
        await consumer.done;
        const second = coordinator.start("opening/attempt", { name: "one", role: "producer" }, 1);
        await expectError(second, "NAME_IN_USE", "rank 0", '"one"');
      },
    );

    withJob(
      "a rank that never comes to MPI",
      [{ ranks: 1 }, { ranks: 1, env: { LAVA_TEST_ABSENT: "1" } }],
      async ({ coordinator }) => {
        const peer = coordinator.start(
          "opening/attempt",
          { name: "one", role: "producer", timeoutMs: 1000, ...MPI },
          0,
        );
        let said = await peer.heard();
        while (typeof said === "string") said = await peer.heard();
        expect(said).toMatchObject({ code: "TIMEOUT" });
        expect(said.message).toContain("all 2 ranks");
      },
    );

    for (const ms of ["soon", "999", "1e4", "-5000", "3600001"]) {
      withJob(
        `LAVA_FLOW_PEER_SILENCE_MS is ${ms}`,
        [{ ranks: 2, env: { LAVA_FLOW_PEER_SILENCE_MS: ms } }],
        async ({ coordinator }) => {
          const peer = coordinator.start("opening/attempt", { name: "one", role: "producer", ...MPI }, 0);
          let said = await peer.heard();
          while (typeof said === "string") said = await peer.heard();
          expect(said.code).toBe("INVALID_ARGUMENT");
          expect(said.message).toContain(`LAVA_FLOW_PEER_SILENCE_MS is "${ms}"`);
          expect(said.message).toContain("from 1000 to 3600000");
        },
      );
    }

    withJob(
      "another version of lava-flow at one rank",
      [{ ranks: 2 }, { ranks: 1, env: { LAVA_FLOW_SHIM: join(SUPPORT, "other-version/liblavaflow.so") } }],
      async ({ coordinator }) => {
        for (const rank of [0, 1, 2]) {
          const peer = coordinator.start("opening/attempt", { name: `${rank}`, role: "producer", ...MPI }, rank);
          const other = rank === 2 ? /rank [01] on \S+/ : /rank 2 on \S+/;
          await expectError(peer, "WIRE_VERSION_MISMATCH", other, /\b99\b/);
        }
      },
      { when: zig },
    );

    describe("a rank that goes", () => {
      const THERE = { name: "there", ...MPI };

      withJob("by exiting with an open channel", [{ ranks: 3 }], async ({ coordinator }) => {
        const leaver = coordinator.start("failures/exit", { ...THERE, role: "consumer", status: 3 }, 1);
        const stayer = coordinator.start("ranks/stream", { ...THERE, role: "producer" }, 0);
        for (const peer of [leaver, stayer]) expect(await peer.heard()).toBe("open");
        leaver.tell("go");
        await expectError(stayer, "PEER_DIED", "rank 1");
        await stayer.done;
        await coordinator.quit();
      });

      for (const role of ["producer", "consumer"] as const) {
        withJob(
          `killed, the ${role}: its peer is told, the others go on, and all leave`,
          [{ ranks: 3 }],
          async ({ coordinator }) => {
            const victim = coordinator.start("ranks/stream", { ...THERE, role }, 1);
            const other = role === "producer" ? "consumer" : "producer";
            const survivor = coordinator.start("ranks/stream", { ...THERE, role: other }, 0);
            for (const peer of [victim, survivor]) expect(await peer.heard()).toBe("open");
            await victim.kill();
            await expectError(survivor, "PEER_DIED", "rank 1");
            await survivor.done;
            const names = Array.from({ length: 8 }, (_, i) => `among the living ${i}`);
            const sides = [0, 2].map((rank) => {
              const each = names.map((name) =>
                rank === 0
                  ? ["exchange/produce", { name, ...MPI, specs: [{ size: 5000, seed: 1 }] }]
                  : ["exchange/consume", { name, ...MPI }],
              );
              return coordinator.start("many/run", each, rank);
            });
            await Promise.all(sides.map((side) => side.done));
            await coordinator.quit();
          },
        );
      }

      withJob(
        "killed, and the launcher takes the others down: none is left behind",
        [{ ranks: 3 }],
        async ({ coordinator, ranks }) => {
          const victim = coordinator.start("ranks/stream", { ...THERE, role: "producer" }, 1);
          const survivor = coordinator.start("ranks/stream", { ...THERE, role: "consumer" }, 0);
          for (const peer of [victim, survivor]) expect(await peer.heard()).toBe("open");
          await victim.kill();
          expect(await ranks.ended).not.toBe(0);
          await coordinator.gone();
        },
        { recovery: false },
      );

      test(
        "by an uncaught error: the job ends with its text",
        async () => {
          const text = "the ice is too thin";
          await withRanks({ launcher, groups: [{ ranks: 3 }], recovery: false }, async ({ coordinator, ranks }) => {
            const thrower = coordinator.start("failures/throwUncaught", { ...THERE, role: "producer", text }, 1);
            const other = coordinator.start("ranks/stream", { ...THERE, role: "consumer" }, 0);
            for (const peer of [thrower, other]) expect(await peer.heard()).toBe("open");
            thrower.tell("now");
            expect(await ranks.ended).not.toBe(0);
            await coordinator.gone();
            expect(ranks.output).toMatch(/rank 1 of 3 on \S+ .*uncaught error: RangeError: the ice is too thin/);
          });
        },
        LIMIT,
      );
    });

    describe("a program that uses MPI itself", () => {
      const absent = { LAVA_TEST_ABSENT: "1" };

      function initialised(level: number) {
        const { library } = launcher;
        return ({ coordinator }: Started) =>
          (["producer", "consumer"] as const).map((role, rank) =>
            coordinator.start("failures/hostInitialises", { ...MPI, name: "one", role, library, level }, rank),
          );
      }

      withJob("initialised before, finalised under an open channel", [{ ranks: 2, env: absent }], async (started) => {
        const peers = initialised(3)(started);
        for (const peer of peers) expect(await peer.heard()).toBe("open");
        for (const peer of peers) peer.tell("finalise");
        for (const peer of peers) {
          await expectError(peer, "MPI_FAILED", "finalised");
          await expectError(peer, "MPI_FAILED", "finalised");
          await peer.done;
        }
        await started.coordinator.quit();
      });

      // MPI_THREAD_SINGLE and MPI_THREAD_SERIALIZED: the program's calls and lava-flow's would meet.
      for (const level of [0, 2]) {
        withJob(`initialised with level ${level}`, [{ ranks: 2, env: absent }], async (started) => {
          const peers = initialised(level)(started);
          const words = ["one thread", "MPI_THREAD_MULTIPLE"];
          for (const peer of peers) {
            await expectError(peer, "MPI_UNAVAILABLE", ...words);
            peer.tell("finalise");
          }
          for (const peer of peers) {
            await expectError(peer, "MPI_UNAVAILABLE", ...words);
            await peer.done;
          }
          await started.coordinator.quit();
        });
      }
    });
  });
}

test(
  "not under a launcher, pinned to MPI",
  async () => {
    await using alone = inProcess("opening/attempt", { name: "alone", role: "producer", ...MPI });
    await expectError(alone, "MPI_UNAVAILABLE", "not started by an MPI launcher", "mpirun");
  },
  PATIENT,
);
