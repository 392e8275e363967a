/** Opens that are refused: a held role, another wire version, an unexpected peer, no route, an unsafe directory. */
import { describe, expect, test } from "bun:test";
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "../../scripts/build.ts";
import { ROOT } from "../../scripts/run.ts";
import { Channel } from "../../src/index.ts";
import { shimFileName } from "../../src/native/platform.ts";
import { requires } from "../requires.ts";
import { ProcessPeer } from "./peers.ts";
import { failure, PATIENT, pair, privateDirectory, unique } from "./support.ts";

const directory = privateDirectory();
const ROLES = ["producer", "consumer"] as const;
const other = { producer: "consumer", consumer: "producer" } as const;

/** The error that a peer said, having taken its role or not. */
// biome-ignore lint/suspicious/noExplicitAny: what opening/attempt says
async function said(peer: ProcessPeer): Promise<any> {
  const first = await peer.heard();
  return first === "taken" ? peer.heard() : first;
}

describe("NAME_IN_USE", () => {
  for (const role of ROLES) {
    test(`a waiting open of this process holds the role of the ${role} until it gives up`, async () => {
      const name = unique();
      const abort = new AbortController();
      const waiting = failure("ABORTED", () => Channel.open(name, { role, signal: abort.signal }));
      const error = await failure("NAME_IN_USE", () => Channel.open(name, { role }));
      expect(error.message).toContain(name);
      expect(error.remedy).toMatch(/another name/);
      abort.abort();
      await waiting;
      await using ends = await pair({ name });
      await failure("NAME_IN_USE", () => Channel.open(name, { role })); // and by one that is open
      await ends.producer.send(Uint8Array.of(1));
      (await ends.consumer.recv()).release();
    });

    test(
      `a process holds the role of the ${role} until it exits`,
      async () => {
        const name = unique();
        await using peer = new ProcessPeer("opening/attempt", { name, role });
        expect(await peer.heard()).toBe("taken");
        await failure("NAME_IN_USE", () => Channel.open(name, { role }));
        await using mine = await Channel.open(name, { role: other[role] });
        expect(await peer.heard()).toEqual({ open: "shm" });
        await failure("NAME_IN_USE", () => Channel.open(name, { role }));
        await peer.kill();
        await mine.close();
        await using again = await pair({ name });
        expect(again.producer.name).toBe(name);
      },
      PATIENT,
    );

    test(
      `one of several processes gets the role of the ${role}`,
      async () => {
        const name = unique();
        await using peers = new AsyncDisposableStack();
        const all = Array.from({ length: 4 }, () => peers.use(new ProcessPeer("opening/attempt", { name, role })));
        const words = await Promise.all(all.map((peer) => peer.heard()));
        const winners = all.filter((_, i) => words[i] === "taken");
        expect(winners.length).toBe(1);
        expect(words.filter((said) => said.code === "NAME_IN_USE").length).toBe(3);
        await using channel = await Channel.open(name, { role: other[role] });
        expect(await winners[0]!.heard()).toEqual({ open: channel.route.transport });
      },
      PATIENT,
    );

    test(
      `another process can't take the role of the ${role} from this one`,
      async () => {
        await using ends = await pair();
        await using peer = new ProcessPeer("opening/attempt", { name: ends.producer.name, role });
        expect(await said(peer)).toMatchObject({ code: "NAME_IN_USE" });
        await ends.producer.send(Uint8Array.of(1));
        (await ends.consumer.recv()).release();
      },
      PATIENT,
    );
  }
});

describe("no peer", () => {
  for (const role of ROLES) {
    test(`a ${role} alone: TIMEOUT names the missing role and the directory; ABORTED has the cause`, async () => {
      const name = unique();
      const error = await failure("TIMEOUT", () => Channel.open(name, { role, timeoutMs: 10 }));
      expect(error.message).toContain(other[role]);
      expect(error.message).toContain(directory.path);
      const atOnce = await failure("TIMEOUT", () => Channel.open(name, { role, timeoutMs: 0 }));
      expect(atOnce.message).toContain(directory.path);
      const cause = new Error("enough");
      const aborted = await failure("ABORTED", () => Channel.open(name, { role, signal: AbortSignal.abort(cause) }));
      expect(aborted.cause).toBe(cause);
      await using ends = await pair({ name });
      expect(ends.consumer.name).toBe(name);
    });
  }
});

describe("the expected peer", () => {
  for (const role of ROLES) {
    test(
      `a ${role} keeps waiting after an unexpected peer`,
      async () => {
        const name = unique();
        await using right = new ProcessPeer("opening/whenTold", { name, role: other[role] });
        const waiting = Channel.open(name, { role, peer: { pid: right.pid } });
        const wrong = await failure("TIMEOUT", () => Channel.open(name, { role: other[role], timeoutMs: 500 }));
        expect(wrong.message).toContain(`expected pid ${right.pid}, the peer has ${process.pid}`);
        right.tell("go");
        await using channel = await waiting;
        expect(channel.route.peer.pid).toBe(right.pid);
        expect(await said(right)).toEqual({ open: "shm" });
      },
      PATIENT,
    );
  }

  test("TIMEOUT names the unexpected peer", async () => {
    const name = unique();
    const [mine] = await Promise.all([
      failure("TIMEOUT", () => Channel.open(name, { role: "consumer", timeoutMs: 500, peer: { pid: 1 } })),
      failure("TIMEOUT", () => Channel.open(name, { role: "producer", timeoutMs: 500 })),
    ]);
    expect(mine.message).toContain("expected pid 1");
  });

  test("two peers that expect each other connect", async () => {
    await using ends = await pair({ peer: { pid: process.pid } });
    expect(ends.producer.route.transport).toBe("shm");
  });
});

describe("NO_ROUTE", () => {
  for (const role of ROLES) {
    test(`a ${role} pinned to vulkan: both sides get the reason`, async () => {
      const name = unique();
      const errors = await Promise.all([
        failure("NO_ROUTE", () => Channel.open(name, { role, transport: "vulkan" })),
        failure("NO_ROUTE", () => Channel.open(name, { role: other[role] })),
      ]);
      for (const { message, remedy } of errors) {
        expect(message).toContain("shm: the channel is pinned to vulkan");
        expect(message).toMatch(/vulkan: the (producer|consumer) has no GPU: \S+/);
        expect(message).toContain("mpi: the channel is pinned to vulkan");
        expect(remedy).toContain("doctor");
      }
      await using ends = await pair({ name });
      expect(ends.producer.route.transport).toBe("shm");
    });
  }

  test("the sides are pinned to different transports", async () => {
    const name = unique();
    await Promise.all([
      failure("NO_ROUTE", () => Channel.open(name, { role: "producer", transport: "shm" })),
      failure("NO_ROUTE", () => Channel.open(name, { role: "consumer", transport: "vulkan" })),
    ]);
  });

  for (const role of ROLES) {
    test(
      `the ${role} is on another host`,
      async () => {
        const name = unique();
        const env = { LAVA_FLOW_HOST_ID: "elsewhere" };
        await using peer = new ProcessPeer("opening/attempt", { name, role }, { env });
        const mine = await failure("NO_ROUTE", () => Channel.open(name, { role: other[role] }));
        const theirs = await said(peer);
        expect(theirs.code).toBe("NO_ROUTE");
        for (const { message } of [mine, theirs]) {
          expect(message).toContain("remote peer");
          expect(message).toContain("shared memory does not reach");
          expect(message).toContain("elsewhere");
        }
      },
      PATIENT,
    );
  }

  test("the scope follows from the two locations, not from the real hosts", async () => {
    const name = unique();
    const location = { hostname: "b", hostId: "beyond" };
    await Promise.all([
      failure("NO_ROUTE", () => Channel.open(name, { role: "producer", location })),
      failure("NO_ROUTE", () => Channel.open(name, { role: "consumer" })),
    ]);
    await using ends = await pair({ name, location });
    expect(ends.producer.route).toMatchObject({ scope: { scope: "local", strategy: "host-id" }, peer: location });
  });
});

describe("without an MPI launcher", () => {
  for (const role of ROLES) {
    test(`a ${role} pinned to mpi is refused at once, and takes no role`, async () => {
      const name = unique();
      const error = await failure("MPI_UNAVAILABLE", () => Channel.open(name, { role, transport: "mpi" }));
      expect(error.message).toContain("was not started by an MPI launcher");
      expect(error.remedy).toContain("mpirun");
      await using ends = await pair({ name });
      expect(ends.producer.route.rejected).toContainEqual({
        transport: "mpi",
        reason: "neither side is a rank of an MPI job",
      });
    });
  }
});

describe("the runtime directory", () => {
  /** As the tests' own, for one call. */
  async function inDirectory<T>(path: string, act: () => Promise<T>): Promise<T> {
    process.env.LAVA_FLOW_RUNTIME_DIR = path;
    try {
      return await act();
    } finally {
      process.env.LAVA_FLOW_RUNTIME_DIR = directory.path;
    }
  }
  const open = () => Channel.open(unique(), { role: "consumer", timeoutMs: 5 });

  for (const mode of [0o770, 0o702, 0o777, 0o1777]) {
    test(`others may write to it (${mode.toString(8)})`, async () => {
      const path = mkdtempSync(join(tmpdir(), "lava-flow-open-"));
      chmodSync(path, mode);
      const error = await inDirectory(path, () => failure("PERMISSION_DENIED", open));
      expect(error.message).toContain(path);
      expect(error.remedy).toContain("LAVA_FLOW_RUNTIME_DIR");
      rmSync(path, { recursive: true });
    });
  }

  test("others may read it: nothing of theirs can get in", async () => {
    const path = mkdtempSync(join(tmpdir(), "lava-flow-read-"));
    chmodSync(path, 0o755);
    await inDirectory(path, () => failure("TIMEOUT", open));
    rmSync(path, { recursive: true });
  });

  test("is made, for this user alone", async () => {
    const above = mkdtempSync(join(tmpdir(), "lava-flow-above-"));
    const path = join(above, "new");
    await inDirectory(path, () => failure("TIMEOUT", open));
    expect(statSync(path).mode & 0o7777).toBe(0o700);
    rmSync(above, { recursive: true });
  });

  test("is a link, a file, or in no directory", async () => {
    const above = mkdtempSync(join(tmpdir(), "lava-flow-above-"));
    mkdirSync(join(above, "real"), { mode: 0o700 });
    symlinkSync(join(above, "real"), join(above, "link"));
    writeFileSync(join(above, "file"), "");
    const link = await inDirectory(join(above, "link"), () => failure("PERMISSION_DENIED", open));
    expect(link.message).toContain("symbolic link");
    const file = await inDirectory(join(above, "file"), () => failure("SYSTEM", open));
    expect(file.native).toMatchObject({ api: "open" });
    const nowhere = await inDirectory(join(above, "no", "new"), () => failure("SYSTEM", open));
    expect(nowhere.native).toMatchObject({ api: "mkdir" });
    rmSync(above, { recursive: true });
  });

  const root = requires("root", process.getuid?.() === 0, "only root can give a directory away");
  test.skipIf(!root)("belongs to another user", async () => {
    const path = mkdtempSync(join(tmpdir(), "lava-flow-other-"));
    chownSync(path, 65534, 65534);
    const error = await inDirectory(path, () => failure("PERMISSION_DENIED", open));
    expect(error.message).toContain("65534");
    rmSync(path, { recursive: true });
  });
});

describe("another user", () => {
  const able = process.getuid?.() === 0 && Bun.which("setpriv") !== null;
  const users = requires("root", able, "only root, with setpriv, can start a process of another user");
  /** May read this checkout and reach into the directory wherever they are, and is still another user. */
  const through = [
    "setpriv",
    "--reuid=65534",
    "--clear-groups",
    "--inh-caps=+dac_override",
    "--ambient-caps=+dac_override",
  ];

  test.skipIf(!users)(
    "is refused the directory, and the waiting open keeps waiting",
    async () => {
      const name = unique();
      const waiting = Channel.open(name, { role: "consumer" });
      await using stranger = new ProcessPeer("opening/attempt", { name, role: "producer" }, { through });
      const refused = await said(stranger);
      expect(refused).toMatchObject({ code: "PERMISSION_DENIED" });
      expect(refused.remedy).toContain("same user");
      await using producer = await Channel.open(name, { role: "producer" });
      await using consumer = await waiting;
      await producer.send(Uint8Array.of(1));
      (await consumer.recv()).release();
    },
    PATIENT,
  );

  test.skipIf(!users)(
    "a process of another user at the socket is refused and counted",
    async () => {
      const name = unique();
      const abort = new AbortController();
      const failing = failure("ABORTED", () => Channel.open(name, { role: "consumer", signal: abort.signal }));
      const path = join(directory.path, `${name}.sock`);
      await using stranger = new ProcessPeer("stranger/connect", { path }, { through });
      expect(await stranger.heard()).toBe("turned away");
      abort.abort();
      expect((await failing).message).toMatch(/\d peers of other users were turned away, the last of user 65534/);
    },
    PATIENT,
  );

  test.skipIf(!users)(
    "a listener of another user is not contacted",
    async () => {
      const name = unique();
      const path = join(directory.path, `${name}.sock`);
      const opening = failure("PERMISSION_DENIED", () => Channel.open(name, { role: "producer" }));
      await using _stranger = new ProcessPeer("stranger/listen", { path }, { through });
      expect((await opening).message).toContain("65534");
      rmSync(path, { force: true });
    },
    PATIENT,
  );
});

const support = await build("test-support");
const zig = requires("zig", support.ok, `the shim of another version could not be built: ${support.output.trim()}`);

describe("another version", () => {
  const shim = join(ROOT, "shim/zig-out/test-support/other-version", shimFileName());

  for (const role of ROLES) {
    test.skipIf(!zig)(
      `a ${role} of the next wire version: WIRE_VERSION_MISMATCH`,
      async () => {
        const name = unique();
        await using peer = new ProcessPeer("opening/attempt", { name, role }, { env: { LAVA_FLOW_SHIM: shim } });
        const mine = await failure("WIRE_VERSION_MISMATCH", () => Channel.open(name, { role: other[role] }));
        const theirs = await said(peer);
        expect(theirs).toMatchObject({ code: "WIRE_VERSION_MISMATCH" });
        for (const { message, remedy } of [mine, theirs]) {
          expect(message).toMatch(/wire version \d/);
          expect(remedy).toContain("same version");
        }
      },
      PATIENT,
    );
  }
});
