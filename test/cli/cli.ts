/** Starts the command line as a process, in a runtime directory of the test's own. */
import { afterAll } from "bun:test";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const MAIN = resolve(import.meta.dir, "../../src/cli/main.ts");

/** Limit of a test that starts processes on a busy machine. */
export const PATIENT = { timeout: 60_000 };

export interface StartOptions {
  env?: Record<string, string>;
  /** A file, or a pipe that `Running.write` fills; default: nothing to read. */
  stdin?: Blob | "pipe" | "ignore";
}

/** Files and processes of one test file, removed at its end. */
export class Scratch {
  readonly path = mkdtempSync(join(tmpdir(), "lava-flow-cli-"));
  readonly runtimeDirectory = join(this.path, "run");
  readonly #started: Running[] = [];

  constructor() {
    afterAll(async () => {
      await Promise.all(this.#started.map((running) => running.end()));
      rmSync(this.path, { recursive: true, force: true });
    });
  }

  file(name: string): string {
    return join(this.path, name);
  }

  /** Sockets of processes that wait; the lock file stays. */
  get sockets(): string[] {
    return readdirSync(this.runtimeDirectory).filter((name) => name !== ".lock");
  }

  start(args: string[], { env, stdin = "ignore" }: StartOptions = {}): Running {
    const own = { LAVA_FLOW_DEBUG: "", LAVA_FLOW_HOST_ID: "", LAVA_FLOW_RUNTIME_DIR: this.runtimeDirectory };
    const variables = { ...process.env, ...own, ...env };
    const running = new Running(
      Bun.spawn([process.execPath, MAIN, ...args], { stdin, stdout: "pipe", stderr: "pipe", env: variables }),
    );
    this.#started.push(running);
    return running;
  }

  run(args: string[], options?: StartOptions): Promise<Result> {
    return this.start(args, options).result();
  }
}

export interface Result {
  output: Uint8Array;
  text: string;
  errors: string;
  code: number;
  signal: string | number | null;
}

export class Running {
  readonly #process: Bun.Subprocess<Blob | "pipe" | "ignore", "pipe", "pipe">;
  readonly #errors: Promise<string>;
  readonly #reader;
  readonly #output: Uint8Array[] = [];

  constructor(process: Bun.Subprocess<Blob | "pipe" | "ignore", "pipe", "pipe">) {
    this.#process = process;
    this.#errors = new Response(process.stderr).text();
    this.#reader = process.stdout.getReader();
  }

  /** Null while it runs. */
  get exitCode(): number | null {
    return this.#process.exitCode;
  }

  async write(data: string | Uint8Array): Promise<void> {
    const pipe = this.#process.stdin as Bun.FileSink;
    pipe.write(data);
    await pipe.flush();
  }

  async endInput(): Promise<void> {
    await (this.#process.stdin as Bun.FileSink).end();
  }

  /** The next bytes of standard output; null at its end. */
  async read(): Promise<Uint8Array | null> {
    const { done, value } = await this.#reader.read();
    if (done) return null;
    this.#output.push(value);
    return value;
  }

  /** Reads on until all of standard output, as text, matches. */
  async readUntil(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const found = pattern.exec(this.#text());
      if (found) return found;
      if ((await this.read()) === null)
        throw new Error(`ended without ${pattern}: ${this.#text()}${await this.#errors}`);
    }
  }

  /** Closes the other end of its standard output. */
  async stopReading(): Promise<void> {
    await this.#reader.cancel();
  }

  kill(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }

  async result(): Promise<Result> {
    while ((await this.read()) !== null);
    const [errors, code] = await Promise.all([this.#errors, this.#process.exited]);
    const output = Buffer.concat(this.#output);
    return { output, text: this.#text(), errors, code, signal: this.#process.signalCode };
  }

  async end(): Promise<void> {
    if (this.exitCode === null) this.#process.kill("SIGKILL");
    await this.#process.exited;
  }

  #text(): string {
    return Buffer.concat(this.#output).toString();
  }
}

/** Pseudo-random bytes, the same in each run. */
export function noise(bytes: number): Uint8Array<ArrayBuffer> {
  const words = new Uint32Array(Math.ceil(bytes / 4));
  let state = 0x9e3779b9;
  for (let i = 0; i < words.length; i++) {
    // xorshift32, Marsaglia 2003
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = state;
  }
  return new Uint8Array(words.buffer, 0, bytes);
}
