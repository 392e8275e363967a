/** Helpers of every command: arguments, standard output, system errors, Ctrl-C. */
import { writeSync } from "node:fs";
import { type ParseArgsConfig, parseArgs } from "node:util";
import { LavaFlowError } from "../index.ts";

/** Interval of retries on a non-blocking descriptor, milliseconds: another process may have made it so, and no event reports it. */
export const RETRY_MS = 2;

export interface Command {
  /** Shown by --help, and after wrong arguments. */
  usage: string;
  /** Resolves with the exit code. */
  run(args: string[]): Promise<number>;
}

/** Wrong arguments: exit code 2, with the usage. */
export class UsageError extends Error {}

/** The options, and exactly the positional arguments between `least` and `most`. */
export function parse<T extends NonNullable<ParseArgsConfig["options"]>>(
  args: string[],
  options: T,
  [least, most]: [number, number],
) {
  const parsed = parseOrExplain(args, options);
  const { length } = parsed.positionals;
  if (length < least) throw new UsageError("an argument is missing");
  if (length > most) throw new UsageError(`unexpected argument ${JSON.stringify(parsed.positionals[most])}`);
  return parsed;
}

function parseOrExplain<T extends NonNullable<ParseArgsConfig["options"]>>(args: string[], options: T) {
  try {
    return parseArgs({ args, options, allowPositionals: true });
  } catch (error) {
    // The first sentence names the fault; the rest is about file names with dashes.
    throw new UsageError((error as Error).message.split(". ")[0]);
  }
}

/** The reader of standard output has closed it: not a failure. */
export class ReaderGone extends Error {}

/** Writes all of `text` to standard output. Unlike `console.log`, it throws if that fails. */
export function print(text: string): void {
  const bytes = Buffer.from(`${text}\n`);
  for (let done = 0; done < bytes.byteLength; ) {
    try {
      done += writeSync(1, bytes, done);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "EPIPE") throw new ReaderGone();
      if (code !== "EAGAIN") throw systemError("can't write standard output", error);
      Bun.sleepSync(RETRY_MS);
    }
  }
}

/** A failed system call in the form of the library's own errors. */
export function systemError(what: string, error: unknown): LavaFlowError {
  const { code, message } = error as NodeJS.ErrnoException;
  const words = message.replace(/^[A-Z0-9]+: /, "").replace(/, \w+( '.*')?$/, "");
  return new LavaFlowError("SYSTEM", `${what}: ${words}${code ? ` (${code})` : ""}`, { cause: error });
}

/**
 * Runs `work`. Ctrl-C and SIGTERM abort its signal, so that it can clean up; then the process ends as the received signal
 * would have ended it.
 */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  let received: NodeJS.Signals | undefined;
  const abort = (signal: NodeJS.Signals) => {
    received = signal;
    controller.abort();
  };
  process.on("SIGINT", abort);
  process.on("SIGTERM", abort);
  try {
    return await work(controller.signal);
  } finally {
    process.off("SIGINT", abort);
    process.off("SIGTERM", abort);
    if (received) process.kill(process.pid, received);
  }
}
