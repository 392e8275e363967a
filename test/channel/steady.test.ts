/** Where sizes repeat, sending and receiving leaves nothing on the JavaScript heap. */
import { describe, expect, test } from "bun:test";
import { ProcessPeer } from "./peers.ts";
import { PATIENT, privateDirectory, unique } from "./support.ts";

privateDirectory();

/** What the passes of one process left, and how often the engine collected during each; `control` is the pass with objects. */
async function attempt(messages: number, env: Record<string, string>) {
  await using peer = new ProcessPeer("steady/run", { name: unique(), messages }, { env });
  const results: { what: string; before: number; after: number }[] = [];
  for (let i = 0; i < 7; i++) results.push(await peer.heard());
  await peer.done;
  const log = await peer.errors;
  const collections = results.map(({ what }) => {
    const during = log.slice(log.indexOf(`begin ${what}`), log.indexOf(`end ${what}`));
    return during.split("GC").length - 1;
  });
  results.pop();
  return { control: collections.pop() as number, collections, results };
}

describe("the steady state", () => {
  test(
    "allocates nothing: no object more after a million messages, and no collection during them",
    async () => {
      const messages = 1_000_000;
      // One small object for each message would need several collections.
      const env = { BUN_JSC_logGC: "1" };
      // A collection may have another cause, such as compiled code, but then not in each of three processes.
      const attempts = await Promise.all([1, 2, 3].map(() => attempt(messages, env)));
      for (const { control } of attempts) expect(control).toBeGreaterThan(0);
      const fewest = attempts[0]!.collections.map((_, i) => Math.min(...attempts.map((each) => each.collections[i]!)));
      expect(fewest).toEqual(fewest.map(() => 0));
      const { results } = attempts[0]!;
      for (const { what, before, after } of results) {
        // A thousandth of what one object for each message would be: looking at the heap costs some itself.
        expect({ what, grown: after - before > messages / 1000 }).toEqual({ what, grown: false });
      }
    },
    PATIENT,
  );
});
