/**
 * A rank of a job that tests give orders to: `rank.ts SOCKET`. It joins MPI at once, as MPI wants of every process of a
 * job, and runs one scenario of this directory after the other. Orders come over a Unix socket (test/mpi/coordinator.ts).
 */
import { connect, type Socket } from "node:net";
import { joinJob } from "../../src/channel/job/job.ts";
import { Deadline } from "../../src/channel/wait/deadline.ts";
import { OVER, scenario } from "./peer.ts";

export type Order =
  /** A scenario and its arguments. */
  | { run: [string, object] }
  | { told: unknown }
  /** Nothing more will be told to this scenario. */
  | { over: true }
  /** Exit, as a program that is through. */
  | { quit: true };

export type Report =
  | { here: { rank: number; pid: number } }
  | { said: unknown }
  /** The scenario is over: what it failed of, or null. */
  | { finished: string | null }
  /** This process is about to end, with this status. */
  | { exiting: number };

/** As the launchers tell it: MPI itself may not be used yet. */
function ownRank(): number {
  const { OMPI_COMM_WORLD_RANK, PMIX_RANK, PMI_RANK, SLURM_PROCID } = process.env;
  return Number(OMPI_COMM_WORLD_RANK ?? PMIX_RANK ?? PMI_RANK ?? SLURM_PROCID);
}

/** The board may come into being after this process. */
async function reach(path: string): Promise<Socket> {
  const limit = performance.now() + 60_000;
  for (;;) {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const socket = connect(path).once("connect", resolve).once("error", reject);
    try {
      await promise;
      return socket.off("error", reject);
    } catch (error) {
      if (performance.now() > limit) throw error;
      await Bun.sleep(5);
    }
  }
}

async function serve(path: string): Promise<void> {
  const socket = await reach(path);
  const report = (what: Report) => socket.write(`${JSON.stringify(what)}\n`);
  const told: unknown[] = [];
  /** In the order in which they listened: several sides of one rank may. */
  const waiting: ((value: unknown) => void)[] = [];

  const tell = (value: unknown) => {
    const next = waiting.shift();
    if (next) next(value);
    else told.push(value);
  };
  const hear = () => {
    if (told.length > 0) return Promise.resolve(told.shift());
    // Who listens keeps the process alive; a scenario that does nothing any more does not.
    socket.ref();
    return new Promise((resolve) => waiting.push(resolve)).finally(() => {
      if (waiting.length === 0) socket.unref();
    });
  };
  const run = async (name: string, args: object) => {
    told.length = 0;
    waiting.length = 0;
    socket.unref();
    let failure: string | null = null;
    try {
      await (await scenario(name))({ say: (said) => report({ said }), hear }, args);
    } catch (error) {
      failure = String(error instanceof Error ? error.stack : error);
    }
    socket.ref();
    report({ finished: failure });
  };

  // Before those of the library: leaving the job may have to wait for all other ranks.
  process.on("exit", (code) => report({ exiting: code }));
  socket.on("close", () => process.exit(0));
  socket.on("error", () => process.exit(1));

  let rest = "";
  socket.setEncoding("utf8");
  socket.on("data", (chunk) => {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() as string;
    for (const line of lines) {
      const order: Order = JSON.parse(line);
      if ("run" in order) void run(...order.run);
      else if ("told" in order) tell(order.told);
      else if ("over" in order) tell(OVER);
      else process.exit(0);
    }
  });
  // What this fails of, channels fail of too. A test may want a rank that is late, or never comes.
  if (!process.env.LAVA_TEST_ABSENT) joinJob(new Deadline({})).catch(() => {});
  report({ here: { rank: ownRank(), pid: process.pid } });
}

if (import.meta.main) void serve(process.argv[2] as string);
