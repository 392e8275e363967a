/** The sides of a test: each runs a scenario of test/process in a process, in a Worker, or right here. */
import { join } from "node:path";
import { type Io, OVER, scenario } from "../process/peer.ts";

export interface Peer extends AsyncDisposable {
  /** What it says next. Rejects with its own words when it ended before. */
  // biome-ignore lint/suspicious/noExplicitAny: each pair of test and scenario agrees on what it is
  heard(): Promise<any>;
  tell(value: unknown): void;
  /** Resolves when its part is done, rejects when that failed. */
  readonly done: Promise<void>;
}

/** A side in a process of its own. */
export interface OtherProcess extends Peer {
  readonly pid: number;
  signal(signal: "SIGSTOP" | "SIGCONT" | "SIGKILL"): void;
  /** Resolves when the kernel has taken it away. */
  kill(): Promise<void>;
}

/** "exchange/consume" is `consume` of test/process/exchange.ts; the arguments are plain data. */
export type Start<P extends Peer = Peer> = (scenario: string, args: object) => P;

const PROGRAM = join(import.meta.dir, "../process/peer.ts");

/** Values in order of arrival, for callers that ask before or after it. */
export class Mailbox {
  readonly #values: unknown[] = [];
  readonly #waiting: { resolve(value: unknown): void; reject(error: unknown): void }[] = [];
  #end: { error: unknown } | null = null;

  put(value: unknown): void {
    const next = this.#waiting.shift();
    if (next) next.resolve(value);
    else this.#values.push(value);
  }

  /** Nothing more comes: because of `error`. */
  close(error: unknown): void {
    this.#end ??= { error };
    for (const next of this.#waiting.splice(0)) next.reject(error);
  }

  // biome-ignore lint/suspicious/noExplicitAny: as above
  take(): Promise<any> {
    if (this.#values.length > 0) return Promise.resolve(this.#values.shift());
    if (this.#end) return Promise.reject(this.#end.error);
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }
}

/** A promise whose rejection is never reported as unhandled. */
export function quiet<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}

export class ProcessPeer implements OtherProcess {
  readonly done: Promise<void>;
  /** What it wrote to stderr, once it has ended. */
  readonly errors: Promise<string>;
  readonly #process: Bun.Subprocess<"pipe", "pipe", "pipe">;
  readonly #said = new Mailbox();

  /** `descriptors`: what the process has as 3, 4 and so on. */
  constructor(name: string, args: object, { env = {}, through = [] as string[], descriptors = [] as number[] } = {}) {
    this.#process = Bun.spawn([...through, process.execPath, PROGRAM, name, JSON.stringify(args)], {
      stdio: ["pipe", "pipe", "pipe", ...descriptors],
      env: { ...process.env, ...env },
    });
    this.errors = new Response(this.#process.stderr).text();
    const read = this.#read();
    this.done = quiet(
      this.#process.exited.then(async (code) => {
        await read;
        const { signalCode } = this.#process;
        const error = new Error(`${name} ended with ${signalCode ?? code}: ${(await this.errors).trim()}`);
        this.#said.close(error);
        if (code !== 0) throw error;
      }),
    );
  }

  get pid(): number {
    return this.#process.pid;
  }

  heard() {
    return this.#said.take();
  }

  tell(value: unknown): void {
    this.#process.stdin.write(`${JSON.stringify(value)}\n`);
    this.#process.stdin.flush();
  }

  signal(signal: "SIGSTOP" | "SIGCONT" | "SIGKILL"): void {
    this.#process.kill(signal);
  }

  async kill(): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#process.exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await this.done.catch(() => {});
  }

  async #read(): Promise<void> {
    const decoder = new TextDecoder();
    let rest = "";
    for await (const chunk of this.#process.stdout) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
      rest = lines.pop() as string;
      for (const line of lines) this.#said.put(JSON.parse(line));
    }
  }
}

class WorkerPeer implements Peer {
  readonly done: Promise<void>;
  readonly #worker: Worker;
  readonly #closed: Promise<void>;
  readonly #said = new Mailbox();
  readonly #ended = Promise.withResolvers<void>();

  constructor(name: string, args: object) {
    // A Worker does not see what this thread changed in its environment.
    const env = { ...process.env } as Record<string, string>;
    this.#worker = new Worker(PROGRAM, { env });
    const finish = (error?: Error) => {
      this.#said.close(error ?? new Error(`${name} has ended`));
      if (error) this.#ended.reject(error);
      else this.#ended.resolve();
    };
    this.#worker.onmessage = ({ data }) => {
      if ("said" in data) this.#said.put(data.said);
      else finish(data.failed && new Error(`${name} failed: ${data.failed}`));
    };
    this.#worker.onerror = ({ message }) => finish(new Error(`${name} failed: ${message}`));
    this.#closed = new Promise((resolve) => {
      this.#worker.addEventListener("close", () => {
        finish(new Error(`${name} was ended`));
        resolve();
      });
    });
    this.done = quiet(this.#ended.promise);
    this.#worker.postMessage({ start: [name, args] });
  }

  heard() {
    return this.#said.take();
  }

  tell(value: unknown): void {
    this.#worker.postMessage({ told: value });
  }

  /** Ends it wherever it is, with all that it has open. */
  async terminate(): Promise<void> {
    this.#worker.terminate();
    await this.#closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.terminate();
  }
}

class LocalPeer implements Peer {
  readonly done: Promise<void>;
  readonly #said = new Mailbox();
  readonly #told = new Mailbox();

  constructor(name: string, args: object) {
    const io: Io = { say: (value) => this.#said.put(structuredClone(value)), hear: () => this.#told.take() };
    this.done = quiet(
      scenario(name)
        .then((run) => run(io, args))
        .finally(() => this.#said.close(new Error(`${name} has ended`))),
    );
  }

  async heard() {
    // What it failed of says more than that it ended.
    return this.#said.take().catch(async (error) => {
      await this.done;
      throw error;
    });
  }

  tell(value: unknown): void {
    this.#told.put(structuredClone(value));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#told.put(OVER);
    await this.done.catch(() => {});
  }
}

export const inProcess: Start<ProcessPeer> = (name, args) => new ProcessPeer(name, args);
export const inWorker: Start<WorkerPeer> = (name, args) => new WorkerPeer(name, args);
export const here: Start<LocalPeer> = (name, args) => new LocalPeer(name, args);
