/** Several sides at once in one process. */
import { type Io, scenario } from "./peer.ts";

/** Runs each [scenario, arguments]; what one says is told with its number. */
export async function run(io: Io, sides: [string, object][]): Promise<void> {
  await Promise.all(
    sides.map(async ([name, args], from) => {
      await (await scenario(name))({ say: (said) => io.say({ from, said }), hear: io.hear }, args);
    }),
  );
}
