/** The launchers of this machine, and how each is told the same things. */
import { requires } from "../requires.ts";

/** What runs as one or several ranks of a job. */
export interface Part {
  ranks: number;
  command: string[];
  env?: Record<string, string>;
}

export interface JobOptions {
  /** The end of one rank is not the end of the others. */
  recovery?: boolean;
  /** Where the parts run, one host each. Default: here. */
  across?: Across;
}

/** The hosts of a test (hosts.ts). */
export interface Across {
  addresses: string[];
  /** A program that is given a host's address and a command, and runs it there. */
  agent: string;
  /** The network that all of them are in, and what each calls its interface to it. */
  network: string;
  interface: string;
}

export interface Launcher {
  readonly name: "openmpi" | "mpich";
  /** Its file; null where it is not here. */
  readonly program: string | null;
  /** `memory` is a directory for files that ranks map: where ranks are killed, MPI leaves them. */
  environment(memory: string): Record<string, string>;
  /** What programs built for its MPI are linked with. */
  readonly library: string;
  /** The arguments before all parts, which `ranks` tells the number of. */
  options(options: JobOptions, ranks: number[]): string[];
  /** The arguments that put a part on its host. */
  hostArguments(address: string, ranks: number): string[];
  /** What starts a rank whose death is not to be the end of the others. */
  expendable(command: string[]): string[];
}

/** The program under one of the names whose `--version` says what it has to. */
function find(names: string[], version: RegExp): string | null {
  for (const name of names) {
    const program = Bun.which(name);
    if (!program) continue;
    const asked = Bun.spawnSync([program, "--version"], { stderr: "ignore", stdin: "ignore" });
    if (version.test(asked.stdout.toString())) return program;
  }
  return null;
}

const openmpi: Launcher = {
  name: "openmpi",
  program: find(["mpirun.openmpi", "mpirun"], /Open MPI/),
  environment: (memory) => ({
    OMPI_ALLOW_RUN_AS_ROOT: "1",
    OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: "1",
    OMPI_MCA_btl_vader_backing_directory: memory,
  }),
  library: "libmpi.so.40",
  options({ recovery, across }) {
    const options = ["--oversubscribe", "--bind-to", "none"];
    if (recovery) options.push("--enable-recovery");
    if (across) {
      options.push("--mca", "plm_rsh_agent", across.agent, "--mca", "oob_tcp_if_include", across.network);
      options.push("--mca", "pml", "ob1", "--mca", "btl", "tcp,self", "--mca", "btl_tcp_if_include", across.network);
    }
    return options;
  },
  hostArguments: (address, ranks) => ["--host", `${address}:${ranks}`],
  expendable: (command) => command,
};

const mpich: Launcher = {
  name: "mpich",
  program: find(["mpirun.mpich", "mpiexec.hydra", "mpirun"], /HYDRA/i),
  environment: () => ({}),
  library: "libmpich.so.12",
  options({ recovery, across }, ranks) {
    const options: string[] = [];
    if (recovery) options.push("-disable-auto-cleanup");
    // No copies from another process's memory: when that is killed in the middle, UCX aborts the process that copies.
    if (recovery && !across) options.push("-genv", "UCX_TLS", "sysv,posix,self");
    if (across) {
      options.push("-hosts", across.addresses.map((address, i) => `${address}:${ranks[i]}`).join());
      options.push("-launcher", "ssh", "-launcher-exec", across.agent, "-iface", across.interface);
      // UCX takes hosts that share a kernel for one, and would share memory between them.
      options.push("-genv", "UCX_TLS", "tcp,self", "-genv", "UCX_NET_DEVICES", across.interface);
    }
    return options;
  },
  hostArguments: () => [],
  // Its launcher tells of a death by SIGUSR1, which would end the others. Once a process of its own, and not a child of
  // that, has died by a signal, the next end of any rank is the end of the job.
  expendable: (command) => ["sh", "-c", 'trap "" USR1; "$@"; exit 0', "sh", ...command],
};

/** Those whose tests are to run: with the reason for the others, once. What is left of a job is found in /proc. */
export const LAUNCHERS: readonly { launcher: Launcher; here: boolean }[] = [openmpi, mpich].map((launcher) => {
  const linux = process.platform === "linux";
  const reason = linux ? `no launcher (mpirun) of ${launcher.name} is on the PATH` : "jobs are tested on Linux only";
  return { launcher, here: requires(launcher.name, linux && launcher.program !== null, reason) };
});

/** UCX in Open MPI: for a network it knows, which is not here, so any has to do. */
export const OVER_UCX = { OMPI_MCA_pml: "ucx", OMPI_MCA_pml_ucx_tls: "any", OMPI_MCA_pml_ucx_devices: "any" };
const asked = Bun.which("ompi_info") && Bun.spawnSync(["ompi_info"], { stderr: "ignore" }).stdout.toString();
export const ucx = requires("ucx", /MCA pml: ucx/.test(asked || ""), "this Open MPI has no pml of UCX");

/** The whole command line: both launchers take parts between colons, and `env` gives each its environment. */
export function commandLine(launcher: Launcher, parts: Part[], options: JobOptions): string[] {
  const counts = parts.map(({ ranks }) => ranks);
  const line = [launcher.program as string, ...launcher.options(options, counts)];
  for (const [i, { ranks, command, env = {} }] of parts.entries()) {
    if (i > 0) line.push(":");
    const address = options.across?.addresses[i];
    if (address) line.push(...launcher.hostArguments(address, ranks));
    const given = Object.entries(env).map(([name, value]) => `${name}=${value}`);
    line.push("-n", `${ranks}`, "env", ...given, ...(options.recovery ? launcher.expendable(command) : command));
  }
  return line;
}
