/** Who has a role, as NAME_IN_USE tells it: this process and the line, or another one. And programs that are evaluated again. */
import { describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Channel } from "../../src/index.ts";
import { onPosix } from "../requires.ts";
import { inWorker, ProcessPeer } from "./peers.ts";
import { eventually, failure, PATIENT, pair, privateDirectory, unique } from "./support.ts";

const directory = privateDirectory();

describe.skipIf(!onPosix())("NAME_IN_USE", () => {
  test("a holder in this process is named, with its time and its line of the program", async () => {
    const before = Date.now();
    const name = unique();
    await using both = await pair({ name });
    for (const role of ["producer", "consumer"] as const) {
      const { message, remedy } = await failure("NAME_IN_USE", () => Channel.open(name, { role }));
      expect(message).toContain(`this process itself is already the ${role} of "${name}", since `);
      const since = Date.parse(/since (\S+Z)/.exec(message)![1]!);
      expect(since).toBeGreaterThanOrEqual(before);
      expect(since).toBeLessThanOrEqual(Date.now());
      expect(remedy).toContain("one producer and one consumer");
      expect(remedy).toContain("globalThis");
    }
    void both;
  });

  test("the line is of the program, not of this package", async () => {
    const name = unique();
    const enough = new AbortController();
    const open = async () => await Channel.open(name, { role: "consumer", signal: enough.signal });
    const line = new Error().stack!.match(/holder\.test\.ts:(\d+)/)![1];
    const opening = failure("ABORTED", open);
    const { message } = await failure("NAME_IN_USE", () => Channel.open(name, { role: "consumer" }));
    expect(message).toMatch(new RegExp(`opened at \\S*holder\\.test\\.ts:${Number(line) - 1}:\\d+`));
    enough.abort();
    await opening;
  });

  test(
    "a holder in another process is named by its pid, and one in a Worker by this process",
    async () => {
      const [theirs, ours] = [unique(), unique()];
      await using peer = new ProcessPeer("opening/attempt", { name: theirs, role: "producer" });
      await peer.heard();
      const taken = async (name: string) => {
        const attempt = () => Channel.open(name, { role: "producer", timeoutMs: 1 }).catch((error) => error);
        for (;;) {
          const { code, message } = await attempt();
          if (code === "NAME_IN_USE") return message;
        }
      };
      expect(await taken(theirs)).toContain(`process ${peer.pid} is already the producer of "${theirs}", since `);
      expect(await taken(theirs)).toMatch(/opened at \S+\.ts:\d+:\d+\. .*end process \d+/);
      const worker = inWorker("exchange/produce", { name: ours, specs: [] });
      await worker.heard();
      expect(await taken(ours)).toContain(`this process itself is already the producer of "${ours}", since `);
      await worker.terminate();
    },
    PATIENT,
  );

  test(
    "a note of a process that exited, or with invalid bytes, is ignored",
    async () => {
      const name = unique();
      await using peer = new ProcessPeer("opening/attempt", { name, role: "consumer" });
      await peer.heard();
      const lock = join(directory.path, ".lock");
      await eventually(() => readFileSync(lock).includes(name), "the role is noted down");
      const noted = readFileSync(lock);
      await peer.kill();
      const enough = new AbortController();
      const opening = failure("ABORTED", () => Channel.open(name, { role: "consumer", signal: enough.signal }));
      const told = () => failure("NAME_IN_USE", () => Channel.open(name, { role: "consumer" }));
      const fd = (await import("node:fs")).openSync(lock, "r+");
      for (const note of [noted, Buffer.alloc(noted.length), Buffer.alloc(noted.length, 0xff)]) {
        writeSync(fd, note, 0, note.length, 0);
        expect((await told()).message).toContain(`a running process is already the consumer of "${name}"`);
      }
      (await import("node:fs")).closeSync(fd);
      enough.abort();
      await opening;
    },
    PATIENT,
  );
});

describe("a program that bun --hot evaluates again", () => {
  const PROGRAM = `
import { Channel, MemoryAllocator } from ${JSON.stringify(join(import.meta.dir, "../../src/index.ts"))};
const g = globalThis;
const n = (g.n = (g.n ?? 0) + 1);
const say = (what) => console.log(JSON.stringify({ n, what }));
g.memory ??= new MemoryAllocator();
g.buffer ??= g.memory.allocate(4096, { kind: "host", shared: true });
const told = ({ code, message }) => say(code + " " + message);
// At the top of a module, without a reference to it.
Channel.open("waits", { role: "consumer", timeoutMs: 60_000 }).then(() => say("met"), told);
const [out, input] = await Promise.all([
  Channel.open("own" + n, { role: "producer", allocator: g.memory }),
  Channel.open("own" + n, { role: "consumer" }),
]);
await out.send(g.buffer);
say((await input.recv()).buffer instanceof g.buffer.constructor ? "same classes" : "other classes");
// One that is open and was not closed.
await Promise.all([
  Channel.open("kept", { role: "producer" }), Channel.open("kept", { role: "consumer" }),
]).then((both) => { g.both = both; say("kept"); }, told);
// One that is closed before, as the error advises.
await Promise.all((g.pair ?? []).map((each) => each.close()));
g.pair = await Promise.all([
  Channel.open("closed", { role: "producer" }), Channel.open("closed", { role: "consumer" }),
]);
say("opened again");
`;

  test(
    "keeps its channels, ends the waiting open of the evaluation before, and names itself as holder",
    async () => {
      const folder = mkdtempSync(join(tmpdir(), "lava-flow-hot-"));
      const file = join(folder, "app.ts");
      writeFileSync(file, PROGRAM);
      const app = Bun.spawn([process.execPath, "--hot", "--no-clear-screen", file], {
        stdout: "pipe",
        env: process.env,
        stderr: "inherit",
      });
      const said: { n: number; what: string }[] = [];
      const reading = (async () => {
        let rest = "";
        for await (const chunk of app.stdout.pipeThrough(new TextDecoderStream())) {
          const lines = (rest + chunk).split("\n");
          rest = lines.pop()!;
          for (const line of lines) if (line.startsWith("{")) said.push(JSON.parse(line));
        }
      })();
      const by = (n: number) => said.filter((each) => each.n === n).map(({ what }) => what);
      try {
        await eventually(() => by(1).includes("opened again"), "the first evaluation is through");
        writeFileSync(file, `${PROGRAM}// changed`);
        await eventually(() => by(2).includes("opened again"), "the second evaluation is through");
        expect(by(1)).toContain("same classes");
        expect(by(2)).toContain("same classes");
        // The open of the first evaluation gave way (it says so by the second's variables), and the new one waits.
        const waits = said.map(({ what }) => what).filter((what) => what.includes('"waits"') || what === "met");
        expect(waits).toEqual([expect.stringMatching(/^ABORTED .*the program was evaluated again/)]);
        const [refused] = by(2).filter((what) => what.includes('"kept"'));
        expect(refused).toMatch(
          /^NAME_IN_USE .*this process itself .*opened at \S*app\.ts:\d+:\d+.*bun --hot.*globalThis/,
        );
        // The open of the new evaluation can connect.
        await using producer = await Channel.open("waits", { role: "producer" });
        await eventually(() => by(2).includes("met"), "the second evaluation's channel is open");
        expect(producer.route.peer.pid).toBe(app.pid);
      } finally {
        app.kill("SIGKILL");
        await app.exited;
        await reading;
        rmSync(folder, { recursive: true });
      }
    },
    PATIENT,
  );
});
