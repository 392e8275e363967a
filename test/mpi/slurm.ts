/**
 * A SLURM cluster on this machine: Debian's slurmctld, slurmd and munge. A node is a network, a UTS, a mount and a PID
 * namespace; the first one also has the controller, and is where commands are given. All files are below one directory,
 * and whatever runs in a node ends with its first process.
 */
import {
  chmodSync,
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { address, Hosts, lacking, NETWORK } from "./hosts.ts";
import { onHost } from "./orders.ts";

export const NODES = ["alpha", "beta"] as const;

/** Limit for a command that is to end by itself, milliseconds. Only a hang takes longer than a few seconds. */
const PATIENCE_MS = 10_000;
/** Pause between two polls of a state that SLURM does not announce, milliseconds. */
const POLL_MS = 20;

/** Why there can't be a cluster here; null where there can. */
export function slurmLacks(): string | null {
  const missing = ["slurmctld", "slurmd", "munged", "srun", "setpriv"].filter((name) => !Bun.which(name));
  if (missing.length > 0) return `${missing.join(", ")} missing (Debian's slurmctld, slurmd, slurm-client and munge)`;
  if (process.getuid?.() !== 0) return "slurmd starts tasks as root only";
  const { namespaces } = lacking();
  return namespaces && `no namespaces: ${namespaces}`;
}

export interface StepOptions {
  mpi: "pmix" | "pmi2" | "none";
  command: string[];
  env?: Record<string, string>;
  nodes?: number;
  perNode?: number;
}

/** Both MPIs over TCP between the nodes, as hosts with a kernel of their own do by themselves. */
const NETWORK_OF_MPI = {
  OMPI_MCA_pml: "ob1",
  OMPI_MCA_btl: "tcp,self",
  OMPI_MCA_btl_tcp_if_include: NETWORK,
  UCX_TLS: "tcp,self",
  UCX_NET_DEVICES: "eth0",
};

export interface Finished {
  code: number;
  output: string;
}

/** A running `srun`. */
export class Step {
  /** Of its job. */
  readonly name: string;
  readonly #process: Bun.Subprocess;
  readonly #log: string;

  constructor(name: string, process: Bun.Subprocess, log: string) {
    this.name = name;
    this.#process = process;
    this.#log = log;
  }

  /** What its tasks have printed so far, and srun. */
  get output(): string {
    return readFileSync(this.#log, "utf8");
  }

  get ended(): Promise<Finished> {
    return this.#process.exited.then((code) => ({ code, output: this.output }));
  }
}

export class Cluster implements AsyncDisposable {
  readonly directory: string;
  readonly #stack = new AsyncDisposableStack();
  readonly #nodes: { init: number; process: Bun.Subprocess }[] = [];
  #steps = 0;

  private constructor() {
    this.directory = mkdtempSync(join(tmpdir(), "slurm-"));
    this.#stack.defer(() => rmSync(this.directory, { recursive: true }));
  }

  static async start(): Promise<Cluster> {
    const cluster = new Cluster();
    try {
      await cluster.#start();
      return cluster;
    } catch (error) {
      const logs = cluster.logs;
      await cluster[Symbol.asyncDispose]();
      throw new Error(`${error instanceof Error ? error.stack : error}\n${logs}`);
    }
  }

  /** The last lines of each daemon's log. */
  get logs(): string {
    const names = readdirSync(this.directory).filter((name) => name.endsWith(".log"));
    const last = (name: string) => readFileSync(join(this.directory, name), "utf8").split("\n").slice(-25).join("\n");
    return names.map((name) => `--- ${name}\n${last(name)}`).join("\n");
  }

  /** The first process of each node, as this process sees it. */
  get inits(): number[] {
    return this.#nodes.map(({ init }) => init);
  }

  /** Runs a command on the first node, to its end. */
  async run(...command: string[]): Promise<Finished> {
    const process = this.#enter(command, "pipe");
    const [output, code] = await Promise.all([new Response(process.stdout as ReadableStream).text(), process.exited]);
    return { code, output };
  }

  /** The same; what it printed, without the white space around. Fails where the command does. */
  async ask(...command: string[]): Promise<string> {
    const { code, output } = await this.run("sh", "-c", 'exec "$@" 2>&1', "sh", ...command);
    if (code !== 0) throw new Error(`${command.join(" ")}: status ${code}: ${output}`);
    return output.trim();
  }

  /** Starts a job of one step: `perNode` tasks (2) on each of `nodes` nodes (2), numbered by node. */
  srun({ mpi, command, env, nodes = NODES.length, perNode = 2 }: StepOptions): Step {
    const name = `step-${this.#steps++}`;
    const log = join(this.directory, `${name}.out`);
    const shape = [
      `--job-name=${name}`,
      `--nodes=${nodes}`,
      `--ntasks=${nodes * perNode}`,
      `--ntasks-per-node=${perNode}`,
    ];
    const stream = openSync(log, "a");
    const process = this.#enter(["srun", `--mpi=${mpi}`, ...shape, ...command], stream, env);
    closeSync(stream);
    return new Step(name, process, log);
  }

  /** Submits a job array of that many elements, of one such step each; SLURM_ARRAY_TASK_ID is the number of one. */
  array(elements: number, { mpi, command, env, nodes = NODES.length, perNode = 2 }: StepOptions): Step {
    const name = `step-${this.#steps++}`;
    const log = join(this.directory, `${name}.out`);
    const script = join(this.directory, `${name}.sh`);
    writeFileSync(script, `#!/bin/sh\nexec srun --mpi=${mpi} "$@"\n`);
    const shape = [`--nodes=${nodes}`, `--ntasks=${nodes * perNode}`, `--ntasks-per-node=${perNode}`];
    const how = [`--job-name=${name}`, `--array=0-${elements - 1}`, `--output=${log}`, "--open-mode=append"];
    const stream = openSync(log, "a");
    const process = this.#enter(["sbatch", ...how, ...shape, script, ...command], stream, env);
    closeSync(stream);
    return new Step(name, process, log);
  }

  /** Resolves once the test holds; says what else was seen when it does not. */
  async until<T>(poll: () => T | Promise<T>, test: (seen: T) => boolean, patienceMs = PATIENCE_MS): Promise<T> {
    const limit = performance.now() + patienceMs;
    for (;;) {
      const seen = await poll();
      if (test(seen)) return seen;
      if (performance.now() > limit) throw new Error(`not so after ${patienceMs / 1000} s: ${JSON.stringify(seen)}`);
      await Bun.sleep(POLL_MS);
    }
  }

  /** Ends all that runs in it, and removes its namespaces and files. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }

  async #start(): Promise<void> {
    const hosts = this.#stack.use(new Hosts([...NODES], this.directory));
    this.#configure();
    for (const [host, name] of NODES.entries()) {
      const log = openSync(join(this.directory, `${name}.log`), "a");
      // The end of this process, whatever its kind, is the end of unshare, and that of unshare the end of the node.
      const alone = ["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"];
      const process = Bun.spawn(
        ["setpriv", "--pdeathsig", "KILL", ...hosts.enter(host), "unshare", ...alone, join(this.directory, "node")],
        { env: this.#environment, stdin: "ignore", stdout: log, stderr: log },
      );
      closeSync(log);
      const node = { init: 0, process };
      this.#nodes.push(node);
      this.#stack.defer(() => end(node));
      node.init = await this.until(() => initOf(process.pid), Boolean);
    }
    await this.until(
      () => this.run("sinfo", "--noheader", "--states=idle", "--format=%D"),
      ({ output }) => output.trim() === `${NODES.length}`,
    );
  }

  get #environment(): Record<string, string | undefined> {
    const temporary = join(this.directory, "tmp");
    return { ...process.env, ...NETWORK_OF_MPI, SLURM_CONF: join(this.directory, "slurm.conf"), TMPDIR: temporary };
  }

  #enter(command: string[], stdout: "pipe" | number, env: Record<string, string> = {}): Bun.Subprocess {
    const into = [
      "nsenter",
      "--target",
      `${this.inits[0]}`,
      "--net",
      "--uts",
      "--mount",
      "--pid",
      `--wd=${process.cwd()}`,
    ];
    return Bun.spawn([...into, ...command], {
      env: { ...this.#environment, ...env },
      stdin: "ignore",
      stdout,
      stderr: stdout === "pipe" ? "ignore" : stdout,
    });
  }

  #configure(): void {
    const at = (...names: string[]) => join(this.directory, ...names);
    const put = (name: string, text: string, mode = 0o600) => {
      writeFileSync(at(name), text);
      chmodSync(at(name), mode);
    };
    for (const name of ["state", "spool", "tmp", "tasks", "munge"]) mkdirSync(at(name), { mode: 0o700 });
    for (const name of NODES) mkdirSync(at("tasks", name));
    put("munge/key", Buffer.from(crypto.getRandomValues(new Uint8Array(128))).toString("hex"));
    put("hosts", ["127.0.0.1 localhost", ...NODES.map((name, host) => `${address(host)} ${name}`), ""].join("\n"));
    const exported = (name: string) =>
      Object.entries(onHost(this.directory, name)).map(([key, value]) => `${key}=${value}`);
    const cases = NODES.map((name) => `${name}) echo export ${exported(name).join("; echo export ")};;`);
    put("prolog", `#!/bin/sh\ncase $SLURMD_NODENAME in\n${cases.join("\n")}\nesac\n`, 0o700);
    // The plugin of version 1 is the one that slurmd starts without a mounted control group; no other plugin asks it.
    put("cgroup.conf", "CgroupPlugin=cgroup/v1\nCgroupAutomount=no\n");
    put(
      "slurm.conf",
      `ClusterName=test
SlurmctldHost=${NODES[0]}(${address(0)})
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=${at("munge/socket")}
CredType=cred/munge
StateSaveLocation=${at("state")}
SlurmdSpoolDir=${at("spool")}/%n
SlurmctldPidFile=${at("slurmctld.pid")}
SlurmdPidFile=${at("slurmd")}.%n.pid
TmpFS=${at("tasks")}/%n
SwitchType=switch/none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
TaskProlog=${at("prolog")}
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/builtin
ReturnToService=2
SlurmdParameters=config_overrides
${NODES.map((name, host) => `NodeName=${name} NodeAddr=${address(host)} CPUs=8`).join("\n")}
PartitionName=all Nodes=${NODES.join()} Default=YES State=UP
`,
    );
    const munge = ["socket", "key", "pid", "log", "seed"].map((name) =>
      name === "socket" ? `--socket=${at("munge/socket")}` : `--${name}-file=${at("munge", name)}`,
    );
    put(
      "node",
      `#!/bin/sh
mount --bind ${at("hosts")} /etc/hosts
mount -t tmpfs tmpfs /dev/shm
if [ "$(hostname)" = ${NODES[0]} ]; then
  munged --force ${munge.join(" ")}
  slurmctld -D &
fi
until scontrol ping | grep -q UP; do sleep 0.05; done
slurmd -D &
wait
`,
      0o700,
    );
  }
}

/** The first process of the PID namespace that this process has made, once there is one; else 0. */
function initOf(pid: number): number {
  try {
    const child = Number(readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8"));
    return child && readlinkSync(`/proc/${child}/ns/pid`) !== readlinkSync(`/proc/${pid}/ns/pid`) ? child : 0;
  } catch {
    return 0; // A command of the way there, which has ended just now.
  }
}

/** The kernel reports the end of a node's first process once all others of it have gone. */
async function end({ init, process: outer }: { init: number; process: Bun.Subprocess }): Promise<void> {
  try {
    process.kill(init || outer.pid, "SIGKILL");
  } catch {
    // It has ended by itself.
  }
  await outer.exited;
}
