/** Where sizes repeat, sending and receiving leaves nothing on the JavaScript heap. */
import { describe, expect, test } from "bun:test";
import { ProcessPeer } from "./peers.ts";
import { PATIENT, privateDirectory, unique } from "./support.ts";

privateDirectory();

describe("the steady state", () => {
  test(
    "allocates nothing: no object more after a million messages, and no collection during them",
    async () => {
      const messages = 1_000_000;
      // One small object for each message would need several collections.
      const env = { BUN_JSC_logGC: "1" };
      await using peer = new ProcessPeer("steady/run", { name: unique(), messages }, { env });
      const results: { what: string; before: number; after: number }[] = [];
      for (let i = 0; i < 7; i++) results.push(await peer.heard());
      await peer.done;
      const log = await peer.errors;
      const collections = results.map(({ what }) => {
        const during = log.slice(log.indexOf(`begin ${what}`), log.indexOf(`end ${what}`));
        return during.split("GC").length - 1;
      });
      const control = collections.pop() as number;
      results.pop();
      expect(control).toBeGreaterThan(0);
      expect(collections).toEqual(collections.map(() => 0));
      for (const { what, before, after } of results) {
        // A thousandth of what one object for each message would be: looking at the heap costs some itself.
        expect({ what, grown: after - before > messages / 1000 }).toEqual({ what, grown: false });
      }
    },
    PATIENT,
  );
});
