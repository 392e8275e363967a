/** Sides that send or receive a list of payloads. */
import type { ChannelOptions, Frame } from "../../src/index.ts";
import { openChannel } from "./open.ts";
import { checksum, content, type Got, type Spec } from "./payload.ts";
import type { Io } from "./peer.ts";

interface Args extends Partial<ChannelOptions> {
  name: string;
}

/** Opens; says `taken` as soon as the role is taken, then which way it took and to whom. */
async function open<Role extends "producer" | "consumer">(io: Io, role: Role, { name, ...options }: Args) {
  const opening = openChannel<Role>(name, { timeoutMs: 50_000, ...options, role });
  io.say("taken");
  const channel = await opening;
  io.say({ transport: channel.route.transport, pid: channel.route.peer.pid });
  return channel;
}

/** Sends, in one of the three ways, and waits until all was released. Hears the list where it has none. */
export async function produce(
  io: Io,
  { specs, how = "send", ...args }: Args & { specs: Spec[]; how?: "send" | "trySend" | "loan" },
): Promise<void> {
  await using channel = await open(io, "producer", args);
  for (const spec of specs) {
    const bytes = content(spec);
    if (how === "send") {
      await channel.send(bytes);
    } else if (how === "loan") {
      const loan = await channel.loan(spec.size);
      loan.bytes.set(bytes);
      loan.commit();
    } else {
      while (!channel.trySend(bytes)) await new Promise(setImmediate);
    }
  }
  await channel.flush();
  io.say({ sent: channel.stats.framesSent, bytes: channel.stats.bytesSent, queued: channel.stats.queued });
}

/** Receives until the producer closes, in one of the four ways, and says what came. */
export async function consume(
  io: Io,
  { how = "iterate", ...args }: Args & { how?: "iterate" | "recv" | "tryRecv" | "recvSync" },
): Promise<void> {
  await using channel = await open(io, "consumer", args);
  const got: Got[] = [];
  const take = (frame: Frame) => {
    got.push({ sequence: frame.sequence, size: frame.sizeBytes, sum: checksum(frame.bytes) });
    frame.release();
  };
  if (how === "iterate") {
    for await (const frame of channel) take(frame);
  } else {
    try {
      for (;;) {
        if (how === "recv") take(await channel.recv());
        else if (how === "recvSync") {
          const frame = channel.recvSync();
          if (frame) take(frame);
        } else {
          const frame = channel.tryRecv();
          if (frame) take(frame);
          else await new Promise(setImmediate);
        }
      }
    } catch (error) {
      if ((error as { code?: string }).code !== "CHANNEL_CLOSED") throw error;
    }
  }
  io.say({ got });
}

/** Sends back what comes, `count` times. */
export async function echo(_: Io, { name, count, ...options }: Args & { count: number }): Promise<void> {
  await using from = await openChannel(`${name}.there`, { ...options, role: "consumer" });
  await using to = await openChannel(`${name}.back`, { ...options, role: "producer" });
  for (let i = 0; i < count; i++) {
    using frame = await from.recv();
    await to.send(frame.bytes);
  }
  await to.flush();
}
