/** Where agents are: started when they are first asked for, and kept for the programs that follow. */
import { cpSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as lava from "../../src/index.ts";
import { Agent, type Answer, type Command, type Lava } from "./agent.ts";
import type { Counts } from "./counts.ts";
import type { Host } from "./program.ts";

const ROOT = join(import.meta.dir, "../..");
const REMOTE = join(import.meta.dir, "remote.ts");

/** What an agent answers that was ended before it answered. */
export const GONE: Answer = { error: "GONE", message: "the agent was ended" };

export interface AgentHost {
  run(command: Command): Answer | Promise<Answer>;
  /** Ends it wherever it is, with all that it has open. Resolves when the system has taken it away. */
  kill(): Promise<void>;
}

/** Numbers the commands, and finds who waits for an answer. */
abstract class Remote implements AgentHost {
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  readonly #report: (what: string) => void;
  #next = 0;
  #gone = false;

  constructor(report: (what: string) => void) {
    this.#report = report;
  }

  protected abstract post(message: { number: number; command: Command }): void;
  abstract kill(): Promise<void>;

  run(command: Command): Promise<Answer> {
    if (this.#gone) return Promise.resolve(GONE);
    const number = this.#next++;
    return new Promise((resolve) => {
      this.#waiting.set(number, resolve);
      this.post({ number, command });
    });
  }

  protected heard({ number, answer }: { number: number; answer: Answer }): void {
    if (number < 0) this.#report(`outside of a call: ${answer}`);
    this.#waiting.get(number)?.(answer);
    this.#waiting.delete(number);
  }

  /** Nothing more is answered. `how` says why, if the test did not ask for it. */
  protected ended(how: string | null): void {
    if (this.#gone) return;
    this.#gone = true;
    if (how !== null) this.#report(how);
    for (const resolve of this.#waiting.values()) resolve(GONE);
    this.#waiting.clear();
  }
}

class WorkerHost extends Remote {
  readonly #worker: Worker;
  readonly #closed = Promise.withResolvers<void>();
  #asked = false;

  constructor(report: (what: string) => void) {
    super(report);
    // A Worker does not see what this thread changed in its environment.
    this.#worker = new Worker(REMOTE, { env: { ...process.env } as Record<string, string> });
    this.#worker.onmessage = ({ data }) => this.heard(data);
    this.#worker.onerror = ({ message }) => report(`the Worker failed: ${message}`);
    this.#worker.addEventListener("close", () => {
      this.ended(this.#asked ? null : "the Worker ended");
      this.#closed.resolve();
    });
  }

  protected post(message: object): void {
    this.#worker.postMessage(message);
  }

  kill(): Promise<void> {
    this.#asked = true;
    this.#worker.terminate();
    return this.#closed.promise;
  }
}

class ProcessHost extends Remote {
  readonly #process: Bun.Subprocess;
  #asked = false;

  constructor(report: (what: string) => void) {
    super(report);
    this.#process = Bun.spawn([process.execPath, REMOTE], {
      stdio: ["ignore", "ignore", "inherit"],
      env: process.env,
      serialization: "advanced",
      ipc: (message) => this.heard(message),
      onExit: (_, code, signal) => this.ended(this.#asked ? null : `the process ended with ${signal ?? code}`),
    });
  }

  protected post(message: object): void {
    this.#process.send(message);
  }

  async kill(): Promise<void> {
    this.#asked = true;
    this.#process.kill("SIGKILL");
    await this.#process.exited;
    this.ended(null);
  }
}

class LocalHost extends Agent implements AgentHost {
  async kill(): Promise<void> {
    throw new Error("this module graph can't be ended");
  }
}

/** A second copy of the package in this process, as two installations of it are. */
async function secondCopy(): Promise<{ copy: Lava; folder: string }> {
  const folder = mkdtempSync(join(tmpdir(), "lava-flow-copy-"));
  for (const part of ["src", "prebuilt", "package.json"])
    cpSync(join(ROOT, part), join(folder, part), { recursive: true });
  symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"));
  return { copy: await import(join(folder, "src/index.ts")), folder };
}

export class Hosts {
  readonly #hosts = new Map<Host, AgentHost>();
  readonly #report: (what: string) => void;
  /** Of both module graphs. */
  readonly #buffers = new Map<number, lava.MemoryBuffer>();
  #folder: string | null = null;

  constructor(report: (what: string) => void) {
    this.#report = report;
  }

  async get(host: Host): Promise<AgentHost> {
    let agent = this.#hosts.get(host);
    if (!agent) this.#hosts.set(host, (agent = await this.#start(host)));
    return agent;
  }

  async end(host: Host): Promise<void> {
    await this.#hosts.get(host)?.kill();
    this.#hosts.delete(host);
  }

  /** What this process has of the system, and what each of those that programs started has. */
  async counts(former?: Map<AgentHost, Counts>): Promise<Map<AgentHost, Counts>> {
    const all = new Map<AgentHost, Counts>();
    for (const host of ["here", "process", "mortal-process"] as const) {
      const agent = this.#hosts.get(host);
      if (!agent) continue;
      const answer = await agent.run({ op: "counts", former: former?.get(agent) });
      if ("value" in answer) all.set(agent, answer.value as Counts);
    }
    return all;
  }

  async collect(): Promise<void> {
    for (const agent of this.#hosts.values()) await agent.run({ op: "collect" });
  }

  async close(): Promise<void> {
    for (const host of ["worker", "mortal-worker", "process", "mortal-process"] as const) await this.end(host);
    this.#hosts.clear();
    if (this.#folder) rmSync(this.#folder, { recursive: true });
  }

  async #start(host: Host): Promise<AgentHost> {
    if (host === "here") return new LocalHost(lava, this.#buffers);
    if (host === "copy") {
      const { copy, folder } = await secondCopy();
      this.#folder = folder;
      return new LocalHost(copy, this.#buffers);
    }
    const remote = host.endsWith("worker") ? new WorkerHost(this.#report) : new ProcessHost(this.#report);
    await remote.run({ op: "touch" }); // It is there.
    return remote;
  }
}
