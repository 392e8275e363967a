/** Runs a program to its end or its limit, and keeps its output. */
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const ROOT = join(import.meta.dir, "..");

export interface Finished {
  ok: boolean;
  /** Both streams, in order. A last line reports a signal or the limit. */
  output: string;
}

export interface RunOptions {
  cwd?: string;
  /** The whole environment. Default: this process's. */
  env?: Record<string, string | undefined>;
  limitMs?: number;
}

/** The default limit. */
const FIVE_MINUTES = 300_000;

/**
 * The output goes to a file, so a grandchild that keeps the stream open can't block this. The program leads a process group,
 * and all processes that are left in it are killed at the end.
 */
export async function run(command: string[], options: RunOptions = {}): Promise<Finished> {
  const folder = mkdtempSync(join(tmpdir(), "lava-flow-run-"));
  const file = join(folder, "output");
  const stream = openSync(file, "a");
  try {
    const child = Bun.spawn(command, {
      cwd: options.cwd ?? ROOT,
      env: options.env ?? process.env,
      stdin: "ignore",
      stdout: stream,
      stderr: stream,
      detached: true,
    });
    const endGroup = () => {
      try {
        process.kill(-child.pid, "SIGKILL");
      } catch {
        // The group is gone already.
      }
    };
    const interrupted = () => {
      endGroup();
      process.exit(130);
    };
    process.on("SIGINT", interrupted).on("SIGTERM", interrupted);
    const limitMs = options.limitMs ?? FIVE_MINUTES;
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      endGroup();
    }, limitMs);
    await child.exited;
    clearTimeout(timer);
    process.off("SIGINT", interrupted).off("SIGTERM", interrupted);
    endGroup();
    let output = readFileSync(file, "utf8");
    if (late) output += `\n${command.join(" ")}: ended after its limit of ${limitMs / 1000} s\n`;
    else if (child.signalCode) output += `\n${command.join(" ")}: died of ${child.signalCode}\n`;
    return { ok: child.exitCode === 0 && !late, output };
  } finally {
    closeSync(stream);
    rmSync(folder, { recursive: true });
  }
}
