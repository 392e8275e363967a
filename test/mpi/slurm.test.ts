/** Ranks that SLURM starts: Debian's slurmctld, slurmd and munge, on two nodes. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { requires } from "../requires.ts";
import { Coordinator } from "./coordinator.ts";
import { LAUNCHERS } from "./launchers.ts";
import { everyPair } from "./pairs.ts";
import { LIMIT, RANK } from "./ranks.ts";
import { Cluster, NODES, type Step, type StepOptions, slurmLacks } from "./slurm.ts";

const lack = slurmLacks();

/** The node of each rank of a job with two ranks on each. */
const HOSTS = NODES.flatMap((node) => [node, node]);

/** How long a peer between hosts may be silent, milliseconds (LF_PEER_SILENCE_NS of shim/src/job/job.h). */
const SILENCE_MS = 10_000;

/** Processes in the PID namespaces of these processes. */
function processesOf(namespaces: string[]): string[] {
  return readdirSync("/proc").filter((name) => {
    try {
      return /^\d+$/.test(name) && namespaces.includes(readlinkSync(`/proc/${name}/ns/pid`));
    } catch {
      return false; // It has just ended.
    }
  });
}

/** What srun has to speak for each MPI as Debian builds it. */
const MPI = { openmpi: "pmix", mpich: "pmi2" } as const;

/** As the kernel shows it, a letter for each rank of the cluster that takes orders from this coordinator. */
function statesOf(cluster: Cluster, coordinator: string): string {
  const namespaces = cluster.inits.map((pid) => readlinkSync(`/proc/${pid}/ns/pid`));
  const read = (pid: string, file: string) => {
    try {
      return readFileSync(`/proc/${pid}/${file}`, "latin1");
    } catch {
      return ""; // It has just ended.
    }
  };
  return processesOf(namespaces)
    .filter((pid) => read(pid, "cmdline").split("\0")[2] === coordinator)
    .map((pid) => /\) (\w)/.exec(read(pid, "stat"))?.[1])
    .join("");
}

describe.skipIf(!requires("slurm", lack === null, `${lack}`))("SLURM", () => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await Cluster.start();
  }, LIMIT);
  afterAll(() => cluster?.[Symbol.asyncDispose](), LIMIT);

  /** Does the work while ranks take orders of `jobs` coordinators. A failure says what they and the daemons printed. */
  async function withCoordinators(
    jobs: number,
    start: (directory: string) => Step,
    work: (coordinators: Coordinator[], step: Step) => Promise<void>,
  ): Promise<void> {
    const directory = mkdtempSync(join(tmpdir(), "coordinator-"));
    const coordinators = Array.from({ length: jobs }, (_, job) => {
      mkdirSync(join(directory, `${job}`));
      return new Coordinator(join(directory, `${job}`));
    });
    const step = start(directory);
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => late.reject(new Error("not done after 50 s")), 50_000);
    // sbatch ends when it has submitted.
    const tooEarly = step.ended.then(({ code }) => code === 0 || Promise.reject(new Error(`it ended with ${code}`)));
    const failed = Promise.race([late.promise, tooEarly.then(() => late.promise)]);
    try {
      await Promise.race([Promise.all(coordinators.map((coordinator) => coordinator.ranks(HOSTS.length))), failed]);
      await Promise.race([work(coordinators, step), late.promise]);
    } catch (error) {
      const { stack } = error as Error;
      throw new Error(`${stack}\n--- the job's output:\n${step.output}\n${cluster.logs}`);
    } finally {
      clearTimeout(timer);
      // MPICH's MPI_Finalize does not always return over TCP: what is still there is ended.
      await cluster.run("scancel", "--signal=KILL", "--full", "--name", step.name);
      await cluster.until(
        () => cluster.ask("squeue", "--noheader", "--name", step.name),
        (jobs) => jobs === "",
      );
      await step.ended;
      for (const coordinator of coordinators) await coordinator[Symbol.asyncDispose]();
      rmSync(directory, { recursive: true });
    }
  }

  const withRanks = (
    options: Omit<StepOptions, "command">,
    work: (coordinator: Coordinator, step: Step) => Promise<void>,
  ): Promise<void> => {
    const command = (directory: string) => [process.execPath, RANK, Coordinator.socket(join(directory, "0"))];
    const start = (directory: string) => cluster.srun({ ...options, command: command(directory) });
    return withCoordinators(1, start, ([coordinator], step) => work(coordinator as Coordinator, step));
  };

  test("starts two tasks on each of two nodes", async () => {
    const command = ["sh", "-c", "echo $SLURM_PROCID $(hostname) $LAVA_FLOW_HOST_ID"];
    const { code, output } = await cluster.srun({ mpi: "none", command }).ended;
    const lines = HOSTS.map((node, rank) => `${rank} ${node} ${node}`);
    expect({ code, output: output.trim().split("\n").sort() }).toEqual({ code: 0, output: lines });
  });

  for (const { launcher, here } of LAUNCHERS) {
    const mpi = MPI[launcher.name];
    test.skipIf(!here)(
      `${mpi}: shared memory on a node, MPI between them`,
      () => withRanks({ mpi }, (coordinator) => everyPair(coordinator, HOSTS)),
      LIMIT,
    );
  }

  for (const { launcher, here } of LAUNCHERS) {
    test.skipIf(!here)(
      `${MPI[launcher.name]}: two elements of an array at once, with the same names, do not connect`,
      () => {
        const start = (directory: string) => {
          const exec = 'exec "$0" "$1" "$2/$SLURM_ARRAY_TASK_ID/coordinator"';
          const command = ["sh", "-c", exec, process.execPath, RANK, directory];
          return cluster.array(2, { mpi: MPI[launcher.name], command });
        };
        return withCoordinators(2, start, async ([one, other]) => {
          await Promise.all([everyPair(one as Coordinator, HOSTS), everyPair(other as Coordinator, HOSTS, 1000)]);
        });
      },
      LIMIT,
    );
  }

  test(
    "none: shared memory on a node; between nodes the error says that MPI needs PMI",
    () =>
      withRanks({ mpi: "none" }, async (coordinator) => {
        const sides = (["producer", "consumer"] as const).map((role) => [{ name: "near", role }]);
        const near = sides.map((side, rank) => coordinator.start("ranks/connect", { sides: side, specs: [] }, rank));
        for (const peer of near) {
          const [{ route }] = await peer.heard();
          expect(route.transport).toBe("shm");
          const { reason } = route.rejected.find(({ transport }: { transport: string }) => transport === "mpi");
          expect(reason).toContain("srun --mpi=pmix");
          await peer.done;
        }
        const far = [0, 2].map((rank) => {
          const role = rank === 0 ? "producer" : "consumer";
          return coordinator.start("opening/attempt", { name: "far", role, timeoutMs: 1000 }, rank);
        });
        for (const peer of far) {
          expect(await peer.heard()).toBe("taken");
          const { code, message } = await peer.heard();
          expect(code).toBe("TIMEOUT");
          expect(message).toContain("srun --mpi=pmix");
        }
      }),
    LIMIT,
  );

  describe("a job in the middle of streams", () => {
    /** Rank 0 streams to its neighbour through shared memory, and to the other node through MPI. */
    async function streams(coordinator: Coordinator, { name: job }: Step) {
      const side = (name: string, role: string) => ["ranks/flow", { name: `${name} of ${job}`, role }];
      const ranks = [
        [side("near", "producer"), side("far", "producer")],
        [side("near", "consumer")],
        [side("far", "consumer")],
      ];
      const peers = ranks.map((sides, rank) => coordinator.start("many/run", sides, rank));
      for (const [rank, peer] of peers.entries()) {
        for (const _ of ranks[rank]!) expect((await peer.heard()).said).toBe("open");
      }
      return peers;
    }

    const jobs = LAUNCHERS.filter(({ here }) => here).map(({ launcher }) => MPI[launcher.name]);

    test.skipIf(jobs.length === 0)(
      "goes on after it was suspended for longer than a peer may be silent",
      async () => {
        const suspend = (mpi: StepOptions["mpi"]) =>
          withRanks({ mpi }, async (coordinator, step) => {
            const peers = await streams(coordinator, step);
            const states = () => statesOf(cluster, coordinator.path);
            const id = await cluster.ask("squeue", "--noheader", "--name", step.name, "--format=%i");
            await cluster.ask("scontrol", "suspend", id);
            await cluster.until(states, (seen) => seen === "TTTT");
            await Bun.sleep(SILENCE_MS + 1000);
            expect(states()).toBe("TTTT");
            await cluster.ask("scontrol", "resume", id);
            // The producers hear of their end only after they were resumed.
            for (const _ of ["near", "far"]) peers[0]!.tell("enough");
            const said = [];
            for (const peer of [peers[0]!, ...peers]) said.push((await peer.heard()).said);
            const [sent, received] = [said.slice(0, 2), said.slice(2)];
            expect(received.map(({ name, transport }) => [name, transport])).toEqual([
              [`near of ${step.name}`, "shm"],
              [`far of ${step.name}`, "mpi"],
            ]);
            for (const each of received) expect(sent).toContainEqual(each);
          });
        await Promise.all(jobs.map(suspend));
      },
      LIMIT,
    );

    for (const { launcher, here } of LAUNCHERS) {
      const mpi = MPI[launcher.name];

      test.skipIf(!here)(
        `${mpi}: ends by scancel, at SIGTERM`,
        () =>
          withRanks({ mpi }, async (coordinator, step) => {
            await streams(coordinator, step);
            await cluster.ask("scancel", "--name", step.name);
            const { output } = await step.ended;
            // What ends in time is terminated; the rest is killed after SLURM's KillWait, 30 s.
            const ends = [...output.matchAll(/^srun: error: \w+: tasks? [\d,-]+: (.*)$/gm)].map(([, how]) => how);
            expect(new Set(ends)).toEqual(new Set(["Terminated"]));
            await coordinator.gone();
            expect(statesOf(cluster, coordinator.path)).toBe("");
          }),
        LIMIT,
      );
    }
  });

  test(
    "leaves nothing",
    async () => {
      const namespaces = cluster.inits.map((pid) => readlinkSync(`/proc/${pid}/ns/pid`));
      expect(processesOf(namespaces).length).toBeGreaterThan(NODES.length);
      const { directory } = cluster;
      await cluster[Symbol.asyncDispose]();
      expect(processesOf(namespaces)).toEqual([]);
      expect(existsSync(directory)).toBe(false);
      expect(readFileSync("/proc/self/mountinfo", "utf8")).not.toContain(directory);
      const { stdout } = Bun.spawnSync(["ip", "netns", "list"]);
      expect(`${stdout}`).not.toMatch(new RegExp(`^lf-${process.pid}-`, "m"));
    },
    LIMIT,
  );
});
