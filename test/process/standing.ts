/**
 * A process that opens one channel, and prints what came of it as a line of JSON: `standing.ts OPTIONS`, where OPTIONS is JSON
 * with the channel's name and options. With `spawn`, the same program runs first as a child, or beside this one.
 */
import { Channel, type ChannelOptions, LavaFlowError } from "../../src/index.ts";

export interface Wish extends ChannelOptions {
  name: string;
  /** Who it is in what is printed. */
  who: string;
  /** What a child of this process opens. */
  child?: Wish;
  /** Whether this process opens its channel only when the child has ended. */
  after?: boolean;
}

export interface Outcome {
  who: string;
  transport?: string;
  /** Why not MPI. */
  mpi?: string | undefined;
  text?: string;
  code?: string;
  message?: string;
  remedy?: string | undefined;
}

async function attempt({ who, name, child: _child, after: _after, ...options }: Wish): Promise<Outcome> {
  try {
    await using channel = await Channel.open(name, options);
    const { transport, rejected } = channel.route;
    const mpi = rejected.find((each) => each.transport === "mpi")?.reason;
    if (channel.role === "producer") {
      await channel.send(new TextEncoder().encode(process.env.LAVA_TEST_TEXT ?? "text"));
      await channel.flush();
      return { who, transport, mpi };
    }
    using frame = await channel.recv();
    return { who, transport, mpi, text: new TextDecoder().decode(frame.bytes) };
  } catch (error) {
    if (!(error instanceof LavaFlowError)) throw error;
    const { code, message, remedy } = error;
    return { who, code, message, remedy };
  }
}

async function run(wish: Wish): Promise<void> {
  const { child, after } = wish;
  const started =
    child &&
    Bun.spawn([process.execPath, import.meta.path, JSON.stringify(child)], {
      stdio: ["ignore", "inherit", "inherit"],
    });
  if (after) await started?.exited;
  console.log(`\n${JSON.stringify(await attempt(wish))}`);
  await started?.exited;
}

if (import.meta.main) await run(JSON.parse(process.argv[2] as string));
