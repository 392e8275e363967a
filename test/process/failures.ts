/** Ranks that fail, and ranks whose job or MPI fails. */
import { dlopen, FFIType as T } from "bun:ffi";
import { Channel, type ChannelOptions, LavaFlowError } from "../../src/index.ts";
import type { Io } from "./peer.ts";

interface Side extends ChannelOptions {
  name: string;
}

/** Says `open`, and exits with this status when it is told to; the channel is left open. */
export async function exit(io: Io, { name, status, ...options }: Side & { status: number }): Promise<void> {
  await Channel.open(name, options);
  io.say("open");
  await io.hear();
  process.exit(status);
}

/** An uncaught error, while a channel is open. */
export async function throwUncaught(io: Io, { name, text, ...options }: Side & { text: string }): Promise<void> {
  await Channel.open(name, options);
  io.say("open");
  await io.hear();
  setTimeout(() => {
    throw new RangeError(text);
  });
  await io.hear();
}

async function attempt<T>(io: Io, action: () => Promise<T>): Promise<T | undefined> {
  try {
    const result = await action();
    io.say("open");
    return result;
  } catch (error) {
    if (!(error instanceof LavaFlowError)) throw error;
    const { code, message, remedy } = error;
    io.say({ code, message, remedy });
    return undefined;
  }
}

/** MPI as another part of the program uses it, next to lava-flow. The library is already that of the launcher. */
function hostProgram(library: string) {
  return dlopen(library, {
    MPI_Init_thread: { args: [T.ptr, T.ptr, T.i32, T.ptr], returns: T.i32 },
    MPI_Finalize: { args: [], returns: T.i32 },
  }).symbols;
}

/**
 * The program initialises MPI, with a level of its numbering, before it opens a channel: says `open`, or the error.
 * Then it finalises MPI, and says what the channel says of that, and what a new one does.
 */
export async function hostInitialises(
  io: Io,
  { library, level, name, ...options }: Side & { library: string; level: number },
): Promise<void> {
  const mpi = hostProgram(library);
  const provided = new Int32Array(new ArrayBuffer(4));
  const failed = mpi.MPI_Init_thread(null, null, level, provided);
  if (failed !== 0) throw new Error(`MPI_Init_thread: ${failed}`);
  const channel = await attempt(io, () => Channel.open(name, options));
  if (channel) {
    if (channel.role === "producer") await channel.send(Uint8Array.of(1));
    else (await channel.recv()).release();
  }
  await io.hear();
  mpi.MPI_Finalize();
  if (channel) {
    await attempt(io, async () => {
      for (;;) {
        if (channel.role === "producer") await channel.send(Uint8Array.of(1));
        else (await channel.recv()).release();
      }
    });
    await channel.close();
  }
  await attempt(io, () => Channel.open(`${name} again`, options));
}
