import { describe, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { requires } from "../requires.ts";
import { noise, PATIENT, Workplace } from "./cli.ts";

const place = new Workplace();
const DATA = noise(5_000_001);
const input = place.file("input");
writeFileSync(input, DATA);

describe("send and recv", () => {
  test(
    "a file, to standard output and nothing but it",
    async () => {
      const receiver = place.run(["recv", "file"]);
      const sender = await place.run(["send", "file", input]);
      expect(sender).toMatchObject({ code: 0, text: "", errors: "" });
      const { code, output, errors } = await receiver;
      expect({ code, errors }).toEqual({ code: 0, errors: "" });
      expect(Buffer.compare(output, DATA)).toBe(0);
    },
    PATIENT,
  );

  test(
    "standard input to a file, the sender first; the longer old content goes",
    async () => {
      const target = place.file("target");
      writeFileSync(target, noise(6_000_000));
      const sender = place.run(["send", "to-file"], { stdin: Bun.file(input) });
      expect(await place.run(["recv", "to-file", target])).toMatchObject({ code: 0, text: "", errors: "" });
      expect((await sender).code).toBe(0);
      expect(Buffer.compare(readFileSync(target), DATA)).toBe(0);
    },
    PATIENT,
  );

  test(
    "a pipe: each piece goes on before the next one comes",
    async () => {
      const receiver = place.start(["recv", "pieces"]);
      const sender = place.start(["send", "pieces"], { stdin: "pipe" });
      for (const piece of ["first", "second", "third"]) {
        await sender.write(piece);
        await receiver.readUntil(new RegExp(`${piece}$`));
      }
      await sender.endInput();
      expect(await sender.result()).toMatchObject({ code: 0, text: "", errors: "" });
      expect(await receiver.result()).toMatchObject({ code: 0, text: "firstsecondthird", errors: "" });
    },
    PATIENT,
  );

  test(
    "more than a channel holds: the sender waits for the reader of standard output",
    async () => {
      const large = place.file("large");
      writeFileSync(large, noise(100_000_000));
      const receiver = place.start(["recv", "large"]);
      const sender = place.start(["send", "large", large]);
      const hasher = new Bun.CryptoHasher("sha256");
      let bytes = 0;
      for (;;) {
        const value = await receiver.read();
        if (!value) break;
        // What the sender may be ahead by is the channel's 64 MiB, a pipe, and what was read here.
        if (bytes < 10_000_000) expect(sender.exitCode).toBeNull();
        bytes += value.byteLength;
        hasher.update(value);
      }
      expect(bytes).toBe(100_000_000);
      expect(hasher.digest("hex")).toBe(Bun.CryptoHasher.hash("sha256", readFileSync(large), "hex"));
      expect(await sender.result()).toMatchObject({ code: 0, errors: "" });
      expect(await receiver.result()).toMatchObject({ code: 0, errors: "" });
    },
    PATIENT,
  );

  test(
    "empty input is an empty output",
    async () => {
      const target = place.file("empty");
      const receiver = place.run(["recv", "empty", target]);
      expect(await place.run(["send", "empty"])).toMatchObject({ code: 0, errors: "" });
      expect(await receiver).toMatchObject({ code: 0, errors: "" });
      expect(readFileSync(target).byteLength).toBe(0);
    },
    PATIENT,
  );

  test(
    "--verbose tells the route and totals on standard error",
    async () => {
      const receiver = place.run(["recv", "verbose", "--verbose"]);
      const sender = await place.run(["send", "verbose", input, "--verbose"]);
      const received = await receiver;
      expect(Buffer.compare(received.output, DATA)).toBe(0);
      for (const { errors } of [sender, received]) {
        expect(errors).toContain("route       shm to process ");
        expect(errors).toContain("scope       local, decided by host-id");
        expect(errors).toContain("not vulkan  ");
        expect(errors).toContain("not mpi     ");
        expect(errors).toMatch(/moved {7}5\.00 MB in \d+ frames, .* GB\/s/);
      }
    },
    PATIENT,
  );

  test(
    "names that differ do not meet",
    async () => {
      const [sender, receiver] = await Promise.all([
        place.run(["send", "one", input, "--timeout", "0.2"]),
        place.run(["recv", "other", "--timeout", "0.2"]),
      ]);
      expect(sender).toMatchObject({ code: 1, text: "" });
      expect(sender.errors).toStartWith('lava-flow: TIMEOUT: no consumer opened "one"');
      expect(receiver).toMatchObject({ code: 1, text: "" });
      expect(receiver.errors).toStartWith('lava-flow: TIMEOUT: no producer opened "other"');
      expect(place.sockets).toEqual([]);
    },
    PATIENT,
  );

  test(
    "a name that is taken",
    async () => {
      const first = place.start(["recv", "taken"]);
      // The socket says that it has the role.
      while (!place.sockets.includes("taken.sock")) await Bun.sleep(1);
      const second = await place.run(["recv", "taken"]);
      expect(second.code).toBe(1);
      expect(second.errors).toMatch(/^lava-flow: NAME_IN_USE: process \d+ is already the consumer of "taken", since /);
      expect((await place.run(["send", "taken"])).code).toBe(0);
      expect(await first.result()).toMatchObject({ code: 0, errors: "" });
    },
    PATIENT,
  );
});

describe("what can't work", () => {
  test(
    "a file that is not there, or no file",
    async () => {
      const absent = await place.run(["send", "x", place.file("absent")]);
      expect(absent.code).toBe(1);
      expect(absent.errors).toBe(
        `lava-flow: SYSTEM: can't read ${place.file("absent")}: no such file or directory (ENOENT)\n`,
      );
      const directory = await place.run(["send", "x", place.path]);
      expect(directory.code).toBe(1);
      expect(directory.errors).toContain(`${place.path} is a directory`);
    },
    PATIENT,
  );

  test(
    "a target that can't be written fails before anybody waits",
    async () => {
      const { code, errors } = await place.run(["recv", "x", place.file("no/such/folder"), "--timeout", "0"]);
      expect(code).toBe(1);
      expect(errors).toContain("can't write");
      expect(errors).toContain("ENOENT");
    },
    PATIENT,
  );

  test.skipIf(!requires("proc", existsSync("/dev/full"), "no /dev/full, which is a full disk"))(
    "a full disk",
    async () => {
      const sender = place.run(["send", "full", input]);
      const receiver = await place.run(["recv", "full", "/dev/full"]);
      expect(receiver.code).toBe(1);
      expect(receiver.errors).toBe("lava-flow: SYSTEM: can't write /dev/full: no space left on device (ENOSPC)\n");
      const sent = await sender;
      expect(sent.code).toBe(1);
      expect(sent.errors).toStartWith("lava-flow: CHANNEL_CLOSED: ");
    },
    PATIENT,
  );

  test(
    "a peer that never comes costs a file nothing",
    async () => {
      const target = place.file("kept");
      writeFileSync(target, "kept");
      expect((await place.run(["recv", "nobody", target, "--timeout", "0.1"])).code).toBe(1);
      expect(readFileSync(target, "utf8")).toBe("kept");
    },
    PATIENT,
  );

  test(
    "others may write to the runtime directory",
    async () => {
      const open = new Workplace();
      mkdirSync(open.runtimeDirectory);
      chmodSync(open.runtimeDirectory, 0o777);
      const { code, errors } = await open.run(["send", "x"]);
      expect(code).toBe(1);
      expect(errors).toStartWith("lava-flow: PERMISSION_DENIED: ");
    },
    PATIENT,
  );
});

describe("ends that are not orderly", () => {
  test(
    "a sender that is killed: what it sent is there, and the exit code says that it is not all",
    async () => {
      const target = place.file("part");
      const receiver = place.run(["recv", "killed", target]);
      const sender = place.start(["send", "killed"], { stdin: "pipe" });
      await sender.write(DATA);
      while (!existsSync(target) || readFileSync(target).byteLength < DATA.byteLength) await Bun.sleep(1);
      sender.kill("SIGKILL");
      const { code, errors } = await receiver;
      expect(code).toBe(1);
      expect(errors).toStartWith("lava-flow: PEER_DIED: ");
      expect(Buffer.compare(readFileSync(target), DATA)).toBe(0);
    },
    PATIENT,
  );

  test(
    "a sender that is interrupted is no orderly end either",
    async () => {
      const receiver = place.start(["recv", "interrupted"]);
      const sender = place.start(["send", "interrupted"], { stdin: "pipe" });
      await sender.write("part");
      await receiver.readUntil(/part/);
      sender.kill("SIGINT");
      expect(await sender.result()).toMatchObject({ signal: "SIGINT", errors: "" });
      const { code, errors } = await receiver.result();
      expect(code).toBe(1);
      expect(errors).toStartWith("lava-flow: PEER_DIED: ");
    },
    PATIENT,
  );

  test(
    "a receiver that is killed",
    async () => {
      const receiver = place.start(["recv", "deaf"]);
      const sender = place.start(["send", "deaf"], { stdin: "pipe" });
      await sender.write("part");
      await receiver.readUntil(/part/);
      receiver.kill("SIGKILL");
      await receiver.result();
      await sender.write("more");
      await sender.endInput();
      const { code, errors } = await sender.result();
      expect(code).toBe(1);
      expect(errors).toStartWith("lava-flow: PEER_DIED: ");
    },
    PATIENT,
  );

  test(
    "a reader that goes away ends the receiver quietly",
    async () => {
      const receiver = place.start(["recv", "head"]);
      const sender = place.run(["send", "head", input]);
      await receiver.read();
      await receiver.stopReading();
      expect(await receiver.result()).toMatchObject({ code: 0, errors: "" });
      expect(await sender).toMatchObject({ code: 1, text: "" });
    },
    PATIENT,
  );

  test.each(["SIGINT", "SIGTERM"] as const)(
    "%s while waiting leaves nothing behind",
    async (signal) => {
      const receiver = place.start(["recv", "waiting"]);
      while (!existsSync(`${place.runtimeDirectory}/waiting.sock`)) await Bun.sleep(1);
      receiver.kill(signal);
      expect(await receiver.result()).toMatchObject({ signal, errors: "" });
      expect(place.sockets).toEqual([]);
    },
    PATIENT,
  );
});
