/** Sides that send for a test of receiving. */
import type { ChannelOptions } from "../../src/index.ts";
import { openChannel } from "./open.ts";
import type { Io } from "./peer.ts";

/** Sends the next number each time it is told to. */
export async function sendWhenTold(io: Io, { name, ...options }: ChannelOptions & { name: string }): Promise<void> {
  await using channel = await openChannel(name, { ...options, role: "producer" });
  for (let i = 0; (await io.hear()) === "send"; i++) await channel.send(Uint8Array.of(i));
}
