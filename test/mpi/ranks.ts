/** A job: one launcher's run of several ranks, and the end of all of it. */
import { closeSync, mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { commandLine, type JobOptions, type Launcher, type Part } from "./launchers.ts";

/** As `rank.ts` is told: see test/process/rank.ts. */
export const RANK = join(import.meta.dir, "../process/rank.ts");

/** Launchers, their daemons and the ranks are in process groups of their own: this variable is what they share. */
const ID_VARIABLE = "LAVA_TEST_JOB";
let jobs = 0;

/** How long a job may take: it hangs when it takes longer. Tests get the limit, so that they can still tell of it. */
export const PATIENCE = 180_000;
export const LIMIT = PATIENCE + 10_000;

export interface Job extends JobOptions {
  parts: Part[];
  /** A command that the launcher itself runs under. */
  through?: string[];
}

export class Ranks implements AsyncDisposable {
  /** The job's own: runtime directory, sockets, the launcher's temporary files. */
  readonly directory: string;
  readonly #memory = mkdtempSync("/dev/shm/lava-flow-mpi-");
  readonly #id = `${process.pid}-${jobs++}`;
  readonly #process: Bun.Subprocess;
  readonly #log: string;

  /** Starts them; the directory exists when `job` is asked for. */
  constructor(launcher: Launcher, job: (directory: string) => Job) {
    this.directory = mkdtempSync(join(tmpdir(), "mpi-"));
    this.#log = join(this.directory, "log");
    const runtime = join(this.directory, "runtime");
    const temporary = join(this.directory, "tmp");
    mkdirSync(runtime, { mode: 0o700 });
    mkdirSync(temporary);
    const env = {
      ...process.env,
      ...launcher.environment(this.#memory),
      LAVA_FLOW_RUNTIME_DIR: runtime,
      TMPDIR: temporary,
      [ID_VARIABLE]: this.#id,
    };
    const { parts, through = [], ...options } = job(this.directory);
    const log = openSync(this.#log, "a");
    this.#process = Bun.spawn([...through, ...commandLine(launcher, parts, options)], {
      env,
      stdin: "ignore",
      stdout: log,
      stderr: log,
    });
    closeSync(log);
  }

  /** What all of them have printed so far, and the launcher. */
  get output(): string {
    return readFileSync(this.#log, "utf8");
  }

  /** The launcher's exit status, when it has ended by itself. */
  get ended(): Promise<number> {
    return this.#process.exited;
  }

  /** Does what needs the job, as long as patience lasts. When that fails, the error also says what was printed. */
  async explain<T>(work: () => Promise<T>, patienceMs = PATIENCE, more = () => ""): Promise<T> {
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => late.reject(new Error(`not done after ${patienceMs / 1000} s`)), patienceMs);
    try {
      return await Promise.race([work(), late.promise]);
    } catch (error) {
      throw new Error(
        `${error instanceof Error ? error.stack : error}\n${more()}\n--- the job's output:\n${this.output}`,
      );
    } finally {
      clearTimeout(timer);
    }
  }

  /** Ends whatever of it still runs, and removes its files. */
  async [Symbol.asyncDispose](): Promise<void> {
    // One that is starting another process just now is found by the next poll.
    for (let pids = this.#pids(); pids.length > 0; pids = this.#pids()) {
      for (const pid of pids) {
        try {
          process.kill(pid, "SIGKILL");
        } catch {
          // It has gone meanwhile.
        }
      }
      await new Promise(setImmediate);
    }
    await this.#process.exited;
    for (const directory of [this.directory, this.#memory]) rmSync(directory, { recursive: true });
  }

  #pids(): number[] {
    const pids: number[] = [];
    for (const name of readdirSync("/proc")) {
      if (!/^\d+$/.test(name)) continue;
      try {
        const environment = readFileSync(`/proc/${name}/environ`, "latin1").split("\0");
        if (environment.includes(`${ID_VARIABLE}=${this.#id}`)) pids.push(Number(name));
      } catch {
        // The process exited, or belongs to another user.
      }
    }
    return pids;
  }
}
