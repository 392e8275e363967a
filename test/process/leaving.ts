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

/**
 * A producer in a Worker sends frames, numbered from 1, until its thread ends: by what the test does, or in one of these
 * ways once the test says so.
 */
export async function sendUntil(io: Io, { name, how, ...options }: Args & { how: string }): Promise<void> {
  const channel = await openChannel(name, { ...options, role: "producer" });
  const end = {
    throw: () =>
      setImmediate(() => {
        throw new Error("an uncaught error");
      }),
    exit: () => process.exit(0),
    finish: () => {
      (globalThis as unknown as Worker).onmessage = null;
    },
  }[how];
  let told = false;
  io.hear().then(() => {
    told = true;
  });
  for (let i = 1; !told || how === "terminate"; i++) {
    await channel.send(Uint32Array.of(i), { timeoutMs: Number.POSITIVE_INFINITY });
    if (i % 16 === 0) await new Promise(setImmediate);
  }
  end?.();
  if (how !== "finish") await new Promise(() => {});
}

/** A consumer in a Worker that takes frames until its thread ends, as above. */
export async function receiveUntil(io: Io, { name, how, ...options }: Args & { how: string }): Promise<void> {
  const channel = await openChannel(name, { ...options, role: "consumer" });
  const end = {
    throw: () => {
      throw new Error("an uncaught error");
    },
    exit: () => process.exit(0),
    finish: () => {
      (globalThis as unknown as Worker).onmessage = null;
    },
  }[how];
  io.say("open");
  await io.hear();
  setImmediate(() => end?.());
  if (how !== "finish") await new Promise(() => {});
  void channel;
}

/** A consumer in a Worker that blocks its thread for ever. */
export async function block(io: Io, { name, spinUs, ...options }: Args & { spinUs: number }): Promise<void> {
  const channel = await openChannel(name, { ...options, role: "consumer" });
  io.say("open");
  channel.recvSync({ timeoutMs: Number.POSITIVE_INFINITY, spinUs });
}

/** Leaves an open channel behind that nothing waits on. The process has to end by itself: nothing ever resolves this. */
export async function idle(_: Io, { name, ...options }: Args): Promise<void> {
  const channel = await openChannel(name, { ...options, role: "consumer" });
  (await channel.recv()).release();
  return new Promise(() => {});
}

/** Waits for a frame with nothing else to keep the process alive. */
export async function waitThenExit(io: Io, { name, ...options }: Args): Promise<void> {
  const channel = await openChannel(name, { ...options, role: "consumer" });
  const waiting = channel.recv();
  io.say("waiting");
  (await waiting).release();
  io.say("received");
  return new Promise(() => {});
}
