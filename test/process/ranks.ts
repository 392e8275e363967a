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
  if (channel.role === "producer") {
    for (const spec of specs) await channel.send(content(spec));
    await channel.flush();
    return { name, route, got: null };
  }
  const got: Got[] = [];
  for await (const { sequence, sizeBytes, bytes } of channel)
    got.push({ sequence, size: sizeBytes, sum: checksum(bytes) });
  return { name, route, got };
}

/** Opens all channels at once, and sends the list through each. */
export async function connect(io: Io, { sides, specs }: { sides: Side[]; specs: Spec[] }): Promise<void> {
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
      if (channel.role === "producer") {
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

/**
 * Streams until the producer is told something. Both sides say "open" at first, and in the end how many frames they sent
 * or received; all that a consumer received are right.
 */
export async function flow(io: Io, { name, ...options }: Side): Promise<void> {
  await using channel = await Channel.open(name, options);
  const { transport } = channel.route;
  const spec = (i: number) => ({ size: (i * 7919) % 50_000, seed: i });
  let over = false;
  if (options.role === "producer") {
    void io.hear().then(() => {
      over = true;
    });
  }
  io.say("open");
  let frames = 0;
  if (channel.role === "producer") {
    for (; !over; frames++) {
      await channel.send(content(spec(frames)));
      if (frames % 16 === 0) await new Promise(setImmediate); // It is to hear what it is told.
    }
  } else {
    for await (const { bytes } of channel) {
      if (Buffer.compare(bytes, content(spec(frames++))) !== 0) throw new Error(`frame ${frames - 1} is wrong`);
    }
  }
  if (channel.role === "producer") await channel.flush();
  io.say({ name, transport, frames });
}
