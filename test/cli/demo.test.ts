import { describe, expect, test } from "bun:test";
import { existsSync, writeFileSync } from "node:fs";
import { requires } from "../requires.ts";
import { noise, PATIENT, Scratch } from "./cli.ts";

const scratch = new Scratch();
const DATA = noise(3_000_001);
const file = scratch.file("data");
writeFileSync(file, DATA);
/** A file whose content changes with each read. */
const RESTLESS = "/proc/sys/kernel/random/uuid";

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

describe("demo", () => {
  test(
    "shows the route, the digest, and three measurements, in 80 columns",
    async () => {
      const { code, text, errors } = await scratch.run(["demo", "--file", file, "--messages", "20000"]);
      expect(code).toBe(0);
      expect(text).toContain("\nroute       shm to process ");
      expect(text).toContain("\nscope       local, decided by host-id");
      expect(text).toContain("\nnot vulkan  ");
      expect(text).toContain("\nnot mpi     ");
      expect(text).toContain("\nfile        data, 3.00 MB in 3 frames of 1 MiB\n");
      expect(text.match(/\d GB\/s/g)).toHaveLength(2);
      expect(text).toContain(`\nsha-256     ${new Bun.CryptoHasher("sha256").update(DATA).digest("hex")}\n`);
      expect(text).toMatch(/\nmessages {4}20,000 of 64 bytes, all there and in order: [\d.]+ million\/s\n/);
      expect(text).toMatch(/\nlatency {5}64 bytes, one way: p50 [\d.]+ \S+, p99 [\d.]+ \S+\n/);
      for (const line of text.split("\n")) expect(line.length).toBeLessThanOrEqual(80);
      // No terminal: plain lines, a quarter each.
      expect(errors).toContain("verifying: 100 %, 3.00 MB\n");
      expect(errors).toContain("messages: 100 %, 20,000\n");
      expect(errors).not.toContain("\u001b");
      expect(scratch.sockets).toEqual([]);
    },
    PATIENT,
  );

  test(
    "an empty file and no messages succeed",
    async () => {
      const empty = scratch.file("empty");
      writeFileSync(empty, "");
      const { code, text } = await scratch.run(["demo", "--file", empty, "--messages", "0"]);
      expect(code).toBe(0);
      expect(text).toContain("0 bytes in 0 frames");
      expect(text).not.toContain("messages");
    },
    PATIENT,
  );

  test.skipIf(!requires("proc", existsSync(RESTLESS), "no file that changes between two readings"))(
    "a different digest is CORRUPT_SEGMENT",
    async () => {
      const { code, text, errors } = await scratch.run(["demo", "--file", RESTLESS]);
      expect(code).toBe(1);
      expect(errors).toMatch(
        /lava-flow: CORRUPT_SEGMENT: 37 bytes were sent and 37 arrived; SHA-256 \w{64} here and \w{64} there/,
      );
      expect(text).not.toContain("sha-256");
    },
    PATIENT,
  );

  test(
    "the death of the second process is PEER_DIED, with its signal",
    async () => {
      const demo = scratch.start(["demo", "--file", file, "--messages", "1000000000"]);
      const found = await demo.readUntil(/to process (\d+)[\s\S]*sha-256/);
      process.kill(Number(found[1]), "SIGKILL");
      const { code, errors } = await demo.result();
      expect(code).toBe(1);
      expect(errors).toContain("lava-flow: PEER_DIED: the second process was ended by SIGKILL\n");
      expect(scratch.sockets).toEqual([]);
    },
    PATIENT,
  );

  test.each(["SIGINT", "SIGTERM"] as const)(
    "%s ends both processes and leaves nothing behind",
    async (signal) => {
      const demo = scratch.start(["demo", "--file", file, "--messages", "1000000000"]);
      const found = await demo.readUntil(/to process (\d+)[\s\S]*sha-256/);
      demo.kill(signal);
      expect(await demo.result()).toMatchObject({ signal });
      expect(isAlive(Number(found[1]))).toBe(false);
      expect(scratch.sockets).toEqual([]);
    },
    PATIENT,
  );

  test(
    "a directory and a missing file can't be streamed",
    async () => {
      expect(await scratch.run(["demo", "--file", scratch.path])).toMatchObject({
        code: 1,
        errors: `lava-flow: INVALID_ARGUMENT: ${scratch.path} is not a file\nGive a file with --file.\n`,
      });
      expect((await scratch.run(["demo", "--file", scratch.file("absent")])).errors).toContain("ENOENT");
    },
    PATIENT,
  );
});
