import { describe, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { requires } from "../requires.ts";
import { noise, PATIENT, Scratch } from "./cli.ts";

const scratch = new Scratch();
const DATA = noise(5_000_001);
const input = scratch.file("input");
writeFileSync(input, DATA);

describe("send and recv", () => {
  test(
    "a file arrives on standard output, and no other byte",
    async () => {
      const receiver = scratch.run(["recv", "file"]);
      const sender = await scratch.run(["send", "file", input]);
      expect(sender).toMatchObject({ code: 0, text: "", errors: "" });
      const { code, output, errors } = await receiver;
      expect({ code, errors }).toEqual({ code: 0, errors: "" });
      expect(Buffer.compare(output, DATA)).toBe(0);
    },
    PATIENT,
  );

  test(
    "standard input replaces a longer file, with the sender started first",
    async () => {
      const target = scratch.file("target");
      writeFileSync(target, noise(6_000_000));
      const sender = scratch.run(["send", "to-file"], { stdin: Bun.file(input) });
      expect(await scratch.run(["recv", "to-file", target])).toMatchObject({ code: 0, text: "", errors: "" });
      expect((await sender).code).toBe(0);
      expect(Buffer.compare(readFileSync(target), DATA)).toBe(0);
    },
    PATIENT,
  );

  test(
    "data of a pipe is sent before more arrives",
    async () => {
      const receiver = scratch.start(["recv", "parts"]);
      const sender = scratch.start(["send", "parts"], { stdin: "pipe" });
      for (const part of ["first", "second", "third"]) {
        await sender.write(part);
        await receiver.readUntil(new RegExp(`${part}$`));
      }
      await sender.endInput();
      expect(await sender.result()).toMatchObject({ code: 0, text: "", errors: "" });
      expect(await receiver.result()).toMatchObject({ code: 0, text: "firstsecondthird", errors: "" });
    },
    PATIENT,
  );

  test(
    "the sender of more than a channel holds waits for the reader of standard output",
    async () => {
      const large = scratch.file("large");
      writeFileSync(large, noise(100_000_000));
      const receiver = scratch.start(["recv", "large"]);
      const sender = scratch.start(["send", "large", large]);
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
      const target = scratch.file("empty");
      const receiver = scratch.run(["recv", "empty", target]);
      expect(await scratch.run(["send", "empty"])).toMatchObject({ code: 0, errors: "" });
      expect(await receiver).toMatchObject({ code: 0, errors: "" });
      expect(readFileSync(target).byteLength).toBe(0);
    },
    PATIENT,
  );

  test(
    "--verbose prints the route and totals on standard error",
    async () => {
      const receiver = scratch.run(["recv", "verbose", "--verbose"]);
      const sender = await scratch.run(["send", "verbose", input, "--verbose"]);
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
    "different names do not connect",
    async () => {
      const [sender, receiver] = await Promise.all([
        scratch.run(["send", "one", input, "--timeout", "0.2"]),
        scratch.run(["recv", "other", "--timeout", "0.2"]),
      ]);
      expect(sender).toMatchObject({ code: 1, text: "" });
      expect(sender.errors).toStartWith('lava-flow: TIMEOUT: no consumer opened "one"');
      expect(receiver).toMatchObject({ code: 1, text: "" });
      expect(receiver.errors).toStartWith('lava-flow: TIMEOUT: no producer opened "other"');
      expect(scratch.sockets).toEqual([]);
    },
    PATIENT,
  );

  test(
    "a second consumer of a name gets NAME_IN_USE",
    async () => {
      const first = scratch.start(["recv", "taken"]);
      // The socket says that it has the role.
      while (!scratch.sockets.includes("taken.sock")) await Bun.sleep(1);
      const second = await scratch.run(["recv", "taken"]);
      expect(second.code).toBe(1);
      expect(second.errors).toMatch(/^lava-flow: NAME_IN_USE: process \d+ is already the consumer of "taken", since /);
      expect((await scratch.run(["send", "taken"])).code).toBe(0);
      expect(await first.result()).toMatchObject({ code: 0, errors: "" });
    },
    PATIENT,
  );
});

describe("failures", () => {
  test(
    "a missing file and a directory can't be sent",
    async () => {
      const absent = await scratch.run(["send", "x", scratch.file("absent")]);
      expect(absent.code).toBe(1);
      expect(absent.errors).toBe(
        `lava-flow: SYSTEM: can't read ${scratch.file("absent")}: no such file or directory (ENOENT)\n`,
      );
      const directory = await scratch.run(["send", "x", scratch.path]);
      expect(directory.code).toBe(1);
      expect(directory.errors).toContain(`${scratch.path} is a directory`);
    },
    PATIENT,
  );

  test(
    "a target that can't be written fails before the wait",
    async () => {
      const { code, errors } = await scratch.run(["recv", "x", scratch.file("no/such/folder"), "--timeout", "0"]);
      expect(code).toBe(1);
      expect(errors).toContain("can't write");
      expect(errors).toContain("ENOENT");
    },
    PATIENT,
  );

  test.skipIf(!requires("proc", existsSync("/dev/full"), "no /dev/full, which is a full disk"))(
    "a full disk ends both sides",
    async () => {
      const sender = scratch.run(["send", "full", input]);
      const receiver = await scratch.run(["recv", "full", "/dev/full"]);
      expect(receiver.code).toBe(1);
      expect(receiver.errors).toBe("lava-flow: SYSTEM: can't write /dev/full: no space left on device (ENOSPC)\n");
      const sent = await sender;
      expect(sent.code).toBe(1);
      expect(sent.errors).toStartWith("lava-flow: CHANNEL_CLOSED: ");
    },
    PATIENT,
  );

  test(
    "without a peer a file keeps its content",
    async () => {
      const target = scratch.file("kept");
      writeFileSync(target, "kept");
      expect((await scratch.run(["recv", "alone", target, "--timeout", "0.1"])).code).toBe(1);
      expect(readFileSync(target, "utf8")).toBe("kept");
    },
    PATIENT,
  );

  test(
    "a runtime directory that others can write to is PERMISSION_DENIED",
    async () => {
      const open = new Scratch();
      mkdirSync(open.runtimeDirectory);
      chmodSync(open.runtimeDirectory, 0o777);
      const { code, errors } = await open.run(["send", "x"]);
      expect(code).toBe(1);
      expect(errors).toStartWith("lava-flow: PERMISSION_DENIED: ");
    },
    PATIENT,
  );
});

describe("disorderly ends", () => {
  test(
    "data of a killed sender arrives, and the exit code is 1",
    async () => {
      const target = scratch.file("part");
      const receiver = scratch.run(["recv", "killed", target]);
      const sender = scratch.start(["send", "killed"], { stdin: "pipe" });
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
    "an interrupted sender is PEER_DIED for the receiver",
    async () => {
      const receiver = scratch.start(["recv", "interrupted"]);
      const sender = scratch.start(["send", "interrupted"], { stdin: "pipe" });
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
    "a killed receiver is PEER_DIED for the sender",
    async () => {
      const receiver = scratch.start(["recv", "deaf"]);
      const sender = scratch.start(["send", "deaf"], { stdin: "pipe" });
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
    "a closed standard output ends the receiver without an error",
    async () => {
      const receiver = scratch.start(["recv", "head"]);
      const sender = scratch.run(["send", "head", input]);
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
      const receiver = scratch.start(["recv", "waiting"]);
      while (!existsSync(`${scratch.runtimeDirectory}/waiting.sock`)) await Bun.sleep(1);
      receiver.kill(signal);
      expect(await receiver.result()).toMatchObject({ signal, errors: "" });
      expect(scratch.sockets).toEqual([]);
    },
    PATIENT,
  );
});
