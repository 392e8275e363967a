/** Which processes may come to MPI as a rank, whose names are whose, and what is said of those that may not. */
import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { privateDirectory } from "../channel/support.ts";
import type { Outcome, Wish } from "../process/standing.ts";
import { onLinux } from "../requires.ts";
import { LAUNCHERS, type Launcher } from "./launchers.ts";
import { type Job, LIMIT, Ranks } from "./ranks.ts";

const PROGRAM = join(import.meta.dir, "../process/standing.ts");
const SHORT_MS = 1500;

const command = (wish: Wish) => [process.execPath, PROGRAM, JSON.stringify(wish)];

/** What the processes of a job printed, when the launcher has ended. */
async function outcomes(launcher: Launcher, job: (directory: string) => Job): Promise<Record<string, Outcome>> {
  await using ranks = new Ranks(launcher, job);
  return await ranks.explain(async () => {
    const status = await ranks.ended;
    if (status !== 0) throw new Error(`the launcher ended with ${status}`);
    return read(ranks.output);
  });
}

function read(output: string): Record<string, Outcome> {
  const lines = output.split("\n").filter((line) => line.startsWith("{"));
  const said = lines.map((line): Outcome => JSON.parse(line));
  return Object.fromEntries(said.map((outcome) => [outcome.who, outcome]));
}

/** A process with this environment and no launcher. */
async function alone(wish: Wish, env: Record<string, string>): Promise<Outcome> {
  await using child = Bun.spawn(command(wish), { env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] });
  const [output, errors] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  const outcome = read(output)[wish.who];
  if (!outcome) throw new Error(`status ${child.exitCode}\n${output}\n${errors}`);
  return outcome;
}

const helper = { name: "helper", role: "producer", who: "child" } as const;
const rank = { name: "helper", role: "consumer", who: "rank" } as const;

for (const { launcher, here } of LAUNCHERS) {
  describe.skipIf(!here)(launcher.name, () => {
    test(
      "the only rank of a job and its child connect without MPI",
      async () => {
        const said = await outcomes(launcher, () => ({
          parts: [{ ranks: 1, command: command({ ...rank, child: helper }) }],
        }));
        expect(said.rank).toMatchObject({ transport: "shm", mpi: expect.stringContaining("only rank of its job") });
        expect(said.child).toMatchObject({ transport: "shm" });
      },
      LIMIT,
    );

    for (const after of [false, true]) {
      test(
        `a child that ${after ? "a rank waits for before its first channel" : "meets its rank"} is none itself`,
        async () => {
          // With `after` the child talks to one of its own: no other process has opened a channel yet.
          const child: Wish = after ? { ...helper, child: { ...rank, who: "grandchild" } } : helper;
          const first: Wish = after
            ? { name: "between", role: "producer", transport: "mpi", who: "rank", child, after }
            : { ...rank, child };
          const other: Wish = { name: "between", role: "consumer", transport: "mpi", who: "other" };
          const parts = [
            { ranks: 1, command: command(first) },
            { ranks: 1, command: command(after ? other : { ...other, timeoutMs: SHORT_MS, role: "producer" }) },
          ];
          const said = await outcomes(launcher, () => ({ parts }));
          expect(said.child).toMatchObject({ transport: "shm", mpi: expect.stringContaining("was started by rank 0") });
          if (after) expect([said.rank?.transport, said.other?.transport]).toEqual(["mpi", "mpi"]);
          else expect(said.rank?.transport).toBe("shm");
        },
        LIMIT,
      );
    }

    test(
      "a second program of a rank does not come to MPI again",
      async () => {
        const script = (role: "producer" | "consumer") => {
          const [first, second] = (["mpi", "shm"] as const).map((transport) =>
            command({ name: transport, role, transport, who: `${role} by ${transport}` }),
          ) as [string[], string[]];
          const quote = (line: string[]) => line.map((word) => `'${word}'`).join(" ");
          return [
            "sh",
            "-c",
            `${quote(first)}; ${quote(second)}; ${quote(command({ name: "free", role, who: role }))}`,
          ];
        };
        const said = await outcomes(launcher, () => ({
          parts: [
            { ranks: 1, command: script("producer") },
            { ranks: 1, command: script("consumer") },
          ],
        }));
        expect(said["producer by mpi"]).toMatchObject({ transport: "mpi" });
        expect(said["consumer by shm"]).toMatchObject({ transport: "shm" });
        expect(said.consumer).toMatchObject({
          transport: "shm",
          mpi: expect.stringContaining("not the first program"),
        });
      },
      LIMIT,
    );

    test(
      "two jobs of one user on one host keep their names apart, and connect if both set the scope host",
      async () => {
        await using first = new Ranks(launcher, () => job("first", "producer", "consumer"));
        await using second = new Ranks(launcher, () => job("second", "consumer", "producer", first.directory));
        function job(
          text: string,
          one: "producer" | "consumer",
          other: "producer" | "consumer",
          directory?: string,
        ): Job {
          const env: Record<string, string> = { LAVA_TEST_TEXT: text };
          if (directory !== undefined) env.LAVA_FLOW_RUNTIME_DIR = join(directory, "runtime");
          const apart = (role: "producer" | "consumer") => command({ name: "result", role, who: role });
          const joined = command({ name: "joined", role: one, scope: "host", who: "host" });
          return {
            parts: [
              { ranks: 1, command: apart(one), env },
              { ranks: 1, command: apart(other), env },
              { ranks: 1, command: joined, env },
            ],
          };
        }
        for (const [ranks, text] of [
          [first, "first"],
          [second, "second"],
        ] as const) {
          await ranks.explain(() => ranks.ended);
          const said = read(ranks.output);
          expect(said.consumer).toMatchObject({ transport: "shm", text });
          expect(said.host).toMatchObject({ transport: "shm", mpi: expect.stringContaining('scope "host"') });
        }
        expect(read(second.output).host?.text).toBe("first");
      },
      LIMIT,
    );

    test(
      "ranks of one host connect before another rank has initialised MPI",
      async () => {
        const sides = (["producer", "consumer"] as const).map((role) => ({
          ranks: 1,
          command: command({ name: "one", role, who: role }),
          env: { LAVA_TEST_TEXT: "early" },
        }));
        await using ranks = new Ranks(launcher, () => ({
          parts: [...sides, { ranks: 1, command: ["sleep", "600"] }],
          recovery: true,
        }));
        await ranks.explain(async () => {
          for (let said = read(ranks.output); !said.consumer || !said.producer; said = read(ranks.output))
            await Bun.sleep(50);
        });
        expect(read(ranks.output)).toMatchObject({
          consumer: { transport: "shm", text: "early", mpi: "shm is faster" },
        });
      },
      LIMIT,
    );

    test(
      "a library that can't be used: the error says so, at once where only ranks of other hosts are left",
      async () => {
        const env = { LAVA_FLOW_MPI: "/nowhere/libmpi.so" };
        const wish = (who: string, more: Partial<Wish>): Wish => ({ name: who, role: "producer", who, ...more });
        const said = await outcomes(launcher, () => ({
          parts: [
            { ranks: 1, command: command(wish("waits", { timeoutMs: SHORT_MS })), env },
            { ranks: 1, command: command(wish("elsewhere", { peer: { hostname: "elsewhere" }, timeoutMs: 1e6 })), env },
          ],
        }));
        expect(said.waits).toMatchObject({ code: "TIMEOUT", message: expect.stringContaining("/nowhere/libmpi.so") });
        expect(said.elsewhere).toMatchObject({
          code: "MPI_UNAVAILABLE",
          message: expect.stringContaining("/nowhere/libmpi.so"),
          remedy: expect.stringContaining("LAVA_FLOW_MPI"),
        });
      },
      LIMIT,
    );
  });
}

describe.skipIf(!onLinux())("variables that are left over", () => {
  privateDirectory();
  const LEFT = {
    "PMI, of a descriptor that is none": { PMI_RANK: "0", PMI_SIZE: "2", PMI_FD: "211" },
    "PMIx, of a port where nothing listens": {
      PMIX_RANK: "0",
      PMIX_NAMESPACE: "gone",
      OMPI_COMM_WORLD_SIZE: "2",
      OMPI_COMM_WORLD_RANK: "0",
      PMIX_SERVER_URI41: "gone.0;tcp4://127.0.0.1:1",
    },
    "PMIx, of a directory that is gone": {
      PMIX_RANK: "0",
      PMIX_NAMESPACE: "gone",
      PMIX_SERVER_URI41: "gone.0;tcp4://127.0.0.1:1",
      PMIX_SERVER_TMPDIR: "/nowhere/pmix",
    },
  };
  const clean = {
    LAVA_FLOW_MPI: "",
    OMPI_COMM_WORLD_SIZE: "",
    PMI_SIZE: "",
    PMI_RANK: "",
    PMIX_RANK: "",
    SLURM_JOB_ID: "",
  };

  for (const [what, left] of Object.entries(LEFT)) {
    test(
      `${what}: a plain process of this host`,
      async () => {
        const name = `left over ${crypto.randomUUID()}`;
        const stale = alone({ name, role: "producer", who: "stale" }, { ...clean, ...left });
        const fresh = alone({ name, role: "consumer", who: "fresh" }, clean);
        expect(await fresh).toMatchObject({ transport: "shm", text: "text" });
        expect(await stale).toMatchObject({ transport: "shm", mpi: expect.stringContaining("launcher that is gone") });
        const pinned = await alone({ name, role: "producer", transport: "mpi", who: "pinned" }, { ...clean, ...left });
        expect(pinned).toMatchObject({ code: "MPI_UNAVAILABLE", message: expect.stringContaining("gone") });
      },
      LIMIT,
    );
  }

  test(
    "tasks of srun without PMI learn what is missing",
    async () => {
      const step = { SLURM_JOB_ID: "7", SLURM_STEP_ID: "0", SLURM_STEP_NUM_TASKS: "2", SLURM_PROCID: "0" };
      const said = await alone({ name: "step", role: "producer", timeoutMs: 100, who: "task" }, { ...clean, ...step });
      expect(said.code).toBe("TIMEOUT");
      for (const words of ["slurm:7.0", "--mpi=pmix", 'scope "host"']) expect(said.message).toContain(words);
    },
    LIMIT,
  );
});
