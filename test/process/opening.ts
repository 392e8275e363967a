/** Sides that open a channel, and say how that went. */
import { type ChannelOptions, LavaFlowError } from "../../src/index.ts";
import { native } from "../../src/native/load.ts";
import { openChannel } from "./open.ts";
import type { Io } from "./peer.ts";

/** Says `taken` if it got the role, then `open` or the error; stays open until told something. */
export async function attempt(io: Io, { name, ...options }: ChannelOptions & { name: string }): Promise<void> {
  try {
    const opening = openChannel(name, options);
    // A role that is not free is refused before the event loop turns.
    const refused = opening.then(
      () => false,
      () => true,
    );
    const turn = new Promise<false>((resolve) => setImmediate(() => resolve(false)));
    if (!(await Promise.race([refused, turn]))) io.say("taken");
    await using channel = await opening;
    io.say({ open: channel.route.transport });
    await io.hear();
  } catch (error) {
    if (!(error instanceof LavaFlowError)) throw error;
    const { code, message, remedy } = error;
    io.say({ code, message, remedy });
  }
}

/** Says `asleep` when the open sleeps for the first time, or `polls` after 30 polls in a row, then `open`. Stays open until told something. */
export async function waiting(io: Io, { name, ...options }: ChannelOptions & { name: string }): Promise<void> {
  const shim = native() as unknown as Record<string, (...handles: number[]) => number>;
  const before = { ...shim };
  let polls = 0;
  let slept = false;
  shim.lf_rendezvous_watch = (...handles) => {
    const result = before.lf_rendezvous_watch!(...handles);
    if (result === 1) {
      polls = 0;
      if (!slept) io.say("asleep");
      slept = true;
    }
    return result;
  };
  shim.lf_rendezvous_poll = (...handles) => {
    if (++polls === 30) io.say("polls");
    return before.lf_rendezvous_poll!(...handles);
  };
  try {
    await using channel = await openChannel(name, options);
    io.say({ open: channel.route.transport });
    await io.hear();
  } finally {
    Object.assign(shim, before);
  }
}

/** As `attempt`, once it is told to. */
export async function whenTold(io: Io, args: ChannelOptions & { name: string }): Promise<void> {
  await io.hear();
  await attempt(io, args);
}
