/** What the ranks of a job do with each other. */
import { Channel, type ChannelOptions, LavaFlowError, type Route } from "../../src/index.ts";
import { checksum, content, type Got, type Spec } from "./payload.ts";
import type { Io } from "./peer.ts";

export interface Side extends ChannelOptions {
  name: string;
}

/** What is said of one side: which way it took, and what came where it is the consumer. */
export interface Met {
  name: string;
  route: Route;
  got: Got[] | null;
}

async function exchange({ name, ...options }: Side, specs: Spec[]): Promise<Met> {
  await using channel = await Channel.open(name, options);
  const { route } = channel;
  if (options.role === "producer") {
    for (const spec of specs) await channel.send(content(spec));
    await channel.waitSend();
    return { name, route, got: null };
  }
  const got: Got[] = [];
  for await (const { sequence, sizeBytes, bytes } of channel)
    got.push({ sequence, size: sizeBytes, sum: checksum(bytes) });
  return { name, route, got };
}

/** Opens all channels at once, and sends the list through each. */
export async function meet(io: Io, { sides, specs }: { sides: Side[]; specs: Spec[] }): Promise<void> {
  io.say(await Promise.all(sides.map((side) => exchange(side, specs))));
}

/** Streams until that fails, as it does when the other side goes: says "open" at first, and what it failed of. */
export async function stream(io: Io, { name, ...options }: Side): Promise<void> {
  await using channel = await Channel.open(name, options);
  io.say("open");
  let wrong = 0;
  try {
    for (let i = 0; ; i++) {
      const spec = { size: (i * 7919) % 50_000, seed: i };
      if (options.role === "producer") {
        await channel.send(content(spec));
        continue;
      }
      using frame = await channel.recv();
      if (Buffer.compare(frame.bytes, content(spec)) !== 0) wrong++;
    }
  } catch (error) {
    if (!(error instanceof LavaFlowError)) throw error;
    const { code, message, remedy } = error;
    io.say({ code, message, remedy, wrong });
  }
}
