/** Processes of another user that go for the socket of a name, without the library. */
import type { Io } from "./peer.ts";

/** Connects as soon as the socket is there, and says what came of it. */
export async function connect(io: Io, { path }: { path: string }): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const socket = { data: () => io.say("spoken to"), close: () => resolve() };
  while (!(await Bun.connect({ unix: path, socket }).catch(() => null))) await Bun.sleep(1);
  await promise;
  io.say("turned away");
}

/** Listens in the place of a consumer. */
export async function listen(io: Io, { path }: { path: string }): Promise<void> {
  Bun.listen({ unix: path, socket: { data: () => io.say("spoken to") } });
  await io.hear();
}
