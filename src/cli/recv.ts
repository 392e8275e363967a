/** `lava-flow recv`: writes a channel to a file or to standard output, straight from shared memory. */
import { closeSync, constants, fstatSync, ftruncateSync, openSync, writeSync } from "node:fs";
import { type Command, systemError } from "./command.ts";
import { OPTIONS_USAGE, openChannel, reportTotals, transferOf, whenReady } from "./transfer.ts";

const usage = `Usage: lava-flow recv NAME [FILE] [OPTIONS]

Receives the frames of \`lava-flow send NAME\`, or of any other producer of the
channel NAME, into FILE or standard output. Ends when the producer closes the
channel. The exit code is 1 if the producer died instead.

${OPTIONS_USAGE}`;

async function run(args: string[]): Promise<number> {
  const transfer = transferOf(args);
  const what = transfer.file ?? "standard output";
  const output = openOutput(transfer.file, what);
  await using channel = await openChannel(transfer, "consumer");
  const start = Bun.nanoseconds();
  try {
    // Only now: without a peer the file keeps its content.
    if (transfer.file !== undefined && fstatSync(output).isFile()) ftruncateSync(output);
    for await (const frame of channel) await writeAll(output, frame.bytes);
    if (transfer.file !== undefined) closeSync(output);
  } catch (error) {
    const { code, syscall } = error as NodeJS.ErrnoException;
    if (syscall === undefined) throw error;
    // The reader of standard output has closed it.
    if (code === "EPIPE") return 0;
    throw systemError(`can't write ${what}`, error);
  }
  const { framesReceived, bytesReceived } = channel.stats;
  reportTotals(transfer, framesReceived, bytesReceived, start);
  return 0;
}

function openOutput(file: string | undefined, what: string): number {
  if (file === undefined) return 1;
  try {
    return openSync(file, constants.O_WRONLY | constants.O_CREAT);
  } catch (error) {
    throw systemError(`can't write ${what}`, error);
  }
}

async function writeAll(output: number, bytes: Uint8Array): Promise<void> {
  let done = 0;
  while (done < bytes.byteLength) done += await whenReady(() => writeSync(output, bytes, done));
}

export const recv: Command = { usage, run };
