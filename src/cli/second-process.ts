/** A second process of this program. It does not outlive the first, and its failure becomes an error here. */
import { LavaFlowError } from "../index.ts";

/** Time for the process to end by itself, milliseconds. */
const GRACE_MS = 2_000;

export class SecondProcess implements AsyncDisposable {
  readonly #process: Bun.Subprocess<"ignore", "ignore", "pipe">;
  readonly #errors: Promise<string>;
  readonly #ended = new AbortController();

  constructor(command: string[]) {
    this.#process = Bun.spawn(command, { stdin: "ignore", stdout: "ignore", stderr: "pipe" });
    this.#errors = new Response(this.#process.stderr).text();
    this.#process.exited.then(() => this.#ended.abort());
  }

  /** Runs `work`, whose signal is aborted when the process ends. If that made it fail, throws the process's own failure. */
  async blame<T>(work: (ended: AbortSignal) => Promise<T>): Promise<T> {
    try {
      return await work(this.#ended.signal);
    } catch (error) {
      const code = error instanceof LavaFlowError ? error.code : "";
      const itsEnd = code === "PEER_DIED" || code === "CHANNEL_CLOSED" || this.#ended.signal.aborted;
      if (itsEnd && (await this.#endsWithin(GRACE_MS))) throw await this.#failure(error);
      throw error;
    }
  }

  /** Waits for the process to end with exit code 0. */
  async finish(): Promise<void> {
    if (!(await this.#endsWithin(GRACE_MS))) throw new LavaFlowError("TIMEOUT", "the second process did not end");
    if (this.#process.exitCode !== 0) throw await this.#failure(undefined);
  }

  /** Sends SIGTERM, so that the process can clean up, then SIGKILL. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#ended.signal.aborted) return;
    this.#process.kill("SIGTERM");
    if (await this.#endsWithin(GRACE_MS)) return;
    this.#process.kill("SIGKILL");
    await this.#process.exited;
  }

  async #failure(cause: unknown): Promise<LavaFlowError> {
    const { exitCode, signalCode } = this.#process;
    const how = signalCode ? `was ended by ${signalCode}` : `ended with exit code ${exitCode}`;
    const said = (await this.#errors).trim().replace(/^lava-flow: /, "");
    return new LavaFlowError("PEER_DIED", `the second process ${how}${said ? `; it said: ${said}` : ""}`, { cause });
  }

  async #endsWithin(ms: number): Promise<boolean> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<false>((resolve) => {
      timer = setTimeout(() => resolve(false), ms);
    });
    const ended = await Promise.race([this.#process.exited.then(() => true), late]);
    clearTimeout(timer);
    return ended;
  }
}

/** The command that starts this program again. A compiled program is one file. */
export function thisProgram(): string[] {
  return Bun.isStandaloneExecutable ? [process.execPath] : [process.execPath, Bun.main];
}
