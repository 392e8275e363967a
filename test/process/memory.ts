/** Sides that get MemoryBuffers. */
import { Channel, type ChannelOptions } from "../../src/index.ts";
import type { Io } from "./peer.ts";

type Options = Omit<ChannelOptions, "role">;

/** Adds one to every byte of every frame, in place. */
export async function addOne(_: Io, { name, ...options }: Options & { name: string }): Promise<void> {
  await using channel = await Channel.open(name, { ...options, role: "consumer" });
  for await (const frame of channel) {
    if (!frame.buffer) throw new Error("a copy came, not the buffer");
    const { bytes } = frame;
    for (let i = 0; i < bytes.length; i++) bytes[i]!++;
  }
}

/** Passes every buffer on, and releases it when the next one has. */
export async function forward(_: Io, { from, to, ...options }: Options & { from: string; to: string }): Promise<void> {
  await using input = await Channel.open(from, { ...options, role: "consumer" });
  await using output = await Channel.open(to, { ...options, role: "producer" });
  for await (const frame of input) {
    await output.send(frame.buffer!);
    await output.waitSend();
    if (output.stats.importsCached !== 1) throw new Error(`${output.stats.importsCached} imports of one buffer`);
  }
}
