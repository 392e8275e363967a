/** `lava-flow send`: reads a file or standard input into a channel, straight into shared memory. */
import { fstatSync, openSync, readSync } from "node:fs";
import { LavaFlowError } from "../index.ts";
import { type Command, systemError } from "./command.ts";
import { FOR_EVER, OPTIONS_USAGE, openChannel, reportTotals, transferOf, whenReady } from "./transfer.ts";

const usage = `Usage: lava-flow send NAME [FILE] [OPTIONS]

Sends FILE, or standard input, to \`lava-flow recv NAME\` or to any consumer of
the channel NAME. Ends when the consumer has received and released everything.

${OPTIONS_USAGE}`;

/** Bytes of a frame from a file. */
const FILE_FRAME = 1024 * 1024;
/** Bytes of a frame from a pipe: the capacity of a pipe, so that data is sent as it arrives. */
const PIPE_FRAME = 64 * 1024;

async function run(args: string[]): Promise<number> {
  const transfer = transferOf(args);
  const what = transfer.file ?? "standard input";
  const { input, frameBytes } = openInput(transfer.file, what);
  const channel = await openChannel(transfer, "producer");
  const start = Bun.nanoseconds();
  // After a failure the channel stays open: the process ends, and the consumer gets PEER_DIED, not a complete stream.
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
    if ((error as NodeJS.ErrnoException).code === "EOF") return 0; // the end of a pipe on Windows
    throw systemError(`can't read ${what}`, error);
  }
}

export const send: Command = { usage, run };
