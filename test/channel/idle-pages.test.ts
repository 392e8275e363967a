/** The pages of large blocks return to the system when they are idle, and are allocated again on use. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { eventually, PATIENT, pair, privateDirectory } from "./support.ts";

privateDirectory();

const MIB = 2 ** 20;
/** What a pool keeps, mapped by both ends here. */
const KEPT = 2 * 64 * MIB;
/** Rings and small blocks of the channel. */
const SMALL = 16 * MIB;

/** The pages that this process has of the memory of channels, each as often as it is mapped. */
function resident(): number {
  let bytes = 0;
  let ours = false;
  for (const line of readFileSync("/proc/self/smaps", "utf8").split("\n")) {
    if (/^[0-9a-f]+-[0-9a-f]+ /.test(line)) ours = line.includes("memfd:lava-flow");
    else if (ours && line.startsWith("Rss:")) bytes += Number.parseInt(line.slice(4), 10) * 1024;
  }
  return bytes;
}

/** A byte of each page, and the last one. */
function expectAll(bytes: Uint8Array, value: number): void {
  let wrong = bytes.at(-1) === value ? 0 : 1;
  for (let at = 0; at < bytes.length; at += 4096) if (bytes[at] !== value) wrong++;
  expect(wrong).toBe(0);
}

const onLinux = test.skipIf(process.platform !== "linux");

for (const how of ["sent", "loaned"] as const) {
  onLinux(
    `pages of large frames that were ${how} go back once they are idle`,
    async () => {
      await using both = await pair();
      const { producer, consumer } = both;
      const exchange = async (sizeBytes: number, value: number) => {
        if (how === "sent") {
          await producer.send(new Uint8Array(sizeBytes).fill(value));
        } else {
          const loan = await producer.loan(sizeBytes);
          loan.bytes.fill(value);
          loan.commit();
        }
        const frame = await consumer.recv();
        expect(frame.bytes.length).toBe(sizeBytes);
        expectAll(frame.bytes, value);
        return frame;
      };
      for (const [index, mib] of [40, 100, 70, 120].entries()) (await exchange(mib * MIB, index + 1)).release();
      expect(resident()).toBeGreaterThan(KEPT + SMALL);
      await eventually(() => resident() <= KEPT + SMALL, "the pages went back");
      // They are there again with the next frame, and stay while it is held: those of another one go.
      const held = await exchange(120 * MIB, 9);
      (await exchange(120 * MIB, 10)).release();
      expect(resident()).toBeGreaterThan(2 * 240 * MIB - SMALL);
      await eventually(() => resident() <= 2 * 128 * MIB + SMALL, "the other's pages went back");
      expect(resident()).toBeGreaterThan(2 * 120 * MIB);
      expectAll(held.bytes, 9);
      held.release();
      await eventually(() => resident() <= KEPT + SMALL, "the pages went back again");
      expect((await exchange(50 * MIB, 11)).release()).toBeUndefined();
    },
    PATIENT,
  );
}
