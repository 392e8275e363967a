/** Sides that end in other ways than by closing. */
import type { ChannelOptions } from "../../src/index.ts";
import { openChannel } from "./open.ts";
import type { Io } from "./peer.ts";

interface Args extends ChannelOptions {
  name: string;
}

/** Opens, says so, and stays until it is told something (or killed). */
export async function stay(io: Io, { name, ...options }: Args): Promise<void> {
  await using _channel = await openChannel(name, options);
  io.say("open");
  await io.hear();
}

/** Sends frames full of 7, says so, and stays. */
export async function sendAndStay(io: Io, { name, sizes, ...options }: Args & { sizes: number[] }): Promise<void> {
  await using channel = await openChannel(name, { ...options, role: "producer" });
  for (const size of sizes) await channel.send(new Uint8Array(size).fill(7));
  io.say("sent");
  await io.hear();
}

/** Leaves an open channel behind that nothing waits on. The process has to end by itself: nothing ever resolves this. */
export async function idle(_: Io, { name, ...options }: Args): Promise<void> {
  const channel = await openChannel(name, options);
  (await channel.recv()).release();
  return new Promise(() => {});
}

/** Waits for a frame with nothing else to keep the process alive. */
export async function waitThenExit(io: Io, { name, ...options }: Args): Promise<void> {
  const channel = await openChannel(name, options);
  const waiting = channel.recv();
  io.say("waiting");
  (await waiting).release();
  io.say("received");
  return new Promise(() => {});
}
