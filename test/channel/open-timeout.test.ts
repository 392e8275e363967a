/** The reason in a TIMEOUT of `Channel.open`: the last holder of the other role, and peers that wait elsewhere. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Channel } from "../../src/index.ts";
import { ProcessPeer } from "./peers.ts";
import { failure, PATIENT, pair } from "./support.ts";

/** One name, and a directory for each test: a note is at an index by the hash of the name, which names may share. */
const name = "no-peer";

const alone = (role: "producer" | "consumer") => failure("TIMEOUT", () => Channel.open(name, { role, timeoutMs: 1 }));

/** The error of a process that opens the channel in an environment of its own. */
function openIn(env: Record<string, string | undefined>, as = name): string {
  const program = `
    import { Channel } from ${JSON.stringify(join(import.meta.dir, "../../src/index.ts"))};
    const options = { role: "producer", timeoutMs: 1 };
    await Channel.open(${JSON.stringify(as)}, options).catch((error) => console.log(error.message));`;
  const cleared = { LAVA_FLOW_RUNTIME_DIR: undefined, XDG_RUNTIME_DIR: undefined, TMPDIR: undefined };
  const child = Bun.spawnSync([process.execPath, "-e", program], {
    env: { ...process.env, ...cleared, ...env },
    timeout: 60_000,
  });
  return `${child.stdout}${child.stderr}`.trim();
}

describe.if(process.platform !== "win32")("a TIMEOUT of open says", () => {
  const { LAVA_FLOW_RUNTIME_DIR: before } = process.env;
  let folder: string;
  let directory: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "lf-no-peer-"));
  });
  beforeEach(() => {
    directory = mkdtempSync(join(folder, "run-"));
    process.env.LAVA_FLOW_RUNTIME_DIR = directory;
  });
  afterAll(() => {
    rmSync(folder, { recursive: true });
    if (before === undefined) delete process.env.LAVA_FLOW_RUNTIME_DIR;
    else process.env.LAVA_FLOW_RUNTIME_DIR = before;
  });

  test.each([
    ["producer", "consumer"],
    ["consumer", "producer"],
  ] as const)("to a %s that no %s was ever seen, with a remedy", async (role, other) => {
    const { message, remedy } = await alone(role);
    expect(message).toContain(`within 1 ms: no ${other} was ever seen under this name in ${directory}. Open`);
    expect(remedy).toStartWith(
      `Open it as the ${other} on this host, as the same user, and with LAVA_FLOW_RUNTIME_DIR`,
    );
  });

  test("that the last one has closed its channel, and when", async () => {
    const before = Date.now();
    await (await pair({ name }))[Symbol.asyncDispose]();
    const { message } = await alone("producer");
    expect(message).toMatch(
      /: the last consumer in \S+ was this process itself, since \S+Z, opened at .*, which has closed/,
    );
    const closed = Date.parse(/closed it at (\S+Z)/.exec(message)![1]!);
    expect(closed).toBeGreaterThanOrEqual(before);
    expect(closed).toBeLessThanOrEqual(Date.now());
  });

  test(
    "that the last one was killed",
    async () => {
      await using peer = new ProcessPeer("opening/attempt", { name, role: "consumer" });
      await peer.heard();
      await peer.kill();
      const { message } = await alone("producer");
      expect(message).toContain(`: the last consumer in ${directory} was process ${peer.pid}, since `);
      expect(message).toContain("which has ended without closing it");
    },
    PATIENT,
  );

  test(
    "that a stopped holder does not answer",
    async () => {
      await using peer = new ProcessPeer("opening/attempt", { name, role: "producer" });
      await peer.heard();
      peer.signal("SIGSTOP");
      const { message, remedy } = await alone("consumer");
      peer.signal("SIGCONT");
      expect(message).toContain(`: process ${peer.pid} is the producer, since `);
      expect(message).toContain(", and does not answer");
      expect(remedy).toContain("event loop");
    },
    PATIENT,
  );

  test("that the holder has connected to another peer", async () => {
    await using both = await pair({ name });
    await both.producer.close();
    // The consumer keeps its role: it has not looked at its peer since.
    const { message, remedy } = await alone("producer");
    expect(message).toMatch(/: this process itself is the consumer, since \S+Z.*, and has met a producer already/);
    expect(remedy).toContain("close that channel first");
  });

  test(
    "in which other runtime directory the peer waits",
    async () => {
      const session = join(folder, "session");
      mkdirSync(session, { mode: 0o700 });
      const theirs = join(session, "lava-flow");
      await using peer = new ProcessPeer(
        "opening/attempt",
        { name, role: "consumer" },
        { env: { LAVA_FLOW_RUNTIME_DIR: "", XDG_RUNTIME_DIR: session } },
      );
      await peer.heard();
      const told = openIn({ LAVA_FLOW_RUNTIME_DIR: directory, XDG_RUNTIME_DIR: session });
      expect(told).toContain(`: process ${peer.pid} waits as the consumer of "${name}" in ${theirs}, since `);
      expect(told).toContain(`. Set LAVA_FLOW_RUNTIME_DIR to ${theirs} here, or to ${directory} there`);
      // Another name is not in the way.
      expect(openIn({ LAVA_FLOW_RUNTIME_DIR: directory, XDG_RUNTIME_DIR: session }, "another")).toContain(
        "no consumer was ever seen under this name",
      );
    },
    PATIENT,
  );

  test(
    "that the peer waits in the temporary folder, where this side has a session",
    async () => {
      const session = join(folder, "session2");
      mkdirSync(session, { mode: 0o700 });
      await using peer = new ProcessPeer(
        "opening/attempt",
        { name, role: "consumer" },
        { env: { LAVA_FLOW_RUNTIME_DIR: "", XDG_RUNTIME_DIR: "", TMPDIR: folder } },
      );
      await peer.heard();
      const theirs = join(folder, `lava-flow-${process.geteuid!()}`);
      const told = openIn({ XDG_RUNTIME_DIR: session, TMPDIR: folder });
      expect(told).toContain(`waits as the consumer of "${name}" in ${theirs}, since `);
      expect(told).toContain(`or to ${join(session, "lava-flow")} there`);
    },
    PATIENT,
  );

  test(
    "that the peer waits among the names of the host, where this side has those of its batch job",
    async () => {
      await using peer = new ProcessPeer("opening/attempt", { name, role: "consumer" });
      await peer.heard();
      const told = openIn({ LAVA_FLOW_RUNTIME_DIR: directory, SLURM_JOB_ID: "7" });
      expect(told).toContain(`waits as the consumer of "${name}" in ${directory}, among the names of the host, since `);
      expect(told).toContain('. Open both ends with scope "host"');
    },
    PATIENT,
  );
});
