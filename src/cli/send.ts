/** `lava-flow send`: a file or standard input into a channel, read straight into shared memory. */
import { fstatSync, openSync, readSync } from "node:fs";
import { LavaFlowError } from "../index.ts";
import { type Command, systemError } from "./command.ts";
import { FOR_EVER, OPTIONS_USAGE, openChannel, reportTotals, transferOf, whenReady } from "./transfer.ts";

const usage = `Usage: lava-flow send NAME [FILE] [OPTIONS]

Sends FILE, or standard input, to \`lava-flow recv NAME\` or to any consumer of
the channel NAME. Ends when the other side has taken everything.

${OPTIONS_USAGE}`;

/** A file's frames; and what a pipe holds, so that its data goes on as it comes. */
const FILE_FRAME = 1024 * 1024;
const PIPE_FRAME = 64 * 1024;

async function run(args: string[]): Promise<number> {
  const transfer = transferOf(args);
  const what = transfer.file ?? "standard input";
  const { input, frameBytes } = openInput(transfer.file, what);
  const channel = await openChannel(transfer, "producer");
  const start = Bun.nanoseconds();
  // A failure leaves the channel open on purpose: this process ends, and the receiver learns that data is missing.
  for (;;) {
    const loan = await channel.loan(frameBytes, FOR_EVER);
    const length = await readSome(input, loan.bytes, what);
    if (length === 0) {
      loan.abort();
      break;
    }
    loan.commit(length);
  }
  await channel.flush(FOR_EVER);
  const { framesSent, bytesSent } = channel.stats;
  reportTotals(transfer, framesSent, bytesSent, start);
  await channel.close();
  return 0;
}

function openInput(file: string | undefined, what: string): { input: number; frameBytes: number } {
  let input: number;
  let isFile: boolean;
  let isDirectory: boolean;
  try {
    input = file === undefined ? 0 : openSync(file, "r");
    const stat = fstatSync(input);
    isFile = stat.isFile();
    isDirectory = stat.isDirectory();
  } catch (error) {
    throw systemError(`can't read ${what}`, error);
  }
  if (isDirectory) {
    throw new LavaFlowError("INVALID_ARGUMENT", `${what} is a directory`, {
      remedy: "Give a file, or pipe `tar c` in",
    });
  }
  return { input, frameBytes: isFile ? FILE_FRAME : PIPE_FRAME };
}

/** 0 at the end of the input. */
async function readSome(input: number, into: Uint8Array, what: string): Promise<number> {
  try {
    return await whenReady(() => readSync(input, into));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EOF") return 0; // Windows says the end of a pipe so.
    throw systemError(`can't read ${what}`, error);
  }
}

export const send: Command = { usage, run };
